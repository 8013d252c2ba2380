// Which series has a gauge with labels, at one moment? In columns: they live for as long as a scraper reads, and an
// object for each of ten thousand would be copied by each collection of that time.
import { sampleValue, type GaugeValue, type Labels, type Sample } from './metric-text.ts';

export class Series<Label extends string = string> implements Iterable<Sample> {
  readonly #labels: Labels<Label>[] = [];
  readonly #values: number[] = [];

  get size(): number {
    return this.#values.length;
  }

  add(labels: Labels<Label>, value: GaugeValue): this {
    this.#labels.push(labels);
    this.#values.push(sampleValue(value));
    return this;
  }

  *[Symbol.iterator](): Generator<Sample> {
    for (const [index, labels] of this.#labels.entries()) yield { labels, value: this.#values[index] ?? Number.NaN };
  }
}
