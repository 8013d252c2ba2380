// Do the pages of a running broker show declarations that are not in force, wherever peers are declared?
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { startBroker, type RunningBroker } from '../../src/cli/start-broker.ts';
import { resolveConfig } from '../../src/config.ts';
import { createLogger } from '../../src/log.ts';
import { startSide, until, type Side } from '../broker/side.ts';
import { startFakeApiServer, type FakeApiServer } from '../fakes/fake-api-server.ts';
import { kubeconfigOf } from '../fakes/fake-kubeconfig.ts';
import { EAST } from '../federation/samples.ts';
import { specOf } from '../kubernetes/peer-objects.ts';
import { PEERS, placeOf } from '../kubernetes/west.ts';

const ELSEWHERE = { federatesWith: { entries: [{ spiffeID: 'spiffe://elsewhere.example/**' }] } };

describe('declarations that are not in force', () => {
  let folder: string;
  let side: Side;
  let broker: RunningBroker | undefined;
  let fake: FakeApiServer | undefined;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fb-faults-'));
    side = await startSide(EAST);
  });
  afterEach(async () => {
    await broker?.stop();
    await fake?.close();
    await side.stop();
    rmSync(folder, { recursive: true });
    broker = fake = undefined;
  });

  /** Resolves to where the admin pages are. */
  async function start(flags: Readonly<Record<string, string>>): Promise<string> {
    const all = {
      'spire-socket': side.socketPath,
      'serve-spiffe-address': '127.0.0.1:0',
      'admin-address': '127.0.0.1:0',
      ...flags,
    };
    const { config } = resolveConfig({
      argv: Object.entries(all).map(([flag, value]) => `--${flag}=${value}`),
      environment: {},
      readFile: () => '',
    });
    let admin: { host: string; port: number } | undefined;
    const write = (line: string) => {
      const told = JSON.parse(line) as { readonly msg: string; readonly host: string; readonly port: number };
      if (told.msg === 'admin pages served') admin = told;
    };
    const log = createLogger({ level: 'info', format: 'json', write });
    broker = await startBroker(config, log, new AbortController().signal);
    assert.ok(admin);
    return `http://${admin.host}:${admin.port}`;
  }

  async function shown(base: string) {
    const metrics = await (await fetch(`${base}/metrics`)).text();
    const status = (await (await fetch(`${base}/status`)).json()) as { readonly declarationFaults: readonly object[] };
    const counted = /^fedbroker_declaration_faults (\d+)$/m.exec(metrics)?.[1];
    return counted !== undefined && { counted: Number(counted), faults: status.declarationFaults };
  }

  it('are counted and named when they are files', async () => {
    const peers = join(folder, 'peers');
    mkdirSync(peers);
    writeFileSync(join(peers, 'north.yaml'), JSON.stringify({ kind: 'PeerTrustDomain' }));
    const base = await start({ 'peers-directory': peers });
    const { counted, faults } = await until('the files are read', () => shown(base));
    assert.ok(counted > 0);
    assert.equal(faults.length, counted);
    assert.ok(faults.every((fault) => 'file' in fault && fault.file === 'north.yaml'));
  });

  it('are counted and named when they are objects', async () => {
    fake = await startFakeApiServer([PEERS]);
    fake.store.create(placeOf('west'), { metadata: { name: 'west' }, spec: specOf('west.example') }, 'kubectl');
    fake.store.create(
      placeOf('north'),
      { metadata: { name: 'north' }, spec: specOf('north.example', ELSEWHERE) },
      'kubectl',
    );
    const kubeconfig = join(folder, 'kubeconfig');
    writeFileSync(kubeconfig, kubeconfigOf(fake));
    const base = await start({ kubernetes: 'kubeconfig', kubeconfig, 'kubernetes-namespace': 'spire' });
    const { counted, faults } = await until('the objects are read', () => shown(base));
    assert.equal(counted, 1);
    assert.deepEqual(
      faults.map((fault) => ('object' in fault ? fault.object : undefined)),
      ['north'],
    );
  });
});
