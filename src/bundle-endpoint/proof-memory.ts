// Was this certificate proved before by authorities that are still held? Finding a path is the dear part of a
// connection, and the same certificate is shown on many.
import { fingerprint, type X509Authority } from '../bundle/bundle.ts';
import type { SpiffeId } from '../bundle/spiffe-id.ts';

export interface Proof {
  /** Of what was shown. */
  readonly digest: string;
  /** Fingerprints of all that were held: any of them may have been the one that mattered. */
  readonly authorities: readonly string[];
  /** When the first certificate ends that it rests on. */
  readonly notAfter: Date;
}

/** Replicas of one broker show one each, and each shows another when it renews its SVID. */
const MAX_PROOFS_OF_AN_ID = 16;
/** IDs of which nothing is left but what has ended are let go when there are more. */
const MIN_ROOM = 64;

/** A proof outlives neither its certificates nor one of its authorities; others beside them take nothing from it. */
export class ProofMemory<T extends Proof> {
  /** By whom they prove to be there, the oldest first. */
  readonly #proofs = new Map<SpiffeId, readonly T[]>();
  /** Doubled each time, so that looking through all of them costs each note the same. */
  #roomUntilSweep = MIN_ROOM;

  /** Whether there is anything that {@link find} would give. */
  knows(id: SpiffeId, held: readonly X509Authority[], now: Date): boolean {
    return this.#standing(id, held, now).length > 0;
  }

  find(id: SpiffeId, digest: string, held: readonly X509Authority[], now: Date): T | undefined {
    return this.#standing(id, held, now).find((proof) => proof.digest === digest);
  }

  #standing(id: SpiffeId, held: readonly X509Authority[], now: Date): readonly T[] {
    const fingerprints = held.map(fingerprint);
    return (this.#proofs.get(id) ?? []).filter(
      ({ authorities, notAfter }) => now <= notAfter && authorities.every((each) => fingerprints.includes(each)),
    );
  }

  /** Takes the place of an older one of the same digest. What has ended is forgotten, and the oldest beyond sixteen. */
  note(id: SpiffeId, proof: T, now: Date): void {
    if (this.#proofs.size >= this.#roomUntilSweep) this.#sweep(now);
    const others = (this.#proofs.get(id) ?? []).filter(
      ({ digest, notAfter }) => digest !== proof.digest && now <= notAfter,
    );
    this.#proofs.set(id, [...others, proof].slice(-MAX_PROOFS_OF_AN_ID));
  }

  #sweep(now: Date): void {
    for (const [id, proofs] of this.#proofs) {
      if (proofs.every(({ notAfter }) => now > notAfter)) this.#proofs.delete(id);
    }
    this.#roomUntilSweep = Math.max(MIN_ROOM, 2 * this.#proofs.size);
  }
}
