// E11: do SPIRE and go-spiffe read our endpoint, do we read SPIRE's, and do we judge documents as go-spiffe does?
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { declarationOf, startBroker, type Broker } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { oracleFetch, oracleParse } from './harness/oracle.ts';
import { outputOf } from './harness/run-program.ts';
import { refreshFederation } from './harness/spire-pair.ts';
import { startSpireServer, type SpireServer } from './harness/spire-server.ts';
import { openApi, ownRoots, storedRoots } from './harness/stored-roots.ts';

/** Documents on which we and go-spiffe differ, on purpose: `docs/departures.md` says why. */
const DEPARTURES: ReadonlyMap<string, string> = new Map([
  ['spiffebundle_multiple_x509.json', 'X509-SVID §6.2: the first certificate counts'],
]);

describe('E11: other implementations', () => {
  const cleanup = new Cleanup();
  let east: SpireServer;
  let west: SpireServer;
  let broker: Broker;

  before(async () => {
    [east, west] = await Promise.all([
      startSpireServer(cleanup, 'east.test', { bundleEndpoint: { refreshHint: '60s' } }),
      startSpireServer(cleanup, 'west.test'),
    ]);
    broker = await startBroker(cleanup, east);
  });
  after(() => cleanup.run());

  it('SPIRE’s own poller reads our endpoint', async () => {
    const path = join(west.folder, 'east.json');
    writeFileSync(path, await east.bundleDocument());
    await west.cli([
      ...['federation', 'create', '-trustDomain', 'east.test'],
      ...['-bundleEndpointURL', broker.endpointUrl],
      ...['-bundleEndpointProfile', 'https_spiffe', '-endpointSpiffeID', broker.endpointSpiffeId],
      ...['-trustDomainBundlePath', path, '-trustDomainBundleFormat', 'spiffe'],
    ]);
    await openApi(cleanup, east).localAuthorities.x509.prepare();
    await eventually('SPIRE stored the new root from our endpoint', async () => {
      const { exitCode, stderr } = await refreshFederation(west, 'east.test');
      assert.equal(exitCode, 0, stderr);
      return (await storedRoots(openApi(cleanup, west), 'east.test'))?.length === 2;
    });
    assert.deepEqual(await storedRoots(openApi(cleanup, west), 'east.test'), await ownRoots(openApi(cleanup, east)));
    await west.cli(['federation', 'delete', '-id', 'east.test']);
  });

  it('go-spiffe reads our endpoint: roots, JWT keys, sequence and hint', async () => {
    const bundleFile = join(west.folder, 'east.json');
    const read = await oracleFetch('east.test', broker.endpointUrl, {
      profile: 'https_spiffe',
      endpointId: broker.endpointSpiffeId,
      bundleFile,
    });
    const own = await openApi(cleanup, east).readOwnBundle();
    assert.equal(read.ok, true, read.error);
    assert.deepEqual(read.roots.toSorted(), await ownRoots(openApi(cleanup, east)));
    assert.deepEqual(read.jwtKeys, own.jwtAuthorities.map(({ keyId }) => keyId).sort());
    assert.deepEqual([read.sequence, read.refreshHintSeconds], [own.sequenceNumber?.toString(), 300]);
  });

  it('we read SPIRE’s own endpoint', async () => {
    const reader = await startBroker(cleanup, west);
    reader.declare('east', {
      trustDomain: 'east.test',
      bundleEndpointURL: east.bundleEndpointUrl,
      bundleEndpointProfile: { type: 'https_spiffe', endpointSPIFFEID: 'spiffe://east.test/spire/server' },
      trustDomainBundle: { inline: await east.bundleDocument() },
    });
    await reader.waitForPeer('east.test');
    assert.deepEqual(await storedRoots(openApi(cleanup, west), 'east.test'), await ownRoots(openApi(cleanup, east)));
  });

  it('in mode Delegate SPIRE fetches from our endpoint, and the broker makes and removes its relationship', async () => {
    const [api, south] = await startSpireServer(cleanup, 'south.test').then(
      (server) => [openApi(cleanup, server), server] as const,
    );
    const delegating = await startBroker(cleanup, south);
    const declaration = await declarationOf(broker, east, { mode: 'Delegate' });
    delegating.declare('east', declaration);
    await delegating.waitForPeer('east.test');
    assert.deepEqual(
      (await api.listFederationRelationships()).map(({ trustDomain, bundleEndpointUrl }) => [
        trustDomain,
        bundleEndpointUrl,
      ]),
      [['east.test', broker.endpointUrl]],
    );
    assert.deepEqual(await storedRoots(api, 'east.test'), await ownRoots(openApi(cleanup, east)));
    delegating.undeclare('east');
    await eventually('relationship and bundle are gone', async () => {
      const relationships = await api.listFederationRelationships();
      return relationships.length === 0 && (await storedRoots(api, 'east.test')) === undefined;
    });
  });

  it('"fedbroker fetch" and "fedbroker check" accept what SPIRE serves', async () => {
    const bundleFile = join(west.folder, 'east.json');
    const endpoint = ['--endpoint-id', 'spiffe://east.test/spire/server', '--bundle', bundleFile];
    const fetched = await broker.cli([
      'fetch',
      east.bundleEndpointUrl ?? '',
      '--trust-domain',
      'east.test',
      ...endpoint,
    ]);
    assert.equal(fetched.exitCode, 0, fetched.stderr);
    const path = join(west.folder, 'fetched.json');
    writeFileSync(path, fetched.stdout);
    const checked = await broker.cli(['check', path, '--trust-domain', 'east.test', '--output', 'json']);
    assert.equal(checked.exitCode, 0, checked.stdout);
    assert.equal((JSON.parse(checked.stdout) as { readonly verdict: string }).verdict, 'accepted');
  });

  it('"fedbroker check" judges go-spiffe’s published documents as go-spiffe does, but for the departures', async () => {
    const module = await outputOf('go', [
      '-C',
      'test/stack',
      'list',
      '-m',
      '-f',
      '{{.Dir}}',
      'github.com/spiffe/go-spiffe/v2',
    ]);
    const folder = join(module.trim(), 'bundle/spiffebundle/testdata');
    const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
    assert.ok(files.length >= 6);
    // The roots of these documents are of the trust domain "local".
    const oracle = await oracleParse(
      'local',
      files.map((name) => join(folder, name)),
    );
    for (const [index, name] of files.entries()) {
      const { stdout } = await broker.cli(['check', join(folder, name), '--trust-domain', 'local', '--output', 'json']);
      // Held is well formed: all roots of some have expired.
      const ours = (JSON.parse(stdout) as { readonly verdict: string }).verdict !== 'refused';
      const theirs = oracle[index]!.ok;
      if (DEPARTURES.has(name)) assert.notEqual(ours, theirs, `${name} is no departure any more`);
      else assert.equal(ours, theirs, `${name}: ${stdout} ${oracle[index]!.error ?? ''}`);
    }
  });
});
