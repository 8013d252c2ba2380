// What must be waited for before an authority may sign? (one row a reason, the first that holds is told)
import type { RotationStep, RotationView } from './next-rotation-step.ts';
import type { AuthorityReadiness } from './readiness.ts';

export type WaitReason =
  | 'PrepareUnanswered'
  | 'BrokerSilent'
  | 'BrokerLags'
  | 'PeersMissing'
  | 'PeersFellSilent'
  | 'PeersUnobserved'
  | 'OwnAgents'
  | 'PeersAgents';

interface Wait {
  readonly reason: WaitReason;
  /** Undefined: there is nothing to wait for. */
  readonly holds: (authority: AuthorityReadiness, view: RotationView) => Pending | undefined;
}

interface Pending {
  readonly until: Date | undefined;
  readonly message: string;
}

const WAITS: readonly Wait[] = [
  {
    reason: 'PeersMissing',
    holds: ({ missing, heldBy, unobserved }) => {
      if (missing.length === 0) return undefined;
      const total = heldBy.length + missing.length + unobserved.length;
      const laggards = missing.map(
        ({ trustDomain, holdsSequence, lastSeenAt }) =>
          `${trustDomain} (sequence ${holdsSequence ?? 'unknown'}, last seen ${lastSeenAt.toISOString()})`,
      );
      const message = `held by ${heldBy.length} of ${total} peers; not yet by ${laggards.join(', ')}`;
      return { until: undefined, message };
    },
  },
  // A broker that was started anew knows of nobody what it holds: who was late then may be late still.
  {
    reason: 'PeersFellSilent',
    holds: ({ unobserved }, { heard }) => {
      const names = unobserved.flatMap(({ trustDomain }) => (heard.has(trustDomain) ? [trustDomain] : []));
      if (names.length === 0) return undefined;
      const message = `the running broker no longer knows what ${names.join(', ')} holds, as it did before it was started anew: see that the broker there runs; where there is none any more, end this and run it again`;
      return { until: undefined, message };
    },
  },
  {
    reason: 'OwnAgents',
    holds: ({ publishedAt }, { now, times }) => {
      const until = new Date((publishedAt ?? now).getTime() + times.servedAtLeastSeconds * 1000);
      return now < until ? { until, message: 'our own agents get it with their next sync' } : undefined;
    },
  },
  // A peer tells of its SPIRE Server; its agents ask that every five seconds (measured on SPIRE 1.15.3).
  {
    reason: 'PeersAgents',
    holds: ({ heldBy }, { now, times }) => {
      const safeMs = ({ heldSince }: AuthorityReadiness['heldBy'][number]) =>
        heldSince.getTime() + times.servedAtLeastSeconds * 1000;
      const late = heldBy.filter((holder) => safeMs(holder) > now.getTime());
      if (late.length === 0) return undefined;
      const names = late.map(({ trustDomain }) => trustDomain).join(', ');
      const until = new Date(Math.max(...late.map(safeMs)));
      return { until, message: `the agents of ${names} get it with their next sync` };
    },
  },
  {
    reason: 'PeersUnobserved',
    holds: ({ unobserved }, { now }) => {
      const late = unobserved.filter(({ safeAt }) => safeAt > now);
      if (late.length === 0) return undefined;
      const until = new Date(Math.max(...late.map(({ safeAt }) => safeAt.getTime())));
      const names = late.map(({ trustDomain }) => trustDomain).join(', ');
      return { until, message: `not observed what ${names} holds: given the time to fetch` };
    },
  },
];

/** Undefined: every peer that can be observed holds it, and the others have had the time. */
export function waitForPeers(view: RotationView, id: string): Extract<RotationStep, { step: 'Wait' }> | undefined {
  if (view.readiness === undefined) {
    return { step: 'Wait', reason: 'BrokerSilent', until: undefined, message: 'the running broker does not answer' };
  }
  const authority = view.readiness.authorities.find((each) => each.id === id);
  if (authority?.publishedAt === undefined) {
    const message = 'the running broker has not seen the authority yet';
    return { step: 'Wait', reason: 'BrokerLags', until: undefined, message };
  }
  for (const { reason, holds } of WAITS) {
    const pending = holds(authority, view);
    if (pending !== undefined) return { step: 'Wait', reason, ...pending };
  }
  return undefined;
}
