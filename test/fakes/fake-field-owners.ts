// Which field manager owns which field of an object? (server-side apply, without its rules for lists of maps)
import { isRecord, leavesOf, withLeaf, without, type Json } from './fake-api-json.ts';

/** Set by the API server itself, or the object's name. */
const UNOWNED = [
  ...['name', 'namespace', 'uid', 'resourceVersion', 'generation', 'creationTimestamp'],
  ...['deletionTimestamp', 'deletionGracePeriodSeconds', 'managedFields'],
];

export interface FieldConflict {
  readonly manager: string;
  readonly operation: Operation;
  /** For example `.data.a`. */
  readonly field: string;
}

type Operation = 'Apply' | 'Update';

export class FieldOwners {
  /** Leaf → who owns it. Who applies and who writes in another way are two owners, also under one name. */
  readonly #owners = new Map<string, Set<string>>();

  /** What `manager` changed by a write that was no apply is its own. */
  update(manager: string, before: Json | undefined, after: Json): void {
    const old = ownedLeaves(before ?? {});
    const now = ownedLeaves(after);
    for (const leaf of old.keys()) if (!now.has(leaf)) this.#owners.delete(leaf);
    for (const [leaf, value] of now) {
      if (!old.has(leaf) || !same(old.get(leaf), value)) this.#owners.set(leaf, new Set([ownerOf(manager, 'Update')]));
    }
  }

  /** What others own and `applied` says differently. */
  conflicts(manager: string, current: Json, applied: Json): readonly FieldConflict[] {
    const held = ownedLeaves(current);
    return [...ownedLeaves(applied)]
      .filter(([leaf, value]) => held.has(leaf) && !same(held.get(leaf), value))
      .flatMap(([leaf]) =>
        [...(this.#owners.get(leaf) ?? [])]
          .filter((owner) => owner !== ownerOf(manager, 'Apply'))
          .map((owner) => ({ ...readOwner(owner), field: `.${(JSON.parse(leaf) as string[]).join('.')}` })),
      );
  }

  /**
   * `current` with what `manager` applies, and without what it applied before and no longer says. What others say
   * differently, they lose.
   */
  applied(manager: string, current: Json, applied: Json, part: (topField: string) => boolean): Json {
    const result = structuredClone(current);
    const leaves = ownedLeaves(applied);
    const us = ownerOf(manager, 'Apply');
    for (const [leaf, owners] of this.#owners) {
      const isOurs = owners.has(us) && part((JSON.parse(leaf) as string[])[0]!);
      if (!isOurs || leaves.has(leaf)) continue;
      owners.delete(us);
      if (owners.size > 0) continue;
      this.#owners.delete(leaf);
      withLeaf(result, leaf, undefined);
    }
    const held = ownedLeaves(current);
    for (const [leaf, value] of leaves) {
      withLeaf(result, leaf, value);
      const sharers = same(held.get(leaf), value) ? this.#owners.get(leaf) : undefined;
      this.#owners.set(leaf, (sharers ?? new Set<string>()).add(us));
    }
    return result;
  }

  managedFields(apiVersion: string): readonly unknown[] {
    const trees = new Map<string, Json>();
    for (const [leaf, owners] of this.#owners) {
      for (const owner of owners) {
        const tree = trees.get(owner) ?? {};
        trees.set(owner, tree);
        withLeaf(tree, JSON.stringify((JSON.parse(leaf) as string[]).map((name) => `f:${name}`)), {});
      }
    }
    const time = '2030-01-01T00:00:00Z';
    return [...trees].map(([owner, fieldsV1]) => {
      return { ...readOwner(owner), apiVersion, time, fieldsType: 'FieldsV1', fieldsV1 };
    });
  }
}

function ownerOf(manager: string, operation: Operation): string {
  return JSON.stringify([manager, operation]);
}

function readOwner(owner: string): { readonly manager: string; readonly operation: Operation } {
  const [manager, operation] = JSON.parse(owner) as [string, Operation];
  return { manager, operation };
}

function ownedLeaves(object: Json): Map<string, unknown> {
  const metadata = isRecord(object['metadata']) ? without(object['metadata'], ...UNOWNED) : {};
  const rest = without(object, 'apiVersion', 'kind', 'metadata');
  const leaves = leavesOf(Object.keys(metadata).length > 0 ? { ...rest, metadata } : rest);
  leaves.delete('[]');
  for (const [leaf, value] of leaves) if (value === undefined) leaves.delete(leaf);
  return leaves;
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
