// With `--istio patch-base`: are only our entries in istiod's own ConfigMap, and is a revert seen?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { parse } from 'yaml';
import { toPem } from '../../src/bundle/certificate.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { makeRoot } from '../fakes/fake-ca.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startHeldTrustDomain, type HeldTrustDomain } from './harness/held-trust-domain.ts';
import { startMeshSide, type MeshSide } from './harness/mesh-side.ts';
import { ISTIO_NAMESPACE } from './harness/write-mesh.ts';

const NORTH = parseTrustDomain('north.test');
const CONSTRAINED = { istio: { anchors: 'Constrained' } };
const MAX_FLIPS = 3;
const QUIET_MS = 3_000;

interface Base {
  readonly caCertificates?: readonly { readonly pem?: string; readonly trustDomains?: readonly string[] }[];
  readonly [field: string]: unknown;
}

describe('istiod’s own ConfigMap, where a broker may patch it', () => {
  const cleanup = new Cleanup();
  let east: MeshSide;
  let north: HeldTrustDomain;
  let theirs: string;

  before(async () => {
    [east, north] = await Promise.all([
      startMeshSide(cleanup, 'east.test', { target: 'patch-base' }),
      startHeldTrustDomain(cleanup, NORTH),
    ]);
    const pem = toPem((await makeRoot('partner.test')).der)
      .trimEnd()
      .replaceAll('\n', '\n    ');
    theirs = [
      '# Written by our platform team.',
      'trustDomain: east.test',
      'accessLogFile: /dev/stdout',
      'caCertificates:',
      `- pem: |\n    ${pem}`,
      '  trustDomains:',
      '  - partner.test',
      '',
    ].join('\n');
    await writeAsHelm();
    await eventually('it is there', () => text() === theirs);
  });
  after(() => cleanup.run());

  const text = () => east.written.current()?.data?.['mesh'] ?? '';
  const base = () => parse(text()) as Base;

  async function writeAsHelm(): Promise<void> {
    const metadata = { name: 'istio', namespace: ISTIO_NAMESPACE };
    const configMap = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata,
      data: { mesh: theirs, meshNetworks: 'networks: {}' },
    };
    const as = ['--server-side', '--force-conflicts', '--field-manager=helm'];
    await east.kube.kubectl(['apply', ...as, '--filename=-'], { input: JSON.stringify(configMap) });
  }

  it('gets the peer’s entries beside those of others, and keeps everything else', async () => {
    await east.apply('north', { ...north.declaration, ...CONSTRAINED });
    await east.waitForMesh('north', 'AcceptedConstrained');
    const { caCertificates = [], ...rest } = base();
    const { caCertificates: before = [], ...restBefore } = parse(theirs) as Base;
    assert.deepEqual(rest, restBefore);
    assert.equal(east.written.current()?.data?.['meshNetworks'], 'networks: {}');
    assert.deepEqual(caCertificates.slice(0, before.length), before);
    assert.deepEqual(
      caCertificates.flatMap(({ trustDomains = [] }) => trustDomains),
      ['partner.test', NORTH],
    );
    assert.ok(text().startsWith('# Written by our platform team.\n'));
    await eventually('the proxies are told of both', () => {
      assert.deepEqual(east.istiod.current().sanPrefixes.slice(1), ['spiffe://partner.test/', `spiffe://${NORTH}/`]);
      return true;
    });
  });

  it('loses exactly the peer’s entries when the peer is removed', async () => {
    await east.remove('north');
    await eventually('the declaration is let go', async () => (await east.object('north')) === undefined);
    await eventually('it is as it was', () => text() === theirs);
    await east.apply('north', { ...north.declaration, ...CONSTRAINED });
    await east.waitForMesh('north', 'AcceptedConstrained');
  });

  it('is patched again when helm reverts it, three times, and then left alone with a condition that says so', async () => {
    const ours = text();
    for (let flips = 0; flips < MAX_FLIPS; flips++) {
      const changes = east.written.changes();
      await writeAsHelm();
      await eventually('ours are there again', () => east.written.changes() >= changes + 2 && text() === ours);
    }
    await writeAsHelm();
    assert.match(await east.waitForMesh('north', 'OwnershipConflict'), /helm/);
    await pause(QUIET_MS);
    assert.equal(text(), theirs);
  });
});
