// Which replica leads? A Lease, whose expiry each candidate judges by how long it has seen no sign of life itself:
// clocks are never compared. (the rules of client-go's leader election)
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { sleep, type Cancel, type Clock } from '../federation/clock.ts';
import type { ApiServer } from './api-server.ts';
import { jittered } from './backoff.ts';
import { isKubeError, KubeError, kubeErrorOfConnection } from './kube-error.ts';
import { describeTarget, type KubeObject } from './kube-object.ts';
import { heldLease, leaseRecordOf, LEASES, newLease, releasedLease, signOfLife } from './lease.ts';
import { brokerOf, isOfAnotherBroker } from './managed-by.ts';
import { Tenure } from './tenure.ts';

export interface ElectionTimes {
  /** Without a sign of life a leader is replaced within this time. */
  readonly leaseDurationMs: number;
  /** A leader that could not renew for so long stops by itself: shorter, so that it has stopped before it is replaced. */
  readonly renewDeadlineMs: number;
  /** Between two renewals. */
  readonly renewMs: number;
  /** Between two looks of a candidate; with one request it is the time of a hand-over. */
  readonly candidateMs: number;
}

/** In the proportions of client-go's defaults; candidates look more often, so that a hand-over takes a second. */
export function electionTimes(leaseDurationMs: number): ElectionTimes {
  return {
    leaseDurationMs,
    renewDeadlineMs: (leaseDurationMs * 2) / 3,
    renewMs: (leaseDurationMs * 2) / 15,
    candidateMs: Math.min(leaseDurationMs / 15, MAX_CANDIDATE_MS),
  };
}

/** However long the Lease is, whoever ends in order is replaced within two seconds. */
const MAX_CANDIDATE_MS = 1_000;

export const ELECTION_TIMES = electionTimes(15_000);

export interface ElectionOptions {
  readonly api: Pick<ApiServer, 'get' | 'create' | 'replace'>;
  readonly clock: Clock;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
  readonly name: string;
  readonly namespace: string;
  /** Of this process alone, also among its own earlier lives. */
  readonly identity: string;
  /** A Lease of the broker of another one is left alone, held or not. */
  readonly ownTrustDomain: TrustDomain;
  readonly times?: ElectionTimes;
  /** Told at every change; undefined: nobody leads. */
  readonly onLeader: (identity: string | undefined) => void;
  /** The Lease could not be read or written, or is another broker's (`KubeAlreadyExists`); it is tried again. */
  readonly onError: (error: KubeError) => void;
}

/** `isHeld` is asked before each write: it knows earlier than the signal when the process was stopped for a while. */
type Lead = (signal: AbortSignal, isHeld: () => boolean) => Promise<void>;

/**
 * Leads whenever the Lease is ours, until `signal` aborts or `lead` returns. `lead` has to stop when its signal aborts:
 * leadership is lost or is to be handed over. The Lease is released, and the next term begins, only after it has.
 * Rejects with what `lead` rejects with.
 */
export async function runElection(options: ElectionOptions, lead: Lead, signal: AbortSignal): Promise<void> {
  await new Election(options).run(lead, signal);
}

const JITTER = 0.2;
/**
 * Share of a Lease's duration without a sign of life after which it is free. The leader has stopped by itself after two
 * thirds; what is left is for candidates, who learn of a sign of life by one look and of its absence by the next.
 */
const FREE_AFTER = 0.8;

interface Won {
  readonly tenure: Tenure;
  readonly lease: KubeObject;
}

class Election {
  readonly #options: ElectionOptions;
  readonly #times: ElectionTimes;
  #leader: string | undefined;
  #signOfLife: string | undefined;
  #expired = false;
  #cancelExpiry: Cancel = () => undefined;

  constructor(options: ElectionOptions) {
    this.#options = options;
    this.#times = options.times ?? ELECTION_TIMES;
  }

  async run(lead: Lead, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    try {
      while (!signal.aborted) {
        const won = await this.#campaign(signal);
        if (won === undefined) await sleep(clock, jittered(this.#times.candidateMs, JITTER, random()), signal);
        else if ((await this.#serve(won, lead, signal)) === 'WorkDone') return;
      }
    } finally {
      this.#cancelExpiry();
    }
  }

  /** Takes the Lease if it is free. */
  async #campaign(signal: AbortSignal): Promise<Won | undefined> {
    const { api, clock, ownTrustDomain } = this.#options;
    try {
      const seen = await api.get(this.#ref, this.#callOptions(signal));
      if (seen !== undefined && isOfAnotherBroker(seen.metadata, ownTrustDomain)) {
        this.#options.onError(this.#taken(seen));
        return undefined;
      }
      if (seen !== undefined && !this.#isFree(seen)) return undefined;
      const tenure = new Tenure(clock, this.#times.renewDeadlineMs);
      const lease = await tenure.hold(() =>
        seen === undefined
          ? api.create(LEASES, newLease(this.#candidate, clock.now()), this.#callOptions(signal))
          : api.replace(LEASES, heldLease(seen, this.#candidate, clock.now()), this.#callOptions(signal)),
      );
      this.#observe(lease);
      return { tenure, lease };
    } catch (error) {
      const otherWasFaster = isKubeError(error, 'KubeConflict') || isKubeError(error, 'KubeAlreadyExists');
      if (!otherWasFaster) this.#report(error, signal);
      return undefined;
    }
  }

  /** One term: the work, and renewals beside it. */
  async #serve({ tenure, lease }: Won, lead: Lead, signal: AbortSignal): Promise<'WorkDone' | 'TermOver'> {
    const { clock, random } = this.#options;
    const returned = new AbortController();
    const work = settle(lead, tenure).finally(() => {
      returned.abort();
    });
    const stop = AbortSignal.any([signal, tenure.signal, returned.signal]);
    let held = lease;
    for (;;) {
      await sleep(clock, jittered(this.#times.renewMs, JITTER, random()), stop);
      // A process that was stopped and goes on: what it would write is of a time that is over.
      if (stop.aborted || !tenure.isHeld()) break;
      held = await this.#renew(held, tenure, stop);
    }
    const lost = tenure.signal.aborted;
    const workDone = returned.signal.aborted && !lost;
    tenure.end();
    const outcome = await work;
    if (!lost) await this.#release(held);
    else if (this.#leader === this.#options.identity) this.#setLeader(undefined);
    if (outcome.status === 'rejected') throw outcome.reason;
    return workDone ? 'WorkDone' : 'TermOver';
  }

  /** The Lease as it is now, if it is still ours; else ends the tenure. */
  async #renew(held: KubeObject, tenure: Tenure, stop: AbortSignal): Promise<KubeObject> {
    const { api, clock, identity } = this.#options;
    try {
      return await tenure.hold(() =>
        api.replace(LEASES, heldLease(held, this.#candidate, clock.now()), this.#callOptions(stop)),
      );
    } catch (error) {
      if (!isKubeError(error, 'KubeConflict') && !isKubeError(error, 'KubeNotFound')) {
        this.#report(error, stop);
        return held;
      }
    }
    // Another holder, a label that somebody set, or a renewal of ours whose answer was lost.
    try {
      const current = await api.get(this.#ref, this.#callOptions(stop));
      if (current !== undefined && leaseRecordOf(current).holder === identity) return current;
      tenure.end();
      if (current !== undefined) this.#observe(current);
    } catch (error) {
      this.#report(error, stop);
    }
    return held;
  }

  async #release(lease: KubeObject): Promise<void> {
    const { api, clock } = this.#options;
    try {
      await api.replace(LEASES, releasedLease(lease, clock.now()), this.#callOptions(undefined));
      this.#setLeader(undefined);
    } catch (error) {
      // Taken over meanwhile, or it expires by itself.
      this.#report(error, undefined);
    }
  }

  #taken({ metadata }: KubeObject): KubeError {
    const message = `${describeTarget(this.#ref)} is that of the broker of ${brokerOf(metadata)}; set leaseName to another name for one of the two, or delete the Lease when that broker is gone for good`;
    return new KubeError('KubeAlreadyExists', message);
  }

  #isFree(lease: KubeObject): boolean {
    this.#observe(lease);
    const { holder } = leaseRecordOf(lease);
    return holder === undefined || holder === this.#options.identity || this.#expired;
  }

  #observe(lease: KubeObject): void {
    const record = leaseRecordOf(lease);
    const sign = signOfLife(record);
    if (sign === this.#signOfLife) return;
    this.#signOfLife = sign;
    this.#setLeader(record.holder);
    this.#expired = false;
    this.#cancelExpiry();
    const durationMs = record.durationMs ?? this.#times.leaseDurationMs;
    this.#cancelExpiry = this.#options.clock.after(durationMs * FREE_AFTER, () => {
      this.#expired = true;
    });
  }

  #setLeader(identity: string | undefined): void {
    if (identity === this.#leader) return;
    this.#leader = identity;
    this.#options.onLeader(identity);
  }

  #report(error: unknown, signal: AbortSignal | undefined): void {
    if (signal?.aborted === true) return;
    this.#options.onError(error instanceof KubeError ? error : kubeErrorOfConnection('the Lease', error));
  }

  get #ref() {
    const { name, namespace } = this.#options;
    return { resource: LEASES, name, namespace };
  }

  get #candidate() {
    return { ...this.#options, leaseDurationMs: this.#times.leaseDurationMs };
  }

  /** Two attempts fit in before the deadline. */
  #callOptions(signal: AbortSignal | undefined) {
    return { signal, timeoutMs: this.#times.renewDeadlineMs / 2 };
  }
}

async function settle(lead: Lead, { signal, isHeld }: Tenure): Promise<PromiseSettledResult<void>> {
  try {
    await lead(signal, isHeld);
    return { status: 'fulfilled', value: undefined };
  } catch (reason) {
    return { status: 'rejected', reason };
  }
}
