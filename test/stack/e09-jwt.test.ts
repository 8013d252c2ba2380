// E9: does a JWT-SVID validate at the peer after its signing key was rotated?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startFederatedPair, type FederatedSide } from './harness/federated-pair.ts';
import { localAuthority } from './harness/local-authority.ts';

describe('E9: JWT-SVIDs across trust domains', () => {
  const cleanup = new Cleanup();
  let east: FederatedSide;
  let west: FederatedSide;

  before(async () => {
    [east, west] = await startFederatedPair(cleanup, ['east.test', 'west.test']);
    await Promise.all([
      east.agent.waitForX509(),
      west.agent.waitForX509(({ federatedRoots }) => federatedRoots.has('east.test')),
    ]);
  });
  after(() => cleanup.run());

  /** The key id in the token's header. */
  const keyIdOf = (token: string) =>
    (JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()) as { readonly kid: string }).kid;

  it('validate at the peer', async () => {
    const token = await east.agent.fetchJwt('orders');
    const verdict = await eventually('west accepts the token', async () => {
      const answer = await west.agent.validateJwt('orders', token);
      return answer.ok && answer;
    });
    assert.equal(verdict.spiffeId, 'spiffe://east.test/workload');
    assert.equal((await west.agent.validateJwt('payments', token)).ok, false);
  });

  it('validate after the key was rotated', async () => {
    const before = keyIdOf(await east.agent.fetchJwt('orders'));
    const authority = localAuthority(east.server, 'jwt');
    await authority.prepare();
    const { authorityId } = await authority.activate();
    const verdict = await eventually(
      'west accepts a token of the new key',
      async () => {
        // The agent keeps a token for its audience; a new audience needs a new one.
        const audience = `orders-${Date.now()}`;
        const token = await east.agent.fetchJwt(audience);
        if (keyIdOf(token) === before) return undefined;
        assert.equal(keyIdOf(token), authorityId);
        const answer = await west.agent.validateJwt(audience, token);
        return answer.ok && answer;
      },
      { timeoutMs: 60_000, intervalMs: 500 },
    );
    assert.equal(verdict.spiffeId, 'spiffe://east.test/workload');
  });
});
