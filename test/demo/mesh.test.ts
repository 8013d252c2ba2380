// Does what stands in for istiod and its agent in the demo do what they do, and can forgeries be made at all?
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { readCertificate, toPem } from '../../src/bundle/certificate.ts';
import { parseSpiffeId } from '../../src/bundle/spiffe-id.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { checkX509SvidLeaf } from '../../src/bundle/x509-svid.ts';
import { forgeSvid } from '../../src/cli/demo/forged-svid.ts';
import { IstiodStandIn, type Push } from '../../src/cli/demo/istiod-stand-in.ts';
import { ProxyAgent } from '../../src/cli/demo/proxy-agent.ts';
import type { WorkloadContext } from '../../src/cli/demo/workload-context.ts';
import { makeX509Authority } from '../../src/dev-spire/x509-authority.ts';
import { untilAborted } from '../../src/federation/clock.ts';
import type { MeshObject } from '../../src/federation/mesh-objects.ts';
import type { Report } from '../../src/federation/ports.ts';
import { serializeMeshContent } from '../../src/istio/mesh-content.ts';
import { makeCertificate, makeRoot } from '../fakes/fake-ca.ts';
import { FakeClock } from '../fakes/fake-clock.ts';

const EAST = parseTrustDomain('east.test');
const WEST = parseTrustDomain('west.test');
const DEBOUNCE_MS = 100;

describe('what stands in for istiod', () => {
  const clock = new FakeClock();
  let pushes: Push[];
  let reports: Map<string, Report<MeshObject>>;
  let ending: AbortController;
  let following: Promise<void>;

  beforeEach(() => {
    pushes = [];
    reports = new Map();
    ending = new AbortController();
    const watch = (ref: { readonly name: string }, report: Report<MeshObject>, signal: AbortSignal) => {
      reports.set(ref.name, report);
      return untilAborted(signal);
    };
    const istiod = new IstiodStandIn({ objects: { watch }, clock, onPush: (push) => pushes.push(push) });
    following = istiod.follow(ending.signal);
  });
  afterEach(async () => {
    ending.abort();
    await following;
  });

  const write = (name: 'istio' | 'istio-federation', mesh: string | undefined) => {
    reports.get(name)?.(mesh === undefined ? undefined : ({ data: { mesh } } as unknown as MeshObject));
    clock.advance(DEBOUNCE_MS);
  };

  it('says nothing before it has read both ConfigMaps, and then whose names are accepted', () => {
    write('istio', `trustDomain: ${EAST}\n`);
    assert.deepEqual(pushes, []);
    write('istio-federation', undefined);
    assert.deepEqual(pushes, [{ sanPrefixes: [`spiffe://${EAST}/`], trustAnchors: [] }]);
  });

  it('adds what the broker wrote, once for what means the same', async () => {
    const { der } = await makeRoot(WEST);
    write('istio', `trustDomain: ${EAST}\n`);
    const text = serializeMeshContent({ trustDomains: [WEST], anchors: [der] });
    write('istio-federation', text);
    write('istio-federation', `# a comment\n${text}`);
    const sanPrefixes = [`spiffe://${EAST}/`, `spiffe://${WEST}/`];
    assert.deepEqual(pushes, [{ sanPrefixes, trustAnchors: [toPem(der)] }]);
  });

  it('keeps every certificate it had when a new one is bad, and takes the names', async () => {
    const [root, leaf] = [await makeRoot(WEST), await makeCertificate()];
    write('istio', `trustDomain: ${EAST}\n`);
    write('istio-federation', serializeMeshContent({ trustDomains: [], anchors: [root.der] }));
    write('istio-federation', serializeMeshContent({ trustDomains: [WEST], anchors: [leaf.der] }));
    const sanPrefixes = [`spiffe://${EAST}/`, `spiffe://${WEST}/`];
    assert.deepEqual(pushes.at(-1), { sanPrefixes, trustAnchors: [toPem(root.der)] });
  });
});

describe('what an Envoy of the demo reads', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fb-agent-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const contextOf = (chainPem: string, root: Uint8Array) =>
    ({ svid: { chainPem, keyPem: 'key', signedBy: '' }, ownRoots: [root] }) as unknown as WorkloadContext;
  const files = () =>
    new Map(
      readdirSync(join(folder, 'xds')).map((name) => [name, readFileSync(join(folder, 'xds', name), 'utf8')] as const),
    );

  it('is complete with both its names and its certificate, and another root of a peer changes no listener', async () => {
    const agent = new ProxyAgent(folder, 15_006);
    const [own, first, second] = [await makeRoot(EAST), await makeRoot(WEST), await makeRoot(WEST)];
    const sanPrefixes = [`spiffe://${EAST}/`, `spiffe://${WEST}/`];
    agent.takePush({ sanPrefixes, trustAnchors: [first.pem] });
    assert.equal(agent.isComplete, false);
    agent.takeContext(contextOf('chain', own.der));
    assert.equal(agent.isComplete, true);
    const before = files();
    agent.takePush({ sanPrefixes, trustAnchors: [first.pem, second.pem] });
    const after = files();
    const changed = [...after.keys()].filter((name) => after.get(name) !== before.get(name));
    assert.deepEqual(changed, ['ROOTCA.json']);
    assert.equal(agent.listWrites, 1);
    agent.takePush({ sanPrefixes: sanPrefixes.slice(0, 1), trustAnchors: [] });
    assert.equal(agent.listWrites, 2);
  });
});

describe('a forged SVID', () => {
  it('is a valid one but for the trust domain that its CA has no right to', async () => {
    const from = new Date();
    const authority = await makeX509Authority(WEST, { from, until: new Date(from.getTime() + 3_600_000) });
    const id = parseSpiffeId(`spiffe://${EAST}/workload`);
    const { chainPem } = await forgeSvid(authority, id);
    const der = new Uint8Array(Buffer.from(chainPem.replaceAll(/-----[^\n]*-----|\n/g, ''), 'base64'));
    assert.equal(checkX509SvidLeaf(der), id);
    assert.equal(readCertificate(der).authorityKeyId, authority.id);
  });
});
