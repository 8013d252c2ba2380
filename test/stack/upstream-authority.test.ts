// Where an UpstreamAuthority plugin signs SPIRE's authorities: who holds what, and what does a rotation ask of the peers?
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fingerprint } from '../../src/bundle/bundle.ts';
import { readCertificate } from '../../src/bundle/certificate.ts';
import { makeCertificate, type Issued } from '../fakes/fake-ca.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { federateSides, startSide, type FederatedSide } from './harness/federated-pair.ts';
import { leadRotation } from './harness/led-rotation.ts';
import { localAuthority } from './harness/local-authority.ts';
import type { UpstreamFiles } from './harness/spire-server.ts';
import { openApi, ownRoots, storedRoots } from './harness/stored-roots.ts';
import { tempFolder } from './harness/temp-folder.ts';
import { keepMeeting, refusals } from './harness/workload-meetings.ts';

const OPTIONS = { flags: { 'refresh-hint-seconds': 5, 'long-poll-seconds': 5 } };
/** Longer than anything takes that does not wait for the peer. */
const STOPPED_MS = 25_000;

function makeAuthority(name: string, issuer?: Issued): Promise<Issued> {
  return makeCertificate({ subject: `CN=${name}`, isCa: true }, issuer);
}

function writeUpstream(folder: string, signer: Issued, root?: Issued): UpstreamFiles {
  mkdirSync(folder, { recursive: true });
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  return {
    certificatePath: file('upstream.pem', signer.pem),
    privateKeyPath: file('upstream-key.pem', signer.keyPem),
    ...(root !== undefined && { bundlePath: file('upstream-roots.pem', root.pem) }),
  };
}

async function federated(cleanup: Cleanup, upstream: UpstreamFiles): Promise<readonly [FederatedSide, FederatedSide]> {
  const [east, west] = await Promise.all([
    startSide(cleanup, 'east.test', { ...OPTIONS, server: { x509SvidTtl: '1m', upstream } }),
    startSide(cleanup, 'west.test', OPTIONS),
  ]);
  await federateSides(east, west);
  await eventually('the workloads meet', async () => (await refusals(east, west)).length === 0);
  return [east, west];
}

/** What it prints once west has told what it holds. */
function statusOf(east: FederatedSide): Promise<string> {
  return eventually('west has told what it holds', async () => {
    const { stdout, exitCode } = await east.broker.cli(['rotation', 'status']);
    return exitCode === 0 && stdout.includes('held by 1 of 1 peers') && stdout;
  });
}

function skidOf(certificate: Issued): string {
  return readCertificate(certificate.der).subjectKeyId!;
}

describe('a trust domain whose upstream signs with its root', () => {
  const cleanup = new Cleanup();
  let folder: string;
  let [root, nextRoot]: Issued[] = [];
  let east: FederatedSide;
  let west: FederatedSide;
  before(async () => {
    folder = tempFolder(cleanup, 'upstream');
    [root, nextRoot] = await Promise.all([makeAuthority('first root'), makeAuthority('next root')]);
    [east, west] = await federated(cleanup, writeUpstream(folder, root));
  });
  after(() => cleanup.run());

  const active = async () => (await localAuthority(east.server, 'x509').show()).active!.authorityId;
  const rotate = (...args: readonly string[]) =>
    leadRotation(cleanup, east.broker, east.server.socketPath, [...args, '--timeout', '4m']);

  it('says which certificate of the upstream signs, and that the peer holds its root', async () => {
    const stdout = await statusOf(east);
    const id = await active();
    const line = `X.509 authority ${id.slice(0, 12)}…, signed by ${skidOf(root!).slice(0, 12)}… of the upstream, active, ends `;
    assert.ok(stdout.includes(line), stdout);
    assert.match(stdout, /peers need nothing new when this authority rotates/);
    assert.deepEqual(await ownRoots(openApi(cleanup, east.server)), [fingerprint(root!.der)]);
  });

  it('refuses to taint what it cannot, says who can, and changes nothing', async () => {
    const before = await localAuthority(east.server, 'x509').show();
    const rotation = rotate('--revoke-old');
    assert.equal(await rotation.exitCode, 1);
    assert.match(rotation.output(), /UpstreamSigned.*spire-server upstreamauthority taint/s);
    assert.deepEqual(await localAuthority(east.server, 'x509').show(), before);
  });

  it('rotates below the same root without a peer that stands still', { timeout: 240_000 }, async () => {
    const before = await active();
    const held = await storedRoots(openApi(cleanup, west.server), 'east.test');
    const over = new AbortController();
    const meeting = keepMeeting([east, west], over.signal);
    process.kill(west.broker.pid(), 'SIGSTOP');
    const rotation = rotate();
    const exitCode = await rotation.exitCode;
    process.kill(west.broker.pid(), 'SIGCONT');
    assert.equal(exitCode, 0, rotation.output());
    assert.notEqual(await active(), before);
    assert.doesNotMatch(rotation.output(), /PeersMissing|PeersUnobserved/);
    over.abort();
    assert.deepEqual((await meeting).failed, []);
    assert.deepEqual(await storedRoots(openApi(cleanup, west.server), 'east.test'), held);
    await statusOf(east);
  });

  it(
    'waits for the peer that does not hold the upstream’s next root, and no handshake fails',
    { timeout: 300_000 },
    async () => {
      await east.broker.cli(['rotate', '--abandon']);
      const before = await active();
      const over = new AbortController();
      const meeting = keepMeeting([east, west], over.signal);
      process.kill(west.broker.pid(), 'SIGSTOP');
      writeUpstream(folder, nextRoot!);
      const rotation = rotate();
      await eventually('it waits for west', () => rotation.output().includes('not yet by west.test'));
      const alarmed = await eventually('the alarm is raised', async () => {
        const { stdout } = await east.broker.cli(['rotation', 'status']);
        return stdout.includes('! ActivatesUnheld') && stdout;
      });
      assert.match(
        alarmed,
        new RegExp(`signed by ${skidOf(nextRoot!).slice(0, 12)}… of the upstream, prepared .*, held by 0 of 1`),
      );
      assert.match(alarmed, /signs by another certificate than before: peers need its root/);
      await pause(STOPPED_MS);
      assert.equal(await active(), before);
      process.kill(west.broker.pid(), 'SIGCONT');
      assert.equal(await rotation.exitCode, 0, rotation.output());
      assert.notEqual(await active(), before);
      assert.match(rotation.output(), /observed: held by west\.test/);
      over.abort();
      assert.deepEqual((await meeting).failed, []);
      const both = [root!, nextRoot!].map(({ der }) => fingerprint(der)).sort();
      assert.deepEqual(await storedRoots(openApi(cleanup, west.server), 'east.test'), both);
    },
  );

  it('takes the old root from the peer when SPIRE is told to revoke it', { timeout: 120_000 }, async () => {
    await east.server.cli(['upstreamauthority', 'taint', '-subjectKeyID', skidOf(root!)]);
    await east.agent.waitForX509(({ svid }) => svid.chain.at(-1)?.issuer === 'CN=next root', 60_000);
    await east.server.cli(['upstreamauthority', 'revoke', '-subjectKeyID', skidOf(root!)]);
    await eventually('west has the next root alone', async () => {
      const roots = await storedRoots(openApi(cleanup, west.server), 'east.test');
      return roots?.join() === fingerprint(nextRoot!.der);
    });
    await eventually('the workloads meet', async () => (await refusals(east, west)).length === 0);
    await statusOf(east);
  });
});

describe('a trust domain whose upstream signs with an intermediate', () => {
  const cleanup = new Cleanup();
  let east: FederatedSide;
  let west: FederatedSide;
  before(async () => {
    const root = await makeAuthority('root');
    const files = writeUpstream(tempFolder(cleanup, 'upstream'), await makeAuthority('intermediate', root), root);
    [east, west] = await federated(cleanup, files);
  });
  after(() => cleanup.run());

  it('is held by the peer that holds its root, raises no alarm, and can be rotated', { timeout: 240_000 }, async () => {
    const held = await storedRoots(openApi(cleanup, west.server), 'east.test');
    assert.equal(held?.length, 1);
    assert.doesNotMatch(await statusOf(east), /^!/m);
    const rotation = leadRotation(cleanup, east.broker, east.server.socketPath, ['--timeout', '4m']);
    assert.equal(await rotation.exitCode, 0, rotation.output());
    assert.match(rotation.output(), /observed: held by west\.test/);
    await eventually('the workloads meet', async () => (await refusals(east, west)).length === 0);
    assert.doesNotMatch(await statusOf(east), /^!/m);
  });
});
