// Does the demo show the same on the real SPIRE Server, on real Kubernetes API servers and behind real Envoys, and leave nothing running?
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { DemoResult } from '../../src/cli/demo/demo-result.ts';
import { eventually } from './harness/eventually.ts';
import { PARTS, STACK_FOLDER } from './parts.ts';

const PROGRAM = join(STACK_FOLDER, '../../dist/fedbroker.mjs');
const SPIRE_VERSION = PARTS.spire.name.replace('SPIRE ', '');
const ENVOY_VERSION = PARTS.envoy.name.replace('Envoy ', '');
const KUBERNETES_VERSION = PARTS.kubernetes.name.replace('Kubernetes ', '');

interface Demo {
  readonly process: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | string | null>;
}

describe('fedbroker demo', () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fb-demo-'));
  });
  after(async () => {
    // What a failed test left behind is ended by its id.
    for (const pid of left()) process.kill(pid, 'SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  function start(...args: readonly string[]): Demo {
    const env = { ...process.env, TMPDIR: folder };
    const child = spawn(process.execPath, [PROGRAM, 'demo', ...args], { env });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const ended = new Promise<number | string | null>((resolve) => {
      child.once('close', (code, signal) => {
        resolve(code ?? signal);
      });
    });
    return { process: child, stdout: () => stdout, stderr: () => stderr, ended };
  }

  /** Programs that were told to work in our folder, by their ids. */
  function left(): number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => commandLine(pid).includes(folder))
      .map(Number);
  }

  for (const [what, flags, versions] of [
    ['the real SPIRE', ['--spire', 'real'], { spire: SPIRE_VERSION, kubernetes: null }],
    ['real Kubernetes', ['--kubernetes'], { spire: 'embedded', kubernetes: KUBERNETES_VERSION }],
    ['both', ['--kubernetes', '--spire', 'real'], { spire: SPIRE_VERSION, kubernetes: KUBERNETES_VERSION }],
  ] as const) {
    it(`rotates both CAs without a failed handshake on ${what}`, async () => {
      const demo = start(...flags, '--rotations', '2', '--output', 'json');
      assert.equal(await demo.ended, 0, demo.stderr());
      const { handshakes, rotationToPeerMs, ...rest } = JSON.parse(demo.stdout()) as DemoResult;
      assert.deepEqual(rest, { rotations: 2, failedHandshakes: 0, mesh: null, ...versions });
      assert.ok(handshakes > 20, `${handshakes} handshakes`);
      assert.ok(rotationToPeerMs.max !== null, 'every root reached the other side');
      if (versions.kubernetes !== null) {
        assert.match(demo.stderr(), /NAME +TRUST DOMAIN.*\n.*west +west\.example +https_spiffe +True +Ready/);
        assert.match(demo.stderr(), /PeerTrustDomain east of west\.example: Ready is False \(SequenceRollback\)/);
      }
      assert.deepEqual(left(), []);
      assert.deepEqual(readdirSync(folder), []);
    });
  }

  for (const [what, flags, spire] of [
    ['the embedded SPIRE', [], 'embedded'],
    ['the real SPIRE', ['--spire', 'real'], SPIRE_VERSION],
  ] as const) {
    it(`reaches workloads behind real Envoys through all rotations, and no forged identity does, on ${what}`, async () => {
      const demo = start('--mesh', ...flags, '--rotations', '2', '--output', 'json');
      assert.equal(await demo.ended, 0, demo.stderr());
      const { mesh, ...rest } = JSON.parse(demo.stdout()) as DemoResult;
      assert.ok(mesh !== null);
      const { requests, ...others } = mesh;
      assert.ok(requests > 20, `${requests} requests`);
      assert.deepEqual(others, { envoy: ENVOY_VERSION, failed: 0, forgedRefused: 2, listWrites: 2 });
      const { rotations, failedHandshakes } = rest;
      assert.deepEqual({ rotations, failedHandshakes }, { rotations: 2, failedHandshakes: 0 });
      assert.deepEqual([rest.spire, rest.kubernetes], [spire, KUBERNETES_VERSION]);
      assert.match(demo.stderr(), /istiod stand-in, by rules measured on istiod 1\.29\.6/);
      assert.deepEqual(left(), []);
      assert.deepEqual(readdirSync(folder), []);
    });
  }

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`ends what it started in order on ${signal}`, async () => {
      const demo = start('--kubernetes', '--spire', 'real', '--rotations', '100');
      await told(demo, /rotation 1: .* signs with/);
      demo.process.kill(signal);
      assert.equal(await demo.ended, 1);
      assert.match(demo.stderr(), /^fedbroker demo: ended early$/m);
      assert.match(demo.stdout(), / 0 failed\./);
      assert.deepEqual(left(), []);
      assert.deepEqual(readdirSync(folder), []);
    });
  }

  for (const [what, signal, exitCode] of [
    ['is asked again to end', 'SIGTERM', 143],
    ['loses its terminal', 'SIGHUP', 129],
  ] as const) {
    it(`leaves no program behind when it ${what}`, async () => {
      const demo = start('--kubernetes', '--spire', 'real', '--rotations', '100');
      await told(demo, /rotation 1: /);
      assert.equal(left().length, 6, 'a spire-server, a kube-apiserver and an etcd each');
      // Signals that arrive together are one, so it is asked until it is gone.
      const asking = setInterval(() => demo.process.kill(signal), 30);
      const ended = await demo.ended;
      clearInterval(asking);
      assert.equal(ended, exitCode);
      await eventually('nothing runs any more', () => left().length === 0);
    });
  }

  it('ends while its API servers still start', async () => {
    const demo = start('--kubernetes');
    await eventually('one has been started', () => left().length > 0);
    demo.process.kill('SIGTERM');
    assert.equal(await demo.ended, 1, demo.stderr());
    assert.deepEqual(left(), []);
  });
});

function told(demo: Demo, what: RegExp): Promise<unknown> {
  return eventually(`the demo says ${String(what)}`, () => {
    if (demo.process.exitCode !== null) throw new Error(`it ended: ${demo.stderr()}`);
    return what.test(demo.stdout());
  });
}

/** Empty when the process is gone. */
function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
