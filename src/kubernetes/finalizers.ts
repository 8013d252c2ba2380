// Who puts the finalizer on objects and takes it off? The leader, by one patch an object, each tried again on change.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Clock } from '../federation/clock.ts';
import type { ApiServer } from './api-server.ts';
import { peerInForce, type DeclaredObject } from './declared-object.ts';
import { finalizerChange, finalizerPatch, type FinalizerChange, type Pass } from './finalizer.ts';
import { isKubeError, kubeErrorOfConnection, type KubeError } from './kube-error.ts';
import { describeTarget } from './kube-object.ts';
import { uidOf } from './object-declaration.ts';
import { PEER_TRUST_DOMAIN } from './peer-trust-domain.ts';
import { Turns } from './turns.ts';

export interface FinalizersOptions {
  readonly api: Pick<ApiServer, 'jsonPatch'>;
  readonly clock: Clock;
  /** Lists the objects; see `PeerResources.readAnew`. */
  readonly readAnew: (signal: AbortSignal) => Promise<void>;
  readonly ownTrustDomain: TrustDomain;
  /** A patch failed; it is tried again with the next change, and after a pause. */
  readonly onError: (error: KubeError) => void;
}

/** A patch was made from an older object than there is, at the resourceVersion. */
interface Outdated {
  readonly resourceVersion: string;
  readonly sinceMs: number;
}

/** A thousand new objects are patched within seconds, without holding all connections. */
const PATCHES_AT_ONCE = 8;
const RETRY_MS = 5_000;

export class Finalizers {
  readonly #options: FinalizersOptions;
  #objects: readonly DeclaredObject[] = [];
  #pass: Pass | undefined;
  /** When each object was first seen to be deleted, by UID. */
  #deletedAtMs: ReadonlyMap<string, number> = new Map();
  /** Objects whose patch succeeded, by UID, with the resourceVersion it was made from: a new one must come first. */
  readonly #patched = new Map<string, string>();
  /** By UID. Their newest version comes by the watch, within RETRY_MS if that works; if not, by a list. */
  readonly #outdated = new Map<string, Outdated>();
  #reading: Promise<void> | undefined;
  readonly #turns: Turns;

  constructor(options: FinalizersOptions) {
    this.#options = options;
    this.#turns = new Turns(options.clock);
  }

  /** The objects as the newest reading has them. */
  noteObjects(objects: readonly DeclaredObject[]): void {
    const nowMs = this.#options.clock.now().getTime();
    const leaving = objects.filter(({ deleting }) => deleting).map(({ object }) => uidOf(object));
    this.#deletedAtMs = new Map(leaving.map((uid) => [uid, this.#deletedAtMs.get(uid) ?? nowMs]));
    this.#objects = objects;
    const there = new Set(objects.map(({ object }) => uidOf(object)));
    for (const uid of this.#patched.keys()) if (!there.has(uid)) this.#patched.delete(uid);
    this.#turns.request();
  }

  /** A pass has ended. */
  notePass(pass: Pass): void {
    this.#pass = pass;
    this.#turns.request();
  }

  /** Patches what is due until the signal aborts; never rejects. */
  run(signal: AbortSignal): Promise<void> {
    return this.#turns.run(() => this.#settle(signal), signal);
  }

  /** After how long to try again; undefined: nothing failed. */
  async #settle(signal: AbortSignal): Promise<number | undefined> {
    this.#readOverdue(signal);
    const due = this.#due();
    let failed = false;
    for (let start = 0; start < due.length && !signal.aborted; start += PATCHES_AT_ONCE) {
      const batch = due.slice(start, start + PATCHES_AT_ONCE);
      const results = await Promise.all(batch.map((each) => this.#patch(each, signal)));
      failed ||= results.includes('Failed');
    }
    return failed || this.#outdated.size > 0 ? RETRY_MS : undefined;
  }

  #readOverdue(signal: AbortSignal): void {
    const versions = new Map(this.#objects.map(({ object }) => [uidOf(object), object.metadata.resourceVersion]));
    for (const [uid, { resourceVersion }] of this.#outdated) {
      if (versions.get(uid) !== resourceVersion) this.#outdated.delete(uid);
    }
    const nowMs = this.#options.clock.now().getTime();
    const isOverdue = [...this.#outdated.values()].some(({ sinceMs }) => nowMs - sinceMs >= RETRY_MS);
    if (isOverdue) this.#reading ??= this.#options.readAnew(signal).finally(() => (this.#reading = undefined));
  }

  #due(): readonly Due[] {
    const live = this.#objects.filter(({ deleting }) => !deleting);
    const held = new Set(live.map((declared) => peerInForce(declared)?.trustDomain));
    return this.#objects.flatMap((declared) => {
      const { object } = declared;
      if (this.#patched.get(uidOf(object)) === object.metadata.resourceVersion) return [];
      const inForceElsewhere = (trustDomain: TrustDomain) => held.has(trustDomain);
      const change = finalizerChange({ declared, inForceElsewhere, pass: this.#passSince(uidOf(object)) });
      return change === undefined ? [] : [{ declared, change }];
    });
  }

  /** Only facts from after the deletion was seen tell of it. */
  #passSince(uid: string): Pass | undefined {
    const deletedAtMs = this.#deletedAtMs.get(uid);
    const isLater = deletedAtMs !== undefined && (this.#pass?.facts.now.getTime() ?? 0) >= deletedAtMs;
    return isLater ? this.#pass : undefined;
  }

  async #patch({ declared: { object }, change }: Due, signal: AbortSignal): Promise<'Done' | 'Failed'> {
    const { name, resourceVersion = '' } = object.metadata;
    const ref = { resource: PEER_TRUST_DOMAIN, name };
    const { api, ownTrustDomain } = this.#options;
    try {
      await api.jsonPatch(ref, resourceVersion, finalizerPatch(object, change, ownTrustDomain), { signal });
    } catch (error) {
      // Somebody else was faster or it is gone: either comes as the next change.
      const isOutdated = isKubeError(error, 'KubeConflict') || isKubeError(error, 'KubeNotFound');
      if (!isOutdated) {
        if (!signal.aborted) this.#options.onError(kubeErrorOfConnection(`patching ${describeTarget(ref)}`, error));
        return 'Failed';
      }
      this.#outdated.set(uidOf(object), { resourceVersion, sinceMs: this.#options.clock.now().getTime() });
    }
    this.#patched.set(uidOf(object), resourceVersion);
    return 'Done';
  }
}

interface Due {
  readonly declared: DeclaredObject;
  readonly change: FinalizerChange;
}
