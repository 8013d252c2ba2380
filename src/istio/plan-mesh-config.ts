// What is written into one ConfigMap of mesh config, and what does that mean for each peer?
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { MeshObject, MeshObjectContent, MeshObjectRef } from '../federation/mesh-objects.ts';
import { aliasesOf, baseWarnings, hidesOurs, isAlias } from './base-mesh.ts';
import type { Canary, Following } from './canary.ts';
import { BASE_SETS, objectionTo } from './candidate.ts';
import { CONFIG_TARGETS, NO_PLACE, type ConfigTarget } from './config-target.ts';
import { concernsConfig, verdictIn } from './config-verdict.ts';
import { budgetWarnings, compose, type Composition } from './mesh-budget.ts';
import { MESH_KEY, parseMeshContent } from './mesh-content.ts';
import type { MeshFacts, MeshLimits, SharedMeshConfig } from './mesh-facts.ts';
import { memoryOf } from './mesh-memory.ts';
import type { MeshStep } from './mesh-steps.ts';
import { timeChanges, type Timing } from './mesh-timing.ts';
import type { MeshVerdict, MeshWarning } from './mesh-verdict.ts';
import { isUnclaimed, type Guarded } from './object-guard.ts';
import type { MeshRemoval } from './plan-mesh.ts';
import {
  changedOwners,
  isSamePublished,
  isWithin,
  NOTHING_PUBLISHED,
  readPublished,
  RECORD_ANNOTATION,
  type Published,
} from './published.ts';
import { asItIs, wantedOfUndeclared, withoutAdditions, type Wanted } from './wanted-trust.ts';

export interface MeshConfigPlan {
  readonly ref: MeshObjectRef | undefined;
  readonly steps: readonly MeshStep[];
  /** After this plan. */
  readonly published: Published;
  readonly removals: readonly MeshRemoval[];
  readonly warnings: readonly MeshWarning[];
  readonly verdictOf: (wanted: Wanted) => MeshVerdict;
  /** A change of the list waits, or is written. */
  readonly isListChanging: boolean;
  readonly lookAgainAt: readonly Date[];
  /** For the memory: found as it should be. */
  readonly undisturbed: MeshObjectContent | undefined;
}

interface ConfigInput {
  /** One object, and every revision that reads it. */
  readonly shared: readonly SharedMeshConfig[];
  readonly peers: readonly Wanted[];
  /** Of another object, which gets what is new first. */
  readonly canary: Canary | undefined;
  readonly facts: MeshFacts;
  readonly limits: MeshLimits;
}

/** The object as it may be worked on. */
interface Place {
  readonly target: ConfigTarget;
  readonly ref: MeshObjectRef;
  readonly fact: SharedMeshConfig['object'];
  readonly found: MeshObject | undefined;
  readonly guarded: Exclude<Guarded, { readonly kind: 'Stopped' }>;
  readonly before: Published;
  /** It is written in any case, for somebody else changed it, or an earlier version wrote it. */
  readonly isRestored: boolean;
}

export function planMeshConfig(input: ConfigInput): MeshConfigPlan {
  const { facts, limits } = input;
  const [first] = input.shared;
  if (first === undefined) return stopped({ code: 'NoMeshConfig', message: 'there is no mesh config to write' });
  const target = CONFIG_TARGETS[limits.target];
  const { ref, object: fact } = first;
  const { ownTrustDomain, now } = facts;
  const memory = memoryOf(facts.memory, ref);
  const guarded = target.guard({ object: fact, memory, ownTrustDomain, limits, now });
  if (guarded.kind === 'Stopped') return stopped(guarded.because, guarded.lookAgainAt);
  const { content } = guarded;
  const recorded = content === undefined ? NOTHING_PUBLISHED : readPublished(content);
  const isKnown = facts.declared.state === 'Known' && facts.stored.state === 'Known';
  if (recorded === undefined && !isKnown) return stopped(NO_RECORD);
  const before = recorded ?? (limits.target === 'PatchBase' ? NOTHING_PUBLISHED : namesOnly(content));
  const found = fact.state === 'Known' ? fact.value : undefined;
  const isIntact = content === undefined || target.isAsRecorded(content);
  const isRestored = guarded.kind === 'Disturbed' || !isIntact || isUnclaimed(found, guarded, memory);
  return planPlace({ target, ref, fact, found, guarded, before, isRestored }, input);
}

const NO_RECORD: MeshVerdict = {
  code: 'MeshUnreadable',
  message: `the annotation ${RECORD_ANNOTATION} is gone, which says whose the certificates are; they are written anew when declarations and SPIRE's bundles can be read`,
};

function planPlace(place: Place, { shared, peers, canary, facts, limits }: ConfigInput): MeshConfigPlan {
  const { before, guarded, found, ref, isRestored } = place;
  const bases = shared.map(({ base }) => base);
  const aliases = aliasesOf(limits.target === 'PatchBase' ? [place.fact] : bases);
  const barrierOf = ({ trustDomain, isCut }: Wanted): MeshVerdict | undefined => {
    if (isCut) return undefined;
    if (aliases.has(trustDomain)) return isAlias(trustDomain);
    return before.listed.has(trustDomain) ? undefined : facts.barred.get(trustDomain);
  };
  const undeclared = undeclaredOf(before, peers, facts);
  const following = peers.map((each): Following => {
    const wanted = barrierOf(each) === undefined ? each : asItIs(each);
    return canary?.follow(wanted, before) ?? { wanted, waits: undefined };
  });
  const allowed = following.map(({ wanted }) => wanted);
  const waiting = new Map(following.flatMap(({ wanted, waits }) => (waits ? [[wanted.trustDomain, waits]] : [])));
  const { composed, objection } = composeUnobjected({ place, wanted: allowed, undeclared, shared, facts });

  const timing = timeChanges({
    now: facts.now,
    limits,
    before,
    after: composed.published,
    wanted: [...allowed, ...undeclared],
    listChangeSince: facts.memory.listChangeSince,
    rootsWrittenAt: memoryOf(facts.memory, ref).rootsWrittenAt,
    isRestored,
  });
  const step = isRestored || !isSamePublished(before, timing.published) ? writeStep(place, timing, shared) : undefined;
  return {
    ref,
    steps: step === undefined ? [] : [step],
    published: timing.published,
    removals: undeclared.map(({ trustDomain, verdict }) => ({ trustDomain, verdict })),
    warnings: [...baseWarnings(bases), ...budgetWarnings(timing.published, ownRootsOf(facts))],
    verdictOf: (wanted) =>
      (concernsConfig(wanted) ? barrierOf(wanted) : undefined) ??
      composed.refused.get(wanted.trustDomain) ??
      waiting.get(wanted.trustDomain) ??
      verdictIn(wanted, timing, objection, limits),
    isListChanging: timing.listDueAt !== undefined || timing.changesList,
    lookAgainAt: [
      lookForList(timing, facts, limits),
      timing.rootsDueAt,
      ...[...waiting.values()].map(({ until }) => until),
    ].flatMap((time) => time ?? []),
    undisturbed: !isRestored && found !== undefined && guarded.content === found ? found : undefined,
  };
}

function undeclaredOf({ listed, anchors }: Published, peers: readonly Wanted[], facts: MeshFacts): readonly Wanted[] {
  const declared = new Set(peers.map(({ trustDomain }) => trustDomain));
  const names = new Set<TrustDomain>([...listed, ...anchors.keys()]);
  return [...names].filter((name) => !declared.has(name)).map((name) => wantedOfUndeclared(name, facts));
}

interface CandidateInput extends Pick<ConfigInput, 'shared' | 'facts'> {
  readonly place: Place;
  readonly wanted: readonly Wanted[];
  readonly undeclared: readonly Wanted[];
}

/** Where all that is wanted may not be written, what goes still goes: it must not come into force again later. */
function composeUnobjected({ place, wanted, undeclared, shared, facts }: CandidateInput): {
  readonly composed: Composition;
  readonly objection: MeshVerdict | undefined;
} {
  const ownRoots = ownRootsOf(facts);
  const whole = compose(place.before, [...wanted, ...undeclared], ownRoots);
  const isStanding = isSamePublished(place.before, whole.published) && !place.isRestored;
  const objection = isStanding ? standingObjection(place, shared) : objectionIn(place, whole.published, shared);
  if (objection === undefined) return { composed: whole, objection };
  const less = compose(place.before, [...wanted.map(withoutAdditions), ...undeclared], ownRoots);
  return { composed: less, objection };
}

/** What is written already is not simulated again and again; but others may have hidden it meanwhile. */
function standingObjection({ target }: Place, shared: readonly SharedMeshConfig[]): MeshVerdict | undefined {
  return target === CONFIG_TARGETS.SharedConfigMap && hidesOurs(shared.map(({ base }) => base)) ? BASE_SETS : undefined;
}

/** They are in the same list of every handshake. */
function ownRootsOf({ ownBundle }: MeshFacts): readonly Uint8Array[] {
  return ownBundle.state === 'Known' ? ownBundle.value.x509Authorities : [];
}

function objectionIn(
  { target, found, before }: Place,
  after: Published,
  shared: readonly SharedMeshConfig[],
): MeshVerdict | undefined {
  const content = target.contentWith(found, before, after);
  if (content === undefined) return NO_PLACE;
  const objections = target
    .sources(content, found, shared)
    .map(({ candidate, without }) => objectionTo(candidate, without));
  return objections.find((objection) => objection !== undefined);
}

/** Less than what is there now may always be written: what is wrong with it is so already. */
function writeStep(place: Place, timing: Timing, shared: readonly SharedMeshConfig[]): MeshStep | undefined {
  const { target, ref, fact, found, guarded, before } = place;
  const { published, changesList, changesRoots } = timing;
  const content = target.contentWith(found, before, published);
  const isLess = found !== undefined && isWithin(published, before);
  if (content === undefined || (!isLess && objectionIn(place, published, shared) !== undefined)) return undefined;
  const isFlip = guarded.kind === 'Disturbed';
  const head = {
    ref,
    trustDomains: changedOwners(before, published),
    changesList,
    changesRoots: changesRoots || isFlip,
    content,
    isFlip,
    replaces: { resourceVersion: found?.resourceVersion, at: fact.at },
  };
  return target.step(head, found);
}

/** A window that is shut opens by itself; when, knows whoever has its times. */
function lookForList(
  { listDueAt }: Timing,
  { now }: MeshFacts,
  { isListWindowOpen, nextListWindowAt }: MeshLimits,
): Date | undefined {
  if (listDueAt === undefined || isListWindowOpen) return listDueAt;
  return nextListWindowAt ?? (listDueAt > now ? listDueAt : undefined);
}

function namesOnly(content: MeshObjectContent | undefined): Published {
  const { trustDomains } = parseMeshContent(content?.data[MESH_KEY] ?? '').content;
  return { listed: new Set(trustDomains), anchors: new Map() };
}

function stopped(because: MeshVerdict, lookAgainAt?: Date): MeshConfigPlan {
  return {
    ref: undefined,
    steps: [],
    published: NOTHING_PUBLISHED,
    removals: [],
    warnings: [],
    verdictOf: (wanted) => (concernsConfig(wanted) ? because : wanted.verdict),
    isListChanging: false,
    lookAgainAt: lookAgainAt === undefined ? [] : [lookAgainAt],
    undisturbed: undefined,
  };
}
