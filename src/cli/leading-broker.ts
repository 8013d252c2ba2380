// What does the broker of the replica that leads do beside the rest? It tells on the objects, and does what annotations ask.
import type { Broker } from '../broker/broker.ts';
import { checkRebootstrap, storeRebootstrap } from '../broker/rebootstrap.ts';
import { repeat } from '../broker/repeat.ts';
import { writtenStatus } from '../broker/status.ts';
import type { WorkingBroker } from '../broker/terms.ts';
import { systemClock } from '../federation/clock.ts';
import type { Peer } from '../federation/relationship.ts';
import type { ApiServer } from '../kubernetes/api-server.ts';
import { PeerDuties, type PeerDutiesOptions } from '../kubernetes/peer-duties.ts';
import type { PeerResources } from '../kubernetes/peer-resources.ts';
import { createBroker, type BrokerGround, type DeclaredBy } from './create-broker.ts';

export interface LeadingParts {
  readonly api: ApiServer;
  readonly resources: PeerResources;
  /** Of this replica. */
  readonly identity: string;
  readonly onRefresh: (trustDomain: Peer['trustDomain']) => void;
  readonly onDutyFailed: PeerDutiesOptions['onError'];
  /** It was told what is declared, and asked SPIRE once. */
  readonly onStarted: (broker: Broker) => void;
}

/** Between passes, times move on objects by this. */
const TELL_STATUS_MS = 20_000;

export function leadingBroker(ground: BrokerGround, declaredBy: DeclaredBy, parts: LeadingParts): WorkingBroker {
  const { api, resources, identity, onRefresh, onDutyFailed, onStarted } = parts;
  const ended = new AbortController();
  const duties = new PeerDuties({
    ...{ api, clock: systemClock, random: Math.random, ownTrustDomain: ground.trustDomain, identity, resources },
    onRefresh,
    rebootstrap: async (peer) => {
      await rebootstrapAsAnnotated(peer, ground, { readBootstrap: declaredBy.readBootstrap, signal: ended.signal });
      onRefresh(peer.trustDomain);
    },
    onError: onDutyFailed,
    onFault: (error) => {
      ground.log.error({ err: error }, 'a duty for the objects failed by a fault of this program');
    },
  });
  const broker = createBroker(ground, {
    ...declaredBy,
    onPass: (report) => {
      duties.notePass(report, writtenStatus(broker.status()));
    },
  });
  let running: Promise<unknown> = Promise.resolve();
  return {
    start: async (term) => {
      // What a standby replica has seen may be old: its watch can be dead without a sign for a minute and a half.
      await resources.readAnew(term);
      if (term.aborted) return;
      const telling = repeat({ clock: systemClock, intervalMs: TELL_STATUS_MS, signal: ended.signal }, () => {
        duties.noteStatus(writtenStatus(broker.status()));
        return Promise.resolve();
      });
      running = Promise.all([duties.run(ended.signal), telling]);
      await broker.start();
      onStarted(broker);
    },
    stop: async () => {
      await broker.stop();
      ended.abort();
      await running;
    },
    status: () => broker.status(),
    refresh: (peer) => {
      broker.refresh(peer);
    },
    refreshAll: () => {
      broker.refreshAll();
    },
    find: (trustDomain) => broker.find(trustDomain),
    noteAcknowledged: (acknowledgement) => {
      broker.noteAcknowledged(acknowledgement);
    },
  };
}

interface BootstrapReading {
  readonly readBootstrap: DeclaredBy['readBootstrap'];
  readonly signal: AbortSignal;
}

/** As `fedbroker rebootstrap`, with the bundle that the declaration names. */
async function rebootstrapAsAnnotated(
  peer: Peer,
  { spire, config, log, auditor }: BrokerGround,
  { readBootstrap, signal }: BootstrapReading,
): Promise<void> {
  const { name, trustDomain } = peer;
  try {
    const given = await readBootstrap(peer);
    if (given === undefined) throw new Error('the declaration has no trustDomainBundle');
    const parts = { spire, now: systemClock.now(), maxRoots: config.maxRoots, signal };
    const request = { cause: 'Annotation', why: 'its rebootstrap annotation asked for its trustDomainBundle' } as const;
    await storeRebootstrap(await checkRebootstrap(given, parts), { ...parts, auditor, request });
    log.info({ peer: name, trustDomain }, 'set anew from its trustDomainBundle, as its annotation asked');
  } catch (error) {
    log.error(
      { peer: name, trustDomain, err: error },
      'cannot be set anew from its trustDomainBundle; nothing changed',
    );
    throw error;
  }
}
