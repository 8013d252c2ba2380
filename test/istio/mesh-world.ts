// What does a mesh do with the plans made for it? A cluster of a few objects, whose steps are applied as the API server would.
import { RootIndexer } from '../../src/bundle/known-roots.ts';
import type { Bundle } from '../../src/bundle/bundle.ts';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import { known, type Fact } from '../../src/federation/facts.ts';
import {
  meshObjectKey,
  type MeshObject,
  type MeshObjectContent,
  type MeshObjectRef,
} from '../../src/federation/mesh-objects.ts';
import type { MeshAcceptance, Peer } from '../../src/federation/relationship.ts';
import type { MeshFacts, MeshLimits } from '../../src/istio/mesh-facts.ts';
import { EMPTY_MEMORY, rememberMesh, type MeshMemory } from '../../src/istio/mesh-memory.ts';
import { parseMeshContent } from '../../src/istio/mesh-content.ts';
import type { MeshStep } from '../../src/istio/mesh-steps.ts';
import { planMesh, type MeshPlan } from '../../src/istio/plan-mesh.ts';
import type { VanishedRevision } from '../../src/istio/vanished-revisions.ts';
import { bundleOf, EAST, NOW, peerOf } from '../federation/samples.ts';

export const REF: MeshObjectRef = { kind: 'ConfigMap', namespace: 'istio-system', name: 'istio-federation' };
export const BASE_REF: MeshObjectRef = { ...REF, name: 'istio' };

export const LIMITS: MeshLimits = {
  namespace: 'federation',
  target: 'SharedConfigMap',
  listIntervalMs: 60_000,
  rootIntervalMs: 60_000,
  isListWindowOpen: true,
  maxFlips: 3,
  flipWindowMs: 600_000,
};

export function accepting(anchors: MeshAcceptance['anchors'], changes: Partial<MeshAcceptance> = {}): MeshAcceptance {
  return { anchors, urgent: false, gatewayCas: [], ...changes };
}

export function meshPeer(trustDomain: TrustDomain, mesh: MeshAcceptance, changes: Partial<Peer> = {}): Peer {
  return peerOf(trustDomain, { mesh, ...changes });
}

/** Everything can be changed between two passes. */
export class MeshWorld {
  now = NOW;
  peers: readonly Peer[] = [];
  incompleteBecause: string | undefined;
  stored: readonly Bundle[] = [];
  revoked: readonly TrustDomain[] = [];
  barred: MeshFacts['barred'] = new Map();
  limits = LIMITS;
  /** Of istiod. */
  revisions: readonly string[] = ['default'];
  memory: MeshMemory = EMPTY_MEMORY;
  readonly objects = new Map<string, MeshObject>();
  /** Revisions that are gone. */
  vanished: readonly VanishedRevision[] = [];
  /** By key, of the objects that are declared but not there. */
  readonly gatewayRefs: MeshObjectRef[] = [];
  referenced: readonly string[] = [];
  meshRoots: readonly Uint8Array[] = [];
  /** Replaces facts of the next passes. */
  facts: Partial<MeshFacts> = {};
  /** Every step that was applied. */
  readonly written: MeshStep[] = [];
  #version = 0;

  /** Plans, applies and remembers; time passes before. */
  pass(afterMs = 0): MeshPlan {
    const { facts, plan } = this.look(afterMs);
    for (const step of plan.steps) this.#apply(step);
    this.written.push(...plan.steps);
    const outcomes = plan.steps.map((step) => ({ step, error: undefined }));
    this.memory = rememberMesh(facts, plan, outcomes);
    return plan;
  }

  /** Plans alone. */
  look(afterMs = 0): { readonly facts: MeshFacts; readonly plan: MeshPlan } {
    this.now = new Date(this.now.getTime() + afterMs);
    const facts = this.#facts();
    return { facts, plan: planMesh(facts, this.limits) };
  }

  get content() {
    return this.contentOf('default');
  }

  contentOf(revision: string) {
    return parseMeshContent(this.objects.get(meshObjectKey(this.refOf(revision)))?.data['mesh'] ?? '').content;
  }

  get text(): string | undefined {
    return this.objects.get(meshObjectKey(REF))?.data['mesh'];
  }

  put(ref: MeshObjectRef, content: Partial<MeshObjectContent>, changes: Partial<MeshObject> = {}): MeshObject {
    this.#version += 1;
    const object: MeshObject = {
      ...ref,
      uid: `uid-${ref.name}`,
      resourceVersion: String(this.#version),
      ours: true,
      brokerOf: EAST,
      data: {},
      annotations: {},
      otherManagers: [],
      ...content,
      ...changes,
    };
    this.objects.set(meshObjectKey(ref), object);
    return object;
  }

  /** As kubectl edit does. */
  edit(ref: MeshObjectRef, data: Readonly<Record<string, string>>, manager = 'helm'): void {
    const object = this.objects.get(meshObjectKey(ref))!;
    this.put(
      ref,
      { annotations: object.annotations, data },
      { ...object, data, otherManagers: [manager], resourceVersion: String((this.#version += 1)) },
    );
  }

  /** As an earlier version left it, which did not say whose broker it was. */
  unclaim(ref: MeshObjectRef): void {
    this.put(ref, {}, { ...this.objects.get(meshObjectKey(ref))!, brokerOf: undefined });
  }

  restart(): void {
    this.memory = EMPTY_MEMORY;
  }

  fact(ref: MeshObjectRef): Fact<MeshObject | undefined> {
    return known(this.objects.get(meshObjectKey(ref)), this.now);
  }

  #apply(step: MeshStep): void {
    if (step.kind === 'DeleteMeshObject') this.objects.delete(meshObjectKey(step.ref));
    else if (step.kind === 'ReplaceMeshKey') {
      const { object, key, text, content } = step;
      const annotations = { ...object.annotations, ...content.annotations };
      this.put(
        step.ref,
        {},
        {
          ...object,
          annotations,
          brokerOf: EAST,
          data: { ...object.data, [key]: text },
          resourceVersion: String((this.#version += 1)),
        },
      );
    } else this.put(step.ref, step.content);
  }

  #facts(): MeshFacts {
    const { now } = this;
    const cas = [...this.objects.values()].filter(({ namespace }) => namespace !== REF.namespace);
    return {
      now,
      ownTrustDomain: EAST,
      ownBundle: known(bundleOf(EAST), now),
      declared: known({ peers: this.peers, incompleteBecause: this.incompleteBecause }, now),
      stored: known(new Map(this.stored.map((bundle) => [bundle.trustDomain, bundle])), now),
      knownRoots: new RootIndexer().index(bundleOf(EAST), this.stored),
      revoked: new Set(this.revoked),
      barred: this.barred,
      shared: this.revisions.map((revision) => {
        const ref = this.refOf(revision);
        return { revision, ref, object: this.fact(ref), base: this.fact(ofRevision(BASE_REF, revision)) };
      }),
      vanished: this.vanished.map((each) => ({ ...each, object: this.fact(each.ref) })),
      gatewayCas: new Map([...this.gatewayRefs, ...cas].map((ref) => [meshObjectKey(ref), this.fact(ref)])),
      referencedCas: known(new Set(this.referenced), now),
      meshRoots: known(this.meshRoots, now),
      memory: this.memory,
      ...this.facts,
    };
  }

  refOf(revision: string): MeshObjectRef {
    return ofRevision(this.limits.target === 'PatchBase' ? BASE_REF : REF, revision);
  }
}

function ofRevision(ref: MeshObjectRef, revision: string): MeshObjectRef {
  return revision === 'default' ? ref : { ...ref, name: `${ref.name}-${revision}` };
}
