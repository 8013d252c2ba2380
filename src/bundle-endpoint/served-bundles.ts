// Which version of our bundle does this entity tag name? (RFC 9110 §13.1.2)
import { bundleDigest, fingerprint, type Bundle } from '../bundle/bundle.ts';
import type { ServedBundle } from '../federation/acknowledgement.ts';

/** A rotation makes four; whoever holds an older one than these is as far behind as can be told. */
const MAX_VERSIONS = 64;

/** The versions that this process has served, the newest last. */
export class ServedBundles {
  readonly #versions = new Map<string, ServedBundle>();

  note(bundle: Bundle, etag: string, now: Date): void {
    const before = this.#versions.get(etag);
    this.#versions.delete(etag);
    this.#versions.set(etag, before ?? describe(bundle, etag, now));
    const [oldest] = this.#versions.keys();
    if (oldest !== undefined && this.#versions.size > MAX_VERSIONS) this.#versions.delete(oldest);
  }

  /** Who names several versions, or any, does not say which one was applied. */
  named(ifNoneMatch: string | undefined): ServedBundle | undefined {
    return ifNoneMatch === undefined ? undefined : this.#versions.get(ifNoneMatch.trim().replace(/^W\//, ''));
  }
}

function describe(bundle: Bundle, etag: string, servedSince: Date): ServedBundle {
  return {
    etag,
    digest: bundleDigest(bundle),
    sequenceNumber: bundle.sequenceNumber,
    x509Authorities: bundle.x509Authorities.map(fingerprint),
    jwtKeyIds: bundle.jwtAuthorities.map(({ keyId }) => keyId),
    servedSince,
  };
}
