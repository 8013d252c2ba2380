// What does istiod tell its proxies of its ConfigMaps, and when? A stand-in, by rules measured on istiod 1.29.6
import { isDeepStrictEqual } from 'node:util';
import type { Cancel, Clock } from '../../federation/clock.ts';
import type { MeshObject, MeshObjects } from '../../federation/mesh-objects.ts';
import { trustBundleFault } from '../../istio/candidate.ts';
import { MESH_KEY } from '../../istio/mesh-content.ts';
import { inboundPrefixes, mergeMesh, type MergedMesh, type MeshSources } from '../../istio/mesh-merge.ts';
import { MESH_CONFIGS } from './istio-place.ts';

/** What a proxy is told. */
export interface Push {
  /** For the inbound listeners. */
  readonly sanPrefixes: readonly string[];
  /** PEM texts, each once, sorted. */
  readonly trustAnchors: readonly string[];
}

export interface IstiodParts {
  readonly objects: Pick<MeshObjects, 'watch'>;
  readonly clock: Clock;
  readonly onPush: (push: Push) => void;
}

/** istiod waits this long for more of the same before it pushes (PILOT_DEBOUNCE_AFTER). */
const DEBOUNCE_MS = 100;

export class IstiodStandIn {
  readonly #parts: IstiodParts;
  readonly #sources = new Map<keyof MeshSources, string | undefined>();
  #merged: MergedMesh | undefined;
  #anchors: readonly string[] = [];
  #cancelPush: Cancel = () => undefined;

  constructor(parts: IstiodParts) {
    this.#parts = parts;
  }

  /** Until the signal aborts. While the API server does not answer, the proxies keep what they have. */
  async follow(signal: AbortSignal): Promise<void> {
    const follow = (source: keyof MeshSources) =>
      this.#parts.objects.watch(
        MESH_CONFIGS[source],
        (found) => {
          if (!(found instanceof Error)) this.#take(source, found);
        },
        signal,
      );
    await Promise.all([follow('base'), follow('shared')]);
    this.#cancelPush();
  }

  #take(source: keyof MeshSources, found: MeshObject | undefined): void {
    this.#sources.set(source, found?.data[MESH_KEY]);
    if (this.#sources.size < Object.keys(MESH_CONFIGS).length) return;
    const merged = mergeMesh({ base: this.#sources.get('base'), shared: this.#sources.get('shared') });
    if (isDeepStrictEqual(merged, this.#merged)) return;
    this.#merged = merged;
    // One bad certificate, and all are as before; the names are not.
    if (trustBundleFault(merged) === undefined) this.#anchors = anchorsOf(merged);
    this.#cancelPush();
    this.#cancelPush = this.#parts.clock.after(DEBOUNCE_MS, () => {
      this.#parts.onPush({ sanPrefixes: inboundPrefixes(merged), trustAnchors: this.#anchors });
    });
  }
}

function anchorsOf({ caCertificates }: MergedMesh): readonly string[] {
  return [...new Set(caCertificates.flatMap(({ pem }) => pem ?? []))].filter((pem) => pem !== '').sort();
}
