// Do the metrics show what was counted and measured, and nothing that was not?
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { createMetrics, type Measured, type Metrics } from '../../src/admin/metrics.ts';
import { Series } from '../../src/admin/series.ts';
import { metricLines } from './metric-lines.ts';

const WEST = { trust_domain: 'west.example' };
const NORTH = { trust_domain: 'north.example' };

let metrics: Metrics;

beforeEach(() => {
  metrics = createMetrics();
});

const peers = () => new Series<'trust_domain'>();

/** The samples, without help and type. */
async function samples(measured: Measured = {}): Promise<readonly string[]> {
  return (await metricLines(metrics, measured)).filter((line) => line !== '' && !line.startsWith('#'));
}

describe('metrics', () => {
  it('have no value for a gauge that was never set', async () => {
    assert.deepEqual(
      (await samples()).filter((line) => !/^fedbroker_\w+_seconds_(bucket|sum|count)/.test(line)),
      [],
    );
  });

  it('count, set and observe by name and labels', async () => {
    metrics.count('fetch_total', { ...WEST, result: 'HttpStatus' });
    metrics.count('fetch_total', { ...WEST, result: 'HttpStatus' });
    metrics.observe('fetch_seconds', 0.3);
    metrics.set('waiting_requests', 2);
    metrics.set('own_bundle_read_timestamp_seconds', new Date(1_900_000_000_500));
    const found = await samples();
    for (const sample of [
      'fedbroker_fetch_total{trust_domain="west.example",result="HttpStatus"} 2',
      'fedbroker_fetch_seconds_bucket{le="0.25"} 0',
      'fedbroker_fetch_seconds_bucket{le="0.5"} 1',
      'fedbroker_waiting_requests 2',
      'fedbroker_own_bundle_read_timestamp_seconds 1900000000.5',
    ]) {
      assert.ok(found.includes(sample), `${sample} not in\n${found.join('\n')}`);
    }
  });

  it('show of a gauge with labels the series of this scrape, and forget those of the last', async () => {
    const series = async (measured: Measured) =>
      (await samples(measured)).filter((line) => /^fedbroker_(bundle_sequence|root_expiry)/.test(line));
    const first = {
      bundle_sequence: peers()
        .add(WEST, 2n ** 53n)
        .add(NORTH, 0n),
      root_expiry_timestamp_seconds: peers().add(WEST, new Date(1_900_000_000_500)),
    };
    assert.deepEqual(await series(first), [
      'fedbroker_bundle_sequence{trust_domain="west.example"} 9007199254740992',
      'fedbroker_bundle_sequence{trust_domain="north.example"} 0',
      'fedbroker_root_expiry_timestamp_seconds{trust_domain="west.example"} 1900000000.5',
    ]);
    assert.deepEqual(await series({ bundle_sequence: peers().add(NORTH, 1n) }), [
      'fedbroker_bundle_sequence{trust_domain="north.example"} 1',
    ]);
  });

  it('escape what the format asks to escape', async () => {
    const labels = { trust_domain: 'a"b\\c\nd' };
    const found = await samples({ peer_ready: peers().add(labels, 1) });
    assert.ok(found.includes('fedbroker_peer_ready{trust_domain="a\\"b\\\\c\\nd"} 1'), found.join('\n'));
  });

  it('come in pieces that are small and end where a line ends, however many peers there are', async () => {
    const series = peers();
    for (let peer = 0; peer < 1_000; peer++) series.add({ trust_domain: `peer-${peer}.example` }, peer);
    const pieces: string[] = [];
    for await (const piece of metrics.exposition({ peer_ready: series })) pieces.push(piece);
    assert.ok(pieces.every((piece) => piece.endsWith('\n') && piece.length < 10_000));
    const values = [
      ...pieces.join('').matchAll(/^fedbroker_peer_ready\{trust_domain="peer-(\d+)\.example"\} (\d+)$/gm),
    ];
    assert.deepEqual(
      values.map(([, peer, value]) => [peer, value]),
      Array.from({ length: 1_000 }, (_, peer) => [`${peer}`, `${peer}`]),
    );
  });

  it('say of each metric what it means and of which type it is, whoever writes it', async () => {
    const found = await metricLines(metrics);
    for (const [name, type] of [
      ['fetch_total', 'counter'],
      ['leader', 'gauge'],
      ['peer_ready', 'gauge'],
      ['pass_seconds', 'histogram'],
    ] as const) {
      const help = found.findIndex((line) => line.startsWith(`# HELP fedbroker_${name} `));
      assert.equal(found[help + 1], `# TYPE fedbroker_${name} ${type}`);
    }
  });

  it('take a gauge away when there is no value any more', async () => {
    metrics.set('own_bundle_sequence', 1);
    metrics.set('own_bundle_sequence', undefined);
    assert.ok((await samples()).every((line) => !line.startsWith('fedbroker_own_bundle_sequence')));
  });

  it('forget what was counted of a peer that is no longer declared, and of no other', async () => {
    for (const peer of [WEST, NORTH]) {
      metrics.count('verdict_total', { ...peer, verdict: 'held', reason: 'BundleEmpty' });
      metrics.count('fetch_total', { ...peer, result: 'NotModified' });
    }
    await metrics.forgetPeer('west.example');
    await metrics.forgetPeer('unheard.example');
    const found = (await samples()).join('\n');
    assert.doesNotMatch(found, /west/);
    assert.match(found, /verdict_total\{trust_domain="north\.example"/);
  });
});
