// What is written into one ConfigMap of mesh config, when, and what does that mean for each peer?
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { MeshObject, MeshObjectContent } from '../federation/mesh-objects.ts';
import type { Fact } from '../federation/facts.ts';
import { objectionTo } from './candidate.ts';
import { compose } from './mesh-budget.ts';
import { MESH_KEY, parseMeshContent, serializeMeshContent } from './mesh-content.ts';
import { objectKey, type MeshFacts, type MeshLimits, type SharedMeshConfig } from './mesh-facts.ts';
import { memoryOf } from './mesh-memory.ts';
import { mergeMesh } from './mesh-merge.ts';
import type { MeshStep } from './mesh-steps.ts';
import { timeChanges, type Timing } from './mesh-timing.ts';
import { isFulfilled, type MeshVerdict, type MeshWarning } from './mesh-verdict.ts';
import { guardObject, type Guarded } from './object-guard.ts';
import type { MeshRemoval } from './plan-mesh.ts';
import {
  contentOf,
  isAsRecorded,
  NOTHING_PUBLISHED,
  readPublished,
  RECORD_ANNOTATION,
  recordOf,
  type Published,
} from './published.ts';
import { wantedOfUndeclared, type Wanted } from './wanted-trust.ts';

export interface MeshConfigPlan {
  readonly steps: readonly MeshStep[];
  /** After this plan. */
  readonly published: Published;
  readonly removals: readonly MeshRemoval[];
  readonly warnings: readonly MeshWarning[];
  readonly verdictOf: (wanted: Wanted) => MeshVerdict;
  readonly isListChanging: boolean;
  readonly lookAgainAt: readonly Date[];
  readonly undisturbed: readonly (readonly [string, MeshObjectContent])[];
}

interface ConfigInput {
  /** One object, and every revision that reads it. */
  readonly shared: readonly SharedMeshConfig[];
  readonly peers: readonly Wanted[];
  readonly facts: MeshFacts;
  readonly limits: MeshLimits;
}

export function planMeshConfig(input: ConfigInput): MeshConfigPlan {
  const [first] = input.shared;
  if (first === undefined) return stopped({ code: 'NoMeshConfig', message: 'there is no mesh config to write' });
  const { facts, limits } = input;
  const memory = memoryOf(facts.memory, first.ref);
  const guarded = guardObject({ object: first.object, memory, limits, now: facts.now, isIntact: isAsRecorded });
  if (guarded.kind === 'Stopped') return stopped(guarded.because, guarded.lookAgainAt);
  const isKnown = facts.declared.state === 'Known' && facts.stored.state === 'Known';
  const before = guarded.content === undefined ? NOTHING_PUBLISHED : readPublished(guarded.content);
  if (before === undefined && !isKnown) return stopped(NO_RECORD);
  return planContent(input, first, guarded, before ?? namesOnly(guarded.content));
}

const NO_RECORD: MeshVerdict = {
  code: 'MeshUnreadable',
  message: `the annotation ${RECORD_ANNOTATION} is gone, which says whose the certificates are; they are written anew when declarations and SPIRE's bundles can be read`,
};

function planContent(
  { shared, peers, facts, limits }: ConfigInput,
  { ref, object }: SharedMeshConfig,
  guarded: Exclude<Guarded, { readonly kind: 'Stopped' }>,
  before: Published,
): MeshConfigPlan {
  const declared = new Set(peers.map(({ trustDomain }) => trustDomain));
  const undeclared = [...new Set([...before.listed, ...before.anchors.keys()])]
    .filter((name) => !declared.has(name))
    .map((name) => wantedOfUndeclared(name, facts));
  const bases = shared.map(({ base }) => base);
  const aliases = aliasesOf(bases);
  const barred = new Map(
    peers
      .filter(({ trustDomain }) => aliases.has(trustDomain))
      .map(({ trustDomain }) => [trustDomain, isAlias(trustDomain)]),
  );
  const free = peers.map((wanted) => (barred.has(wanted.trustDomain) ? asItIs(wanted) : wanted));
  const ownRoots = facts.ownBundle.state === 'Known' ? facts.ownBundle.value.x509Authorities : [];

  const compositionOf = (wanted: readonly Wanted[]) => compose(before, wanted, ownRoots);
  const everything = compositionOf([...free, ...undeclared]);
  const objection = firstObjection(serializeMeshContent(contentOf(everything.published)), bases);
  const composed = objection === undefined ? everything : compositionOf([...free.map(withoutAdditions), ...undeclared]);

  const isRestored = guarded.kind === 'Disturbed' || (guarded.content !== undefined && !isAsRecorded(guarded.content));
  const timing = timeChanges({
    now: facts.now,
    limits,
    before,
    after: composed.published,
    wanted: [...peers, ...undeclared],
    listChangeSince: facts.memory.listChangeSince,
    rootsWrittenAt: memoryOf(facts.memory, ref).rootsWrittenAt,
    isRestored,
  });
  const content = objectContent(timing.published);
  const found = object.state === 'Known' ? object.value : undefined;
  const step = applyStep({ object, found, guarded, content, timing, before });
  return {
    steps: step === undefined ? [] : [{ ...step, ref }],
    published: timing.published,
    removals: undeclared.map(({ trustDomain, verdict }) => ({ trustDomain, verdict })),
    warnings: baseWarnings(bases),
    verdictOf: (wanted) =>
      barred.get(wanted.trustDomain) ??
      composed.refused.get(wanted.trustDomain) ??
      everything.refused.get(wanted.trustDomain) ??
      verdictIn(wanted, timing, objection, limits),
    isListChanging: timing.listDueAt !== undefined || timing.changesList,
    lookAgainAt: [lookForList(timing, facts, limits), timing.rootsDueAt].flatMap((time) => time ?? []),
    undisturbed:
      guarded.kind === 'Undisturbed' && found !== undefined && guarded.content === found
        ? [[objectKey(ref), { data: found.data, annotations: found.annotations }]]
        : [],
  };
}

/** A window that is shut opens by itself; how late is for whoever knows the windows. */
function lookForList({ listDueAt }: Timing, { now }: MeshFacts, limits: MeshLimits): Date | undefined {
  if (listDueAt === undefined || (limits.isListWindowOpen && listDueAt > now)) return listDueAt;
  return limits.nextListWindowAt ?? (listDueAt > now ? listDueAt : undefined);
}

function verdictIn(
  wanted: Wanted,
  { published, listDueAt, rootsDueAt }: Timing,
  objection: MeshVerdict | undefined,
  limits: MeshLimits,
): MeshVerdict {
  const { trustDomain, verdict, list, anchors } = wanted;
  const ofConfig = isFulfilled(verdict) && verdict.code !== 'AcceptedAtGateways' && verdict.code !== 'NotAskedFor';
  if (!ofConfig) return verdict;
  if (objection !== undefined) return objection;
  const wantedAnchors = anchors === 'Keep' ? undefined : new Set(anchors);
  const missing = wantedAnchors !== undefined && [...wantedAnchors].some((der) => !has(published, trustDomain, der));
  if (missing && rootsDueAt !== undefined) {
    const message = `roots of it are written ${rootsDueAt.toISOString()}, together with others: each change costs every proxy a certificate`;
    return { code: 'WaitsForRootInterval', message, until: rootsDueAt };
  }
  if (list === 'On' && !published.listed.has(trustDomain) && listDueAt !== undefined) {
    return waitsForList(listDueAt, limits);
  }
  return verdict;
}

function waitsForList(listDueAt: Date, { isListWindowOpen, nextListWindowAt }: MeshLimits): MeshVerdict {
  const hurry = 'every change of the list drains the connections of every proxy; set istio.urgent: true to have it now';
  if (isListWindowOpen) {
    const message = `its name is put on the list ${listDueAt.toISOString()}, together with others: ${hurry}`;
    return { code: 'WaitsForListWindow', message, until: listDueAt };
  }
  const opens =
    nextListWindowAt === undefined ? 'in the next window' : `in the window of ${nextListWindowAt.toISOString()}`;
  return {
    code: 'WaitsForListWindow',
    message: `its name is put on the list ${opens}: ${hurry}`,
    until: nextListWindowAt,
  };
}

function has({ anchors }: Published, trustDomain: TrustDomain, der: Uint8Array): boolean {
  return anchors.get(trustDomain)?.some((each) => Buffer.compare(each, der) === 0) === true;
}

interface ApplyInput {
  readonly object: Fact<MeshObject | undefined>;
  readonly found: MeshObject | undefined;
  readonly guarded: Exclude<Guarded, { readonly kind: 'Stopped' }>;
  readonly content: MeshObjectContent;
  readonly timing: Timing;
  readonly before: Published;
}

function applyStep({
  object,
  found,
  guarded,
  content,
  timing,
  before,
}: ApplyInput): Omit<MeshStep & { kind: 'ApplyMeshObject' }, 'ref'> | undefined {
  const isFlip = guarded.kind === 'Disturbed';
  const isNew = guarded.content === undefined;
  if (isNew && timing.published.listed.size + timing.published.anchors.size === 0) return undefined;
  if (!isFlip && !isNew && isSame(guarded.content, content)) return undefined;
  const names = new Set([...changed(before, timing.published)]);
  return {
    kind: 'ApplyMeshObject',
    trustDomains: [...names].sort(),
    changesList: timing.changesList,
    changesRoots: timing.changesRoots || isFlip,
    content,
    isFlip,
    takeBack: (found?.otherManagers.length ?? 0) > 0,
    replaces: { resourceVersion: found?.resourceVersion, at: object.at },
  };
}

function changed(before: Published, after: Published): TrustDomain[] {
  const names = new Set([...before.listed, ...after.listed, ...before.anchors.keys(), ...after.anchors.keys()]);
  const prints = ({ anchors }: Published, name: TrustDomain) =>
    recordOf({ listed: new Set(), anchors: new Map([[name, anchors.get(name) ?? []]]) });
  return [...names].filter(
    (name) => before.listed.has(name) !== after.listed.has(name) || prints(before, name) !== prints(after, name),
  );
}

function isSame(found: MeshObjectContent, { data, annotations }: MeshObjectContent): boolean {
  return (
    Object.keys(found.data).length === 1 &&
    found.data[MESH_KEY] === data[MESH_KEY] &&
    found.annotations[RECORD_ANNOTATION] === annotations[RECORD_ANNOTATION]
  );
}

function objectContent(published: Published): MeshObjectContent {
  return {
    data: { [MESH_KEY]: serializeMeshContent(contentOf(published)) },
    annotations: { [RECORD_ANNOTATION]: recordOf(published) },
  };
}

function namesOnly(content: MeshObjectContent | undefined): Published {
  const { trustDomains } = parseMeshContent(content?.data[MESH_KEY] ?? '').content;
  return { listed: new Set(trustDomains), anchors: new Map() };
}

function asItIs(wanted: Wanted): Wanted {
  return { ...wanted, list: 'Keep', anchors: 'Keep' };
}

/** What would be added is left out; what goes, goes: where it is of no effect now, it must not come into force later. */
function withoutAdditions(wanted: Wanted): Wanted {
  const addsRoots = wanted.anchors !== 'Keep' && wanted.anchors.length > 0;
  return { ...wanted, list: wanted.list === 'On' ? 'Keep' : wanted.list, anchors: addsRoots ? 'Keep' : wanted.anchors };
}

type BaseFact = SharedMeshConfig['base'];

function textOf(base: BaseFact): string | undefined {
  return base?.state === 'Known' ? base.value?.data[MESH_KEY] : undefined;
}

function firstObjection(shared: string, bases: readonly BaseFact[]): MeshVerdict | undefined {
  return bases.map((base) => objectionTo({ shared, base: textOf(base) })).find((objection) => objection !== undefined);
}

function aliasesOf(bases: readonly BaseFact[]): ReadonlySet<string> {
  return new Set(bases.flatMap((base) => mergeMesh({ shared: undefined, base: textOf(base) }).trustDomainAliases));
}

function isAlias(trustDomain: TrustDomain): MeshVerdict {
  const message = `mesh config has ${trustDomain} among its trustDomainAliases: there its identities are ours, name by name. Take it out of trustDomainAliases first`;
  return { code: 'TrustDomainIsAlias', message };
}

function baseWarnings(bases: readonly BaseFact[]): MeshWarning[] {
  return bases.flatMap((base) =>
    base?.state === 'Unreadable'
      ? [
          {
            code: 'BaseUnreadable',
            message: `whether istiod's own ConfigMap hides ours cannot be seen: ${base.message}`,
          },
        ]
      : [],
  );
}

function stopped(because: MeshVerdict, lookAgainAt?: Date): MeshConfigPlan {
  return {
    steps: [],
    published: NOTHING_PUBLISHED,
    removals: [],
    warnings: [],
    verdictOf: ({ verdict }) =>
      verdict.code === 'NotAskedFor' || verdict.code === 'AcceptedAtGateways' ? verdict : because,
    isListChanging: false,
    lookAgainAt: lookAgainAt === undefined ? [] : [lookAgainAt],
    undisturbed: [],
  };
}
