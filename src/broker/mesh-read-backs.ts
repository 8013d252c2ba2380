// What does the mesh itself say of the anchors it uses? Istiod is asked again and again, the SPIRE agent tells each change.
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../federation/clock.ts';
import { known, unreadable, type Fact } from '../federation/facts.ts';
import type { AgentSds, MergedMesh } from '../federation/mesh-ports.ts';
import type { MeshReadBack } from '../istio/mesh-standing.ts';
import { codedError } from './coded.ts';
import { repeat } from './repeat.ts';

export interface ReadBackSources {
  /** Undefined: no SPIRE agent is asked. */
  readonly agentSds: AgentSds | undefined;
  /** Undefined: istiod is not asked. */
  readonly mergedMesh: MergedMesh | undefined;
}

/** Istiod merges within milliseconds, and does not tell when it has. */
const MERGED_POLL_MS = 2_000;

export class MeshReadBacks {
  readonly #sources: ReadBackSources;
  readonly #clock: Clock;
  readonly #changed: () => void;
  #found: MeshReadBack;

  constructor(sources: ReadBackSources, clock: Clock, changed: () => void) {
    this.#sources = sources;
    this.#clock = clock;
    this.#changed = changed;
    const notRead = unreadable({ code: 'NotReadYet', message: 'not read yet' }, clock.now());
    const { agentSds, mergedMesh } = sources;
    this.#found = { merged: mergedMesh && notRead, served: agentSds && notRead };
  }

  get found(): MeshReadBack {
    return this.#found;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { agentSds, mergedMesh } = this.#sources;
    await Promise.all([
      agentSds?.watch((found) => {
        const at = this.#clock.now();
        this.#note({ served: found instanceof Error ? unreadable(found, at) : known(found, at) });
      }, signal),
      mergedMesh &&
        repeat({ clock: this.#clock, intervalMs: MERGED_POLL_MS, signal }, () => this.#readMerged(mergedMesh, signal)),
    ]);
  }

  async #readMerged(mergedMesh: MergedMesh, signal: AbortSignal): Promise<void> {
    const at = this.#clock.now();
    try {
      this.#note({ merged: known(await mergedMesh.read(signal), at) });
    } catch (error) {
      this.#note({ merged: unreadable(codedError(error), at) });
    }
  }

  #note(news: Partial<MeshReadBack>): void {
    const before = this.#found;
    this.#found = { ...before, ...news };
    const isSame = saysTheSame(before.merged, this.#found.merged) && saysTheSame(before.served, this.#found.served);
    if (!isSame) this.#changed();
  }
}

function saysTheSame<T>(a: Fact<T> | undefined, b: Fact<T> | undefined): boolean {
  if (a?.state === 'Known' && b?.state === 'Known') return isDeepStrictEqual(a.value, b.value);
  if (a?.state === 'Unreadable' && b?.state === 'Unreadable') return a.reason === b.reason;
  return a === b;
}
