// Who keeps our own SVID fresh? Mints, decides, and hands the identity to the listener of https_spiffe and to fetches.
import type { Bundle, X509Authority } from '../bundle/bundle.ts';
import { fingerprint } from '../bundle/bundle.ts';
import { isIssuedBy, readCertificate, toPem } from '../bundle/certificate.ts';
import { remembered } from '../bundle/remembered.ts';
import type { SpiffeId } from '../bundle/spiffe-id.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { checkX509SvidLeaf } from '../bundle/x509-svid.ts';
import { sleep, type Clock } from '../federation/clock.ts';
import { brokerSpiffeId } from '../federation/peer-broker.ts';
import type { SpireServer } from '../federation/ports.ts';
import type { TlsIdentity } from './bundle-listener.ts';
import { chooseServingSvid, type ServingCandidate, type ServingChoice } from './serving-svid-choice.ts';
import { requestSvid } from './svid-request.ts';

export interface ServingSvidParts {
  readonly spire: Pick<SpireServer, 'mintX509Svid'>;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  /** Asked for; SPIRE caps it to what its CA has left. */
  readonly ttlSeconds: number;
  readonly refreshHintSeconds: number;
  /** Whether the broker of a peer has told that it holds a bundle of ours without the root of this fingerprint. */
  readonly isRootMissed: (root: string) => boolean;
  readonly use: (identity: TlsIdentity) => void;
  readonly onFailure: (error: unknown) => void;
}

export interface ServingSvidStatus {
  readonly spiffeId: SpiffeId;
  /** Fingerprint of the root that signed the SVID in use. */
  readonly signedBy: string;
  readonly notAfter: Date;
  readonly reason: ServingChoice['reason'];
  /** Set while a newer SVID waits because its root was served for too short a time, or a peer does not hold it. */
  readonly pendingRoot: string | undefined;
}

interface Svid {
  readonly identity: TlsIdentity;
  readonly chain: readonly Uint8Array[];
  readonly mintedAt: Date;
  readonly notAfter: Date;
}

const RETRY_MS = 1_000;
const LOOK_EVERY_MS = 1_000;
const WAIT_FOR_FIRST_MS = 2_000;

export class ServingSvid {
  readonly #parts: ServingSvidParts;
  readonly #id: SpiffeId;
  /** When each root of the served bundle was first served, by fingerprint. */
  #servedSince: ReadonlyMap<string, Date> = new Map();
  #roots: readonly X509Authority[] = [];
  #rootOf = rootAmong([]);
  #current: Svid | undefined;
  #minted: Svid | undefined;
  #reason: ServingChoice['reason'] = 'NoUsableSvid';
  /** The served roots when the newest SVID was asked for. */
  #mintedFor: readonly X509Authority[] | undefined;
  #wake = new AbortController();
  /** Aborts as soon as there is one to present. */
  readonly #presented = new AbortController();
  #patience: Promise<void> | undefined;

  constructor(parts: ServingSvidParts) {
    this.#parts = parts;
    this.#id = brokerSpiffeId(parts.trustDomain);
  }

  /** Our own bundle as it is served from now on. The roots of the first one count as served since long ago. */
  ownBundle({ x509Authorities }: Bundle): void {
    const now = this.#roots.length === 0 ? new Date(0) : this.#parts.clock.now();
    const since = this.#servedSince;
    this.#servedSince = new Map(x509Authorities.map(fingerprint).map((root) => [root, since.get(root) ?? now]));
    this.#roots = x509Authorities;
    this.#rootOf = rootAmong(x509Authorities);
    this.#wake.abort();
  }

  /** Undefined while there is none to present. */
  status(): ServingSvidStatus | undefined {
    if (this.#current === undefined) return undefined;
    const signedBy = this.#rootOf(this.#current);
    const pending =
      this.#minted === undefined || this.#minted === this.#current ? undefined : this.#rootOf(this.#minted);
    return {
      spiffeId: this.#id,
      signedBy: signedBy ?? 'a root that is no longer served',
      notAfter: this.#current.notAfter,
      reason: this.#reason,
      pendingRoot: pending,
    };
  }

  /**
   * What we prove ourselves with to others; undefined while there is nothing that can. The first one is waited for, as a
   * request that was made without it may be held for minutes, but not for long: nobody demands it.
   */
  async identity(): Promise<TlsIdentity | undefined> {
    const { clock } = this.#parts;
    if (this.#current === undefined) {
      this.#patience ??= sleep(clock, WAIT_FOR_FIRST_MS, this.#presented.signal);
      await this.#patience;
    }
    const current = this.#current;
    return current !== undefined && current.notAfter > clock.now() ? current.identity : undefined;
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, onFailure } = this.#parts;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      const interrupted = AbortSignal.any([signal, this.#wake.signal]);
      let pauseMs = LOOK_EVERY_MS;
      try {
        await this.#look(signal);
      } catch (error) {
        if (interrupted.aborted) continue;
        onFailure(error);
        pauseMs = RETRY_MS;
      }
      await sleep(clock, pauseMs, interrupted);
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    if (this.#roots.length === 0) return;
    if (this.#mintDue()) {
      const roots = this.#roots;
      this.#minted = await this.#mint(signal);
      this.#mintedFor = roots;
    }
    const choice = chooseServingSvid({
      now: this.#parts.clock.now(),
      current: this.#candidate(this.#current),
      minted: this.#candidate(this.#minted),
      refreshHintSeconds: this.#parts.refreshHintSeconds,
    });
    if (choice.use === 'Minted' && this.#minted !== undefined && this.#minted !== this.#current) {
      this.#parts.use(this.#minted.identity);
      this.#current = this.#minted;
      this.#presented.abort();
    }
    this.#reason = choice.reason;
  }

  /** At half of its life, and when the bundle changed: SPIRE may sign with another root then. */
  #mintDue(): boolean {
    const newest = this.#minted;
    if (newest === undefined || this.#mintedFor !== this.#roots) return true;
    const halfLife = (newest.mintedAt.getTime() + newest.notAfter.getTime()) / 2;
    return this.#parts.clock.now().getTime() >= halfLife;
  }

  async #mint(signal: AbortSignal): Promise<Svid> {
    const { spire, clock, ttlSeconds } = this.#parts;
    const { csr, keyPem } = await requestSvid(this.#id);
    const { chain, expiresAt } = await spire.mintX509Svid(csr, ttlSeconds, signal);
    const [leaf] = chain;
    if (leaf === undefined || checkX509SvidLeaf(leaf) !== this.#id) {
      throw new Error(`SPIRE minted something else than an X.509-SVID for ${this.#id}`);
    }
    return {
      identity: { keyPem, chainPem: chain.map(toPem).join('') },
      chain,
      mintedAt: clock.now(),
      notAfter: new Date(Math.min(expiresAt.getTime(), readCertificate(leaf).notAfter.getTime())),
    };
  }

  #candidate(svid: Svid | undefined): ServingCandidate | undefined {
    if (svid === undefined) return undefined;
    const root = this.#rootOf(svid);
    return {
      notAfter: svid.notAfter,
      rootServedSince: root === undefined ? undefined : this.#servedSince.get(root),
      isRootMissed: root !== undefined && this.#parts.isRootMissed(root),
    };
  }
}

/** Of an SVID, the one among these roots that its chain ends in. It is asked for each second. */
function rootAmong(roots: readonly X509Authority[]): (svid: Svid) => string | undefined {
  return remembered(({ chain }) => {
    const last = chain.at(-1);
    const root = last === undefined ? undefined : roots.find((der) => isIssuedBy(last, der));
    return root === undefined ? undefined : fingerprint(root);
  });
}
