// How does a simulated broker reach its SPIRE? Through calls that can be late, refused, half done, or the last of its life.
import type { Bundle } from '../../src/bundle/bundle.ts';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import { storedAlike } from '../../src/federation/acceptance.ts';
import type { SpireServer } from '../../src/federation/ports.ts';
import { SpireError } from '../../src/spire/spire-error.ts';
import { never, type Process } from './process.ts';
import type { Chance } from './random.ts';
import type { SpireModel } from './spire-model.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What becomes of the next calls. */
export type CallFault =
  | { readonly kind: 'Refused' }
  /** Done, and the caller reads that the server is gone. */
  | { readonly kind: 'AnswerLost' }
  /** Done so much later; the caller gives up at its deadline. */
  | { readonly kind: 'Late'; readonly byMs: number };

/** A write, as it is asked for. */
export type SpireWrite =
  | { readonly kind: 'SetBundle'; readonly bundle: Bundle }
  | { readonly kind: 'DeleteBundle'; readonly trustDomain: TrustDomain; readonly mode: 'Restrict' | 'Dissociate' }
  | { readonly kind: 'UpdateEntry'; readonly id: string; readonly federatesWith: readonly TrustDomain[] }
  | { readonly kind: 'WriteManaged'; readonly managed: ReadonlyMap<TrustDomain, 'Own' | 'Delegate'> }
  | {
      readonly kind: 'Relationship';
      readonly change: 'create' | 'update' | 'delete';
      readonly trustDomain: TrustDomain;
      /** It brings one that is stored over what is held. */
      readonly bundle?: Bundle | undefined;
    };

/** What a broker has been told by its SPIRE, so that it can be judged by what it could know. */
export interface SeenOfSpire {
  bundles: ReadonlyMap<TrustDomain, Bundle> | undefined;
  /** Until when it was told the newest, at `bundlesAtMs`. */
  bundlesBefore: ReadonlyMap<TrustDomain, Bundle> | undefined;
  bundlesAtMs: number;
  /** Since when it is told what it knows of each trust domain. */
  readonly bundleSinceMs: Map<TrustDomain, number>;
  own: Bundle | undefined;
  entries: ReadonlyMap<string, readonly TrustDomain[]>;
  /** Whom SPIRE itself polls. */
  relationships: ReadonlySet<TrustDomain>;
  managed: ReadonlyMap<TrustDomain, 'Own' | 'Delegate'> | undefined;
  /** Until when it was told the newest, at `managedAtMs`. */
  managedBefore: ReadonlyMap<TrustDomain, 'Own' | 'Delegate'> | undefined;
  managedAtMs: number;
}

export function nothingSeen(): SeenOfSpire {
  return {
    bundles: undefined,
    bundlesBefore: undefined,
    bundlesAtMs: 0,
    bundleSinceMs: new Map(),
    own: undefined,
    entries: new Map(),
    relationships: new Set(),
    managed: undefined,
    managedBefore: undefined,
    managedAtMs: 0,
  };
}

/** The network between a SPIRE and all brokers beside it. */
export class SpireLink {
  isDown = false;
  /** Each call takes up to so long. */
  slownessMs = 0;
  readonly faults: CallFault[] = [];
  /** Of the next writes only. */
  readonly writeFaults: CallFault[] = [];
}

export interface CallParts {
  readonly link: SpireLink;
  readonly process: Process;
  readonly time: VirtualTime;
  readonly chance: Chance;
}

export interface SpireLinkParts extends CallParts {
  readonly model: SpireModel;
  readonly seen: SeenOfSpire;
  /** Before it is done. */
  readonly onWrite: (write: SpireWrite) => void;
  /** After it was done, also for a caller who never learns of it. */
  readonly onChanged: (write: SpireWrite, how: { readonly isLate: boolean }) => void;
}

const DEADLINE_MS = 10_000;
/** Done so late, a write may come after others that were asked for later. */
const LATE_FROM_MS = 1_000;

export function linkSpire(parts: SpireLinkParts): SpireServer {
  const { model, seen } = parts;
  const read = <T>(signal: AbortSignal | undefined, effect: () => T, answered: (value: T) => void = () => undefined) =>
    callSpire(parts, { effect, answered, signal });
  const write = <T>(
    signal: AbortSignal | undefined,
    writes: readonly SpireWrite[],
    effect: () => T,
    answered: (value: T) => void = () => undefined,
  ) => {
    if (parts.process.isAlive) writes.forEach(parts.onWrite);
    const noted = (isLate: boolean) => {
      const value = effect();
      for (const each of writes) parts.onChanged(each, { isLate });
      return value;
    };
    return callSpire(parts, { effect: noted, answered, signal, isWrite: true });
  };
  const noteBundles = (bundles: ReadonlyMap<TrustDomain, Bundle>) => {
    seen.bundlesBefore = seen.bundles;
    seen.bundlesAtMs = parts.time.nowMs;
    for (const name of new Set([...bundles.keys(), ...(seen.bundles?.keys() ?? [])])) {
      if (!isSame(bundles.get(name), seen.bundles?.get(name))) seen.bundleSinceMs.set(name, parts.time.nowMs);
    }
    seen.bundles = bundles;
  };
  const noteBundle = (trustDomain: TrustDomain, bundle: Bundle | undefined) => {
    const bundles = new Map(seen.bundles);
    if (bundle === undefined) bundles.delete(trustDomain);
    else bundles.set(trustDomain, bundle);
    noteBundles(bundles);
  };
  return {
    readOwnSequenceNumber: (signal) => read(signal, () => model.own.sequenceNumber),
    readOwnBundle: (signal) =>
      read(
        signal,
        () => model.own,
        (own) => (seen.own = own),
      ),
    listFederatedBundles: (signal) =>
      read(
        signal,
        () => [...model.bundles.values()],
        (list) => {
          noteBundles(new Map(list.map((bundle) => [bundle.trustDomain, bundle])));
        },
      ),
    getFederatedBundle: (trustDomain, signal) =>
      read(
        signal,
        () => model.bundles.get(trustDomain),
        (bundle) => {
          noteBundle(trustDomain, bundle);
        },
      ),
    setFederatedBundles: (bundles, signal) =>
      write(
        signal,
        bundles.map((bundle) => ({ kind: 'SetBundle', bundle })),
        () => bundles.map((bundle) => ({ ok: true, value: model.setBundle(bundle) }) as const),
        (outcomes) => {
          for (const { value } of outcomes) noteBundle(value.trustDomain, value);
        },
      ),
    deleteFederatedBundle: (trustDomain, mode, signal) =>
      write(signal, [{ kind: 'DeleteBundle', trustDomain, mode }], () => model.deleteBundle(trustDomain, mode)),
    countEntries: (signal) => read(signal, () => model.entries.size),
    listEntries: (signal) =>
      read(
        signal,
        () => [...model.entries.values()],
        (list) => (seen.entries = new Map(list.map(({ id, federatesWith }) => [id, federatesWith]))),
      ),
    updateFederatesWith: (updates, signal) =>
      write(
        signal,
        updates.map((update) => ({ kind: 'UpdateEntry', ...update })),
        () => updates.map(({ id, federatesWith }) => model.updateFederatesWith(id, federatesWith)),
      ),
    listFederationRelationships: (signal) =>
      read(
        signal,
        () => [...model.relationships.values()],
        (list) => (seen.relationships = new Set(list.map(({ trustDomain }) => trustDomain))),
      ),
    createFederationRelationship: (relationship, bundle, signal) =>
      write(signal, [{ kind: 'Relationship', change: 'create', trustDomain: relationship.trustDomain, bundle }], () => {
        model.createRelationship(relationship, bundle);
      }),
    updateFederationRelationship: (relationship, signal) =>
      write(signal, [{ kind: 'Relationship', change: 'update', trustDomain: relationship.trustDomain }], () => {
        model.updateRelationship(relationship);
      }),
    deleteFederationRelationship: (trustDomain, signal) =>
      write(signal, [{ kind: 'Relationship', change: 'delete', trustDomain }], () =>
        model.relationships.delete(trustDomain),
      ),
    refreshBundle: (trustDomain, signal) =>
      read(signal, () =>
        model.relationships.has(trustDomain) || model.configured.has(trustDomain) ? 'Refreshed' : 'NotManaged',
      ),
    readManagedPeers: (signal) =>
      read(
        signal,
        () => model.managed,
        (managed) => {
          seen.managedBefore = seen.managed;
          seen.managedAtMs = parts.time.nowMs;
          seen.managed = managed;
        },
      ),
    writeManagedPeers: (managed, signal) =>
      write(signal, [{ kind: 'WriteManaged', managed }], () => {
        model.managed = new Map(managed);
      }),
    mintX509Svid: () => Promise.reject(new SpireError('SpireUnsupported', 'simulated endpoints mint for themselves')),
  };
}

interface Call<T> {
  readonly effect: (isLate: boolean) => T;
  readonly answered: (value: T) => void;
  readonly signal: AbortSignal | undefined;
  readonly isWrite?: boolean;
  /** How long after the death of its caller a call is done that was to be his last. */
  readonly posthumousMs?: number;
}

/** What becomes of one call, by the link's faults and the process's last hour. */
export function callSpire<T>(
  parts: CallParts,
  { effect, answered, signal, isWrite = false, posthumousMs = 0 }: Call<T>,
): Promise<T> {
  const { process, link, time, chance } = parts;
  if (signal?.aborted === true) return Promise.reject(cancelled());
  const fate = process.noteCall();
  if (fate !== 'Goes on') {
    if (fate === 'Killed after' && posthumousMs === 0) tryTo(() => effect(false));
    if (fate === 'Killed after' && posthumousMs > 0) time.after(posthumousMs, () => tryTo(() => effect(true)));
    process.kill();
    return never();
  }
  if (link.isDown) return Promise.reject(unreachable());
  const fault = (isWrite ? link.writeFaults.shift() : undefined) ?? link.faults.shift();
  if (fault?.kind === 'Refused') return Promise.reject(unreachable());
  if (fault?.kind === 'AnswerLost') {
    tryTo(() => effect(false));
    return Promise.reject(unreachable());
  }
  const byMs = fault !== undefined && isWrite ? fault.byMs : chance.below(link.slownessMs);
  if (byMs === 0) {
    return Promise.resolve().then(() => {
      const value = effect(false);
      answered(value);
      return value;
    });
  }
  return new Promise((resolve, reject) => {
    let isGivenUp = false;
    const fail = (error: SpireError) => {
      isGivenUp = true;
      cancelDeadline();
      signal?.removeEventListener('abort', cancel);
      reject(error);
    };
    const cancel = () => {
      fail(cancelled());
    };
    const cancelDeadline = process.clock.after(DEADLINE_MS, () => {
      fail(new SpireError('SpireDeadlineExceeded', 'SPIRE Server took too long'));
    });
    signal?.addEventListener('abort', cancel);
    time.after(byMs, () => {
      const result = tryTo(() => effect(byMs >= LATE_FROM_MS));
      process.reach(() => {
        if (isGivenUp) return;
        cancelDeadline();
        signal?.removeEventListener('abort', cancel);
        if ('error' in result) reject(result.error);
        else {
          answered(result.value);
          resolve(result.value);
        }
      });
    });
  });
}

function isSame(a: Bundle | undefined, b: Bundle | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && storedAlike(a, b));
}

function tryTo<T>(effect: () => T): { readonly value: T } | { readonly error: Error } {
  try {
    return { value: effect() };
  } catch (error) {
    return { error: error as Error };
  }
}

function cancelled(): SpireError {
  return new SpireError('SpireCancelled', 'the call was cancelled');
}

function unreachable(): SpireError {
  return new SpireError('SpireUnreachable', 'SPIRE Server does not answer');
}
