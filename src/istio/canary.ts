// What may the other revisions of istiod get of what one of them gets first? Only what comes has to wait; what goes, goes
// everywhere at once, since it may have been stolen.
import { fingerprint } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { MeshFacts, MeshLimits, SharedMeshConfig } from './mesh-facts.ts';
import type { MeshMemory } from './mesh-memory.ts';
import { mergedPrints } from './merged-anchors.ts';
import type { MeshVerdict, MeshWarning } from './mesh-verdict.ts';
import { NOTHING_PUBLISHED, readPublished, type Published } from './published.ts';
import { asItIs, type Wanted } from './wanted-trust.ts';

export interface Canary {
  /** For the memory: since when its ConfigMap has each name and root, by `nameItem` and `rootItem`; undefined: not known yet. */
  readonly holds: MeshMemory['canaryHolds'];
  /** What of this another revision may have now, given what it has. */
  readonly follow: (wanted: Wanted, before: Published) => Following;
}

export interface Following {
  readonly wanted: Wanted;
  /** Why not all of it. */
  readonly waits: MeshVerdict | undefined;
}

/** Undefined: nobody goes first, or the one that should is not there. */
export function canaryOf(facts: MeshFacts, limits: MeshLimits): Canary | undefined {
  const { canary: settings } = limits;
  const first = facts.shared.find(({ revision }) => revision === settings?.revision);
  if (settings === undefined || first === undefined) return undefined;
  const holds = holdsOf(first, facts);
  const whyWait = proofOf(holds, settings, facts);
  return { holds, follow: (wanted, before) => follow(wanted, before, whyWait) };
}

export function canaryWarnings({ shared }: MeshFacts, { canary }: MeshLimits): readonly MeshWarning[] {
  if (canary === undefined || shared.length === 0) return [];
  if (shared.some(({ revision }) => revision === canary.revision)) return [];
  const message = `istioCanaryRevision names ${canary.revision}, which no istiod has: all revisions get what is new at once`;
  return [{ code: 'CanaryMissing', message }];
}

/** What it has at the first look of a process, it may have had for long: one write may come early, none is late. */
function holdsOf({ object }: SharedMeshConfig, { now, ownTrustDomain, memory }: MeshFacts): Canary['holds'] {
  const known = memory.canaryHolds;
  if (object.state === 'Unreadable') return known;
  const found = object.value;
  const isOurs = found?.brokerOf === undefined || found.brokerOf === ownTrustDomain;
  const { listed, anchors } = (isOurs ? found && readPublished(found) : undefined) ?? NOTHING_PUBLISHED;
  const items = [...[...listed].map(nameItem), ...[...anchors.values()].flat().map(rootItem)];
  return new Map(items.map((item) => [item, known === undefined ? new Date(0) : (known.get(item) ?? now)]));
}

type WhyWait = (item: string) => Pick<MeshVerdict, 'message' | 'until'> | undefined;

function proofOf(
  holds: Canary['holds'],
  { revision, soakMs }: NonNullable<MeshLimits['canary']>,
  { now, merged }: MeshFacts,
): WhyWait {
  const inForce = merged?.state === 'Known' ? itemsOf(merged.value) : undefined;
  return (item) => {
    const since = holds?.get(item);
    if (since === undefined)
      return { message: `revision ${revision} of istiod gets it first, and does not have it yet` };
    if (merged !== undefined && inForce?.has(item) !== true) {
      const message = `revision ${revision} of istiod gets it first, and istiod does not say yet that it uses it; istiodDebugUrl must be that of this revision`;
      return { message };
    }
    const until = new Date(since.getTime() + soakMs);
    if (now >= until) return undefined;
    return { message: `revision ${revision} of istiod has it; the others get it ${until.toISOString()}`, until };
  };
}

function follow(wanted: Wanted, before: Published, whyWait: WhyWait): Following {
  const { trustDomain, anchors, isCut } = wanted;
  const comes = wanted.list === 'On' && !before.listed.has(trustDomain);
  if (isCut || (comes && wanted.isUrgent)) return { wanted, waits: undefined };
  const held = before.anchors.get(trustDomain) ?? [];
  const has = new Set(held.map(fingerprint));
  const waitFor = (der: Uint8Array) => (has.has(fingerprint(der)) ? undefined : whyWait(rootItem(der)));
  const roots = anchors === 'Keep' ? [] : anchors;
  const [why] = [...(comes ? [whyWait(nameItem(trustDomain))] : []), ...roots.map(waitFor)].filter(
    (each) => each !== undefined,
  );
  if (why === undefined) return { wanted, waits: undefined };
  const waits: MeshVerdict = { code: 'WaitsForCanary', ...why };
  const ready = roots.filter((der) => waitFor(der) === undefined);
  if (!comes && ready.length > 0) return { wanted: { ...wanted, anchors: ready }, waits };
  // All its roots are replaced at once: without the new ones it would have none.
  if (!comes && held.length > 0) return { wanted, waits: undefined };
  return { wanted: asItIs(wanted), waits };
}

function itemsOf(merged: Parameters<typeof mergedPrints>[0]): ReadonlySet<string> {
  return new Set([
    ...merged.trustDomains.map((name) => `name ${name}`),
    ...[...mergedPrints(merged)].map((print) => `root ${print}`),
  ]);
}

function nameItem(trustDomain: TrustDomain): string {
  return `name ${trustDomain}`;
}

function rootItem(der: Uint8Array): string {
  return `root ${fingerprint(der)}`;
}
