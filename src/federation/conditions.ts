// Where is each peer in the flow, and why there? One condition a step; `Ready` is their conjunction.
import type { Bundle } from '../bundle/bundle.ts';
import { judgeEntryLinks } from './entry-links-condition.ts';
import { judgeMesh } from './mesh-condition.ts';
import type { Facts } from './facts.ts';
import { freshnessOf } from './freshness.ts';
import { failureOf, no, unknown, yes, type Judgement, type StepOutcome } from './judgement.ts';
import type { PeerPlan } from './decide-peer.ts';
import type { Peer } from './relationship.ts';

/** Kubernetes' vocabulary, so that a condition reads the same in a custom resource and in `/status`. */
export interface Condition extends Judgement {
  readonly type: ConditionType;
}

export type ConditionType =
  | 'Accepted'
  | 'EndpointTrusted'
  | 'BundleFetched'
  | 'BundleVerified'
  | 'BundleStored'
  | 'EntriesFederated'
  | 'MeshInjected'
  | 'SingleWriter'
  /** Of what comes from us: no step of the flow, and no part of `Ready`. */
  | 'HoldsOurAuthorities'
  | 'Ready';

export interface ConditionInput {
  readonly plan: PeerPlan;
  readonly facts: Facts;
  /** Of the steps that concern this peer, since the last pass that planned any. */
  readonly outcomes: readonly StepOutcome[];
  /** How many entries name this peer in `federates_with`. */
  readonly entriesFederated: number;
}

interface ConditionRow {
  readonly type: Exclude<ConditionType, 'HoldsOurAuthorities' | 'Ready'>;
  readonly judge: (input: ConditionInput) => Judgement;
}

/** In the order of the flow. */
export const CONDITIONS: readonly ConditionRow[] = [
  { type: 'Accepted', judge: judgeAccepted },
  { type: 'SingleWriter', judge: judgeSingleWriter },
  { type: 'EndpointTrusted', judge: judgeEndpointTrusted },
  { type: 'BundleFetched', judge: judgeFetched },
  { type: 'BundleVerified', judge: judgeVerified },
  { type: 'BundleStored', judge: judgeStored },
  { type: 'EntriesFederated', judge: judgeEntryLinks },
  { type: 'MeshInjected', judge: judgeMesh },
];

export function conditionsOf(input: ConditionInput): Condition[] {
  const conditions: Condition[] = CONDITIONS.map(({ type, judge }) => ({ type, ...judge(input) }));
  return [...conditions, { type: 'Ready', ...conjunction(conditions) }];
}

/** The first step that failed says why; a step that is not known yet counts only when none failed. */
function conjunction(conditions: readonly Condition[]): Judgement {
  const blocking =
    conditions.find(({ status }) => status === 'False') ?? conditions.find(({ status }) => status === 'Unknown');
  if (blocking === undefined) return yes('Ready', 'federation works');
  return { status: blocking.status, reason: blocking.reason, message: `${blocking.type}: ${blocking.message}` };
}

function judgeAccepted({ plan: { peer }, facts }: ConditionInput): Judgement {
  if (peer.suspend === 'Paused') return no('Suspended', 'spec.suspend is true: nothing is fetched or changed');
  if (peer.quarantine !== undefined) {
    return no('Quarantined', `quarantined: ${peer.quarantine.reason}. To end it: fedbroker release ${peer.name}`);
  }
  if (peer.suspend === 'Revoke') return no('Revoked', 'spec.suspend is Revoke: trust in this peer is taken away');
  const bootstrap = facts.bootstraps.get(peer.trustDomain);
  if (bootstrap?.state === 'Unreadable') return no(bootstrap.reason, `trustDomainBundle: ${bootstrap.message}`);
  return yes('Declared', 'the declaration is valid');
}

function judgeSingleWriter({ plan: { otherWriter } }: ConditionInput): Judgement {
  return otherWriter === undefined
    ? yes('NoOtherWriter', 'nobody else writes this bundle')
    : { status: 'False', reason: 'Conflict', message: `${otherWriter.message} (${otherWriter.reason})` };
}

function judgeEndpointTrusted({ plan: { peer }, facts }: ConditionInput): Judgement {
  if (peer.mode === 'Delegate') return yes('FetchedBySpire', 'SPIRE verifies the endpoint itself');
  const fetch = facts.fetched.get(peer.trustDomain);
  if (fetch?.failure?.reason === 'EndpointRootUnknown') {
    return no('EndpointRootUnknown', `${fetch.failure.message}. ${rebootstrapAdvice(peer)}`);
  }
  if (fetch?.failure !== undefined && UNTRUSTED_REASONS.has(fetch.failure.reason)) {
    return no(fetch.failure.reason, fetch.failure.message);
  }
  if (fetch?.lastSuccessAt === undefined) return unknown('NotFetchedYet', 'the endpoint was not reached yet');
  return yes('Verified', 'the endpoint proved its identity');
}

/** Failures that are about who answered, not about whether an answer came. */
const UNTRUSTED_REASONS: ReadonlySet<string> = new Set([
  'NoAuthorities',
  'EndpointIdWrong',
  'PinnedRootMissing',
  'EndpointCertificateExpired',
  'EndpointCertificateInvalid',
  'ProfileMismatch',
  'WebCertificateUntrusted',
  'WebNameWrong',
]);

/** The peer changed its roots while nobody here could learn of it; only a bundle obtained by another way helps. */
function rebootstrapAdvice(peer: Peer): string {
  return `Obtain the current bundle of ${peer.trustDomain} from its operators ("spire-server bundle show -format spiffe" there), then run: fedbroker rebootstrap ${peer.name} --bundle FILE`;
}

function judgeFetched({ plan: { peer }, facts }: ConditionInput): Judgement {
  const fetch = facts.fetched.get(peer.trustDomain);
  if (peer.mode === 'Delegate') {
    return fetch?.failure === undefined
      ? yes('FetchedBySpire', 'SPIRE fetches this bundle itself')
      : no(fetch.failure.reason, fetch.failure.message);
  }
  if (peer.suspend !== 'Active') return yes('NotFetched', 'suspended');
  if (fetch === undefined) return unknown('NotFetchedYet', 'the first fetch has not ended yet');
  const { failure, lastSuccessAt } = fetch;
  if (failure === undefined) return yes('Fetched', 'the endpoint answers');
  const lastSuccess =
    lastSuccessAt === undefined ? 'never fetched so far' : `last fetched ${lastSuccessAt.toISOString()}`;
  const message = `${failure.message} (attempt ${failure.attempts}, ${lastSuccess})`;
  const freshness = freshnessOf(peer, fetch, facts.now);
  return freshness === 'Fresh' ? no(failure.reason, message) : no(freshness, `${failure.reason}: ${message}`);
}

function judgeVerified({ plan: { peer, verdict }, facts }: ConditionInput): Judgement {
  if (peer.mode === 'Delegate') return yes('NotJudged', 'SPIRE stores what it fetches without judging it');
  if (verdict === undefined) {
    const unread = [facts.stored, facts.ownBundle].find((fact) => fact.state === 'Unreadable');
    return unread?.state === 'Unreadable'
      ? unknown(unread.reason, `SPIRE's bundles cannot be read: ${unread.message}`)
      : unknown('NothingFetched', 'there is no document to judge yet');
  }
  switch (verdict.verdict) {
    case 'accepted':
    case 'unchanged':
      return yes('Accepted', noticesText(verdict.notices) ?? 'every rule passed');
    case 'revoked':
      return no('RevokedByPeer', 'the peer publishes no key at all and policy.onEmptyBundle is Revoke');
    case 'held':
    case 'refused':
      return no(verdict.reason, `${verdict.verdict}: ${verdict.message}`);
  }
}

function noticesText(notices: readonly { readonly id: string; readonly message: string }[]): string | undefined {
  return notices.length === 0 ? undefined : notices.map(({ id, message }) => `${id}: ${message}`).join('; ');
}

function judgeStored({ plan, facts, outcomes }: ConditionInput): Judgement {
  const { peer, otherWriter } = plan;
  if (facts.stored.state === 'Unreadable') return unknown(facts.stored.reason, facts.stored.message);
  const failed = failureOf(outcomes, [
    'RecordManagedPeers',
    'StoreBundle',
    'CreateRelationship',
    'UpdateRelationship',
    'DeleteRelationship',
    'ApplyFederatedTrustDomain',
    'DeleteFederatedTrustDomain',
    'DeleteBundle',
  ]);
  if (failed !== undefined) return failed;
  if (plan.cut === 'Declared') return no('Revoked', 'the bundle was taken away');
  if (plan.cut === 'Expired') {
    return no('Expired', 'the bundle was taken away (policy.onExpired: Cut); it comes back when the endpoint answers');
  }
  if (plan.waitsForConsent) return waitingForPeer(peer, facts);
  const held = facts.stored.value.get(peer.trustDomain);
  const { controllerManager, federatedTrustDomains } = facts;
  if (held === undefined && controllerManager?.state === 'Unreadable') {
    const message = `no peer is taken up before it is known whether spire-controller-manager would undo that: ${controllerManager.message}`;
    return unknown(controllerManager.reason, message);
  }
  if (held === undefined && peer.mode === 'Delegate' && federatedTrustDomains?.state === 'Unreadable') {
    const message = `mode Delegate is declared to spire-controller-manager only when its ClusterFederatedTrustDomains can be seen: ${federatedTrustDomains.message}`;
    return unknown(federatedTrustDomains.reason, message);
  }
  if (held === undefined || held.x509Authorities.length === 0) {
    const fetch = facts.fetched.get(peer.trustDomain);
    if (fetch === undefined && otherWriter === undefined)
      return unknown('NothingFetched', 'there is nothing to store yet');
    return no(otherWriter === undefined ? 'NothingStored' : 'Conflict', 'SPIRE holds no bundle of this trust domain');
  }
  const remark = appliedRemark(peer, facts);
  return yes('Stored', `SPIRE holds ${describe(held)}${remark === undefined ? '' : `; ${remark}`}`);
}

/** We withhold the peer until it shows that it wants us. */
function waitingForPeer({ trustDomain }: Peer, { fetched }: Facts): Judgement {
  const fetch = fetched.get(trustDomain);
  const theirs =
    fetch?.document === undefined ? 'its bundle was not fetched yet either' : 'its bundle was fetched and is withheld';
  const message = `policy.requireConsent: the broker of ${trustDomain} has not asked our bundle endpoint with its SVID yet; ${theirs}. Ask its operators to declare us, with a broker that presents its SVID`;
  return no('WaitingForPeer', message);
}

/** The one-sided case, as far as it can be seen from here: a peer that asks for our bundle and applies none of it. */
function appliedRemark({ trustDomain }: Peer, { acknowledgements }: Facts): string | undefined {
  const acknowledgement = acknowledgements.get(trustDomain);
  if (acknowledgement === undefined || acknowledgement.holds !== undefined) return undefined;
  return `its broker asks for our bundle (last ${acknowledgement.at.toISOString()}) and has applied no version of it that is known here: it may hold it back`;
}

function describe(bundle: Bundle): string {
  const sequence =
    bundle.sequenceNumber === undefined ? 'no sequence number' : `sequence ${bundle.sequenceNumber.toString()}`;
  return `${bundle.x509Authorities.length} X.509 and ${bundle.jwtAuthorities.length} JWT authorities, ${sequence}`;
}
