// How is one entry of a thousand replaced without a copy of all of them, while a snapshot stays what it was?

/** A map that is copied only when it is changed after somebody has looked at it. */
export class SnapshotMap<K, V> {
  #map = new Map<K, V>();
  #isSeen = false;

  get(key: K): V | undefined {
    return this.#map.get(key);
  }

  /** Undefined takes the entry away. */
  set(key: K, value: V | undefined): void {
    if (this.#isSeen) {
      this.#map = new Map(this.#map);
      this.#isSeen = false;
    }
    if (value === undefined) this.#map.delete(key);
    else this.#map.set(key, value);
  }

  /** As it is now; never changes. */
  snapshot(): ReadonlyMap<K, V> {
    this.#isSeen = true;
    return this.#map;
  }
}
