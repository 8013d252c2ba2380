// How is one metric written to a scraper? (Prometheus text exposition format 0.0.4)

export type Labels<Label extends string = string> = Readonly<Record<Label, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** What a gauge can be set to. */
export type GaugeValue = number | bigint | Date;

/** As a scraper reads it: a date in seconds since 1970, 64 bits as the nearest double. */
export function sampleValue(value: GaugeValue): number {
  return value instanceof Date ? value.getTime() / 1000 : Number(value);
}

export interface MetricHead {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
}

/** About 8 KB: a piece is gone before the next is made. What lives longer costs V8 most. */
const LINES_A_PIECE = 100;

/** In pieces, which end where a line ends. */
export function* metricText({ name, help, type }: MetricHead, samples: Iterable<Sample>): Generator<string> {
  let text = `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n`;
  let lines = 2;
  for (const { labels, value } of samples) {
    text += `${name}{${labelsText(labels)}} ${value}\n`;
    lines += 1;
    if (lines < LINES_A_PIECE) continue;
    yield text;
    [text, lines] = ['', 0];
  }
  yield `${text}\n`;
}

function labelsText(labels: Labels): string {
  let text = '';
  for (const name in labels) text += `${text === '' ? '' : ','}${name}="${quotable(labels[name] ?? '')}"`;
  return text;
}

function quotable(value: string): string {
  return /["\\\n]/.test(value) ? escaped(value).replaceAll('"', '\\"') : value;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
