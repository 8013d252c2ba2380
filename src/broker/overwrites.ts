// Does somebody else replace a bundle that we wrote, again and again? Our own writes whose answers were lost are not that.
import type { Bundle } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { storedAlike } from '../federation/acceptance.ts';
import type { Clock } from '../federation/clock.ts';

/** Somebody who changes a bundle behind our back this often within the window is a second writer. */
const OVERWRITES_OF_A_SECOND_WRITER = 3;
const WINDOW_MS = 10 * 60_000;

/** A pass that fails is tried again after 1 to 60 s: the last few writes are those that can still be late. */
const MAX_UNANSWERED = 8;

interface Unanswered {
  /** Undefined: it was to be deleted. */
  readonly bundle: Bundle | undefined;
  readonly at: Date;
}

export class Overwrites {
  readonly #clock: Clock;
  readonly #replacedAt = new Map<TrustDomain, readonly Date[]>();
  readonly #unanswered = new Map<TrustDomain, readonly Unanswered[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** We asked SPIRE to store it, or to delete it, and do not know whether it did: it can, now or later. */
  noteUnanswered(trustDomain: TrustDomain, bundle: Bundle | undefined): void {
    const recent = (this.#unanswered.get(trustDomain) ?? []).filter(({ at }) => this.#isRecent(at));
    this.#unanswered.set(trustDomain, [...recent, { bundle, at: this.#clock.now() }].slice(-MAX_UNANSWERED));
  }

  /** Whether what SPIRE holds, or holds no more, can be our own doing. */
  isOurs(trustDomain: TrustDomain, held: Bundle | undefined): boolean {
    const unanswered = this.#unanswered.get(trustDomain) ?? [];
    return unanswered.some(({ bundle, at }) => this.#isRecent(at) && isSame(bundle, held));
  }

  noteReplaced(trustDomain: TrustDomain): void {
    const recent = (this.#replacedAt.get(trustDomain) ?? []).filter((at) => this.#isRecent(at));
    this.#replacedAt.set(trustDomain, [...recent, this.#clock.now()]);
  }

  /** Those that have a second writer. */
  trustDomains(): ReadonlySet<TrustDomain> {
    const often = [...this.#replacedAt].filter(([, at]) => at.length >= OVERWRITES_OF_A_SECOND_WRITER);
    return new Set(often.map(([trustDomain]) => trustDomain));
  }

  #isRecent(at: Date): boolean {
    return this.#clock.now().getTime() - at.getTime() < WINDOW_MS;
  }
}

function isSame(asked: Bundle | undefined, held: Bundle | undefined): boolean {
  return asked === undefined || held === undefined ? asked === held : storedAlike(asked, held);
}
