// Does the broker see what Envoys beside a SPIRE agent get, as it is, as it changes, and when it is not to be had?
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { status as GrpcStatus } from '@grpc/grpc-js';
import type { ServedAnchors } from '../../src/federation/mesh-ports.ts';
import type { CodedError } from '../../src/federation/ports.ts';
import { createAgentSds } from '../../src/spire/agent-sds.ts';
import { AgentError, type AgentErrorCode } from '../../src/spire/agent-error.ts';
import { FakeAgentSds, spiffeValidator, trustedCa, type Answer } from '../fakes/fake-agent-sds.ts';
import { makeRoot } from '../fakes/fake-ca.ts';
import { FakeClock } from '../fakes/fake-clock.ts';

const FIRST_ANSWER_TIMEOUT_MS = 3_600_000;
/** A safety net. */
const LIMIT_MS = 10_000;

/** A watch under way; `next` takes the reports one by one. */
class Watch {
  readonly #reports: (ServedAnchors | CodedError)[] = [];
  readonly #abort = new AbortController();
  readonly #ended: Promise<void>;
  readonly clock = new FakeClock();

  constructor(socketPath: string, secretName?: string) {
    const sds = createAgentSds({
      socketPath,
      clock: this.clock,
      firstAnswerTimeoutMs: FIRST_ANSWER_TIMEOUT_MS,
      ...(secretName !== undefined && { secretName }),
    });
    this.#ended = sds.watch((found) => this.#reports.push(found), this.#abort.signal);
  }

  /** Moves the clock over waits between attempts meanwhile, but not over the time for a first answer. */
  async next(): Promise<ServedAnchors | CodedError> {
    const startedAt = Date.now();
    for (;;) {
      const report = this.#reports.shift();
      if (report !== undefined) return report;
      assert.ok(Date.now() - startedAt < LIMIT_MS, 'nothing was reported');
      await sleep(5);
      this.clock.advance(1_000);
    }
  }

  get waiting(): number {
    return this.#reports.length;
  }

  async end(): Promise<void> {
    this.#abort.abort();
    await this.#ended;
  }
}

const fingerprint = (der: Uint8Array) => createHash('sha256').update(der).digest('hex');

function roots(served: ServedAnchors | CodedError): unknown {
  if (served instanceof Error) throw served;
  return [served.validator, served.validator === 'OneList' ? served.roots : Object.fromEntries(served.roots)];
}

function assertFailed(found: ServedAnchors | CodedError, code: AgentErrorCode, text: string | RegExp = ''): void {
  assert.ok(found instanceof AgentError, 'it is not an AgentError');
  assert.equal(found.code, code);
  assert.match(found.message, new RegExp(text));
}

describe('secret discovery of a SPIRE agent', () => {
  let folder: string;
  let agent: FakeAgentSds;
  let watch: Watch | undefined;
  let [east, west, west2] = [] as unknown as [pem: Root, pem: Root, pem: Root];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fedbroker-sds-'));
    [east, west, west2] = await Promise.all([root('east.test'), root('west.test'), root('west.test')]);
  });
  beforeEach(async () => {
    agent = new FakeAgentSds(join(folder, 'agent.sock'));
    await agent.start();
  });
  afterEach(async () => {
    await watch?.end();
    agent.stop();
  });
  after(() => rm(folder, { recursive: true }));

  const start = (secretName?: string): Watch => (watch = new Watch(agent.socketPath, secretName));
  const both = () => spiffeValidator({ 'east.test': east.pem, 'west.test': west.pem + west2.pem });

  it('names the roots of each trust domain, sorted', async () => {
    agent.serve('ROOTCA', both());
    const served = await start().next();
    const western = [west.fingerprint, west2.fingerprint].sort();
    assert.deepEqual(roots(served), ['PerTrustDomain', { 'east.test': [east.fingerprint], 'west.test': western }]);
  });

  it('reports a rotation on the same stream, acknowledges it, and leaves out what says the same', async () => {
    agent.serve('ROOTCA', spiffeValidator({ 'east.test': east.pem, 'west.test': west.pem }));
    const { next } = bound(start());
    await next();
    agent.repeat();
    agent.serve('ROOTCA', both());
    const western = [west.fingerprint, west2.fingerprint].sort();
    assert.deepEqual(roots(await next()), [
      'PerTrustDomain',
      { 'east.test': [east.fingerprint], 'west.test': western },
    ]);
    await until(() => agent.requests.length === 4);
    assert.deepEqual(
      agent.requests.map(({ versionInfo, responseNonce, resourceNames }) => [
        versionInfo,
        responseNonce,
        resourceNames,
      ]),
      [
        ['', '', ['ROOTCA']],
        ['1', 'nonce-1', ['ROOTCA']],
        ['2', 'nonce-2', ['ROOTCA']],
        ['3', 'nonce-3', ['ROOTCA']],
      ],
    );
    assert.equal(agent.requests[0]?.typeUrl, 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret');
  });

  it('says when roots are one list, in which every root vouches for every name', async () => {
    agent.serve('ROOTCA', trustedCa(east.pem + west.pem));
    assert.deepEqual(roots(await start().next()), ['OneList', [east.fingerprint, west.fingerprint].sort()]);
  });

  it('shows a trust domain without roots, which an Envoy would refuse', async () => {
    agent.serve('ROOTCA', spiffeValidator({ 'east.test': east.pem, 'west.test': '' }));
    assert.deepEqual(roots(await start().next()), [
      'PerTrustDomain',
      { 'east.test': [east.fingerprint], 'west.test': [] },
    ]);
  });

  it('takes anchors of one trust domain as all there are when the agent has no other name for all', async () => {
    agent.serve('ROOTCA', spiffeValidator({ 'east.test': east.pem }));
    assert.deepEqual(roots(await start().next()), ['PerTrustDomain', { 'east.test': [east.fingerprint] }]);
  });

  it("says that the name is the own bundle's when all bundles are served under SPIRE's default name", async () => {
    agent.serve('ROOTCA', spiffeValidator({ 'east.test': east.pem }));
    agent.serve('ALL', both());
    assertFailed(await start().next(), 'SecretOwnBundleOnly', 'default_all_bundles_name = "ROOTCA"');
    await until(() => agent.openStreams === 1);
  });

  it("says so also when the agent's validator is switched off", async () => {
    agent.serve('ROOTCA', trustedCa(east.pem));
    agent.serve('ALL', { code: GrpcStatus.INTERNAL, text: 'unable to use "SPIFFE validator" on Envoy below 1.17' });
    assertFailed(await start().next(), 'SecretOwnBundleOnly');
  });

  it('asks for another name when told to', async () => {
    agent.serve('ALL', spiffeValidator({ 'east.test': east.pem }));
    assert.deepEqual(roots(await start('ALL').next()), ['PerTrustDomain', { 'east.test': [east.fingerprint] }]);
  });

  const REFUSED: readonly (readonly [sentence: string, Answer, AgentErrorCode, RegExp])[] = [
    [
      'the validator is switched off',
      { code: GrpcStatus.INTERNAL, text: 'unable to use "SPIFFE validator" on Envoy below 1.17' },
      'SecretValidatorDisabled',
      /remove disable_spiffe_cert_validation/,
    ],
    [
      'the agent cannot find out who asks',
      { code: GrpcStatus.UNAVAILABLE, text: 'workload attestation failed' },
      'AgentAttestationFailed',
      /workload attestor/,
    ],
    ['the agent limits its load', { code: GrpcStatus.RESOURCE_EXHAUSTED, text: 'rate' }, 'AgentOverloaded', /rate/],
    ['the agent fails', { code: GrpcStatus.INTERNAL, text: 'no bundle found' }, 'AgentInternal', /no bundle found/],
    ['roots are no PEM', trustedCa('garbage'), 'AgentAnswerInvalid', /not PEM/],
    ['a trust domain has no name', spiffeValidator({ '': '' }), 'AgentAnswerInvalid', /not a trust domain name/],
    [
      'the validation context is empty',
      { case: 'validationContext', value: {} },
      'AgentAnswerInvalid',
      /neither a validator nor roots/,
    ],
    [
      'the validator is none we know',
      { case: 'validationContext', value: { customValidatorConfig: { name: 'other' } } },
      'AgentAnswerInvalid',
      /"other" is not Envoy's SPIFFE validator/,
    ],
    [
      'roots are in a file',
      { case: 'validationContext', value: { trustedCa: {} } },
      'AgentAnswerInvalid',
      /not in the answer itself/,
    ],
  ];
  for (const [sentence, answer, code, text] of REFUSED) {
    it(`says so when ${sentence}, and sees when that is over`, async () => {
      agent.serve('ROOTCA', answer);
      const { next } = bound(start());
      assertFailed(await next(), code, text);
      agent.serve('ROOTCA', both());
      assert.ok(!((await next()) instanceof Error));
    });
  }

  it('says that a name is unknown, once, and asks again and again', async () => {
    const { next } = bound(start());
    assertFailed(await next(), 'SecretUnknown', 'default_all_bundles_name');
    while (agent.requests.length < 4) {
      watch?.clock.advance(15_000);
      await sleep(5);
    }
    assert.equal(watch?.waiting, 0);
    agent.serve('ROOTCA', both());
    assert.ok(!((await next()) instanceof Error));
  });

  it('reports an agent that went away at once, and its anchors when it is back', async () => {
    agent.serve('ROOTCA', both());
    const { next } = bound(start());
    const before = roots(await next());
    agent.stop();
    assertFailed(await next(), 'AgentUnreachable');
    await agent.start();
    assert.deepEqual(roots(await next()), before);
  });

  it('opens a stream anew that the agent ended', async () => {
    agent.serve('ROOTCA', both());
    const { next } = bound(start());
    await next();
    agent.endStreams();
    assertFailed(await next(), 'AgentUnreachable', 'ended the stream');
    assert.ok(!((await next()) instanceof Error));
  });

  it('needs no agent at the start', async () => {
    agent.stop();
    const { next } = bound(start());
    assertFailed(await next(), 'AgentUnreachable', 'check that it runs');
    agent.serve('ROOTCA', both());
    await agent.start();
    assert.ok(!((await next()) instanceof Error));
  });

  it('gives up a stream that has no first answer in time, not one that is quiet afterwards', async () => {
    agent.serve('ROOTCA', 'Silence');
    const { next } = bound(start());
    await until(() => agent.openStreams === 1);
    watch?.clock.advance(FIRST_ANSWER_TIMEOUT_MS);
    assertFailed(await next(), 'AgentDeadlineExceeded', 'no answer within');
    await until(() => agent.openStreams === 1);
    agent.serve('ROOTCA', both());
    assert.ok(!((await next()) instanceof Error));
    assert.equal(watch?.clock.pending, 0);
  });

  it('ends its stream and reports no more when its signal aborts', async () => {
    agent.serve('ROOTCA', both());
    const ending = start();
    await ending.next();
    await ending.end();
    await until(() => agent.openStreams === 0);
    assert.equal(ending.waiting, 0);
  });
});

interface Root {
  readonly pem: string;
  readonly fingerprint: string;
}

async function root(trustDomain: string): Promise<Root> {
  const { der, pem } = await makeRoot(trustDomain);
  return { pem: `${pem.trim()}\n`, fingerprint: fingerprint(der) };
}

function bound(watch: Watch): { readonly next: () => Promise<ServedAnchors | CodedError> } {
  return { next: () => watch.next() };
}

async function until(isSo: () => boolean): Promise<void> {
  const startedAt = Date.now();
  while (!isSo()) {
    assert.ok(Date.now() - startedAt < LIMIT_MS, 'it did not come true');
    await sleep(5);
  }
}
