// Does the program that is installed leave alone what only costs memory? ICU's data are 6 MiB of Node's, once asked for.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { startDevSpire } from '../../src/dev-spire/dev-spire.ts';
import { startBroker } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import { tempFolder } from './harness/temp-folder.ts';

const OWN = parseTrustDomain('east.example');

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
    const spire = await startDevSpire({ trustDomain: OWN, socketPath });
    cleanup.add(() => spire.stop());
    // Of this process alone: the broker that is started next inherits it.
    process.env['NODE_OPTIONS'] = `--import data:text/javascript,${encodeURIComponent(TELL_WHO_ASKS)}`;
    const broker = await startBroker(cleanup, { trustDomain: OWN, socketPath, folder });
    assert.doesNotMatch(broker.log(), /ICU is asked/);
    assert.match(broker.log(), /"msg":"/, 'its log is what was looked at');
  });
});
