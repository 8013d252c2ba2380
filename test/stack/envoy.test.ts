// Does a real Envoy take its SVID and its peers' roots from a real agent, and accept only who they vouch for?
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Cleanup } from './harness/cleanup.ts';
import { gateway, requestByTls } from './harness/envoy-config.ts';
import { type Envoy, startEnvoy } from './harness/envoy.ts';
import { freePort } from './harness/free-ports.ts';
import { startSpireAgent } from './harness/spire-agent.ts';
import { startSpireServer } from './harness/spire-server.ts';
import type { X509Context } from './harness/x509-context.ts';

/** As the workload that holds this context. */
function request(port: number, { svid }: X509Context): Promise<string> {
  return requestByTls(port, { chainPem: svid.chainPem, keyPem: svid.privateKeyPem });
}

describe('a real Envoy beside a real agent', () => {
  const cleanup = new Cleanup();
  const contexts = new Map<string, X509Context>();
  let envoy: Envoy;
  let port: number;

  before(async () => {
    const names = ['east.test', 'west.test', 'north.test'];
    const [east, west, north] = await Promise.all(names.map((name) => startSpireServer(cleanup, name)));
    const agents = await Promise.all([east, west, north].map((server) => startSpireAgent(cleanup, server!)));
    const bundlePath = join(east!.folder, 'west.json');
    writeFileSync(bundlePath, await west!.bundleDocument());
    await east!.cli(['bundle', 'set', '-format', 'spiffe', '-id', 'spiffe://west.test', '-path', bundlePath]);
    await Promise.all(
      agents.map(async (agent, index) => {
        const federatesWith = index === 0 ? ['west.test'] : [];
        await agent.registerWorkload({ path: '/gateway', federatesWith });
        contexts.set(names[index]!, await agent.waitForX509());
      }),
    );
    port = await freePort();
    envoy = await startEnvoy(cleanup, gateway(port, agents[0]!.socketPath, 'spiffe://east.test/gateway'));
  });

  after(() => cleanup.run());

  it('accepts an SVID of its own trust domain and of a peer', async () => {
    assert.equal(await request(port, contexts.get('east.test')!), 'HTTP/1.1 200 OK');
    assert.equal(await request(port, contexts.get('west.test')!), 'HTTP/1.1 200 OK');
  });

  it('refuses an SVID of a trust domain that nobody declared, and counts it', async () => {
    const counter = 'listener.gateway.ssl.fail_verify_error';
    const refusedBefore = await envoy.stat(counter);
    assert.notEqual(refusedBefore, undefined);
    await assert.rejects(request(port, contexts.get('north.test')!));
    assert.equal(await envoy.stat(counter), refusedBefore! + 1);
    assert.equal(await envoy.stat('listener.gateway.ssl.nonsense'), undefined);
  });
});
