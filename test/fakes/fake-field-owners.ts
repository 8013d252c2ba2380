// Which field manager owns which field of an object? (server-side apply, without its rules for lists of maps)
import { isRecord, leavesOf, withLeaf, without, type Json } from './fake-api-json.ts';

/** Set by the API server itself, or the object's name. */
const UNOWNED = [
  ...['name', 'namespace', 'uid', 'resourceVersion', 'generation', 'creationTimestamp'],
  ...['deletionTimestamp', 'deletionGracePeriodSeconds', 'managedFields'],
];

export interface FieldConflict {
  readonly manager: string;
  /** For example `.data.a`. */
  readonly field: string;
}

export type Operation = 'Apply' | 'Update';

export class FieldOwners {
  /** Leaf → managers, each with how it took the field. */
  readonly #managers = new Map<string, Map<string, Operation>>();

  /** What `manager` changed by a write that was no apply is its own. */
  update(manager: string, before: Json | undefined, after: Json): void {
    const old = ownedLeaves(before ?? {});
    const now = ownedLeaves(after);
    for (const leaf of old.keys()) if (!now.has(leaf)) this.#managers.delete(leaf);
    for (const [leaf, value] of now) {
      if (!old.has(leaf) || !same(old.get(leaf), value)) this.#managers.set(leaf, new Map([[manager, 'Update']]));
    }
  }

  /** What others own and `applied` says differently. */
  conflicts(manager: string, current: Json, applied: Json): readonly FieldConflict[] {
    const held = ownedLeaves(current);
    return [...ownedLeaves(applied)]
      .filter(([leaf, value]) => held.has(leaf) && !same(held.get(leaf), value))
      .flatMap(([leaf]) =>
        [...(this.#managers.get(leaf)?.keys() ?? [])]
          .filter((owner) => owner !== manager)
          .map((owner) => ({ manager: owner, field: `.${(JSON.parse(leaf) as string[]).join('.')}` })),
      );
  }

  /** `current` with what `manager` applies, and without what it applied before and no longer says. */
  applied(manager: string, current: Json, applied: Json, part: (topField: string) => boolean): Json {
    const result = structuredClone(current);
    const leaves = ownedLeaves(applied);
    for (const [leaf, managers] of this.#managers) {
      const isOurs = managers.get(manager) === 'Apply' && part((JSON.parse(leaf) as string[])[0]!);
      if (!isOurs || leaves.has(leaf)) continue;
      managers.delete(manager);
      if (managers.size > 0) continue;
      this.#managers.delete(leaf);
      withLeaf(result, leaf, undefined);
    }
    for (const [leaf, value] of leaves) {
      withLeaf(result, leaf, value);
      this.#managers.set(leaf, (this.#managers.get(leaf) ?? new Map<string, Operation>()).set(manager, 'Apply'));
    }
    return result;
  }

  managedFields(apiVersion: string): readonly unknown[] {
    const trees = new Map<string, Json>();
    for (const [leaf, managers] of this.#managers) {
      for (const [manager, operation] of managers) {
        const key = JSON.stringify([manager, operation]);
        const tree = trees.get(key) ?? {};
        trees.set(key, tree);
        withLeaf(tree, JSON.stringify((JSON.parse(leaf) as string[]).map((name) => `f:${name}`)), {});
      }
    }
    return [...trees].map(([key, fieldsV1]) => {
      const [manager, operation] = JSON.parse(key) as [string, Operation];
      return { manager, operation, apiVersion, time: '2030-01-01T00:00:00Z', fieldsType: 'FieldsV1', fieldsV1 };
    });
  }
}

function ownedLeaves(object: Json): Map<string, unknown> {
  const metadata = isRecord(object['metadata']) ? without(object['metadata'], ...UNOWNED) : {};
  const rest = without(object, 'apiVersion', 'kind', 'metadata');
  const leaves = leavesOf(Object.keys(metadata).length > 0 ? { ...rest, metadata } : rest);
  leaves.delete('[]');
  return leaves;
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
