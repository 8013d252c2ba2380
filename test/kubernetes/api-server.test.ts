// Does every request to the API server end in time, with an answer or with words an operator can act on?
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import { SECRETS } from '../../src/kubernetes/core-resources.ts';
import { KubeError, type KubeErrorCode } from '../../src/kubernetes/kube-error.ts';
import { systemClock } from '../../src/federation/clock.ts';
import { makeCertificate } from '../fakes/fake-ca.ts';
import * as faults from '../fakes/fake-api-faults.ts';
import { startFakeApiServer, type FakeApiServer } from '../fakes/fake-api-server.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { peer, PEERS, placeOf } from './west.ts';

const any = () => true;
const west = { resource: PEERS, name: 'west' };

async function failure(call: Promise<unknown>): Promise<KubeError> {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof KubeError, String(error));
    return error;
  }
  return assert.fail('it succeeded');
}

async function failsWith(code: KubeErrorCode, call: Promise<unknown>, says?: RegExp): Promise<KubeError> {
  const error = await failure(call);
  assert.equal(error.code, code, error.message);
  if (says !== undefined) assert.match(error.message, says);
  return error;
}

let fake: FakeApiServer;
let api: ApiServer;

async function open(timeoutMs = 5_000, clock = systemClock): Promise<ApiServer> {
  return openApiServer({ access: await fake.serviceAccount(), clock, timeoutMs });
}

beforeEach(async () => {
  fake = await startFakeApiServer([PEERS]);
  api = await open();
});
afterEach(async () => {
  api.close();
  await fake.close();
});

function storePeers(count: number): void {
  for (let i = 0; i < count; i += 1) fake.store.create(placeOf(`p${i}`), { ...peer(`p${i}`) }, 'kubectl');
}

describe('an API server', () => {
  it('is asked for objects in their namespace', async () => {
    const object = { metadata: { name: 'roots', namespace: 'spire' }, data: {} };
    await api.create(SECRETS, object);
    assert.equal(fake.requests.at(-1)?.path, '/api/v1/namespaces/spire/secrets');
    assert.ok(await api.get({ resource: SECRETS, namespace: 'spire', name: 'roots' }));
    assert.equal(await api.get({ resource: SECRETS, namespace: 'other', name: 'roots' }), undefined);
  });

  it('is asked for long lists in pages of 500', async () => {
    storePeers(1_203);
    const from = fake.requests.length;
    const { items, resourceVersion } = await api.list({ resource: PEERS });
    assert.equal(new Set(items.map(({ metadata }) => metadata.uid)).size, 1_203);
    assert.equal(resourceVersion, String(fake.store.version));
    assert.deepEqual(
      fake.requests.slice(from).map(({ query }) => [query.get('limit'), query.has('continue')]),
      [
        ['500', false],
        ['500', true],
        ['500', true],
      ],
    );
  });

  it('says that a list has to begin anew when it forgot the state that is paged through', async () => {
    storePeers(501);
    fake.fail(({ query }) => query.has('continue'), faults.goneStatus);
    await failsWith('KubeGone', api.list({ resource: PEERS }));
  });
});

describe('server-side apply', () => {
  it('is sent under our field manager and never by force', async () => {
    await api.apply(PEERS, peer('west'));
    const { verb, query, contentType } = fake.requests.at(-1)!;
    assert.deepEqual(
      [verb, contentType, query.get('fieldManager'), query.get('force')],
      ['patch', 'application/apply-patch+yaml', 'spire-federation-broker', 'false'],
    );
  });
});

describe('a failure says what to do', () => {
  const rows: readonly (readonly [sentence: string, faults.Fault, KubeErrorCode, RegExp])[] = [
    [
      'of etcd',
      faults.status(500, 'InternalError', 'etcdserver: request timed out'),
      'KubeServerError',
      /etcdserver: request timed out/,
    ],
    ['of a load balancer', faults.badGateway, 'KubeServerError', /HTTP 502\)$/],
    ['of too many requests', faults.status(429, 'TooManyRequests', 'Too many requests'), 'KubeThrottled', /later/],
    ['of a cut connection', faults.reset, 'KubeConnectionLost', /ECONNRESET/],
    ['of an answer that is not JSON', faults.notJson('<html>'), 'KubeAnswerInvalid', /not JSON/],
    ['of an answer that is no object', faults.notJson('[]'), 'KubeAnswerInvalid', /no Kubernetes object/],
    ['of a redirect', faults.status(302, '', ''), 'KubeAnswerInvalid', /no answer of an API server/],
    [
      'of a resource that is not installed',
      faults.status(404, 'NotFound', 'the server could not find the requested resource'),
      'KubeResourceUnknown',
      /install its CRD/,
    ],
  ];
  for (const [sentence, fault, code, says] of rows) {
    it(sentence, async () => {
      fake.fail(any, fault);
      await failsWith(code, api.get(west), says);
      assert.equal(await api.get(west), undefined);
    });
  }

  it('of a right that is missing: verb, resource and group for the Role', async () => {
    fake.isAllowed = ({ verb }) => verb !== 'patch';
    await failsWith(
      'KubeForbidden',
      api.applyStatus(PEERS, { ...peer('west') }),
      /^patch status of peertrustdomains\.fedbroker\.dev "west": .*grant verb "patch" on resource "peertrustdomains\/status" in API group "fedbroker\.dev" .*cannot patch/,
    );
  });

  it('of an answer that is too large, without reading it all', async () => {
    fake.fail(any, faults.hugeBody(200 * 1024 * 1024));
    await failsWith('KubeAnswerInvalid', api.get(west), /more than 33554432 bytes/);
  });

  it('of an API server that is not there', async () => {
    await fake.stop();
    await failsWith('KubeUnreachable', api.get(west), /ECONNREFUSED/);
    await fake.listen();
    assert.equal(await api.get(west), undefined);
  });

  it('of a certificate that the cluster CA did not sign', async () => {
    const account = await fake.serviceAccount();
    await writeFile(join(account.directory, 'ca.crt'), (await makeCertificate({ isCa: true })).pem);
    const other = await openApiServer({ access: account, clock: systemClock, timeoutMs: 5_000 });
    await failsWith('KubeTlsFailed', other.get(west), /cluster's CA/);
  });

  it('without what a Secret holds, even where the API server quotes it', async () => {
    fake.fail(
      any,
      faults.status(422, 'Invalid', 'Secret "roots" is invalid: data[key]: Invalid value: "aHVudGVyMg=="'),
    );
    const secret = { metadata: { name: 'roots', namespace: 'spire' }, data: { key: 'aHVudGVyMg==' } };
    const error = await failsWith('KubeInvalid', api.apply(SECRETS, secret));
    assert.doesNotMatch(inspectAll(error), /aHVudGVyMg|first-token/);
  });

  it('without our token, whatever breaks', async () => {
    for (const fault of [faults.reset, faults.badGateway, faults.status(401, 'Unauthorized', 'Unauthorized')]) {
      fake.fail(any, fault);
      assert.doesNotMatch(inspectAll(await failure(api.get(west))), /first-token/);
    }
  });
});

function inspectAll(error: unknown): string {
  const parts: string[] = [];
  for (let each = error; each instanceof Error; each = each.cause) {
    parts.push(each.stack ?? '', JSON.stringify(Object.entries(each)));
  }
  return parts.join('\n');
}

describe('a deadline', () => {
  it('ends a request that is never answered', async () => {
    const clock = new FakeClock();
    const impatient = await open(10_000, clock);
    fake.fail(any, (request, response) => {
      setImmediate(() => {
        clock.advance(10_000);
      });
      return faults.neverAnswers(request, response);
    });
    await failsWith('KubeDeadlineExceeded', impatient.get(west), /within 10000 ms/);
    assert.equal(clock.pending, 0);
    impatient.close();
  });

  it('counts for the whole answer, not for its first byte', async () => {
    const clock = new FakeClock();
    const impatient = await open(10_000, clock);
    fake.fail(any, (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"metadata":', () => {
        setTimeout(() => {
          clock.advance(10_000);
        }, 20);
      });
      return 'Answered';
    });
    await failsWith('KubeDeadlineExceeded', impatient.get(west));
    impatient.close();
  });

  it('is none for a slow answer in time', async () => {
    fake.fail(any, faults.slow(100));
    assert.equal(await api.get(west), undefined);
  });

  it('is not needed by who cancels', async () => {
    const cancel = new AbortController();
    fake.fail(any, (request, response) => {
      cancel.abort();
      return faults.neverAnswers(request, response);
    });
    await failsWith('KubeCancelled', api.get(west, { signal: cancel.signal }));
    await failsWith('KubeCancelled', api.get(west, { signal: AbortSignal.abort() }));
  });
});

describe('connections', () => {
  it('are used again, one after the other', async () => {
    for (let i = 0; i < 50; i += 1) await api.get(west);
    assert.equal(fake.connections, 1);
  });

  it('are four at most', async () => {
    await Promise.all(Array.from({ length: 50 }, () => api.get(west)));
    assert.ok(fake.connections <= 4, String(fake.connections));
  });

  it('begin anew with another cluster CA', async () => {
    const account = await fake.serviceAccount();
    const mine = await openApiServer({ access: account, clock: systemClock, timeoutMs: 5_000 });
    await mine.get(west);
    const before = fake.connections;
    await writeFile(join(account.directory, 'ca.crt'), `${fake.ca.pem}${(await makeCertificate({ isCa: true })).pem}`);
    await mine.get(west);
    await mine.get(west);
    assert.equal(fake.connections, before + 1);
    mine.close();
  });
});

describe('credentials', () => {
  it('are taken from the rotated token file with the next request', async () => {
    const account = await fake.serviceAccount();
    const mine = await openApiServer({ access: account, clock: systemClock, timeoutMs: 5_000 });
    fake.tokens.clear();
    fake.tokens.set('second-token', 'system:serviceaccount:spire:broker');
    await failsWith('KubeUnauthorized', mine.get(west), /token is not expired/);
    await writeFile(join(account.directory, 'token'), 'second-token\n');
    assert.equal(await mine.get(west), undefined);
    mine.close();
  });

  it('that cannot be read fail the request, not the process', async () => {
    const account = await fake.serviceAccount();
    const mine = await openApiServer({ access: account, clock: systemClock, timeoutMs: 5_000 });
    await writeFile(join(account.directory, 'token'), '');
    await failsWith('KubeConfigInvalid', mine.get(west), /token is empty/);
    mine.close();
  });

  it('must be there at the start', async () => {
    const options = { clock: systemClock, timeoutMs: 5_000 };
    await failsWith('KubeConfigInvalid', openApiServer({ ...options, access: undefined }), /name a kubeconfig/);
    const access = { host: '127.0.0.1', port: 1, directory: '/nonexistent' };
    await failsWith('KubeConfigInvalid', openApiServer({ ...options, access }), /automountServiceAccountToken/);
  });
});
