// Which of many have something in common? An index that is asked for one key at a time.

/** By each of its keys, in the order of the list; one that names a key twice is there once. */
export function groupBy<T, K>(list: readonly T[], keysOf: (item: T) => readonly K[]): ReadonlyMap<K, ReadonlySet<T>> {
  const groups = new Map<K, Set<T>>();
  for (const item of list) {
    for (const key of keysOf(item)) {
      const group = groups.get(key);
      if (group === undefined) groups.set(key, new Set([item]));
      else group.add(item);
    }
  }
  return groups;
}
