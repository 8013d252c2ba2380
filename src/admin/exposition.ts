// How is what is measured written to a scraper? One metric after the other: the text of a thousand peers is never in
// memory as a whole. (Prometheus text exposition format 0.0.4)
import type { Registry } from 'prom-client';

export async function* exposition(registry: Registry): AsyncGenerator<string> {
  for (const { name } of registry.getMetricsAsArray()) yield `${await registry.getSingleMetricAsString(name)}\n\n`;
}
