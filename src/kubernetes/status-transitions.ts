// Which changes of a peer's status are worth an event? A table: one row a kind of change.
import type { PeerEvent } from './event-recorder.ts';
import type { PeerTrustDomainStatus } from './peer-trust-domain.ts';

type Condition = NonNullable<PeerTrustDomainStatus['conditions']>[number];

/** Asked for by an operator, so no reason to worry. */
const ASKED_FOR: ReadonlySet<string> = new Set(['Suspended', 'Revoked', 'Deleting']);
/** That these steps fail is an event of its own, also when another step is what keeps the peer from being ready. */
const STEPS = [
  { type: 'Accepted', action: 'JudgeDeclaration' },
  { type: 'SingleWriter', action: 'LookForOtherWriters' },
  { type: 'BundleVerified', action: 'JudgeBundle' },
  { type: 'HoldsOurAuthorities', action: 'WatchRotation' },
] as const;

/** What became true between two statuses of one object; `before` is undefined when it had none. */
export function transitionsBetween(
  before: PeerTrustDomainStatus | undefined,
  after: PeerTrustDomainStatus,
): readonly PeerEvent[] {
  const ready = readyEvent(changed(before, after, 'Ready'));
  const steps = STEPS.flatMap(({ type, action }) => {
    const step = changed(before, after, type);
    if (step?.status !== 'False') return [];
    // Ready says it already, in these words and with the step's name.
    if (ready?.message === `${type}: ${step.message}`) return [];
    return [{ ...failed(step), action }];
  });
  return [...steps, ...newRoots(before, after), ...(ready === undefined ? [] : [ready])];
}

/** The condition as it is now, when its status or its reason is another than before. */
function changed(
  before: PeerTrustDomainStatus | undefined,
  after: PeerTrustDomainStatus,
  type: string,
): Condition | undefined {
  const [was, is] = [before, after].map((status) => status?.conditions?.find((condition) => condition.type === type));
  return was?.status === is?.status && (is?.status === 'True' || was?.reason === is?.reason) ? undefined : is;
}

function readyEvent(ready: Condition | undefined): PeerEvent | undefined {
  if (ready === undefined || ready.status === 'Unknown') return undefined;
  const action = 'Federate';
  if (ready.status === 'False') return { ...failed(ready), action };
  return { type: 'Normal', reason: 'Ready', action, message: ready.message };
}

function failed({ type, reason, message }: Condition): Omit<PeerEvent, 'action'> {
  return {
    type: ASKED_FOR.has(reason) ? 'Normal' : 'Warning',
    reason,
    message: type === 'Ready' ? message : `${type}: ${message}`,
  };
}

function newRoots(before: PeerTrustDomainStatus | undefined, after: PeerTrustDomainStatus): readonly PeerEvent[] {
  const [was, is] = [before, after].map((status) => status?.bundle?.roots.map(({ fingerprint }) => fingerprint) ?? []);
  const added = (is ?? []).filter((fingerprint) => was?.includes(fingerprint) !== true);
  if (added.length === 0) return [];
  const gone = (was ?? []).filter((fingerprint) => is?.includes(fingerprint) !== true);
  const replaced = gone.length === 0 ? '' : `; no longer there: ${listed(gone)}`;
  const message = `SPIRE holds new X.509 authorities of this trust domain (SHA-256): ${listed(added)}${replaced}`;
  return [{ type: 'Normal', reason: 'NewRoots', action: 'StoreBundle', message }];
}

/** An Event's note holds about fifteen fingerprints. */
const LISTED = 6;

function listed(fingerprints: readonly string[]): string {
  const rest = fingerprints.length > LISTED ? ` and ${fingerprints.length - LISTED} more` : '';
  return `${fingerprints.slice(0, LISTED).join(', ')}${rest}`;
}
