// What does a scraper read?
import type { Measured, Metrics } from '../../src/admin/metrics.ts';

export async function metricLines(metrics: Metrics, measured: Measured = {}): Promise<readonly string[]> {
  let text = '';
  for await (const metric of metrics.exposition(measured)) text += metric;
  return text.split('\n');
}
