// Does this peer hold what signs for us? Said of it beside the steps of its flow: of what comes from us, not to us.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { no, unknown, yes, type Judgement } from '../federation/judgement.ts';
import { ALARM_CODES, type RotationAlarm, type RotationAlarmCode } from './alarms.ts';
import type { KindReadiness } from './readiness.ts';

/** With the alarms about it. */
export type JudgedKind = KindReadiness & { readonly alarms: readonly RotationAlarm[] };

interface Raised {
  readonly kind: JudgedKind;
  readonly alarm: RotationAlarm;
  /** Empty: it is about all peers. */
  readonly concerns: ReadonlySet<TrustDomain>;
}

/** What each alarm says to whoever looks at one peer. Without times that move: an object would be written for them. */
const MESSAGES: Readonly<Record<RotationAlarmCode, (raised: Raised, holds: string) => string>> = {
  ActiveNotHeld: (raised, holds) =>
    `${named(raised)} signs for us, and its broker ${holds}: until then it refuses our SVIDs; its broker's status says why our newer bundle does not get there`,
  ActivatesUnheld: (raised, holds) =>
    `${named(raised)} signs for us from ${activation(raised)}, by SPIRE's clock, and its broker ${holds}; its broker's status says why our newer bundle does not get there`,
  SafeMomentTooLate: (raised) =>
    `what it holds is not observed, and ${named(raised)} signs for us from ${activation(raised)}, sooner than three refresh hints after it was published: make ca_ttl longer or refreshHintSeconds shorter`,
  FollowedUnseen: (raised) =>
    `${named(raised)}, which comes next, has under a sixth of its life left when SPIRE activates it at ${activation(raised)}: the one after it signs before any peer has seen it; run "fedbroker rotate" before`,
};

/** Of each peer; undefined: it is none of those that are to hold anything of ours. Indexed once: there may be thousands. */
export function judgeHoldings(kinds: readonly JudgedKind[]): (trustDomain: TrustDomain) => Judgement | undefined {
  const signing = kinds.flatMap(({ authorities }) => authorities.filter(({ state }) => state === 'Active'));
  const unobserved = namesOf(signing.flatMap((each) => each.unobserved));
  const observed = namesOf(signing.flatMap((each) => [...each.heldBy, ...each.missing]));
  const alarms = alarmsOf(kinds);
  return (trustDomain) => {
    if (!unobserved.has(trustDomain) && !observed.has(trustDomain)) return undefined;
    const worst = alarms.find(({ concerns }) => concerns.size === 0 || concerns.has(trustDomain));
    if (worst !== undefined) return judgementOf(worst, trustDomain);
    return unobserved.has(trustDomain)
      ? unknown(
          'NotObserved',
          'its broker has not told what it holds: not yet, or it only fetches, as SPIRE itself does',
        )
      : yes('Held', 'its broker has told that it holds what signs for us');
  };
}

/** In the order of `ALARM_CODES`: the worst first. */
function alarmsOf(kinds: readonly JudgedKind[]): readonly Raised[] {
  const all = kinds.flatMap((kind) =>
    kind.alarms.map((alarm) => ({ kind, alarm, concerns: new Set(alarm.trustDomains) })),
  );
  return ALARM_CODES.flatMap((code) => all.filter(({ alarm }) => alarm.code === code));
}

/** False only by its own word: that it has told of nothing known may be its first contact, or our restart. */
function judgementOf(raised: Raised, trustDomain: TrustDomain): Judgement {
  const { kind, alarm, concerns } = raised;
  const { missing = [] } = kind.authorities.find(({ id }) => id === alarm.id) ?? {};
  const sequence = concerns.has(trustDomain)
    ? missing.find((each) => each.trustDomain === trustDomain)?.holdsSequence
    : undefined;
  const holds =
    sequence === undefined
      ? 'has told of no version of our bundle that is known here'
      : `has told that it holds sequence ${sequence.toString()}, without it`;
  const judge = sequence === undefined ? unknown : no;
  return judge(alarm.code, MESSAGES[alarm.code](raised, holds));
}

function named({ kind, alarm }: Raised): string {
  return `${kind.kind === 'x509' ? 'X.509' : 'JWT'} authority ${alarm.id}`;
}

function activation({ kind: { clock } }: Raised): string {
  return clock?.activatesAt.toISOString() ?? 'a time that is not known';
}

function namesOf(peers: readonly { readonly trustDomain: TrustDomain }[]): ReadonlySet<TrustDomain> {
  return new Set(peers.map(({ trustDomain }) => trustDomain));
}
