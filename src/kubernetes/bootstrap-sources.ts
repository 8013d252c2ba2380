// Did a ConfigMap or Secret change that a declared peer begins with? Each is watched by its name, as long as one refers
// to it; no others are looked at.
import { createHash } from 'node:crypto';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Clock } from '../federation/clock.ts';
import type { Peer } from '../federation/relationship.ts';
import type { ApiServer } from './api-server.ts';
import { bootstrapBytes, bootstrapRef, type ObjectSource } from './bootstrap-object.ts';
import { KubeError } from './kube-error.ts';
import type { KubeObject, ObjectRef } from './kube-object.ts';
import { watchObject } from './watch-object.ts';

export interface BootstrapSourcesOptions {
  readonly api: Pick<ApiServer, 'list' | 'watch'>;
  readonly clock: Clock;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
  /** The content that the peer's declaration names was seen for the first time, or has changed. */
  readonly onBootstrapChanged: (trustDomain: TrustDomain) => void;
  /** A change would not be seen now. What a peer begins with is still read when it is needed. */
  readonly onError: (error: KubeError) => void;
  /** `onBootstrapChanged` threw. */
  readonly onFault: (error: unknown) => void;
}

interface Watched {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
  /** As last read; undefined: never yet, or there is none. */
  object: KubeObject | undefined;
}

export class BootstrapSources {
  readonly #options: BootstrapSourcesOptions;
  readonly #watched = new Map<string, Watched>();
  /** Who refers to which object. */
  #references: readonly Reference[] = [];
  /** Of the content that was last told of, by reference. */
  readonly #digests = new Map<string, string>();

  constructor(options: BootstrapSourcesOptions) {
    this.#options = options;
  }

  /** Starts and ends watches so that they are those of the peers in force. */
  follow(peers: readonly Peer[]): void {
    this.#references = peers.flatMap(referencesOf);
    const wanted = new Map(this.#references.map(({ id, source }) => [id, bootstrapRef(source)]));
    for (const [id, { stop }] of this.#watched) {
      if (wanted.has(id)) continue;
      stop.abort();
      this.#watched.delete(id);
    }
    for (const [id, ref] of wanted) {
      if (this.#watched.has(id)) this.#compare(id);
      else this.#start(id, ref);
    }
    const referred = new Set(this.#references.map(markOf));
    for (const mark of this.#digests.keys()) if (!referred.has(mark)) this.#digests.delete(mark);
  }

  /** Ends all watches. */
  async stop(): Promise<void> {
    const ended = [...this.#watched.values()].map((each) => each.ended);
    this.follow([]);
    await Promise.all(ended);
  }

  #start(id: string, ref: ObjectRef): void {
    const { api, clock, random, onError, onFault } = this.#options;
    const stop = new AbortController();
    const report = (found: KubeObject | KubeError | undefined) => {
      if (found instanceof KubeError) {
        onError(found);
        return;
      }
      watched.object = found;
      this.#compare(id);
    };
    const ended = watchObject(ref, { api, clock, random, report, onHandlerFault: onFault }, stop.signal);
    const watched: Watched = { stop, ended, object: undefined };
    this.#watched.set(id, watched);
  }

  #compare(id: string): void {
    const object = this.#watched.get(id)?.object;
    if (object === undefined) return;
    for (const reference of this.#references.filter((each) => each.id === id)) {
      const digest = digestOf(object, reference.source);
      if (digest === undefined || this.#digests.get(markOf(reference)) === digest) continue;
      this.#digests.set(markOf(reference), digest);
      this.#options.onBootstrapChanged(reference.trustDomain);
    }
  }
}

/** Undefined when there is nothing to use: whoever reads it is told why. */
function digestOf(object: KubeObject, source: ObjectSource): string | undefined {
  try {
    return createHash('sha256').update(bootstrapBytes(object, source)).digest('hex');
  } catch {
    return undefined;
  }
}

interface Reference {
  /** Of the object. */
  readonly id: string;
  readonly source: ObjectSource;
  readonly trustDomain: TrustDomain;
}

function markOf({ id, source, trustDomain }: Reference): string {
  return JSON.stringify([id, source.key, trustDomain]);
}

function referencesOf({ bootstrap, trustDomain }: Peer): Reference[] {
  if (bootstrap?.type !== 'configMap' && bootstrap?.type !== 'secret') return [];
  const { type, namespace, name } = bootstrap;
  return [{ id: JSON.stringify([type, namespace, name]), source: bootstrap, trustDomain }];
}
