// Do the metrics show what was measured, and nothing that was not?
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { Registry } from 'prom-client';
import { createMetrics, type Metrics } from '../../src/admin/metrics.ts';

let registry: Registry;
let metrics: Metrics;

beforeEach(() => {
  registry = new Registry();
  metrics = createMetrics(registry);
});

/** The samples, without help and type. */
async function samples(): Promise<string[]> {
  return (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

describe('metrics', () => {
  it('have no value for a gauge that was never set', async () => {
    assert.deepEqual(
      (await samples()).filter((line) => !/^fedbroker_\w+_seconds_(bucket|sum|count)/.test(line)),
      [],
    );
  });

  it('count, set and observe by name and labels', async () => {
    const west = { trust_domain: 'west.example' };
    metrics.count('fetch_total', { ...west, result: 'HttpStatus' });
    metrics.count('fetch_total', { ...west, result: 'HttpStatus' });
    metrics.set('bundle_sequence', west, 7n);
    metrics.set('root_expiry_timestamp_seconds', west, new Date(1_900_000_000_500));
    metrics.observe('fetch_seconds', 0.3);
    metrics.set('waiting_requests', {}, 2);
    const found = await samples();
    for (const sample of [
      'fedbroker_fetch_total{trust_domain="west.example",result="HttpStatus"} 2',
      'fedbroker_bundle_sequence{trust_domain="west.example"} 7',
      'fedbroker_root_expiry_timestamp_seconds{trust_domain="west.example"} 1900000000.5',
      'fedbroker_fetch_seconds_bucket{le="0.25"} 0',
      'fedbroker_fetch_seconds_bucket{le="0.5"} 1',
      'fedbroker_waiting_requests 2',
    ]) {
      assert.ok(found.includes(sample), `${sample} not in\n${found.join('\n')}`);
    }
  });

  it('take a gauge away when there is no value any more', async () => {
    metrics.set('own_bundle_sequence', {}, 1);
    metrics.set('own_bundle_sequence', {}, undefined);
    assert.ok((await samples()).every((line) => !line.startsWith('fedbroker_own_bundle_sequence')));
  });

  it('take all series of a gauge away at once, and none of another', async () => {
    for (const trust_domain of ['west.example', 'north.example']) {
      metrics.set('peer_in_mesh', { trust_domain }, 1);
      metrics.set('peer_ready', { trust_domain }, 1);
    }
    metrics.clear('peer_in_mesh');
    const found = await samples();
    assert.ok(found.every((line) => !line.startsWith('fedbroker_peer_in_mesh')));
    assert.equal(found.filter((line) => line.startsWith('fedbroker_peer_ready')).length, 2);
  });

  it('forget a peer that is no longer declared, and no other', async () => {
    for (const trust_domain of ['west.example', 'north.example']) {
      metrics.count('verdict_total', { trust_domain, verdict: 'held', reason: 'BundleEmpty' });
      metrics.set('conflict', { trust_domain }, 1);
    }
    await metrics.forgetPeer('west.example');
    await metrics.forgetPeer('unheard.example');
    const found = (await samples()).join('\n');
    assert.doesNotMatch(found, /west/);
    assert.match(found, /verdict_total\{trust_domain="north\.example"/);
  });

  it('forget what was measured of peers, and not what was counted, when another replica knows them', async () => {
    metrics.set('peer_ready', { trust_domain: 'west.example' }, 1);
    metrics.set('own_bundle_sequence', {}, 1);
    metrics.count('fetch_total', { trust_domain: 'west.example', result: 'NotModified' });
    metrics.forgetMeasuredPeers();
    const found = (await samples()).join('\n');
    assert.doesNotMatch(found, /peer_ready\{/);
    assert.match(found, /own_bundle_sequence 1/);
    assert.match(found, /fetch_total\{trust_domain="west\.example"/);
  });

  it('need a registry of their own', () => {
    assert.throws(() => createMetrics(registry), /already been registered/);
  });
});
