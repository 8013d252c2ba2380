// Who asked this endpoint, and what has he applied? As src/bundle-endpoint/acknowledgements.ts decides, without sockets.
import type { Bundle, X509Authority } from '../../src/bundle/bundle.ts';
import { trustDomainOf, type SpiffeId } from '../../src/bundle/spiffe-id.ts';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import { ServedBundles } from '../../src/bundle-endpoint/served-bundles.ts';
import type { PeerBrokers } from '../../src/federation/peer-broker.ts';
import type { Process } from './process.ts';

/** What a client shows of itself with a request. */
export interface ClientSight {
  readonly spiffeId: SpiffeId;
  readonly signedBy: X509Authority;
  readonly notAfterMs: number;
  readonly appliedEtag: string | undefined;
}

interface RootsTold {
  /** Fingerprints. */
  readonly roots: readonly string[];
  /** Since the start. */
  readonly sinceMs: number;
}

export interface AcknowledgementsModelParts {
  readonly process: Process;
  readonly brokers: PeerBrokers;
  readonly elapsedMs: () => number;
}

export class AcknowledgementsModel {
  /** When each peer was last known to have asked, since the start. */
  readonly seenAtMs = new Map<TrustDomain, number>();
  /** Of those: the roots in the version of our bundle that each has named last. */
  readonly told = new Map<TrustDomain, RootsTold>();
  readonly #parts: AcknowledgementsModelParts;
  readonly #served = new ServedBundles();

  constructor(parts: AcknowledgementsModelParts) {
    this.#parts = parts;
  }

  publish(bundle: Bundle, etag: string): void {
    this.#served.note(bundle, etag, this.#parts.process.clock.now());
  }

  /** The broker of a new term knows nothing of what the one before was told. */
  forget(): void {
    this.seenAtMs.clear();
    this.told.clear();
  }

  /** For a request that is held, again and again. */
  async note({ spiffeId, signedBy, notAfterMs, appliedEtag }: ClientSight): Promise<void> {
    const { process, brokers, elapsedMs } = this.#parts;
    if (!process.isAlive || process.isStopped) return;
    const at = process.clock.now();
    const trustDomain = trustDomainOf(spiffeId);
    const broker = await brokers.find(trustDomain);
    if (broker?.spiffeIds.includes(spiffeId) !== true || notAfterMs <= at.getTime()) return;
    const isProven = broker.bundles.some(({ x509Authorities }) =>
      x509Authorities.some((root) => Buffer.compare(root, signedBy) === 0),
    );
    if (!isProven) return;
    const holds = this.#served.named(appliedEtag);
    this.seenAtMs.set(trustDomain, elapsedMs());
    if (holds === undefined) this.told.delete(trustDomain);
    else if (this.told.get(trustDomain)?.roots !== holds.x509Authorities) {
      this.told.set(trustDomain, { roots: holds.x509Authorities, sinceMs: elapsedMs() });
    }
    brokers.noteAcknowledged({ trustDomain, at, holds });
  }
}
