// What was computed of a value before? Bundles, certificates and facts are replaced, never changed in place, and a pass
// over a thousand peers asks the same of the same values again and again.

/** As `compute`, called once for each value: what it gave is kept for as long as the value is there itself. */
export function remembered<K extends object, V>(compute: (value: K) => V): (value: K) => V {
  const memory = new WeakMap<K, V>();
  return (value) => {
    const known = memory.get(value);
    // What was computed can be that there is nothing.
    if (known !== undefined || memory.has(value)) return known as V;
    const computed = compute(value);
    memory.set(value, computed);
    return computed;
  };
}
