// What does a bundle endpoint answer, and by whose signature? An honest broker's, a bucket's, and whatever a hostile one likes.
import type { Bundle, X509Authority } from '../../src/bundle/bundle.ts';
import type { SpiffeId } from '../../src/bundle/spiffe-id.ts';
import { chooseServingSvid, type ServingCandidate } from '../../src/bundle-endpoint/serving-svid-choice.ts';
import type { AcknowledgementsModel } from './acknowledgements-model.ts';
import type { AuthorityPool, Document } from './authority-pool.ts';
import type { Process } from './process.ts';
import type { SpireModel } from './spire-model.ts';

/** What its TLS certificate is proven by. */
export interface EndpointIdentity {
  readonly spiffeId: SpiffeId | undefined;
  readonly signedBy: X509Authority;
  readonly notAfterMs: number;
  /** Since when it presents SVIDs of this root, since the start; undefined: it always did. */
  readonly signsSinceMs?: number | undefined;
}

export interface SimulatedEndpoint {
  /** Undefined: nobody listens. */
  readonly identity: () => EndpointIdentity | undefined;
  /** What it answers now; undefined: nothing that is a document. */
  readonly document: () => Document | undefined;
  /** Whether it holds answers, and tells of changes to those who wait. */
  readonly holds: boolean;
  /** Those whose answer is held. */
  readonly waiting: Set<() => void>;
  /** Undefined: it looks at no client. */
  readonly acknowledgements: AcknowledgementsModel | undefined;
  /** Whether it could present an SVID that these verify. */
  readonly hasSvidFor?: (anchors: readonly X509Authority[]) => boolean;
}

interface Svid {
  readonly root: X509Authority;
  readonly mintedAtMs: number;
  readonly notAfterMs: number;
}

const SVID_TTL_MS = 300_000;
const GIVEN_UP_BEFORE_MS = 6_000;

export interface BrokerEndpointParts {
  readonly pool: AuthorityPool;
  readonly spire: SpireModel;
  readonly process: Process;
  readonly nowMs: () => number;
  readonly elapsedMs: () => number;
  readonly spiffeId: SpiffeId;
  readonly refreshHintSeconds: number;
  readonly acknowledgements: AcknowledgementsModel | undefined;
  /** Whether a peer has told that it lacks this root of ours. */
  readonly isRootMissed: (root: X509Authority) => boolean;
}

/** Of one broker: serves what the broker published, with the SVID that the product's rule chooses. */
export class BrokerEndpoint implements SimulatedEndpoint {
  readonly holds = true;
  readonly waiting = new Set<() => void>();
  readonly #parts: BrokerEndpointParts;
  #published: Bundle | undefined;
  #servedSince: ReadonlyMap<X509Authority, Date> = new Map();
  #current: Svid | undefined;
  #minted: Svid | undefined;
  #mintedFor: Bundle | undefined;
  /** Those that have not expired. */
  #svids: readonly Svid[] = [];
  #signsSinceMs: number | undefined;

  constructor(parts: BrokerEndpointParts) {
    this.#parts = parts;
  }

  get acknowledgements(): AcknowledgementsModel | undefined {
    return this.#parts.acknowledgements;
  }

  publish(bundle: Bundle): void {
    if (!this.#parts.process.isAlive) return;
    const now = this.#servedSince.size === 0 ? new Date(0) : new Date(this.#parts.nowMs());
    const since = this.#servedSince;
    this.#servedSince = new Map(bundle.x509Authorities.map((root) => [root, since.get(root) ?? now]));
    this.#published = bundle;
    const document = this.document();
    if (document !== undefined) this.acknowledgements?.publish(bundle, document.etag);
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const tell of waiting) tell();
  }

  document = (): Document | undefined => {
    const { pool, refreshHintSeconds } = this.#parts;
    return this.#published && pool.document(this.#published, refreshHintSeconds);
  };

  identity = (): EndpointIdentity | undefined => {
    const { process, spire, nowMs, refreshHintSeconds, spiffeId } = this.#parts;
    if (!process.isAlive || process.isStopped || this.#published === undefined) return undefined;
    if (this.#mintDue()) {
      const notAfterMs = Math.min(nowMs() + SVID_TTL_MS, spire.activeUntilMs);
      this.#minted = { root: spire.activeRoot, mintedAtMs: nowMs(), notAfterMs };
      this.#mintedFor = this.#published;
      this.#svids = [...this.#svids.filter((svid) => svid.notAfterMs > nowMs()), this.#minted];
    }
    const choice = chooseServingSvid({
      now: new Date(nowMs()),
      current: this.#candidate(this.#current),
      minted: this.#candidate(this.#minted),
      refreshHintSeconds,
    });
    if (choice.use === 'Minted') this.#present(this.#minted);
    const current = this.#current;
    return (
      current && { spiffeId, signedBy: current.root, notAfterMs: current.notAfterMs, signsSinceMs: this.#signsSinceMs }
    );
  };

  #present(svid: Svid | undefined): void {
    if (this.#current !== undefined && svid?.root !== this.#current.root) this.#signsSinceMs = this.#parts.elapsedMs();
    this.#current = svid;
  }

  /** The product gives an SVID up shortly before its end. */
  hasSvidFor = (anchors: readonly X509Authority[]): boolean =>
    this.#svids.some(
      ({ root, notAfterMs }) =>
        notAfterMs > this.#parts.nowMs() + GIVEN_UP_BEFORE_MS &&
        this.#servedSince.has(root) &&
        anchors.some((anchor) => Buffer.compare(anchor, root) === 0),
    );

  #mintDue(): boolean {
    const newest = this.#minted;
    if (newest === undefined || this.#mintedFor !== this.#published) return true;
    return this.#parts.nowMs() >= (newest.mintedAtMs + newest.notAfterMs) / 2;
  }

  #candidate(svid: Svid | undefined): ServingCandidate | undefined {
    if (svid === undefined) return undefined;
    const { root, notAfterMs } = svid;
    return {
      notAfter: new Date(notAfterMs),
      rootServedSince: this.#servedSince.get(root),
      isRootMissed: this.#parts.isRootMissed(root),
    };
  }
}
