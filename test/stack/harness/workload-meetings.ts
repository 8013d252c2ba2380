// Do the workloads of all trust domains accept each other, now or the whole time? Real TLS with what their agents gave them.
import { setTimeout as pause } from 'node:timers/promises';
import type { FederatedSide } from './federated-pair.ts';
import { mutualHandshake } from './verify-svid.ts';

const MEET_EVERY_MS = 250;

type Workload = Pick<FederatedSide, 'trustDomain' | 'agent'>;

interface Meetings {
  /** Of two workloads, both presenting their SVIDs. */
  readonly handshakes: number;
  /** A sentence for each side that refused the other, with the time when they met often. */
  readonly failed: readonly string[];
}

/** What the workloads of these sides make of each other, each of every other, with the SVIDs and roots that they have now. */
export async function refusals(...sides: readonly Workload[]): Promise<readonly string[]> {
  return (await meetOnce(sides)).failed;
}

/** Until it is aborted. */
export async function keepMeeting(sides: readonly Workload[], signal: AbortSignal): Promise<Meetings> {
  const failed: string[] = [];
  let handshakes = 0;
  while (!signal.aborted) {
    const round = await meetOnce(sides);
    handshakes += round.handshakes;
    failed.push(...round.failed.map((sentence) => `${new Date().toISOString()} ${sentence}`));
    await pause(MEET_EVERY_MS);
  }
  return { handshakes, failed };
}

async function meetOnce(sides: readonly Workload[]): Promise<Meetings> {
  const workloads = await Promise.all(
    sides.map(async ({ trustDomain, agent }) => ({ trustDomain, context: await agent.fetchX509() })),
  );
  const pairs = workloads.flatMap((one, index) => workloads.slice(index + 1).map((other) => [one, other] as const));
  const failed = await Promise.all(
    pairs.map(async ([one, other]) => {
      const { client, server } = await mutualHandshake(
        { svid: one.context.svid, roots: one.context.federatedRoots.get(other.trustDomain) ?? [] },
        { svid: other.context.svid, roots: other.context.federatedRoots.get(one.trustDomain) ?? [] },
      );
      return [
        ...(client.ok ? [] : [`${one.trustDomain} refuses ${other.trustDomain}: ${client.reason}`]),
        ...(server.ok ? [] : [`${other.trustDomain} refuses ${one.trustDomain}: ${server.reason}`]),
      ];
    }),
  );
  return { handshakes: pairs.length, failed: failed.flat() };
}
