// Which rotation would do harm, and is not led? (measured on SPIRE 1.15.3; one row a reason)
import type { RotationStep, RotationView } from './next-rotation-step.ts';

/** Closed: what a script can go by. */
export type RotationRefusalCode =
  | 'BrokerSilent'
  | 'CaTtlTooShort'
  | 'UpstreamSigned'
  | 'PreparedTooOld'
  | 'AnotherUnderWay'
  | 'Overtaken'
  | 'OldOutOfReach';

interface Refusal {
  readonly code: RotationRefusalCode;
  /** Undefined: this is no reason to refuse. */
  readonly because: (view: RotationView) => string | undefined;
}

/** A CA of a minute and a forced prepare left agents without a usable SVID; an hour did not. */
const SHORTEST_LIFE_SECONDS = 3600;

const REFUSALS: readonly Refusal[] = [
  {
    code: 'BrokerSilent',
    because: ({ readiness, record }) =>
      readiness === undefined && record === undefined
        ? 'the running broker does not say which peers hold what: check that it runs, and that --admin-address is the one it listens on'
        : undefined,
  },
  {
    code: 'CaTtlTooShort',
    because: ({ readiness }) => {
      const lifeSeconds = readiness?.clock?.lifeSeconds;
      return lifeSeconds !== undefined && lifeSeconds < SHORTEST_LIFE_SECONDS
        ? `an authority lives ${lifeSeconds} s here: with less than an hour, a rotation out of turn takes the time from agents to get their next SVID, and they end; set SPIRE's ca_ttl to 1h or more`
        : undefined;
    },
  },
  {
    code: 'UpstreamSigned',
    because: ({ readiness, asked, record }) =>
      readiness?.signedBy === 'Upstream' && (asked.taintOld || record?.taintOld === true)
        ? 'the roots are those of an UpstreamAuthority plugin: SPIRE neither taints nor revokes what they sign; rotate without --taint-old and --revoke-old, and retire a root of the upstream by "spire-server upstreamauthority taint" and "revoke"'
        : undefined,
  },
  {
    code: 'PreparedTooOld',
    because: ({ readiness, state, now }) => {
      const lifeSeconds = readiness?.clock?.lifeSeconds;
      const prepared = readiness?.authorities.find(({ id }) => id === state.prepared?.id);
      if (lifeSeconds === undefined || prepared?.publishedAt === undefined) return undefined;
      const halfAt = new Date(prepared.publishedAt.getTime() + lifeSeconds * 500);
      return now < halfAt
        ? undefined
        : `authority ${prepared.id} was prepared at ${prepared.publishedAt.toISOString()} and has lived more than half of its life: as soon as it signs, SPIRE prepares another, and after five sixths activates that at once, which no peer has seen; let SPIRE's clock activate it, then rotate`;
    },
  },
];

/** Undefined: nothing speaks against it. After activation it is too late to refuse. */
export function refusalBeforeActivation(view: RotationView): Extract<RotationStep, { step: 'Refuse' }> | undefined {
  for (const { code, because } of REFUSALS) {
    const message = because(view);
    if (message !== undefined) return { step: 'Refuse', code, message };
  }
  return undefined;
}
