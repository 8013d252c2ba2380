// Which objects are there now? One list, then a watch that outlives every way a watch can fail. (client-node's informer
// stops for good at the first 5xx, reset or failed list: measured on 1.4.0 and 2.0.1)
import { sleep, type Cancel, type Clock } from '../federation/clock.ts';
import type { ApiServer } from './api-server.ts';
import { backoffMs, jittered, type BackoffRange } from './backoff.ts';
import { isKubeError, KubeError, kubeErrorOfConnection } from './kube-error.ts';
import { describeTarget, type KubeObject, type Selection } from './kube-object.ts';
import type { WatchEvent } from './watch-stream.ts';

/** By UID, as `keep` left them. */
export type Objects = ReadonlyMap<string, KubeObject>;

export interface ReflectorOptions {
  readonly api: Pick<ApiServer, 'list' | 'watch'>;
  readonly clock: Clock;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
  /**
   * Told what there is: first, at every change, and again after an error, then from a list that began after it. An
   * error means that the objects reported before may be out of date; they stay what is known. A connection that broke
   * is only an error when it cannot be made again at once.
   */
  readonly report: (objects: Objects | KubeError) => void;
  /** `report` threw. It is told the same again with the next change or list. */
  readonly onHandlerFault: (error: unknown) => void;
  /** What of an object is held in memory and reported; by default all but `metadata.managedFields`. */
  readonly keep?: (object: KubeObject) => KubeObject;
}

/** Spread by a fifth to either side where many would fall into step. */
const JITTER = 0.2;
const WATCH_SECONDS = 300;
/** API servers send a bookmark about every minute. */
const IDLE_MS = 90_000;
/** Whatever a watch may have missed is seen after this. */
const RELIST_MS = 10 * 60_000;

type WatchEnd = 'Ended' | 'Gone' | 'Failed';

/** Nothing failed when a watch ends in order, but one that always ends at once must not be followed in a tight loop. */
const PAUSES: Readonly<Record<WatchEnd, BackoffRange>> = {
  Ended: { firstMs: 200, maxMs: 1_000 },
  Gone: { firstMs: 200, maxMs: 30_000 },
  Failed: { firstMs: 200, maxMs: 30_000 },
};

export class Reflector {
  readonly #selection: Selection;
  readonly #options: ReflectorOptions;
  readonly #keep: (object: KubeObject) => KubeObject;
  #objects = new Map<string, KubeObject>();
  /** Where the watch goes on; undefined: list first. */
  #resourceVersion: string | undefined;
  /** The consumer has not been told, or not of the newest, or has been told an error since. */
  #owesReport = true;
  #relistAtMs = 0;
  /** An error was told since the last list: what is held may be older than what its consumer wrote meanwhile. */
  #inDoubt = false;
  /** Watches and lists in a row that brought nothing. */
  #fruitless = 0;
  /** The connection that broke last had stood, so the next attempt decides whether it is an error. */
  #stood = false;
  #lastEventAt: Date | undefined;
  #listsBegun = 0;
  /** Who waits for a list that began after so many others. */
  #waiting: readonly { readonly after: number; readonly resolve: () => void }[] = [];
  /** Ends the watch or the pause of this round. */
  #interrupt = new AbortController();
  #listCount = 0;
  #restarts = 0;

  constructor(selection: Selection, options: ReflectorOptions) {
    this.#selection = selection;
    this.#options = options;
    this.#keep = options.keep ?? withoutManagedFields;
  }

  /** Of the last list, event or bookmark. */
  get lastEventAt(): Date | undefined {
    return this.#lastEventAt;
  }

  get listCount(): number {
    return this.#listCount;
  }

  /** How often a watch was begun again. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Until the signal aborts; never rejects. One run a reflector. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    for (;;) {
      this.#interrupt = new AbortController();
      const interrupted = AbortSignal.any([signal, this.#interrupt.signal]);
      const end = await this.#round(interrupted, signal);
      if (signal.aborted) return;
      this.#restarts += 1;
      this.#fruitless += 1;
      await sleep(clock, backoffMs(PAUSES[end], this.#fruitless, random()), interrupted);
    }
  }

  /**
   * Lists now, whatever the watch or a pause would wait for. Resolves when a list that began after this call was
   * reported, or when the signal aborts.
   */
  readAnew(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) {
        resolve();
        return;
      }
      signal.addEventListener(
        'abort',
        () => {
          resolve();
        },
        { once: true },
      );
      this.#waiting = [...this.#waiting, { after: this.#listsBegun, resolve }];
      this.#interrupt.abort();
    });
  }

  /** `interrupted` ends the watch; a list under way goes on. */
  async #round(interrupted: AbortSignal, signal: AbortSignal): Promise<WatchEnd> {
    const { clock } = this.#options;
    this.#stood = false;
    const relist = new AbortController();
    let cancelRelist: Cancel | undefined;
    try {
      const untilRelistMs = this.#relistAtMs - clock.now().getTime();
      const mustList = this.#resourceVersion === undefined || this.#waiting.length > 0;
      // Otherwise every attempt at a watch that is refused would tell of objects first, and of the error again.
      if (this.#inDoubt && !mustList) await this.#tryWatch(interrupted);
      if (this.#inDoubt || mustList || untilRelistMs <= 0) await this.#list(signal);
      cancelRelist = clock.after(this.#relistAtMs - clock.now().getTime(), () => {
        relist.abort();
      });
      const stop = AbortSignal.any([interrupted, relist.signal]);
      if (!stop.aborted) await this.#watch(stop);
      return 'Ended';
    } catch (error) {
      return interrupted.aborted || relist.signal.aborted ? 'Ended' : this.#failed(error);
    } finally {
      cancelRelist?.();
    }
  }

  #failed(error: unknown): WatchEnd {
    const gone = isKubeError(error, 'KubeGone');
    if (gone) this.#resourceVersion = undefined;
    else if (!this.#stood) this.#reportError(error);
    return gone ? 'Gone' : 'Failed';
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { api, clock, random } = this.#options;
    const number = ++this.#listsBegun;
    const { items, resourceVersion } = await api.list(this.#selection, { signal });
    this.#listCount += 1;
    this.#relistAtMs = clock.now().getTime() + jittered(RELIST_MS, JITTER, random());
    this.#seen();
    const listed = new Map(items.map((object) => [uidOf(object), this.#keep(object)]));
    if (!sameVersions(this.#objects, listed)) this.#owesReport = true;
    this.#objects = listed;
    this.#resourceVersion = resourceVersion;
    this.#inDoubt = false;
    this.#settle();
    for (const { after, resolve } of this.#waiting) if (after < number) resolve();
    this.#waiting = this.#waiting.filter(({ after }) => after >= number);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    for await (const events of this.#openWatch(signal)) {
      this.#stood = true;
      for (const event of events) this.#take(event);
      this.#settle();
    }
  }

  /** Returns when a watch has stood. */
  async #tryWatch(signal: AbortSignal): Promise<void> {
    for await (const _ of this.#openWatch(signal)) return;
  }

  #openWatch(signal: AbortSignal): AsyncIterable<readonly WatchEvent[]> {
    const { api, random } = this.#options;
    return api.watch(this.#selection, {
      resourceVersion: this.#resourceVersion ?? '',
      timeoutSeconds: jittered(WATCH_SECONDS, JITTER, random()),
      idleMs: IDLE_MS,
      signal,
    });
  }

  #take({ type, object }: WatchEvent): void {
    this.#seen();
    this.#resourceVersion = object.metadata.resourceVersion ?? this.#resourceVersion;
    if (type === 'BOOKMARK') return;
    const uid = uidOf(object);
    if (type === 'DELETED') this.#objects.delete(uid);
    else this.#objects.set(uid, this.#keep(object));
    this.#owesReport = true;
  }

  #seen(): void {
    this.#lastEventAt = this.#options.clock.now();
    this.#fruitless = 0;
  }

  /** Reports a copy: what was handed out never changes. */
  #settle(): void {
    if (!this.#owesReport) return;
    this.#owesReport = !this.#tell(new Map(this.#objects));
  }

  #reportError(error: unknown): void {
    this.#owesReport = true;
    this.#inDoubt = true;
    const what = `reading ${describeTarget(this.#selection)}`;
    this.#tell(error instanceof KubeError ? error : kubeErrorOfConnection(what, error));
  }

  #tell(what: Objects | KubeError): boolean {
    try {
      this.#options.report(what);
      return true;
    } catch (error) {
      this.#options.onHandlerFault(error);
      return false;
    }
  }
}

/** An API server gives every object one; a stand-in for it may not. */
function uidOf({ metadata: { uid, namespace, name } }: KubeObject): string {
  return uid ?? `${namespace ?? ''}/${name}`;
}

/** Few read who owns which field, and it is often the larger half of an object. */
function withoutManagedFields(object: KubeObject): KubeObject {
  const { managedFields, ...metadata } = object.metadata;
  return managedFields === undefined ? object : { ...object, metadata };
}

function sameVersions(before: Objects, after: Objects): boolean {
  const same = ([uid, { metadata }]: [string, KubeObject]) =>
    metadata.resourceVersion !== undefined && before.get(uid)?.metadata.resourceVersion === metadata.resourceVersion;
  return before.size === after.size && [...after].every(same);
}
