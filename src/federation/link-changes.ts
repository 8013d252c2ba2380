// What do all peers together change in the links of each object? Collected peer by peer, told object by object.
import type { TrustDomain } from '../bundle/trust-domain.ts';

/** Trust domains that an object gains and loses. */
export interface LinkChange {
  readonly add: readonly TrustDomain[];
  readonly remove: readonly TrustDomain[];
}

export class LinkChanges<T> {
  readonly #changes = new Map<T, { readonly add: TrustDomain[]; readonly remove: TrustDomain[] }>();

  add(object: T, trustDomain: TrustDomain): void {
    this.#of(object).add.push(trustDomain);
  }

  remove(object: T, trustDomain: TrustDomain): void {
    this.#of(object).remove.push(trustDomain);
  }

  /** Those of the list that change, in its order. */
  in(list: readonly T[]): (readonly [T, LinkChange])[] {
    if (this.#changes.size === 0) return [];
    return list.flatMap((object) => {
      const change = this.#changes.get(object);
      return change === undefined ? [] : [[object, change] as const];
    });
  }

  #of(object: T) {
    const change = this.#changes.get(object) ?? { add: [], remove: [] };
    this.#changes.set(object, change);
    return change;
  }
}
