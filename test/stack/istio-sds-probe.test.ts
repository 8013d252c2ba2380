// Does the broker see what Envoys beside a real SPIRE agent get, however that agent is configured?
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../src/federation/clock.ts';
import type { ServedAnchors } from '../../src/federation/mesh-ports.ts';
import type { CodedError } from '../../src/federation/ports.ts';
import { createAgentSds } from '../../src/spire/agent-sds.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { localAuthority } from './harness/local-authority.ts';
import { type SpireAgent, type SpireAgentOptions, startSpireAgent } from './harness/spire-agent.ts';
import { type SpireServer, startSpireServer } from './harness/spire-server.ts';
import { openApi, ownRoots } from './harness/stored-roots.ts';

type Report = ServedAnchors | CodedError;

const EAST = 'east.test';
const WEST = 'west.test';

describe("a real agent's secret discovery, asked by the broker", () => {
  const cleanup = new Cleanup();
  let east: SpireServer;
  let west: SpireServer;

  before(async () => {
    [east, west] = await Promise.all([startSpireServer(cleanup, EAST), startSpireServer(cleanup, WEST)]);
    await giveWesternBundle();
  });

  after(() => cleanup.run());

  async function giveWesternBundle(): Promise<void> {
    const path = join(east.folder, 'west.json');
    writeFileSync(path, await west.bundleDocument());
    await east.cli(['bundle', 'set', '-format', 'spiffe', '-id', `spiffe://${WEST}`, '-path', path]);
  }

  /** An agent of east whose workloads, this test among them, federate with west. */
  async function startAgent(options: SpireAgentOptions): Promise<SpireAgent> {
    const agent = await startSpireAgent(cleanup, east, options);
    await agent.registerWorkload({ path: `/${options.name ?? ''}`, federatesWith: [WEST] });
    await agent.waitForX509();
    return agent;
  }

  /** What is reported about this agent, the latest last. */
  function watch(agent: SpireAgent, secretName?: string): Report[] {
    const reports: Report[] = [];
    const abort = new AbortController();
    const sds = createAgentSds({
      socketPath: agent.socketPath,
      clock: systemClock,
      ...(secretName !== undefined && { secretName }),
    });
    const ended = sds.watch((found) => reports.push(found), abort.signal);
    cleanup.add(() => {
      abort.abort();
      return ended;
    });
    return reports;
  }

  const rootsOf = (server: SpireServer): Promise<string[]> => ownRoots(openApi(cleanup, server));
  const expected = async () => ({ [EAST]: await rootsOf(east), [WEST]: await rootsOf(west) });

  it('sees each trust domain with its roots where ROOTCA is the name for all, also after rotation and restart', async () => {
    const agent = await startAgent({ name: 'istio', sdsAllBundlesName: 'ROOTCA' });
    const reports = watch(agent);
    const first = await eventually('there is a report', () => reports.at(-1));
    assert.deepEqual(served(first), await expected());

    await localAuthority(west, 'x509').prepare();
    await giveWesternBundle();
    const rotated = await expected();
    assert.equal(rotated[WEST].length, 2);
    await eventually('the rotated roots are reported', () => isSame(reports.at(-1), rotated));
    assert.equal(reports.length, 2, 'the stream was not kept');

    await agent.kill();
    await eventually('the agent is missed', () => codeOf(reports.at(-1)) === 'AgentUnreachable');
    await agent.restart();
    await eventually('the roots are there again', () => isSame(reports.at(-1), rotated));
    assert.deepEqual(reports.slice(2).map(codeOf), ['AgentUnreachable', undefined]);
  });

  it("says that ROOTCA is the own bundle alone with SPIRE's default names, and what to set", async () => {
    const agent = await startAgent({ name: 'default' });
    const reports = watch(agent);
    const report = await eventually('there is a report', () => reports.at(-1));
    assert.equal(codeOf(report), 'SecretOwnBundleOnly');
    assert.match((report as Error).message, /default_all_bundles_name = "ROOTCA"/);

    const all = watch(agent, 'ALL');
    assert.deepEqual(served(await eventually('there is a report', () => all.at(-1))), await expected());
    const unknown = watch(agent, 'nobody');
    const refusal = await eventually('there is a report', () => unknown.at(-1));
    assert.equal(codeOf(refusal), 'SecretUnknown');
  });

  it('says that a validator switched off keeps the roots from Envoys', async () => {
    const agent = await startAgent({ name: 'no-validator', sdsAllBundlesName: 'ROOTCA', sdsValidatorDisabled: true });
    const reports = watch(agent);
    const refusal = await eventually('there is a report', () => reports.at(-1));
    assert.equal(codeOf(refusal), 'SecretValidatorDisabled');

    const own = watch(agent, 'null');
    const list = await eventually('there is a report', () => own.at(-1));
    assert.deepEqual(list, { validator: 'OneList', roots: await rootsOf(east) });
  });

  it('sees the own bundle alone without a registration entry', async () => {
    const agent = await startSpireAgent(cleanup, east, { name: 'nobody', sdsAllBundlesName: 'ROOTCA' });
    const reports = watch(agent);
    const report = await eventually('there is a report', () => reports.at(-1));
    assert.deepEqual(served(report), { [EAST]: await rootsOf(east) });
    await agent.registerWorkload({ path: '/late', federatesWith: [WEST] });
    const both = await expected();
    await eventually('the peer is reported', () => isSame(reports.at(-1), both));
  });
});

function served(report: Report): Record<string, readonly string[]> {
  if (report instanceof Error) throw report;
  if (report.validator === 'OneList') assert.fail('the roots are one list');
  return Object.fromEntries(report.roots);
}

function isSame(report: Report | undefined, roots: Record<string, readonly string[]>): boolean {
  assert.deepEqual(served(report!), roots);
  return true;
}

function codeOf(report: Report | undefined): string | undefined {
  return report instanceof Error ? report.code : undefined;
}
