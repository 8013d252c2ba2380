// Do the stand-in for istiod, and the broker's simulation of it, do what was measured on istiod 1.29.6? A test each.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { stringify } from 'yaml';
import { trustBundleFault } from '../../src/istio/candidate.ts';
import { inboundPrefixes, mergeMesh } from '../../src/istio/mesh-merge.ts';
import { makeCertificate, makeRoot } from '../fakes/fake-ca.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { type Istiod, startIstiod } from './harness/istiod.ts';
import { type KubeApiServer, startKubeApiServer } from './harness/kube-api-server.ts';
import type { CaCertificate } from './harness/mesh-config.ts';
import { mergedRoots } from '../../src/cli/demo/merged-roots.ts';
import { ISTIO_NAMESPACE, writeMesh } from './harness/write-mesh.ts';

const OWN = { trustDomain: 'east.test' };

describe('the stand-in for istiod', () => {
  const cleanup = new Cleanup();
  let kube: KubeApiServer;
  const sources: { base: string | undefined; shared: string | undefined } = { base: undefined, shared: undefined };
  let istiod: Istiod;
  let one: string;
  let two: string;

  before(async () => {
    kube = await startKubeApiServer(cleanup);
    await kube.kubectl(['create', 'namespace', ISTIO_NAMESPACE]);
    [one, two] = [(await makeRoot('one.test')).pem, (await makeRoot('two.test')).pem];
    await write('istio', stringify(OWN));
    await write('shared', '');
    istiod = await startIstiod(cleanup, kube, { sharedMeshConfig: 'shared' });
  });
  after(() => cleanup.run());

  beforeEach(async () => {
    await write('istio', stringify(OWN));
    await write('shared', share({ trustDomains: ['one.test'] }, { pem: one }));
    await pushed(['east.test', 'one.test'], [one]);
    istiod.restart();
  });

  async function write(name: 'istio' | 'shared', mesh: string): Promise<void> {
    sources[name === 'istio' ? 'base' : 'shared'] = mesh;
    await writeMesh(kube, name, mesh);
  }

  async function takeKeyAway(): Promise<void> {
    sources.shared = undefined;
    const patch = JSON.stringify({ data: { other: 'x', mesh: null } });
    await kube.kubectl(['patch', 'configmap', 'shared', `--namespace=${ISTIO_NAMESPACE}`, `--patch=${patch}`]);
  }

  async function deleteShared(): Promise<void> {
    sources.shared = undefined;
    await kube.kubectl(['delete', 'configmap', 'shared', `--namespace=${ISTIO_NAMESPACE}`]);
  }

  function share(...caCertificates: readonly CaCertificate[]): string {
    return stringify({ caCertificates });
  }

  /** And the broker's own simulation says the same. */
  function pushed(trustDomains: readonly string[], anchors: readonly string[]): Promise<void> {
    return eventually('istiod pushed it', () => {
      const { sanPrefixes, trustAnchors } = istiod.current();
      assert.deepEqual(
        sanPrefixes,
        trustDomains.map((name) => `spiffe://${name}/`),
      );
      assert.deepEqual(trustAnchors, [...anchors].sort());
      assert.deepEqual(inboundPrefixes(mergeMesh(sources)), sanPrefixes);
      return true;
    }).then(() => undefined);
  }

  async function debugMesh(): Promise<{
    readonly trustDomain: string;
    readonly caCertificates: readonly CaCertificate[];
  }> {
    return (await (await fetch(istiod.debugMeshUrl)).json()) as never;
  }

  it('shows a change in /debug/mesh before it pushes it', async () => {
    await write('shared', share({ pem: two }));
    await eventually('it is there', async () => (await debugMesh()).caCertificates[0]?.pem === two, { intervalMs: 2 });
    await pushed(['east.test'], [two]);
  });

  it('pushes nothing for a changed comment or an identical apply', async () => {
    const pushesBefore = istiod.pushes();
    await write('shared', `# a comment\n${share({ trustDomains: ['one.test'] }, { pem: one })}`);
    await write('shared', share({ trustDomains: ['one.test'] }, { pem: one }));
    await write('shared', share({ trustDomains: ['one.test'] }, { pem: two }));
    await pushed(['east.test', 'one.test'], [two]);
    assert.equal(istiod.pushes(), pushesBefore + 1);
  });

  it('lets the base’s caCertificates win whole, also when they are empty', async () => {
    await write('istio', stringify({ ...OWN, caCertificates: [] }));
    await pushed(['east.test'], []);
    await write('istio', stringify({ ...OWN, caCertificates: [{ pem: two }] }));
    await pushed(['east.test'], [two]);
    await write('istio', `${stringify(OWN)}caCertificates:\n`);
    await pushed(['east.test', 'one.test'], [one]);
  });

  it('loses every shared entry when the shared ConfigMap is deleted, empty, or without its key', async () => {
    await deleteShared();
    await pushed(['east.test'], []);
    await write('shared', share({ pem: two }));
    await pushed(['east.test'], [two]);
    await write('shared', '');
    await pushed(['east.test'], []);
    await write('shared', share({ pem: two }));
    await pushed(['east.test'], [two]);
    await takeKeyAway();
    await pushed(['east.test'], []);
  });

  it('ignores the whole shared config for a YAML error or a wrong type anywhere in it', async () => {
    for (const fault of [
      'a: [',
      'defaultConfig: 7',
      'trustDomainAliases: x',
      'caCertificates: [{trustDomains: [1]}]',
    ]) {
      await write('shared', share({ trustDomains: ['one.test'] }, { pem: one }));
      await pushed(['east.test', 'one.test'], [one]);
      const good = fault.startsWith('ca') ? '' : share({ trustDomains: ['one.test'] }, { pem: one });
      await write('shared', `${good}${fault}\n`);
      await pushed(['east.test'], []);
    }
  });

  it('keeps the shared entries, and loses the base’s settings, for a YAML error in the base', async () => {
    await write('istio', 'trustDomain: [');
    await pushed(['cluster.local', 'one.test'], [one]);
  });

  it('complains about an invalid alias and applies it, tolerates an unknown field, and joins the aliases by name', async () => {
    await write('istio', stringify({ ...OWN, trustDomainAliases: ['old.test'] }));
    await write('shared', stringify({ trustDomainAliases: ['under_score'], nobodyKnows: 1 }));
    await pushed(['east.test', 'old.test', 'under_score'], []);
    assert.match(istiod.log().join('\n'), /ignoring: .*under_score/);
  });

  it('takes trust domains as they are written, in the order written, each once', async () => {
    await write(
      'shared',
      share({ trustDomains: ['b.test', 'UPPER.test', 'a b'] }, { trustDomains: ['a_b', 'b.test'] }),
    );
    await pushed(['east.test', 'b.test', 'UPPER.test', 'a b', 'a_b'], []);
  });

  it('delivers a text once, and the same certificate as another text twice', async () => {
    const wrapped = one.replace(/\n(?=[^-])/g, '').replace(/(-----BEGIN CERTIFICATE-----)/, '$1\n');
    await write('shared', share({ pem: one }, { pem: one }, { pem: '', trustDomains: ['one.test'] }));
    await pushed(['east.test', 'one.test'], [one]);
    await write('shared', share({ pem: one }, { pem: wrapped }));
    await pushed(['east.test'], [one, wrapped]);
  });

  it('delivers a CA that has expired, and what follows the first block', async () => {
    const expired = await makeRoot('one.test', { notAfter: new Date('2021-01-01T00:00:00Z') });
    await write('shared', share({ pem: expired.pem }, { pem: `${two}garbage` }));
    await pushed(['east.test'], [expired.pem, `${two}garbage`]);
    assert.equal(trustBundleFault(mergeMesh(sources)), undefined);
    assert.match(mergedRoots(one, istiod.current().trustAnchors ?? []), /^garbage$/m);
  });

  it('keeps the whole PEM set, applies the trust domains, and does not start again with a bad first block', async () => {
    const leaf = await makeCertificate();
    const bad: readonly (readonly [pem: string, message: RegExp])[] = [
      ['nothing', /failed to decode pem certificate/],
      ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', /failed to parse X\.509 certificate/],
      [leaf.pem, /certificate is not a CA certificate/],
    ];
    for (const [index, [pem, message]] of bad.entries()) {
      await write('shared', share({ trustDomains: [`bad${index}.test`] }, { pem: two }, { pem }));
      await pushed(['east.test', `bad${index}.test`], [one]);
      assert.match(istiod.log().at(-1) ?? '', message);
      assert.notEqual(trustBundleFault(mergeMesh(sources)), undefined);
      assert.ok((await debugMesh()).caCertificates.some((entry) => entry.pem === pem));
    }
    assert.throws(() => {
      istiod.restart();
    }, /failed to create discovery service: .*certificate is not a CA certificate/);
    await assert.rejects(startIstiod(cleanup, kube, { sharedMeshConfig: 'shared' }), /not a CA certificate/);
    await write('shared', share({ pem: two }));
    await eventually('it starts again', () => {
      istiod.restart();
      return true;
    });
    await pushed(['east.test'], [two]);
  });

  it('without the multi-root flag hands out no PEM, and minds none, but accepts the trust domains', async () => {
    await write('shared', share({ trustDomains: ['two.test'] }, { pem: 'nothing' }));
    const other = await startIstiod(cleanup, kube, { sharedMeshConfig: 'shared', isMultiRoot: false });
    const { sanPrefixes, trustAnchors } = other.current();
    assert.deepEqual([sanPrefixes.at(-1), trustAnchors], ['spiffe://two.test/', undefined]);
  });

  it('reads the ConfigMap of its revision', async () => {
    await writeMesh(kube, 'istio-canary', stringify({ trustDomain: 'canary.test' }));
    const canary = await startIstiod(cleanup, kube, { revision: 'canary', sharedMeshConfig: 'shared-canary' });
    assert.deepEqual(canary.current().sanPrefixes, ['spiffe://canary.test/']);
  });
});
