// How do objects get their status without a write too many, and without one slow object in the way of others?
import type { Cancel } from '../federation/clock.ts';
import type { ApiServer } from './api-server.ts';
import type { DeclaredObject } from './declared-object.ts';
import { isKubeError, KubeError, kubeErrorOfConnection } from './kube-error.ts';
import { reportsByUid, type PeerReport } from './peer-report.ts';
import { PEER_TRUST_DOMAIN } from './peer-trust-domain.ts';
import { StatusRow, type StatusRowOptions } from './status-row.ts';

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
  #wake: () => void = () => undefined;

  constructor(options: PeerStatusWriterOptions) {
    this.#options = options;
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
    this.#wake();
  }

  /** Until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const nextAtMs = this.#startWrites(signal);
      await this.#woken(nextAtMs, signal);
    }
    await Promise.all(this.#inFlight.values());
  }

  /** When the next object falls due; undefined: not by time alone. */
  #startWrites(signal: AbortSignal): number | undefined {
    let nextAtMs: number | undefined;
    for (const row of this.#rows.values()) {
      const { dueAtMs } = row;
      if (dueAtMs === undefined || this.#inFlight.has(row)) continue;
      if (dueAtMs > this.#nowMs) nextAtMs = Math.min(dueAtMs, nextAtMs ?? dueAtMs);
      else if (this.#inFlight.size < CONCURRENCY) this.#start(row, signal);
    }
    return nextAtMs;
  }

  #start(row: StatusRow, signal: AbortSignal): void {
    const write = this.#write(row, signal).finally(() => {
      this.#inFlight.delete(row);
      this.#wake();
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

  /** At an update, at the end of a write, at `atMs`, or when the signal aborts. */
  #woken(atMs: number | undefined, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      let cancel: Cancel | undefined;
      const wake = () => {
        cancel?.();
        signal.removeEventListener('abort', wake);
        this.#wake = () => undefined;
        resolve();
      };
      this.#wake = wake;
      signal.addEventListener('abort', wake);
      if (atMs !== undefined) cancel = this.#options.clock.after(atMs - this.#nowMs, wake);
    });
  }

  get #nowMs(): number {
    return this.#options.clock.now().getTime();
  }
}
