// What is known about the mesh right now, and within which bounds may it be changed?
import type { Bundle } from '../bundle/bundle.ts';
import type { KnownRoots } from '../bundle/known-roots.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Declarations, Fact } from '../federation/facts.ts';
import type { MeshObject, MeshObjectRef } from '../federation/mesh-objects.ts';
import type { MergedAnchors } from '../federation/mesh-ports.ts';
import type { MeshMemory } from './mesh-memory.ts';
import type { MeshVerdict } from './mesh-verdict.ts';
import type { VanishedRevision } from './vanished-revisions.ts';

/** The ConfigMap of one istiod revision that is written. Several revisions may read one and the same. */
export interface SharedMeshConfig {
  /** `default` where istiod has none. */
  readonly revision: string;
  readonly ref: MeshObjectRef;
  readonly object: Fact<MeshObject | undefined>;
  /** The revision's own ConfigMap (`istio`, `istio-<rev>`), which wins over ours; undefined: not looked at. */
  readonly base: Fact<MeshObject | undefined> | undefined;
}

/** The ConfigMap of a revision that is gone. */
export interface VanishedMeshConfig extends VanishedRevision {
  readonly object: Fact<MeshObject | undefined>;
}

export interface MeshFacts {
  readonly now: Date;
  readonly ownTrustDomain: TrustDomain;
  readonly ownBundle: Fact<Bundle>;
  readonly declared: Fact<Declarations>;
  /** The foreign bundles SPIRE holds: the only source of roots. */
  readonly stored: Fact<ReadonlyMap<TrustDomain, Bundle>>;
  /** Whose roots are whose, over both. */
  readonly knownRoots: KnownRoots;
  /** Peers that withdrew all their keys, and whose policy is to obey (`onEmptyBundle: Revoke`). */
  readonly revoked: ReadonlySet<TrustDomain>;
  /** One per istiod revision. */
  readonly shared: readonly SharedMeshConfig[];
  readonly vanished: readonly VanishedMeshConfig[];
  /** By `meshObjectKey`: every CA object that is declared, and every one of ours that is there. */
  readonly gatewayCas: ReadonlyMap<string, Fact<MeshObject | undefined>>;
  /** By `meshObjectKey`: the CA objects that a Gateway, ListenerSet, DestinationRule or BackendTLSPolicy names. */
  readonly referencedCas: Fact<ReadonlySet<string>>;
  /** DER: what istiod's own certificates end at, beside which mesh config's stand. None where there is no istiod CA. */
  readonly meshRoots: Fact<readonly Uint8Array[]>;
  /** Under strict: why a peer that is not on the list yet may not come. */
  readonly barred: ReadonlyMap<TrustDomain, MeshVerdict>;
  /** What the istiod uses that is asked; undefined: none is. */
  readonly merged?: Fact<MergedAnchors> | undefined;
  readonly memory: MeshMemory;
}

export interface MeshLimits {
  /** Of the broker, where CA ConfigMaps of gateways are. */
  readonly namespace: string;
  /** `SharedConfigMap`: an object of our own. `PatchBase`: our entries among those of others, in istiod's own. */
  readonly target: 'SharedConfigMap' | 'PatchBase';
  /** Changes of the list of trust domains are collected for this long, since each drains every listener. */
  readonly listIntervalMs: number;
  /** The least time between two writes of roots, since each makes every proxy of istiod ask for a certificate. */
  readonly rootIntervalMs: number;
  readonly isListWindowOpen: boolean;
  /** When the next one opens, where that is known. */
  readonly nextListWindowAt?: Date | undefined;
  /** How often within `flipWindowMs` what others changed in our objects is changed back. */
  readonly maxFlips: number;
  readonly flipWindowMs: number;
  /** For how long a revision must be seen to be gone before its ConfigMap goes; undefined: it stays. */
  readonly vanishedAfterMs?: number | undefined;
  /** The revision of istiod that gets what is new first, and for how long before the others. */
  readonly canary?: { readonly revision: string; readonly soakMs: number } | undefined;
}
