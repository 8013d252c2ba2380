// Which records does a step of a plan make, and how did each of them end? Pure; one record a bundle, one a hundred entries.
import { createHash } from 'node:crypto';
import { bundleDigest, diffBundles, type Bundle } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { AuditedPeer, AuditCause, ChangeEnded, ChangeIntended } from '../federation/audit-trail.ts';
import type { StepOutcome } from '../federation/judgement.ts';
import type { Facts } from '../federation/facts.ts';
import type { LinkChange } from '../federation/link-changes.ts';
import type { FederationPlan, Step } from '../federation/plan.ts';

export interface AuditGround {
  readonly facts: Pick<Facts, 'stored'>;
  readonly plan: Pick<FederationPlan, 'peers' | 'removed'>;
  readonly audited: (trustDomain: TrustDomain) => AuditedPeer | undefined;
}

/** An intention, and which outcomes tell how it ended. */
export interface StepRecord {
  readonly intention: ChangeIntended;
  readonly covers: (outcome: StepOutcome) => boolean;
}

/** Of objects: so that no record grows with the number of entries. */
const OBJECTS_A_RECORD = 100;

/** What is about to be changed for trust domains that did not fail before. */
export function recordsOf(step: Step, failed: ReadonlySet<TrustDomain>, ground: AuditGround): StepRecord[] {
  switch (step.kind) {
    case 'StoreBundle':
      return failed.has(step.trustDomain) ? [] : [ofPeer(step.trustDomain, storing(step, ground))];
    case 'UpdateEntries':
      return ofObjects(step.kind, failed, step.changes, ({ entry }) => ({ subject: entry.spiffeId, id: entry.id }));
    case 'UpdateClusterSpiffeIds':
      return ofObjects(step.kind, failed, step.changes, ({ object }) => ({ subject: object.name }));
    case 'RecordManagedPeers': {
      const { kind: change, added, managed } = step;
      const why = 'which peers this broker manages is kept in SPIRE';
      const cause = added.length > 0 ? 'Declaration' : 'Withdrawal';
      const intention = { ...INTENDED, change, cause, why, trustDomains: added, details: [...managed] } as const;
      return [{ intention, covers: ({ kind }) => kind === change }];
    }
    case 'CreateRelationship':
    case 'UpdateRelationship': {
      const why = 'the peer is declared with mode Delegate';
      const details = step.relationship;
      return [ofPeer(step.trustDomain, { change: step.kind, cause: 'Declaration', why, details })];
    }
    case 'ApplyFederatedTrustDomain': {
      const { name: subject, relationship: details } = step.declaration;
      const why = 'the peer is declared with mode Delegate beside spire-controller-manager';
      return [ofPeer(step.trustDomain, { change: step.kind, cause: 'Declaration', why, subject, details })];
    }
    case 'DeleteRelationship':
    case 'DeleteFederatedTrustDomain': {
      const why = 'SPIRE is no longer to fetch this bundle itself';
      return [ofPeer(step.trustDomain, { change: step.kind, cause: causeOfEnd(step.trustDomain, ground).cause, why })];
    }
    case 'DeleteBundle': {
      const { trustDomain, mode } = step;
      const held = heldOf(trustDomain, ground);
      const before = held === undefined ? {} : { before: bundleDigest(held) };
      return [
        ofPeer(trustDomain, { change: step.kind, ...causeOfEnd(trustDomain, ground), ...before, details: { mode } }),
      ];
    }
  }
}

/** How a recorded intention ended, as far as the outcomes tell. */
export function endOf(
  { intention, covers }: StepRecord,
  record: number,
  outcomes: readonly StepOutcome[],
): ChangeEnded {
  const covered = outcomes.filter(covers);
  const failures = covered.flatMap(({ error, subject, trustDomains }) =>
    error === undefined ? [] : [{ subject: subject ?? trustDomains.join(', '), result: error.code, error }],
  );
  const [first] = failures;
  const { trustDomains } = intention;
  const end = { kind: 'ChangeEnded', intention: record, trustDomains } as const;
  if (covered.length === 0) return { ...end, result: 'NotDone' };
  if (first === undefined) return { ...end, result: 'Done' };
  const told = failures.slice(0, OBJECTS_A_RECORD).map(({ subject, result }) => ({ subject, result }));
  return { ...end, result: first.result, message: first.error.message, ...(covered.length > 1 && { failures: told }) };
}

const INTENDED = { kind: 'ChangeIntended' } as const;

function ofPeer(trustDomain: TrustDomain, change: Omit<ChangeIntended, 'kind' | 'trustDomains'>): StepRecord {
  return {
    intention: { ...INTENDED, ...change, trustDomains: [trustDomain] },
    covers: ({ kind, trustDomains }) => kind === change.change && trustDomains.includes(trustDomain),
  };
}

function storing(
  { trustDomain, bundle }: Extract<Step, { readonly kind: 'StoreBundle' }>,
  ground: AuditGround,
): Omit<ChangeIntended, 'kind' | 'trustDomains'> {
  const held = heldOf(trustDomain, ground);
  const after = bundleDigest(bundle);
  const before = held === undefined ? undefined : bundleDigest(held);
  const peer = ground.plan.peers.find((each) => each.peer.trustDomain === trustDomain)?.peer;
  const [cause, why] = causeOfStoring({ before, after }, peer?.acceptDigest, ground.audited(trustDomain));
  return {
    change: 'StoreBundle',
    ...{ cause, why, after },
    ...(before !== undefined && { before }),
    details: {
      sequence: bundle.sequenceNumber,
      ...diffBundles(held ?? { ...bundle, x509Authorities: [], jwtAuthorities: [] }, bundle),
    },
  };
}

function causeOfStoring(
  { before, after }: { readonly before: string | undefined; readonly after: string },
  acceptDigest: string | undefined,
  audited: AuditedPeer | undefined,
): readonly [AuditCause, string] {
  if (acceptDigest === after) return ['Release', 'an operator named this digest in policy.acceptDigest'];
  if (audited?.stored === after && before !== after) {
    return ['Drift', 'SPIRE does not hold any more what was written before'];
  }
  return ['Peer', 'the peer’s endpoint publishes it, and every rule passed'];
}

function causeOfEnd(
  trustDomain: TrustDomain,
  { plan }: AuditGround,
): { readonly cause: AuditCause; readonly why: string } {
  const planned = plan.peers.find(({ peer }) => peer.trustDomain === trustDomain);
  if (planned === undefined) return { cause: 'Withdrawal', why: 'the peer is not declared any more' };
  if (planned.peer.suspend === 'Revoke') return { cause: 'Withdrawal', why: 'spec.suspend is Revoke' };
  if (planned.verdict?.verdict === 'revoked') {
    return { cause: 'Peer', why: 'the peer publishes no key at all, and policy.onEmptyBundle is Revoke' };
  }
  return { cause: 'Declaration', why: 'the declaration has changed' };
}

function ofObjects<Change extends LinkChange>(
  change: 'UpdateEntries' | 'UpdateClusterSpiffeIds',
  failed: ReadonlySet<TrustDomain>,
  changes: readonly Change[],
  objectOf: (change: Change) => { readonly subject: string; readonly id?: string },
): StepRecord[] {
  const wanted = changes
    .map((each) => ({
      ...objectOf(each),
      add: each.add.filter((name) => !failed.has(name)),
      remove: each.remove.filter((name) => !failed.has(name)),
    }))
    .filter(({ add, remove }) => add.length + remove.length > 0);
  const records: StepRecord[] = [];
  for (let start = 0; start < wanted.length; start += OBJECTS_A_RECORD) {
    const part = wanted.slice(start, start + OBJECTS_A_RECORD);
    const subjects = new Set(part.map(({ subject }) => subject));
    const trustDomains = [...new Set(part.flatMap(({ add, remove }) => [...add, ...remove]))].sort();
    const isOnlyRemoval = part.every(({ add }) => add.length === 0);
    const cause = isOnlyRemoval ? 'Withdrawal' : 'Declaration';
    const why = 'federatesWith is to be as the peers’ declarations say';
    records.push({
      intention: { ...INTENDED, change, cause, why, trustDomains, details: part },
      covers: ({ kind, subject }) => kind === change && subject !== undefined && subjects.has(subject),
    });
  }
  return records;
}

function heldOf(trustDomain: TrustDomain, { facts: { stored } }: AuditGround): Bundle | undefined {
  return stored.state === 'Known' ? stored.value.get(trustDomain) : undefined;
}

/** SHA-256 of plain data, in hex. */
export function dataDigest(data: unknown): string {
  return createHash('sha256').update(JSON.stringify(data)).digest('hex');
}
