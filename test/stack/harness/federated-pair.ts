// What do most tests start from? Two trust domains that federate through their brokers, each with a workload.
import { declarationOf, startBroker, type Broker, type BrokerFlags } from './broker.ts';
import type { Cleanup } from './cleanup.ts';
import { startSpireAgent, type SpireAgent, type SpireAgentOptions } from './spire-agent.ts';
import { startSpireServer, type SpireServer, type SpireServerOptions } from './spire-server.ts';

export interface FederatedSide {
  readonly trustDomain: string;
  readonly server: SpireServer;
  readonly agent: SpireAgent;
  readonly broker: Broker;
  /** Of the workload `/workload`. */
  readonly entryId: string;
}

export interface PairOptions {
  readonly server?: SpireServerOptions;
  readonly agent?: SpireAgentOptions;
  readonly flags?: BrokerFlags;
  /** Merged into both declarations. */
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** Nothing is copied by hand but the bundle for the first contact. Resolves when both brokers say that they are ready. */
export async function startFederatedPair(
  cleanup: Cleanup,
  [eastName, westName]: readonly [string, string],
  { spec = {}, ...options }: PairOptions = {},
): Promise<readonly [FederatedSide, FederatedSide]> {
  const [east, west] = await Promise.all([
    startSide(cleanup, eastName, options),
    startSide(cleanup, westName, options),
  ]);
  await federateSides(east, west, spec);
  return [east, west];
}

/** One trust domain with its workload, and no peer yet. */
export async function startSide(
  cleanup: Cleanup,
  trustDomain: string,
  options: Omit<PairOptions, 'spec'>,
): Promise<FederatedSide> {
  const server = await startSpireServer(cleanup, trustDomain, options.server);
  const agent = await startSpireAgent(cleanup, server, options.agent);
  const entryId = await agent.registerWorkload({ path: '/workload' });
  return { trustDomain, server, agent, broker: await startBroker(cleanup, server, options.flags), entryId };
}

/** Declares each to the other. Resolves when both brokers say that they are ready. */
export async function federateSides(
  east: FederatedSide,
  west: FederatedSide,
  spec: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await Promise.all([federate(east, west, spec), federate(west, east, spec)]);
  await Promise.all([east.broker.waitForPeer(west.trustDomain), west.broker.waitForPeer(east.trustDomain)]);
}

async function federate(
  { broker, trustDomain }: FederatedSide,
  peer: FederatedSide,
  spec: Readonly<Record<string, unknown>>,
): Promise<void> {
  const federatesWith = { entries: [{ spiffeID: `spiffe://${trustDomain}/workload` }] };
  broker.declare(nameOf(peer), await declarationOf(peer.broker, peer.server, { federatesWith, ...spec }));
}

/** The name of a side's declaration: the first label of its trust domain. */
export function nameOf({ trustDomain }: Pick<FederatedSide, 'trustDomain'>): string {
  return trustDomain.split('.')[0] ?? trustDomain;
}
