// Do the admin pages answer from the first moment, and say what is waited for until SPIRE answers?
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { statusText } from '../../src/cli/status.ts';
import type { StartingStatus } from '../../src/cli/admin-pages.ts';
import { startBroker, type RunningBroker } from '../../src/cli/start-broker.ts';
import { resolveConfig } from '../../src/config.ts';
import { startDevSpire, type DevSpire } from '../../src/dev-spire/dev-spire.ts';
import { createLogger } from '../../src/log.ts';
import { until } from '../broker/side.ts';
import { EAST } from '../federation/samples.ts';

interface LogLine {
  readonly msg: string;
  readonly port?: number;
}

interface Checks {
  readonly ok: boolean;
  readonly checks: readonly { readonly name: string; readonly message?: string }[];
}

describe('the admin pages of a broker that is started before SPIRE', () => {
  let folder: string;
  let socketPath: string;
  let dev: DevSpire | undefined;
  let end: AbortController;
  let starting: Promise<RunningBroker | undefined> | undefined;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fb-admin-'));
    socketPath = join(folder, 'spire.sock');
    end = new AbortController();
  });
  afterEach(async () => {
    end.abort();
    const broker = await starting?.catch(() => undefined);
    await broker?.stop();
    await dev?.stop();
    starting = dev = undefined;
    rmSync(folder, { recursive: true });
  });

  /** Resolves with the address of the pages. */
  function start(flags: Readonly<Record<string, string>> = {}): Promise<string> {
    const settings = {
      'spire-socket': socketPath,
      'peers-directory': folder,
      'serve-spiffe-address': '127.0.0.1:0',
      'admin-address': '127.0.0.1:0',
      ...flags,
    };
    const argv = Object.entries(settings).map(([flag, value]) => `--${flag}=${value}`);
    const { config } = resolveConfig({ argv, environment: {}, readFile: () => '' });
    return new Promise((resolve, reject) => {
      const write = (text: string) => {
        const { msg, port } = JSON.parse(text) as LogLine;
        if (msg === 'admin pages served') resolve(`http://127.0.0.1:${port}`);
      };
      starting = startBroker(config, createLogger({ level: 'info', format: 'json', write }), end.signal);
      starting.catch(reject);
    });
  }

  async function read(url: string): Promise<{ readonly code: number; readonly body: unknown }> {
    const answer = await fetch(url);
    return { code: answer.status, body: await answer.json() };
  }
  const readiness = async (pages: string) => (await read(`${pages}/readyz`)).body as Checks;
  const status = async (pages: string) => (await read(`${pages}/status`)).body as StartingStatus;
  const told = async (pages: string) => (await readiness(pages)).checks[0]?.message?.includes('does not answer');

  it('say that it lives, is not ready, and why', async () => {
    const pages = await start();
    await until('SPIRE was asked', () => told(pages));
    assert.equal((await fetch(`${pages}/livez`)).status, 200);
    assert.equal((await fetch(`${pages}/readyz`)).status, 503);
    const { ok, checks } = await readiness(pages);
    assert.deepEqual([ok, checks[0]?.name], [false, 'SPIRE']);
    assert.ok(checks[0]?.message?.startsWith(`SPIRE Server at ${socketPath} does not answer: `));
    const metrics = await fetch(`${pages}/metrics`);
    assert.equal(metrics.status, 200);
    assert.match(await metrics.text(), /^# HELP fedbroker_/m);
  });

  it('have a status that names SPIRE as what cannot be read', async () => {
    const pages = await start({ 'trust-domain': EAST });
    await until('SPIRE was asked', () => told(pages));
    const body = await status(pages);
    assert.equal(body.trustDomain, EAST);
    assert.deepEqual(
      body.unreadable.map(({ fact, reason }) => [fact, reason]),
      [['spire', 'SpireUnreachable']],
    );
    assert.match(statusText(body), /^! spire cannot be read \(SpireUnreachable\): SPIRE Server at .* does not answer/m);
    assert.match(statusText(body), /^no peer is known$/m);
  });

  it('do not guess whose broker it is', async () => {
    const body = await status(await start());
    assert.equal(body.trustDomain, undefined);
    assert.match(statusText(body), /^trust domain not known yet: own bundle unreadable: /);
  });

  it('say that it is ready when SPIRE comes up later', async () => {
    const pages = await start();
    await until('SPIRE was asked', () => told(pages));
    dev = await startDevSpire({ trustDomain: EAST, socketPath });
    assert.equal((await starting)?.trustDomain, EAST);
    await until('it is ready', async () => (await fetch(`${pages}/readyz`)).ok);
    await until('all is read', async () => (await status(pages)).unreadable.length === 0);
    assert.equal((await status(pages)).trustDomain, EAST);
    assert.match(await (await fetch(`${pages}/metrics`)).text(), /^fedbroker_peers_declared 0$/m);
  });

  it('close when the SPIRE that comes up is that of another trust domain, which ends the broker', async () => {
    const pages = await start({ 'trust-domain': 'other.example' });
    await until('SPIRE was asked', () => told(pages));
    dev = await startDevSpire({ trustDomain: EAST, socketPath });
    await assert.rejects(starting!, { code: 'WrongTrustDomain' });
    await assert.rejects(fetch(`${pages}/livez`));
  });

  it('close when it is asked to end before SPIRE came', async () => {
    const pages = await start();
    await until('SPIRE was asked', () => told(pages));
    end.abort();
    assert.equal(await starting, undefined);
    await assert.rejects(fetch(`${pages}/livez`));
  });
});
