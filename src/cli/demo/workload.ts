// What does a workload of the demo do? Follows SPIRE like an agent, answers its peer, and calls it again and again.
import type { SpiffeId } from '../../bundle/spiffe-id.ts';
import type { TrustDomain } from '../../bundle/trust-domain.ts';
import { repeat } from '../../broker/repeat.ts';
import { systemClock } from '../../federation/clock.ts';
import type { SpireServerClient } from '../../spire/spire-server.ts';
import type { CallTally } from './call-tally.ts';
import { callOverMtls, MtlsServer, type MtlsCall, type MtlsIdentity } from './mtls.ts';
import { readWorkloadContext, type WorkloadContext, type WorkloadEntry } from './workload-context.ts';

export interface WorkloadParts {
  readonly spire: SpireServerClient;
  readonly entry: WorkloadEntry;
  readonly peer: { readonly trustDomain: TrustDomain; readonly id: SpiffeId };
  readonly followEveryMs: number;
}

/** Where the peer answers. */
export type CallTarget = Pick<MtlsCall, 'port' | 'exchange'>;

export class Workload {
  readonly #parts: WorkloadParts;
  readonly #server: MtlsServer;
  #context: WorkloadContext | undefined;
  #port = 0;

  constructor(parts: WorkloadParts) {
    this.#parts = parts;
    this.#server = new MtlsServer(parts.peer.id);
  }

  get id(): SpiffeId {
    return this.#parts.entry.id;
  }

  /** Where it answers, on loopback. */
  get port(): number {
    return this.#port;
  }

  /** As SPIRE gave it last; undefined before the first time. */
  get context(): WorkloadContext | undefined {
    return this.#context;
  }

  /** Whether it could verify its peer. */
  get trustsPeer(): boolean {
    return (this.#context?.federated.get(this.#parts.peer.trustDomain)?.length ?? 0) > 0;
  }

  async listen(): Promise<void> {
    this.#port = await this.#server.listen();
  }

  /** Until the signal aborts. While SPIRE does not answer, the workload goes on with what it has. */
  follow(signal: AbortSignal): Promise<void> {
    const { spire, entry, followEveryMs } = this.#parts;
    return repeat({ clock: systemClock, intervalMs: followEveryMs, signal }, async () => {
      try {
        this.#context = await readWorkloadContext(spire, entry, this.#context, signal);
        this.#server.use(this.#identity(this.#context));
      } catch {
        return;
      }
    });
  }

  /** Calls the peer, a fresh handshake each time, until the signal aborts. */
  callRepeatedly(target: CallTarget, everyMs: number, tally: CallTally, signal: AbortSignal): Promise<void> {
    return repeat({ clock: systemClock, intervalMs: everyMs, signal }, async () => {
      const startedAtMs = performance.now();
      try {
        await this.call(target, signal);
        tally.succeeded(performance.now() - startedAtMs);
      } catch (error) {
        if (!signal.aborted) tally.failed((error as Error).message);
      }
    });
  }

  /** One call; rejects with the reason when either side refuses. */
  async call({ port, exchange }: CallTarget, signal: AbortSignal): Promise<void> {
    if (this.#context === undefined) throw new Error(`${this.id} has no SVID yet`);
    const identity = this.#identity(this.#context);
    await callOverMtls({ port, exchange, caller: this.id, identity, expected: this.#parts.peer.id }, signal);
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  #identity({ svid, federated }: WorkloadContext): MtlsIdentity {
    return { svid, peerAuthorities: federated.get(this.#parts.peer.trustDomain) ?? [] };
  }
}
