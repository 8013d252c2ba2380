// How do objects get their status without a write too many, and without one slow object in the way of others?
import type { ApiServer } from './api-server.ts';
import type { DeclaredObject } from './declared-object.ts';
import { isKubeError, KubeError, kubeErrorOfConnection } from './kube-error.ts';
import { reportsByUid, type PeerReport } from './peer-report.ts';
import { PEER_TRUST_DOMAIN } from './peer-trust-domain.ts';
import { StatusRow, type StatusRowOptions } from './status-row.ts';
import { Turns } from './turns.ts';

export interface PeerStatusWriterOptions extends StatusRowOptions {
  readonly api: Pick<ApiServer, 'applyStatus'>;
  /** A status could not be written; it is tried again. */
  readonly onError: (error: KubeError) => void;
}

const CONCURRENCY = 4;

/** Writes the status of every PeerTrustDomain while it runs. For one term of leadership: one run each. */
export class PeerStatusWriter {
  readonly #options: PeerStatusWriterOptions;
  /** By UID: an object that was deleted and created again is another one. */
  #rows: ReadonlyMap<string, StatusRow> = new Map();
  readonly #inFlight = new Map<StatusRow, Promise<void>>();
  readonly #turns: Turns;

  constructor(options: PeerStatusWriterOptions) {
    this.#options = options;
    this.#turns = new Turns(options.clock);
  }

  /** What there is now; objects that are absent are forgotten. `report` may be older than `objects`. */
  update(objects: readonly DeclaredObject[], report: PeerReport): void {
    const rows = new Map<string, StatusRow>();
    for (const [uid, about] of reportsByUid(objects, report)) {
      const row = this.#rows.get(uid);
      row?.update(about);
      rows.set(uid, row ?? new StatusRow(about, this.#options));
    }
    this.#rows = rows;
    this.#turns.request();
  }

  /** Until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#turns.run(() => this.#startWrites(signal), signal);
    await Promise.all(this.#inFlight.values());
  }

  /** After how long the next object falls due; undefined: not by time alone. */
  #startWrites(signal: AbortSignal): number | undefined {
    const nowMs = this.#options.clock.now().getTime();
    let nextAfterMs: number | undefined;
    for (const row of this.#rows.values()) {
      const { dueAtMs } = row;
      if (dueAtMs === undefined || this.#inFlight.has(row)) continue;
      if (dueAtMs > nowMs) nextAfterMs = Math.min(dueAtMs - nowMs, nextAfterMs ?? Infinity);
      else if (this.#inFlight.size < CONCURRENCY) this.#start(row, signal);
    }
    return nextAfterMs;
  }

  #start(row: StatusRow, signal: AbortSignal): void {
    const write = this.#write(row, signal).finally(() => {
      this.#inFlight.delete(row);
      this.#turns.request();
    });
    this.#inFlight.set(row, write);
  }

  async #write(row: StatusRow, signal: AbortSignal): Promise<void> {
    const { name, resourceVersion: over } = row.metadata;
    const status = row.wished();
    try {
      // The version alone keeps us from an object of the same name that came later: for the status subresource, server-side
      // apply takes any UID (measured on Kubernetes 1.36.3).
      const metadata = { name, ...(row.version !== undefined && { resourceVersion: row.version }) };
      const answer = await this.#options.api.applyStatus(PEER_TRUST_DOMAIN, { metadata, status }, { signal });
      row.wrote(status, { over, version: answer.metadata.resourceVersion });
    } catch (error) {
      if (signal.aborted) return;
      if (isKubeError(error, 'KubeNotFound') || isKubeError(error, 'KubeConflict')) {
        row.giveUp(over);
        return;
      }
      row.failed();
      this.#options.onError(error instanceof KubeError ? error : kubeErrorOfConnection('writing a status', error));
    }
  }
}
