// What should an object's status say? From what it declares, what the broker reports, and what the status says already.
import type { Condition } from '../federation/conditions.ts';
import type { HandledRequests } from './annotation-requests.ts';
import { cutToCharacters } from './cut-text.ts';
import { peerInForce, type DeclaredObject } from './declared-object.ts';
import { evidenceInStatus, type ReportedEvidence } from './evidence-in-status.ts';
import { wholeSeconds } from './micro-time.ts';
import type { PeerTrustDomainStatus } from './peer-trust-domain.ts';

type Bundle = NonNullable<PeerTrustDomainStatus['bundle']>;
type StatusCondition = NonNullable<PeerTrustDomainStatus['conditions']>[number];

/** The part of the broker's status of one peer that its object shows. Times are RFC 3339 text. */
export interface ReportedPeer {
  readonly name: string;
  readonly trustDomain: string;
  readonly conditions: readonly Condition[];
  readonly verdict?: { readonly verdict: string };
  readonly bundle?: {
    readonly digest: string;
    readonly sequence?: string;
    readonly refreshHintSeconds?: number;
    readonly roots: readonly Bundle['roots'][number][];
    readonly jwtKeyIds: readonly string[];
  };
  readonly lastFetch?: { readonly at: string; readonly result: string };
  readonly lastSuccess?: string;
  readonly nextFetch?: string;
  readonly entriesFederated: number;
  readonly audit?: { readonly record: number; readonly hash: string };
  readonly evidence?: readonly ReportedEvidence[];
}

export interface PeerStatusInput {
  readonly declared: DeclaredObject;
  /** Undefined: no pass has looked at this declaration yet. */
  readonly reported: ReportedPeer | undefined;
  /** Whether `reported` is about what the object says now; else about what it said when its status was written. */
  readonly isNewest: boolean;
  /** The object's status as it is now. */
  readonly present: PeerTrustDomainStatus | undefined;
  /** What annotations asked for and was done. */
  readonly handled: HandledRequests;
  /** Who writes it. */
  readonly identity: string;
  readonly now: Date;
}

const MESSAGE_CHARACTERS = 32_768;
const REASON_CHARACTERS = 1_024;
const NAME_CHARACTERS = 1_024;
/** An object is read as a whole by everybody who watches it; nobody reads a longer list. */
const LISTED = 64;

/** Reported by a broker that has just begun to lead: no sign that anything changed since the one before it looked. */
const NOT_LOOKED_YET: ReadonlySet<string> = new Set(['NotFetchedYet', 'NothingFetched', 'AuthoritiesNotLookedYet']);
const REFUSALS: ReadonlySet<string> = new Set(['Invalid', 'Conflict', 'OwnTrustDomain']);

/** A condition and the `metadata.generation` that it is about. */
type Judged = Omit<Condition, 'type'> & { readonly type: string; readonly generation: number | undefined };

/** The status to write. It fits the schema whatever `reported` holds, and is `present` where nothing is known better. */
export function peerTrustDomainStatusOf(given: PeerStatusInput): PeerTrustDomainStatus {
  const input = { ...given, reported: reportOfThisObject(given) };
  const { declared, reported, present, identity, now } = input;
  if (reported === undefined && looksJudged(declared, present)) return { ...present, ...input.handled };
  const generation = generationJudged(input);
  return {
    ...(generation !== undefined && { observedGeneration: generation }),
    conditions: judge(input, generation).map((condition) => dated(condition, present, now)),
    ...(reported !== undefined && seenOf(reported, present)),
    ...input.handled,
    writer: identity,
  };
}

/** An older report and no status: the report is about an earlier object of the same name. */
function reportOfThisObject({ reported, isNewest, present }: PeerStatusInput): ReportedPeer | undefined {
  return isNewest || present?.observedGeneration !== undefined ? reported : undefined;
}

/** A new leader keeps what the one before it found until it has looked itself. */
function looksJudged(
  { state, deleting }: DeclaredObject,
  present: PeerTrustDomainStatus | undefined,
): present is PeerTrustDomainStatus {
  if (state.kind !== 'InForce' || deleting) return false;
  const accepted = present?.conditions?.find(({ type }) => type === 'Accepted');
  return accepted !== undefined && (accepted.status === 'True' || !REFUSALS.has(accepted.reason));
}

/** Of the content that the steps are about: between an edit and the next pass, still that of the status. */
function generationJudged({ declared, reported, isNewest, present }: PeerStatusInput): number | undefined {
  const { state, deleting, object } = declared;
  const isEdited = reported !== undefined && !isNewest && !deleting;
  if (state.kind === 'InForce' && !isEdited) return object.metadata.generation;
  return peerInForce(declared) === undefined ? undefined : present?.observedGeneration;
}

function judge({ declared, reported, present }: PeerStatusInput, inForce: number | undefined): readonly Judged[] {
  const generation = declared.object.metadata.generation;
  const steps = (reported === undefined ? FIRST_LOOK : reported.conditions).map((condition) => ({
    ...keptWhileUnknown(condition, present, inForce),
    generation: inForce,
  }));
  const veto = vetoOf(declared, reported);
  if (veto === undefined) return withRest(steps, reported);
  const accepted = { type: 'Accepted', status: 'False', generation, ...veto } as const;
  const ready = { ...accepted, type: 'Ready', message: `Accepted: ${veto.message}` };
  const others = reported === undefined ? [] : steps.filter(({ type }) => type !== 'Accepted' && type !== 'Ready');
  return [accepted, ...withRest(others, reported), ready];
}

/** Why the declaration does not count, whatever the steps say. */
function vetoOf(
  { state, deleting }: DeclaredObject,
  reported: ReportedPeer | undefined,
): { readonly reason: string; readonly message: string } | undefined {
  if (deleting) {
    return { reason: 'Deleting', message: 'trust in this peer is taken away; then the object disappears' };
  }
  if (state.kind === 'InForce') return undefined;
  const { reason, message, inForce } = state;
  const stays = inForce === undefined || reported === undefined ? '' : '. What the object said before stays in force';
  return { reason, message: `${message}${stays}` };
}

const FIRST_LOOK: readonly Condition[] = [
  { type: 'Accepted', status: 'True', reason: 'Declared', message: 'the declaration is valid' },
  { type: 'Ready', status: 'Unknown', reason: 'NotLookedYet', message: 'the broker has not looked at this peer yet' },
];

/** What this broker cannot know yet stays as the one before it found it, for the same content of the object. */
function keptWhileUnknown(
  condition: Condition,
  present: PeerTrustDomainStatus | undefined,
  generation: number | undefined,
): Condition {
  if (condition.status !== 'Unknown' || !NOT_LOOKED_YET.has(condition.reason)) return condition;
  const found = present?.conditions?.find(({ type }) => type === condition.type);
  if (found === undefined || found.observedGeneration !== generation) return condition;
  return { type: condition.type, status: found.status, reason: found.reason, message: found.message };
}

/** Says under BundleStored what of the bundle is not listed. */
function withRest(conditions: readonly Judged[], reported: ReportedPeer | undefined): readonly Judged[] {
  const { roots = [], jwtKeyIds = [] } = reported?.bundle ?? {};
  const rest = [
    ...(roots.length > LISTED ? [`${roots.length - LISTED} more roots`] : []),
    ...(jwtKeyIds.length > LISTED ? [`${jwtKeyIds.length - LISTED} more JWT key IDs`] : []),
  ];
  if (rest.length === 0) return conditions;
  return conditions.map((condition) =>
    condition.type === 'BundleStored'
      ? { ...condition, message: `${condition.message}; not listed here: ${rest.join(' and ')}` }
      : condition,
  );
}

function dated(
  { type, status, reason, message, generation }: Judged,
  present: PeerTrustDomainStatus | undefined,
  now: Date,
): StatusCondition {
  const before = present?.conditions?.find((condition) => condition.type === type);
  return {
    type,
    status,
    ...(generation !== undefined && { observedGeneration: generation }),
    lastTransitionTime: before?.status === status ? before.lastTransitionTime : wholeSeconds(now),
    reason: reasonOf(reason),
    message: cutToCharacters(message, MESSAGE_CHARACTERS),
  };
}

/** As metav1.Condition takes it: letters, digits and underscores, beginning with a letter. */
function reasonOf(text: string): string {
  const spelt = text.replaceAll(/[^A-Za-z0-9_]/g, '_');
  return (/^[A-Za-z]/.test(spelt) ? spelt : `Reason_${spelt}`).slice(0, REASON_CHARACTERS);
}

function seenOf(reported: ReportedPeer, present: PeerTrustDomainStatus | undefined): Partial<PeerTrustDomainStatus> {
  const { bundle, nextFetch, entriesFederated, verdict, lastSuccess, audit } = reported;
  const fetchedHere = !reported.conditions.some(
    ({ type, reason }) => type === 'BundleFetched' && NOT_LOOKED_YET.has(reason),
  );
  const lastFetch = reported.lastFetch ?? (fetchedHere ? undefined : present?.lastFetch);
  const accepted = verdict?.verdict === 'accepted' || verdict?.verdict === 'unchanged';
  const lastAccepted = (accepted ? lastSuccess : undefined) ?? present?.lastAccepted;
  const evidence = evidenceInStatus(reported.evidence ?? [], present?.evidence);
  return {
    ...(bundle !== undefined && { bundle: bundleOf(bundle) }),
    ...(evidence !== undefined && { evidence: [...evidence] }),
    ...(lastFetch !== undefined && { lastFetch: { at: timeOf(lastFetch.at), result: lastFetch.result } }),
    ...(lastAccepted !== undefined && { lastAccepted: timeOf(lastAccepted) }),
    ...(nextFetch !== undefined && { nextFetch: timeOf(nextFetch) }),
    entriesFederated,
    ...(audit !== undefined && { audit }),
  };
}

function bundleOf({ roots, jwtKeyIds, ...bundle }: NonNullable<ReportedPeer['bundle']>): Bundle {
  return {
    ...bundle,
    roots: roots.slice(0, LISTED).map(({ fingerprint, subject, notAfter }) => ({
      fingerprint,
      subject: cutToCharacters(subject, NAME_CHARACTERS),
      notAfter: timeOf(notAfter),
    })),
    jwtKeyIds: jwtKeyIds.slice(0, LISTED).map((keyId) => cutToCharacters(keyId, NAME_CHARACTERS)),
  };
}

function timeOf(text: string): string {
  return wholeSeconds(new Date(text));
}
