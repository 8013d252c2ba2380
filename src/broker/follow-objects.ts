// What do the objects say that the mesh reads? One watch for each that matters, begun and ended as that changes.
import type { Clock } from '../federation/clock.ts';
import { known, unreadable, type Fact } from '../federation/facts.ts';
import type { Report } from '../federation/ports.ts';
import { meshObjectKey, type MeshObject, type MeshObjectRef, type MeshObjects } from '../federation/mesh-objects.ts';

interface Watch {
  fact: Fact<MeshObject | undefined>;
  readonly stop: AbortController;
}

export class ObjectFollower {
  readonly #objects: Pick<MeshObjects, 'watch'>;
  readonly #clock: Clock;
  readonly #changed: () => void;
  readonly #watches = new Map<string, Watch>();
  /** Those that were ended included, until they are. */
  readonly #running = new Set<Promise<void>>();

  constructor(objects: Pick<MeshObjects, 'watch'>, clock: Clock, changed: () => void) {
    this.#objects = objects;
    this.#clock = clock;
    this.#changed = changed;
  }

  follow(refs: readonly MeshObjectRef[]): void {
    const wanted = new Map(refs.map((ref) => [meshObjectKey(ref), ref]));
    for (const [key, { stop }] of this.#watches) {
      if (wanted.has(key)) continue;
      stop.abort();
      this.#watches.delete(key);
    }
    for (const [key, ref] of wanted) {
      if (!this.#watches.has(key)) this.#start(key, ref);
    }
  }

  /** Of an object that is not followed, nothing is known. */
  fact(ref: MeshObjectRef): Fact<MeshObject | undefined> {
    return this.#watches.get(meshObjectKey(ref))?.fact ?? this.#notRead();
  }

  /** What was just written is known before the watch tells it. */
  note(ref: MeshObjectRef, object: MeshObject | undefined): void {
    const watch = this.#watches.get(meshObjectKey(ref));
    if (watch !== undefined) watch.fact = known(object, this.#clock.now());
  }

  async stop(): Promise<void> {
    for (const { stop } of this.#watches.values()) stop.abort();
    await Promise.all(this.#running);
  }

  #start(key: string, ref: MeshObjectRef): void {
    const stop = new AbortController();
    const watch: Watch = { fact: this.#notRead(), stop };
    this.#watches.set(key, watch);
    const report: Report<MeshObject> = (found) => {
      const at = this.#clock.now();
      watch.fact = found instanceof Error ? unreadable(found, at) : known(found, at);
      if (!stop.signal.aborted) this.#changed();
    };
    const ended = this.#objects.watch(ref, report, stop.signal).finally(() => this.#running.delete(ended));
    this.#running.add(ended);
  }

  #notRead(): Fact<never> {
    return unreadable({ code: 'NotReadYet', message: 'not read yet' }, this.#clock.now());
  }
}
