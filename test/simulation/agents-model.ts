// By which authority are the agents of a simulated trust domain known? Each renews its SVID at half of its life, or at
// once when the authority that signed it is tainted. (SPIRE 1.15.3)
import type { SpireModel } from './spire-model.ts';

interface Svid {
  readonly expiresAt: Date;
  readonly signedBy: string;
}

const TTL_MS = 60_000;

export class AgentsModel {
  readonly #spire: SpireModel;
  readonly #nowMs: () => number;
  #svids: readonly Svid[];

  constructor(spire: SpireModel, agents: number, nowMs: () => number) {
    this.#spire = spire;
    this.#nowMs = nowMs;
    this.#svids = Array.from({ length: agents }, () => this.#mint());
  }

  get expiries(): readonly Date[] {
    return this.#svids.map(({ expiresAt }) => expiresAt);
  }

  /** Whether an SVID of this authority is in use. */
  isUsed(authority: string): boolean {
    return this.#svids.some(({ signedBy, expiresAt }) => signedBy === authority && expiresAt.getTime() > this.#nowMs());
  }

  /** One look of each agent at its server. */
  sync(): void {
    const { published } = this.#spire.authorities('x509');
    const isDue = ({ expiresAt, signedBy }: Svid) =>
      expiresAt.getTime() - this.#nowMs() < TTL_MS / 2 || published.get(signedBy)?.tainted !== false;
    this.#svids = this.#svids.map((svid) => (isDue(svid) ? this.#mint() : svid));
  }

  #mint(): Svid {
    return { expiresAt: new Date(this.#nowMs() + TTL_MS), signedBy: this.#spire.slots.active.id };
  }
}
