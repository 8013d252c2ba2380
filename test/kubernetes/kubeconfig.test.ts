// Is a kubeconfig read as kubectl reads it, and refused where it would send a token to the wrong place?
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { systemClock } from '../../src/federation/clock.ts';
import { openApiServer } from '../../src/kubernetes/api-server.ts';
import { KubeError } from '../../src/kubernetes/kube-error.ts';
import { startFakeApiServer, type FakeApiServer } from '../fakes/fake-api-server.ts';
import { PEERS } from './west.ts';

let fake: FakeApiServer;
let directory: string;
let path: string;

beforeEach(async () => {
  fake = await startFakeApiServer([PEERS]);
  directory = await mkdtemp(join(tmpdir(), 'kubeconfig-'));
  path = join(directory, 'config');
});
afterEach(async () => {
  await fake.close();
  await rm(directory, { recursive: true });
});

interface Parts {
  readonly cluster?: Readonly<Record<string, unknown>>;
  readonly user?: Readonly<Record<string, unknown>>;
  readonly currentContext?: string;
}

/** JSON is YAML. */
async function writeConfig({ cluster, user, currentContext = 'lab' }: Parts = {}): Promise<void> {
  const ca = Buffer.from(fake.ca.pem).toString('base64');
  const trusted = { server: `https://127.0.0.1:${fake.port}`, 'certificate-authority-data': ca };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': currentContext,
    clusters: [{ name: 'lab', cluster: { ...trusted, ...cluster } }],
    users: [{ name: 'broker', user: user ?? { token: 'first-token' } }],
    contexts: [
      { name: 'lab', context: { cluster: 'lab', user: 'broker' } },
      { name: 'here', context: { cluster: 'lab', user: 'broker', namespace: 'spire' } },
      { name: 'nobody', context: { cluster: 'lab' } },
    ],
  };
  await writeFile(path, JSON.stringify(config));
}

function open(context?: string) {
  const access = { path, ...(context !== undefined && { context }) };
  return openApiServer({ access, clock: systemClock, timeoutMs: 5_000 });
}

async function lists(): Promise<void> {
  const api = await open();
  assert.deepEqual((await api.list({ resource: PEERS })).items, []);
  api.close();
}

describe('a kubeconfig', () => {
  it('names the cluster, its CA and a token', async () => {
    await writeConfig();
    await lists();
  });

  it('names our namespace where its context has one', async () => {
    await writeConfig();
    const [without, within] = [await open(), await open('here')];
    assert.deepEqual([without.namespace, within.namespace], [undefined, 'spire']);
  });

  it('can get its token from a credential plugin', async () => {
    const status = { token: 'first-token' };
    const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status };
    const args = ['-e', `console.log(${JSON.stringify(JSON.stringify(credential))})`];
    await writeConfig({ user: { exec: { command: process.execPath, args } } });
    await lists();
  });

  it('is read again after a 401', async () => {
    await writeConfig();
    const api = await open();
    fake.tokens.clear();
    fake.tokens.set('second-token', 'broker');
    await writeConfig({ user: { token: 'second-token' } });
    await assert.rejects(api.list({ resource: PEERS }), { code: 'KubeUnauthorized' });
    assert.deepEqual((await api.list({ resource: PEERS })).items, []);
    api.close();
  });

  it('whose user has nothing that can be sent is refused, in place of asking as nobody', async () => {
    await writeConfig({ user: { tokenFile: join(directory, 'token') } });
    await assert.rejects(lists(), /has no credentials that can be used here; tokenFile is not supported/);
    assert.equal(fake.requests.length, 0);
  });

  it('whose plugin fails does not show what the plugin printed', async () => {
    const args = ['-e', 'console.error("secret-of-plugin"); process.exit(1)'];
    await writeConfig({ user: { exec: { command: process.execPath, args } } });
    const api = await open();
    await assert.rejects(api.list({ resource: PEERS }), (error: unknown) => {
      assert.ok(error instanceof KubeError);
      assert.equal(error.code, 'KubeConfigInvalid');
      assert.equal(error.cause, undefined);
      assert.doesNotMatch(error.message, /secret-of-plugin/);
      return true;
    });
  });
});

describe('a kubeconfig is refused', () => {
  const rows: readonly (readonly [sentence: string, parts: Parts, context: string | undefined, says: RegExp])[] = [
    ['without a context', { currentContext: '' }, undefined, /context "" names no cluster; it has lab, here, nobody/],
    ['with a context that it does not have', {}, 'other', /context "other" names no cluster/],
    ['with a context without a user', {}, 'nobody', /names no user/],
    [
      'with an address in the clear',
      { cluster: { server: 'http://localhost:8080' } },
      undefined,
      /not reached by https/,
    ],
    ['with an address that is none', { cluster: { server: 'localhost' } }, undefined, /not a URL/],
    ['without verification', { cluster: { 'insecure-skip-tls-verify': true } }, undefined, /insecure-skip-tls-verify/],
    ['with a proxy', { cluster: { 'proxy-url': 'http://proxy:3128' } }, undefined, /proxy-url/],
  ];
  for (const [sentence, parts, context, says] of rows) {
    it(sentence, async () => {
      await writeConfig(parts);
      await assert.rejects(open(context), { code: 'KubeConfigInvalid', message: says });
    });
  }

  it('when there is none', async () => {
    await assert.rejects(open(), { code: 'KubeConfigInvalid', message: /cannot be read \(ENOENT\)/ });
  });

  it('when it is no YAML, without quoting it', async () => {
    await writeFile(path, 'users: [{token: abc\n  : hunter2');
    await assert.rejects(open(), (error: unknown) => {
      assert.ok(error instanceof KubeError);
      assert.match(error.message, /is not a kubeconfig$/);
      assert.equal(error.cause, undefined);
      return true;
    });
  });
});
