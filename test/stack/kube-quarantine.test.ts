// Do `inspect`, `reject`, `release` and `quarantine` of the built program do on PeerTrustDomain objects what they say, with a
// real API server and a real SPIRE? And the annotation that sets a peer anew, which lost all its roots at once?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fingerprint } from '../../src/bundle/bundle.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import type { SpireServerClient } from '../../src/spire/spire-server.ts';
import { makeRoot, type Issued } from '../fakes/fake-ca.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startHeldTrustDomain, type HeldTrustDomain } from './harness/held-trust-domain.ts';
import { conditionOf, startKubeSide, staysTheSame, type KubeSide, type PeerObject } from './harness/kube-side.ts';
import { openApi, storedRoots } from './harness/stored-roots.ts';

const WEST = parseTrustDomain('west.test');
/** Long enough for several fetches: once a second. */
const WATCHED_MS = 3_000;
const FLAGS = {
  'refresh-min-seconds': 1,
  'refresh-max-seconds': 1,
  'refresh-default-seconds': 1,
  'long-poll-seconds': 'off',
};

describe('a peer that is declared by an object and suddenly publishes nothing but new roots', () => {
  const cleanup = new Cleanup();
  let east: KubeSide;
  let api: SpireServerClient;
  let west: HeldTrustDomain;
  let fresh: Issued;
  let lost: Issued;

  before(async () => {
    [east, west, fresh, lost] = await Promise.all([
      startKubeSide(cleanup, 'east.test', { flags: FLAGS }),
      startHeldTrustDomain(cleanup, WEST),
      makeRoot(WEST),
      makeRoot(WEST),
    ]);
    api = openApi(cleanup, east.server);
    await east.apply('west', {
      ...west.declaration,
      federatesWith: { entries: [{ spiffeID: 'spiffe://east.test/workload' }] },
      policy: { onDisjointRoots: 'Hold' },
    });
    await east.waitForObject('west');
  });
  after(() => cleanup.run());

  const held = async () => (await storedRoots(api, WEST))?.join();
  const onlyRoot = ({ der }: Issued) => fingerprint(der);
  const links = async () => (await api.listEntries()).find(({ id }) => id === east.entryId)?.federatesWith;
  const waitForReason = (reason: string) =>
    east.waitForObject('west', (object) => conditionOf(object, 'BundleVerified')?.reason === reason);

  async function fedbroker(...args: readonly string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await (await east.leader()).cli(args);
    assert.equal(exitCode, 0, stderr);
    return stdout;
  }

  async function inspect(): Promise<{ readonly exitCode: number; readonly stdout: string; readonly digest: string }> {
    const { exitCode, stdout } = await (await east.leader()).cli(['inspect', 'west']);
    return { exitCode, stdout, digest: /--digest ([0-9a-f]{64})/.exec(stdout)?.[1] ?? '' };
  }

  it('is held, and "inspect" shows what would come and what would go', async () => {
    west.publish([fresh.der]);
    const object = await waitForReason('DisjointRoots');
    const { exitCode, stdout, digest } = await inspect();
    assert.equal(exitCode, 1);
    assert.match(stdout, /Waits for a decision: held \(DisjointRoots\)/);
    assert.ok(stdout.includes(`  + root ${onlyRoot(fresh)}`), stdout);
    assert.ok(stdout.includes(`  - root ${onlyRoot(west.root)}`), stdout);
    assert.ok(stdout.includes(`fedbroker reject west --digest ${digest}`), stdout);
    const kept = await east.waitForObject('west', ({ status }) => (status?.evidence ?? []).length > 0);
    const [evidence] = kept.status!.evidence!;
    assert.deepEqual([evidence?.verdict, evidence?.reason, evidence?.digest], ['held', 'DisjointRoots', digest]);
    assert.notEqual(object.status?.bundle?.digest, digest);
    assert.equal(await held(), onlyRoot(west.root));
  });

  it('stays out after "reject", which the object says', async () => {
    const { digest } = await inspect();
    const said = await fedbroker('reject', 'west', '--digest', digest);
    assert.match(said, /^PeerTrustDomain west: content [0-9a-f]{64} is refused from now on$/m);
    const object = await waitForReason('RejectedByOperator');
    assert.equal(object.metadata.annotations?.['fedbroker.dev/reject-digest'], digest);
    const [before, later] = await staysTheSame(held, WATCHED_MS);
    assert.deepEqual([before, later], [onlyRoot(west.root), onlyRoot(west.root)]);
    const { exitCode, stdout } = await inspect();
    assert.equal(exitCode, 0, 'nothing waits any more');
    assert.match(stdout, /^Rejected: refused \(RejectedByOperator\)/m);
  });

  it('is let in by "release" of that digest, which takes the rejection back', async () => {
    const { digest } = await inspect();
    await fedbroker('release', 'west', '--digest', digest);
    await eventually('SPIRE holds the new root', async () => (await held()) === onlyRoot(fresh));
    await west.present(fresh);
    const object = await east.waitForObject('west');
    assert.equal(object.status?.bundle?.digest, digest);
    assert.equal(object.metadata.annotations?.['fedbroker.dev/accept-digest'], digest);
    assert.equal(object.metadata.annotations['fedbroker.dev/reject-digest'], undefined);
  });

  it('is cut off by "quarantine": SPIRE has neither bundle nor link, the object says why and keeps the evidence', async () => {
    const said = await fedbroker('quarantine', 'west', '--reason', 'lost a key');
    assert.match(said, /^PeerTrustDomain west: quarantined/);
    const object = await east.waitForObject('west', isQuarantined);
    await eventually('SPIRE holds nothing', async () => (await held()) === undefined);
    assert.deepEqual(await links(), []);
    assert.match(conditionOf(object, 'Ready')!.message, /quarantined: lost a key/);
    assert.ok((object.status?.evidence ?? []).length > 0);
    const { stdout } = await inspect();
    assert.match(stdout, /To end the quarantine: {2}fedbroker release west/);
    const [before, later] = await staysTheSame(held, WATCHED_MS);
    assert.deepEqual([before, later], [undefined, undefined]);
  });

  it('comes back by "release", though its declaration knows its old root only', async () => {
    await fedbroker('release', 'west');
    const object = await east.waitForObject('west');
    assert.equal(await held(), onlyRoot(fresh));
    assert.deepEqual(await links(), [WEST]);
    assert.equal(object.metadata.annotations?.['fedbroker.dev/quarantine-reason'], undefined);
  });

  it('is cut while its endpoint is silent for too long, which the object says, and comes back by what was held last', async () => {
    const policy = (onExpired: 'Keep' | 'Cut') => {
      const patch = { spec: { policy: { staleAfter: '1s', expireAfter: '4s', onExpired } } };
      return east.kube.kubectl(['patch', 'ptd', 'west', '--type=merge', `--patch=${JSON.stringify(patch)}`]);
    };
    await policy('Cut');
    west.answer((_request, response) => response.writeHead(503).end());
    const object = await east.waitForObject('west', (each) => conditionOf(each, 'BundleStored')?.reason === 'Expired');
    assert.equal(conditionOf(object, 'Ready')?.status, 'False');
    await eventually('SPIRE holds nothing', async () => (await held()) === undefined);
    assert.deepEqual(await links(), []);
    const [before, later] = await staysTheSame(held, WATCHED_MS);
    assert.deepEqual([before, later], [undefined, undefined]);
    west.publish([fresh.der]);
    await eventually('SPIRE holds it again', async () => (await held()) === onlyRoot(fresh));
    await east.waitForObject('west');
    assert.deepEqual(await links(), [WEST]);
    await policy('Keep');
    await east.waitForObject('west');
  });

  it('is set anew from its trustDomainBundle by the annotation, when nobody here knows its root any more', async () => {
    const document = west.publish([lost.der]).toString();
    await west.present(lost);
    const unknown = (object: PeerObject) => conditionOf(object, 'EndpointTrusted')?.reason === 'EndpointRootUnknown';
    await east.waitForObject('west', unknown);
    assert.equal(await held(), onlyRoot(fresh));
    const spec = { spec: { trustDomainBundle: { inline: document } } };
    const kubectl = (...args: readonly string[]) => east.kube.kubectl(args);
    await kubectl('patch', 'ptd', 'west', '--type=merge', `--patch=${JSON.stringify(spec)}`);
    const [before, later] = await staysTheSame(held, WATCHED_MS);
    assert.deepEqual([before, later], [onlyRoot(fresh), onlyRoot(fresh)], 'the declaration alone sets nothing anew');
    await kubectl('annotate', 'ptd', 'west', 'fedbroker.dev/rebootstrap=first');
    await eventually('SPIRE holds it', async () => (await held()) === onlyRoot(lost));
    const object = await east.waitForObject('west');
    assert.equal(object.status?.lastHandledRebootstrap, 'first');
    assert.deepEqual(await links(), [WEST]);
  });

  it('is set anew once for each value of the annotation, and never from a bundle with a root of ours', async () => {
    const own = (await api.readOwnBundle()).x509Authorities;
    const inline = west.publish([lost.der, ...own]).toString();
    await waitForReason('OwnRoot');
    const patch = JSON.stringify({ spec: { trustDomainBundle: { inline } } });
    await east.kube.kubectl(['patch', 'ptd', 'west', '--type=merge', `--patch=${patch}`]);
    await east.kube.kubectl(['annotate', '--overwrite', 'ptd', 'west', 'fedbroker.dev/rebootstrap=second']);
    await east.waitForObject('west', ({ status }) => status?.lastHandledRebootstrap === 'second');
    assert.equal(await held(), onlyRoot(lost));
    const log = (await east.leader()).log();
    assert.match(log, /is a root of our own trust domain[^\n]*cannot be set anew from its trustDomainBundle/);
  });
});

function isQuarantined(object: PeerObject): boolean {
  return (
    conditionOf(object, 'Accepted')?.reason === 'Quarantined' && conditionOf(object, 'BundleStored')?.status === 'False'
  );
}
