// Do PeerTrustDomain objects federate two real clusters, and take their trust away again?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { declarationOf } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import {
  conditionOf,
  isReadyObject,
  startKubeSide,
  staysTheSame,
  type KubeSide,
  type PeerObject,
} from './harness/kube-side.ts';
import { localAuthority } from './harness/local-authority.ts';
import { openApi, ownRoots, storedRoots } from './harness/stored-roots.ts';
import { mutualHandshake } from './harness/verify-svid.ts';

describe('two clusters with an API server, a SPIRE Server and replicas of the broker each', () => {
  const cleanup = new Cleanup();
  let east: KubeSide;
  let west: KubeSide;

  before(async () => {
    [east, west] = await Promise.all([
      startKubeSide(cleanup, 'east.test', { replicas: 2 }),
      startKubeSide(cleanup, 'west.test'),
    ]);
  });
  after(() => cleanup.run());

  async function federate(at: KubeSide, peer: KubeSide, name: string, more: object = {}): Promise<void> {
    const [broker] = peer.replicas;
    const federatesWith = { entries: [{ spiffeID: `spiffe://${at.trustDomain}/workload` }] };
    await at.apply(name, await declarationOf(broker!, peer.server, { federatesWith, ...more }));
  }

  it('federate when each declares the other, with every condition met', async () => {
    await Promise.all([federate(east, west, 'west'), federate(west, east, 'east')]);
    const [atEast, atWest] = await Promise.all([
      east.waitForObject('west', meetsEveryCondition),
      west.waitForObject('east', meetsEveryCondition),
    ]);
    for (const object of [atEast, atWest]) {
      assert.equal(object.status?.entriesFederated, 1);
      assert.deepEqual(object.metadata.finalizers, ['fedbroker.dev/unfederate']);
    }
    assert.match(atEast.status?.writer ?? '', /^replica-/);
  });

  it('let their workloads complete mutual TLS', async () => {
    const [atEast, atWest] = await Promise.all([
      east.agent.waitForX509(({ federatedRoots }) => federatedRoots.has('west.test')),
      west.agent.waitForX509(({ federatedRoots }) => federatedRoots.has('east.test')),
    ]);
    const answer = await mutualHandshake(
      { svid: atEast.svid, roots: atEast.federatedRoots.get('west.test') ?? [] },
      { svid: atWest.svid, roots: atWest.federatedRoots.get('east.test') ?? [] },
    );
    assert.deepEqual(answer, {
      client: { ok: true, spiffeId: 'spiffe://west.test/workload' },
      server: { ok: true, spiffeId: 'spiffe://east.test/workload' },
    });
  });

  it('read well in kubectl get ptd', async () => {
    const [header = '', line = ''] = (await east.kube.kubectl(['get', 'ptd'])).split('\n');
    assert.match(header, /^NAME +TRUST DOMAIN +PROFILE +READY +REASON +SEQUENCE +LAST FETCH/);
    assert.match(line, /^west +west\.test +https_spiffe +True +Ready +\d+ +\d+[sm]/);
  });

  it('write nothing when nothing changes', async () => {
    const [before, later] = await staysTheSame(
      async () => (await east.object('west'))?.metadata.resourceVersion,
      5_000,
    );
    assert.equal(later, before);
  });

  it('carry a new root to the other side', async () => {
    const [atEast, atWest] = [openApi(cleanup, east.server), openApi(cleanup, west.server)];
    await localAuthority(west.server, 'x509').prepare();
    const roots = await ownRoots(atWest);
    await eventually('east holds it', async () => String(await storedRoots(atEast, 'west.test')) === String(roots));
    await east.waitForObject('west');
  });

  it('go on when the leader is killed, and when it is asked to end', async () => {
    const [atEast, atWest] = [openApi(cleanup, east.server), openApi(cleanup, west.server)];
    const first = await east.leader();
    await first.kill();
    await localAuthority(west.server, 'x509').activate();
    await localAuthority(west.server, 'x509').prepare();
    const roots = await ownRoots(atWest);
    await eventually(
      'the other replica has taken over and stored the new root',
      async () => String(await storedRoots(atEast, 'west.test')) === String(roots),
      { timeoutMs: 60_000 },
    );
    const second = await east.leader();
    assert.notEqual(second, first);
    await first.restart();
    const askedAtMs = performance.now();
    await second.end();
    const third = await eventually('it has handed over', async () => {
      const leader = await east.leader();
      return leader !== second && leader;
    });
    assert.equal(third, first);
    assert.ok(performance.now() - askedAtMs < 15_000, 'sooner than the Lease would have run out');
    await second.restart();
  });

  it('go on exchanging bundles while the API server is gone, and say so', async () => {
    const [atEast, atWest] = [openApi(cleanup, east.server), openApi(cleanup, west.server)];
    const leader = await east.leader();
    await east.kube.kill();
    await eventually(
      'the leader works alone',
      async () => ((await leader.status()) as unknown as { replica: { role: string } }).replica.role === 'Isolated',
      { timeoutMs: 60_000 },
    );
    await localAuthority(west.server, 'x509').activate();
    await localAuthority(west.server, 'x509').prepare();
    const roots = await ownRoots(atWest);
    await eventually(
      'east holds the new root all the same',
      async () => String(await storedRoots(atEast, 'west.test')) === String(roots),
      { timeoutMs: 60_000 },
    );
    await east.kube.etcd.restart();
    await east.kube.restart();
    await east.waitForObject('west');
    assert.ok(await east.leader());
  });

  it('say of a bad object what is wrong with it, and leave the good one alone', async () => {
    const before = await storedRoots(openApi(cleanup, east.server), 'west.test');
    await federate(east, west, 'west-again');
    const again = await east.waitForObject('west-again', (object) => conditionOf(object, 'Accepted') !== undefined);
    const accepted = conditionOf(again, 'Accepted');
    assert.equal(accepted?.status, 'False');
    assert.equal(accepted.reason, 'Conflict');
    assert.match(accepted.message, /west/);
    await east.remove('west-again');
    await eventually('it goes at once', async () => (await east.object('west-again')) === undefined);
    await east.waitForObject('west');
    assert.deepEqual(await storedRoots(openApi(cleanup, east.server), 'west.test'), before);
  });

  it('cut a peer off at once when its object says so, and take it up again when it does not any more', async () => {
    const api = openApi(cleanup, east.server);
    await federate(east, west, 'west', { suspend: 'Revoke' });
    await eventually('SPIRE holds nothing of it', async () => (await storedRoots(api, 'west.test')) === undefined);
    assert.ok((await api.listEntries()).every(({ federatesWith }) => federatesWith.length === 0));
    await east.agent.waitForX509(({ federatedRoots }) => !federatedRoots.has('west.test'));
    const revoked = await east.waitForObject('west', (object) => conditionOf(object, 'Ready')?.reason === 'Revoked');
    assert.equal(conditionOf(revoked, 'Ready')?.status, 'False');
    await federate(east, west, 'west');
    await east.waitForObject('west');
    await east.agent.waitForX509(({ federatedRoots }) => federatedRoots.has('west.test'));
  });

  it('take trust away when the object is deleted, and only then let the object go', async () => {
    const api = openApi(cleanup, east.server);
    await east.remove('west');
    await eventually('the object is gone', async () => (await east.object('west')) === undefined, {
      timeoutMs: 60_000,
    });
    assert.equal(await storedRoots(api, 'west.test'), undefined);
    const entries = await api.listEntries();
    assert.ok(entries.every(({ federatesWith }) => federatesWith.length === 0));
    assert.equal((await api.readManagedPeers()).size, 0);
    await east.agent.waitForX509(({ federatedRoots }) => !federatedRoots.has('west.test'));
  });

  it('fetch at once when an annotation asks for it', async () => {
    // Its endpoint was killed and started again above, so the next regular fetch may be minutes away.
    await west.kube.kubectl(['annotate', 'ptd', 'east', 'fedbroker.dev/refresh=1']);
    const object = await west.waitForObject('east');
    assert.equal(object.status?.lastHandledRefresh, '1');
  });
});

/** Also that its broker has told what it holds, which it does with its first request after it holds ours. */
function meetsEveryCondition(object: PeerObject): boolean {
  return isReadyObject(object) && (object.status?.conditions ?? []).every(({ status }) => status === 'True');
}
