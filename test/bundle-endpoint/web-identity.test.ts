// Are the certificate files of https_web read again when their content changes?
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { followWebIdentity } from '../../src/bundle-endpoint/web-identity.ts';
import { FakeClock } from '../fakes/fake-clock.ts';

const folder = mkdtempSync(join(tmpdir(), 'web-identity-'));
after(() => {
  rmSync(folder, { recursive: true });
});

it('follows the files by content, tells of a pair that cannot be used once, and goes on looking', async () => {
  const [certPath, keyPath] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const clock = new FakeClock();
  const used: string[] = [];
  const failures: string[] = [];
  const stop = new AbortController();
  const running = followWebIdentity(
    {
      certPath,
      keyPath,
      clock,
      use: ({ chainPem, keyPem }) => {
        if (chainPem !== keyPem) throw new Error('they do not belong together');
        used.push(chainPem);
      },
      onFailure: (error) => failures.push((error as Error).message),
    },
    stop.signal,
  );
  const look = async () => {
    while (clock.pending === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    clock.advance(10_000);
    while (clock.pending === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  await look();
  assert.match(failures[0] ?? '', /ENOENT/);
  writeFileSync(certPath, 'one');
  writeFileSync(keyPath, 'one');
  await look();
  await look();
  assert.deepEqual([used, failures.length], [['one'], 1]);
  writeFileSync(certPath, 'two');
  await look();
  await look();
  assert.deepEqual([used, failures.slice(1)], [['one'], ['they do not belong together']]);
  writeFileSync(keyPath, 'two');
  await look();
  assert.deepEqual(used, ['one', 'two']);
  stop.abort();
  await running;
});
