// Does real SPIRE keep the record of a thousand managed peers? (SQLite takes about 500 selectors an entry, and no more)
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import type { ManagedPeers } from '../../src/federation/ports.ts';
import { Cleanup } from './harness/cleanup.ts';
import { startSpireServer } from './harness/spire-server.ts';
import { openApi } from './harness/stored-roots.ts';

describe('the record of managed peers on real SPIRE', () => {
  const cleanup = new Cleanup();
  after(() => cleanup.run());

  it('holds a thousand, and one less when one is taken back', async () => {
    const api = openApi(cleanup, await startSpireServer(cleanup, 'east.test'));
    const names = Array.from({ length: 1_000 }, (_, number) => parseTrustDomain(`peer-${number}.test`));
    for (const recorded of [names, names.slice(1)]) {
      const peers: ManagedPeers = new Map(recorded.map((name) => [name, 'Own']));
      await api.writeManagedPeers(peers);
      assert.deepEqual([...(await api.readManagedPeers()).keys()].sort(), [...recorded].sort());
    }
  });
});
