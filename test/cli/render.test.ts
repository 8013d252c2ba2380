// Does "fedbroker render" print what Istio needs, for each tool that people write mesh config with?
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { certificateParts } from '../../src/istio/certificate-parts.ts';
import { certificatesIn } from '../../src/istio/mesh-content.ts';
import { UsageError } from '../../src/cli/command.ts';
import { renderCommand } from '../../src/cli/render.ts';
import { resolveConfig } from '../../src/config.ts';
import { peerDocument } from '../federation/peer-document.ts';
import { startSide, type Side } from '../broker/side.ts';
import { bundleOf, EAST, NORTH, ROOTS, WEST } from '../federation/samples.ts';
import { specOf } from '../kubernetes/peer-objects.ts';

interface Entry {
  readonly trustDomains?: readonly string[];
  readonly pem?: string;
}

interface Manifest {
  readonly metadata: { readonly namespace?: string; readonly name: string };
  readonly data: Readonly<Record<string, string>>;
}

interface MeshConfig {
  readonly caCertificates: readonly Entry[];
}

describe('fedbroker render', () => {
  let side: Side;
  let peers: string;

  beforeEach(async () => {
    side = await startSide(EAST);
    peers = mkdtempSync(join(tmpdir(), 'fb-render-'));
    await side.spire.setFederatedBundles([bundleOf(WEST)]);
    declare('west', WEST, { anchors: 'Constrained', gatewayCAs: [{ configMap: { name: 'west-ca' } }] });
  });
  afterEach(async () => {
    await side.stop();
    rmSync(peers, { recursive: true });
  });

  function declare(name: string, trustDomain: string, istio: object): void {
    const spec = { ...specOf(trustDomain), istio };
    writeFileSync(join(peers, `${name}.yaml`), JSON.stringify(peerDocument(name, spec)));
  }

  async function render(flags: Readonly<Record<string, string>> = {}, settings: readonly string[] = []) {
    const told = { stdout: '', stderr: '' };
    const { config } = resolveConfig({
      argv: [`--spire-socket=${side.socketPath}`, `--peers-directory=${peers}`, ...settings],
      environment: {},
      readFile: () => '',
    });
    const exitCode = await renderCommand.run({
      ...{ config, flags, positionals: [], stdin: Readable.from([]), cacheFolder: peers },
      print: (text) => (told.stdout += text),
      explain: (text) => (told.stderr += text),
      signal: new AbortController().signal,
    });
    return { exitCode, ...told };
  }

  it('prints the ConfigMap that the broker would write, and the CA objects for gateways', async () => {
    const { exitCode, stdout, stderr } = await render();
    assert.equal(exitCode, 0, stderr);
    const [shared, gatewayCa] = parseAllDocuments(stdout).map((document) => document.toJS() as Manifest);
    assert.deepEqual(shared!.metadata, { namespace: 'istio-system', name: 'istio-federation' });
    const { caCertificates } = parse(shared!.data['mesh']!) as MeshConfig;
    assert.deepEqual(caCertificates[0], { trustDomains: [WEST] });
    const [anchor] = certificatesIn(caCertificates[1]!.pem!);
    assert.deepEqual(certificateParts(anchor!).publicKey, certificateParts(ROOTS.get(WEST)![0]!).publicKey);
    assert.deepEqual(gatewayCa!.metadata, { name: 'west-ca' });
    for (const text of [stdout, stderr]) assert.match(text, /namespace that your Gateways name.*kubernetesNamespace/);
    assert.match(gatewayCa!.data['ca.crt']!, /^-----BEGIN CERTIFICATE-----/);
  });

  it('names the namespace of CA objects where the settings have one', async () => {
    const { stdout, stderr } = await render({}, ['--kubernetes-namespace=spire-server']);
    const [, gatewayCa] = parseAllDocuments(stdout).map((document) => document.toJS() as Manifest);
    assert.deepEqual(gatewayCa!.metadata, { namespace: 'spire-server', name: 'west-ca' });
    assert.equal(stderr, '');
  });

  it('prints values for Helm and the object of the Sail operator with the same content', async () => {
    const helm = parse((await render({ form: 'helm' })).stdout) as { readonly meshConfig: MeshConfig };
    const sail = parse((await render({ form: 'sail' })).stdout) as {
      readonly kind: string;
      readonly spec: { readonly values: { readonly meshConfig: MeshConfig } };
    };
    assert.equal(sail.kind, 'Istio');
    assert.equal(helm.meshConfig.caCertificates.length, 2);
    assert.deepEqual(sail.spec.values.meshConfig, helm.meshConfig);
  });

  it('exits 1 and names the peer that is missing, with what to do', async () => {
    declare('north', NORTH, { anchors: 'SpireSds' });
    const { exitCode, stdout, stderr } = await render();
    assert.equal(exitCode, 1);
    assert.match(stderr, /^north \(north\.example\) is missing: WaitsForRoots: SPIRE holds no root of it yet/m);
    assert.match(stdout, /west\.example/);
  });

  it('says which forms there are', async () => {
    await assert.rejects(render({ form: 'xml' }), (error) => {
      return error instanceof UsageError && error.message === '--form must be helm or sail or configmap, not "xml"';
    });
  });
});
