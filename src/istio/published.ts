// What of ours is in a mesh object, and whose is it? Certificates do not say: an annotation does, by fingerprints.
import { fingerprint } from '../bundle/bundle.ts';
import { remembered } from '../bundle/remembered.ts';
import { parseTrustDomain, type TrustDomain } from '../bundle/trust-domain.ts';
import type { MeshObjectContent } from '../federation/mesh-objects.ts';
import {
  canonicalMeshContent,
  MESH_KEY,
  parseMeshContent,
  serializeMeshContent,
  type MeshContent,
} from './mesh-content.ts';

/** JSON: `{"listed": [names], "anchors": {name: [fingerprints]}}`, sorted. Istiod does not look at annotations. */
export const RECORD_ANNOTATION = 'fedbroker.dev/mesh';

/** What is in force of ours, by trust domain. */
export interface Published {
  readonly listed: ReadonlySet<TrustDomain>;
  /** DER; every list has at least one. */
  readonly anchors: ReadonlyMap<TrustDomain, readonly Uint8Array[]>;
}

interface PublishedRecord {
  readonly listed: readonly TrustDomain[];
  /** By fingerprint. */
  readonly owners: ReadonlyMap<string, TrustDomain>;
}

export const NOTHING_PUBLISHED: Published = { listed: new Set(), anchors: new Map() };

/**
 * Undefined without a record that can be read. Names are the record's; certificates those of the record that the text
 * still has. What others added is in neither.
 */
export const readPublished = remembered(({ data, annotations }: MeshObjectContent): Published | undefined => {
  const record = readRecord(annotations[RECORD_ANNOTATION]);
  if (record === undefined) return undefined;
  const anchors = new Map<TrustDomain, Uint8Array[]>();
  for (const der of parseMeshContent(data[MESH_KEY] ?? '').content.anchors) {
    const owner = record.owners.get(fingerprint(der));
    if (owner !== undefined) append(anchors, owner, der);
  }
  return { listed: new Set(record.listed), anchors };
});

export function recordOf({ listed, anchors }: Published): string {
  const owners = [...anchors].map(([name, ders]) => [name, ders.map(fingerprint).sort()] as const);
  const sorted = owners.sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify({ listed: [...listed].sort(), anchors: Object.fromEntries(sorted) });
}

/** The text says what the record says, nothing more and nothing less, as we write it. */
export function isAsRecorded(content: MeshObjectContent): boolean {
  const published = readPublished(content);
  const text = published === undefined ? undefined : serializeMeshContent(contentOf(published));
  return Object.keys(content.data).length === 1 && content.data[MESH_KEY] === text;
}

export function contentOf({ listed, anchors }: Published): MeshContent {
  return canonicalMeshContent({ trustDomains: [...listed], anchors: [...anchors.values()].flat() });
}

export function isSamePublished(one: Published, other: Published): boolean {
  return recordOf(one) === recordOf(other);
}

/** Everything of the first is in the second. */
export function isWithin(one: Published, other: Published): boolean {
  const prints = anchorPrints(other);
  return (
    [...one.listed].every((name) => other.listed.has(name)) && [...anchorPrints(one)].every((der) => prints.has(der))
  );
}

/** Whose name or certificates differ, sorted. */
export function changedOwners(before: Published, after: Published): readonly TrustDomain[] {
  const part = ({ listed, anchors }: Published, name: TrustDomain) =>
    recordOf({ listed: new Set(listed.has(name) ? [name] : []), anchors: new Map([[name, anchors.get(name) ?? []]]) });
  const names = new Set([...before.listed, ...before.anchors.keys(), ...after.listed, ...after.anchors.keys()]);
  return [...names].filter((name) => part(before, name) !== part(after, name)).sort();
}

/** Fingerprints of all that is published. */
export function anchorPrints({ anchors }: Published): ReadonlySet<string> {
  return new Set([...anchors.values()].flat().map(fingerprint));
}

/** By fingerprint, and each once. */
export function withAnchors(
  anchors: Published['anchors'],
  owner: TrustDomain,
  ders: readonly Uint8Array[],
): Published['anchors'] {
  const changed = new Map(anchors);
  if (ders.length === 0) changed.delete(owner);
  else changed.set(owner, ders);
  return changed;
}

/** Whose certificates the record says are there, sorted. */
export function recordedOwners(record: string | undefined): readonly TrustDomain[] {
  return [...new Set(readRecord(record)?.owners.values())].sort();
}

function readRecord(text: string | undefined): PublishedRecord | undefined {
  try {
    const { listed, anchors } = JSON.parse(text ?? '') as { listed: string[]; anchors: Record<string, string[]> };
    const owners = Object.entries(anchors).flatMap(([name, prints]) => {
      const owner = parseTrustDomain(name);
      return prints.map((print) => [print, owner] as const);
    });
    return { listed: listed.map(parseTrustDomain), owners: new Map(owners) };
  } catch {
    return undefined;
  }
}

function append(anchors: Map<TrustDomain, Uint8Array[]>, owner: TrustDomain, der: Uint8Array): void {
  const list = anchors.get(owner);
  if (list === undefined) anchors.set(owner, [der]);
  else list.push(der);
}
