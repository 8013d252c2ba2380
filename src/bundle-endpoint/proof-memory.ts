// What did these authorities prove before, and until when? Finding a path is the dear part of a connection, and the same
// certificate is shown on many.

/** Replicas of one endpoint show one each, and each shows another when it renews its SVID. */
const MAX_PROOFS = 16;

/**
 * Kept for as long as the object that stands for the authorities is there itself: others that replace it have proved
 * nothing yet.
 */
export class ProofMemory<Authorities extends object, Proof extends { readonly notAfter: Date }> {
  readonly #proofs = new WeakMap<Authorities, Map<string, Proof>>();

  /** Whether anything was proved; it may have ended since. */
  knows(authorities: Authorities): boolean {
    return this.#proofs.has(authorities);
  }

  /** Undefined also where it has ended. */
  find(authorities: Authorities, digest: string, now: Date): Proof | undefined {
    const proofs = this.#proofs.get(authorities);
    const proof = proofs?.get(digest);
    if (proof === undefined || now <= proof.notAfter) return proof;
    proofs?.delete(digest);
    return undefined;
  }

  /** Forgets the oldest where there are too many. */
  note(authorities: Authorities, digest: string, proof: Proof): void {
    const proofs = this.#proofs.get(authorities) ?? new Map<string, Proof>();
    const [oldest] = proofs.keys();
    if (oldest !== undefined && proofs.size >= MAX_PROOFS) proofs.delete(oldest);
    this.#proofs.set(authorities, proofs.set(digest, proof));
  }
}
