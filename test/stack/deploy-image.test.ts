// Does the file of the image run with nothing but the image's Node: in an empty folder that is read-only, with an empty
// environment, as the user of the image, beside real SPIRE?
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect } from 'node:tls';
import { commandOf, dockerfileStages, ROOT, valuesOf } from '../deploy/dockerfile.ts';
import { type Child, startChild } from './harness/child-process.ts';
import { Cleanup } from './harness/cleanup.ts';
import { type CommandLine, confined, whyNotConfined } from './harness/confined.ts';
import { freePort } from './harness/free-ports.ts';
import { outputOf, runProgram } from './harness/run-program.ts';
import { type SpireServer, startSpireServer } from './harness/spire-server.ts';
import { tempFolder } from './harness/temp-folder.ts';
import { PARTS, programPath } from './parts.ts';

const VECTORS = join(ROOT, 'test/vectors/bundle');
const FILES = ['dist/fedbroker.mjs', 'dist/fedbroker.mjs.LEGAL.txt', 'deploy/openssl.cnf'];

describe('the program of the image, with nothing but Node', () => {
  const cleanup = new Cleanup();
  /** As the root of the image is to the program: nothing is ever written there. */
  let root: string;
  let nodeOptions: readonly string[];
  let command: string;
  let whyNot: string | undefined;

  before(async () => {
    const folder = tempFolder(cleanup, 'image');
    root = join(folder, 'root');
    mkdirSync(root);
    for (const file of FILES) copyFileSync(join(ROOT, file), join(root, basename(file)));
    const [node, ...args] = commandOf(dockerfileStages().at(-1)!);
    assert.equal(node, 'node');
    const program = args.indexOf('/fedbroker.mjs');
    nodeOptions = [...args.slice(0, program), join(root, 'fedbroker.mjs')];
    command = args.slice(program + 1).join(' ');
    whyNot = await whyNotConfined(root);
  });

  after(async () => {
    await cleanup.run();
  });

  /** `env -i` empties the environment, which the harness would otherwise pass on. */
  function commandLine(variables: readonly string[], ...args: readonly string[]): CommandLine {
    return asInImage(variables, programPath('imageNode', 'node'), ...nodeOptions, ...args);
  }

  function asInImage(variables: readonly string[], ...line: readonly string[]): CommandLine {
    const paths = [`TMPDIR=${root}`, `HOME=${root}`, `OPENSSL_CONF=${join(root, 'openssl.cnf')}`];
    const folder = ['--chdir', root, 'NODE_ENV=production', ...paths];
    const plain = ['env', ['--ignore-environment', ...folder, ...variables, ...line]] as const;
    return whyNot === undefined ? confined(root, plain) : plain;
  }

  it('is run here by the Node that its Dockerfile names', async () => {
    const [, major] = /^node:(\d+)-slim$/.exec(valuesOf(dockerfileStages().at(-1)!, 'FROM')[0]!)!;
    const version = (await outputOf(...asInImage([], programPath('imageNode', 'node'), '--version'))).trim();
    assert.match(version, new RegExp(`^v${major!}\\.`));
    assert.ok(PARTS.imageNode.name.startsWith(`Node ${version.slice(1)},`), `${PARTS.imageNode.name}: ${version}`);
  });

  it('runs as the user of the image, without a capability, and cannot write anywhere', async (test) => {
    if (whyNot !== undefined) {
      test.skip(whyNot);
      return;
    }
    const status = await outputOf(...asInImage([], 'cat', '/proc/self/status'));
    assert.match(status, /^Uid:\t1000\t1000\t1000\t1000$/m);
    assert.match(status, /^Gid:\t1000\t1000\t1000\t1000$/m);
    assert.match(status, /^CapEff:\t0+$/m);
    for (const folder of [root, ROOT]) {
      const { stderr } = await runProgram(...asInImage([], 'touch', join(folder, 'written')));
      assert.match(stderr, /Read-only file system/);
    }
  });

  it('says its version', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { readonly version: string };
    assert.match(await outputOf(...commandLine([], 'version')), new RegExp(`\\b${version.replaceAll('.', '\\.')}\\b`));
  });

  it('judges a bundle document', async () => {
    const check = (file: string) =>
      runProgram(...commandLine([], 'check', join(VECTORS, file), '--trust-domain', 'west.example'));
    const good = await check('CertificateMissing-pass.json');
    assert.equal(good.exitCode, 0, good.stderr);
    const bad = await check('DocumentHasDuplicateMember-fail.json');
    assert.equal(bad.exitCode, 1, bad.stderr);
  });

  describe('beside a real spire-server', () => {
    let server: SpireServer;
    let broker: Child;
    let adminUrl: string;
    let endpointPort: number;
    const get = (path: string) => fetch(`${adminUrl}${path}`, { signal: AbortSignal.timeout(5_000) });

    before(async () => {
      server = await startSpireServer(cleanup, 'east.test');
      endpointPort = await freePort();
      const adminPort = await freePort();
      adminUrl = `http://127.0.0.1:${adminPort}`;
      const variables = [
        `FEDBROKER_SPIRE_SOCKET=${server.socketPath}`,
        `FEDBROKER_SERVE_SPIFFE_ADDRESS=127.0.0.1:${endpointPort}`,
        `FEDBROKER_ADMIN_ADDRESS=127.0.0.1:${adminPort}`,
        `FEDBROKER_PEERS_DIRECTORY=${join(root, '..')}`,
        // What Kubernetes adds in a namespace with our Services.
        'SPIRE_FEDERATION_BROKER_SERVICE_HOST=10.96.0.7',
        'SPIRE_FEDERATION_BROKER_PORT=tcp://10.96.0.7:8443',
      ];
      const [program, args] = commandLine(variables, command);
      const logPath = join(server.folder, 'image.log');
      const isReady = async () => (await get('/readyz')).ok;
      broker = await startChild(cleanup, { name: 'the program of the image', program, args, logPath, isReady });
    });

    it('is alive, ready, and measured', async () => {
      assert.equal((await get('/livez')).status, 200);
      assert.equal((await get('/readyz')).status, 200);
      assert.match(await (await get('/metrics')).text(), /^fedbroker_peers_declared 0$/m);
    });

    it('gives a client nothing to resume its TLS session with, which OpenSSL would do by itself', async () => {
      const client = connect({
        host: '127.0.0.1',
        port: endpointPort,
        minVersion: 'TLSv1.3',
        rejectUnauthorized: false,
      });
      let tickets = 0;
      client.on('session', () => tickets++);
      client.on('secureConnect', () => client.write('GET / HTTP/1.1\r\nHost: east.test\r\nConnection: close\r\n\r\n'));
      let answer = '';
      client.setEncoding('utf8').on('data', (text: string) => (answer += text));
      await once(client, 'close');
      assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
      assert.equal(tickets, 0);
    });

    it('ends by itself when it is asked to, and has written nothing', async () => {
      await broker.end();
      assert.equal(broker.exitStatus(), 0, broker.log());
      assert.deepEqual(
        readdirSync(root).sort(),
        FILES.map((file) => basename(file)),
      );
    });
  });
});
