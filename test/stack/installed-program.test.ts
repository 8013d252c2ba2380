// Does the program that is installed leave alone what only costs memory? ICU's data are 6 MiB of Node's, once asked for.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { startDevSpire } from '../../src/dev-spire/dev-spire.ts';
import { PROGRAM } from './harness/broker.ts';
import { startChild } from './harness/child-process.ts';
import { Cleanup } from './harness/cleanup.ts';
import { freePort } from './harness/free-ports.ts';
import { tempFolder } from './harness/temp-folder.ts';

/** Evaluated before the program: says who asks for a locale, and answers as ever. */
const TELL_WHO_ASKS = `Intl.DateTimeFormat = new Proxy(Intl.DateTimeFormat, {
  construct(target, args, newTarget) {
    console.error('ICU is asked', new Error().stack);
    return Reflect.construct(target, args, newTarget);
  },
});`;

describe('the program that is installed', () => {
  const cleanup = new Cleanup();
  after(() => cleanup.run());

  it('runs as a broker, its schedule included, without asking ICU for anything', async () => {
    const folder = tempFolder(cleanup, 'installed');
    const socketPath = join(folder, 'spire.sock');
    const spire = await startDevSpire({ trustDomain: parseTrustDomain('east.example'), socketPath });
    cleanup.add(() => spire.stop());
    const peersFolder = join(folder, 'peers');
    mkdirSync(peersFolder);
    const admin = `127.0.0.1:${await freePort()}`;
    const settings = ['--spire-socket', socketPath, '--peers-directory', peersFolder, '--admin-address', admin];
    const endpoint = ['--serve-spiffe-address', `127.0.0.1:${await freePort()}`];
    const child = await startChild(cleanup, {
      name: 'the program',
      program: PROGRAM,
      args: ['run', ...settings, ...endpoint],
      logPath: join(folder, 'program.log'),
      env: { ...process.env, NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(TELL_WHO_ASKS)}` },
      isReady: async () => (await fetch(`http://${admin}/readyz`)).ok,
    });
    assert.doesNotMatch(child.log(), /ICU is asked/);
    assert.match(child.log(), /"msg":"/, 'its log is what was looked at');
  });
});
