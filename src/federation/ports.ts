// What does federation need from the outside? Interfaces, owned here and implemented by the adapters.
import type { Bundle, X509Authority } from '../bundle/bundle.ts';
import type { SpiffeId } from '../bundle/spiffe-id.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Declarations } from './facts.ts';
import type { BundleEndpointProfile } from './relationship.ts';

/** What every error of a boundary carries: `code` is the condition's reason, the metric's label and the CLI's line. */
export interface CodedError extends Error {
  readonly code: string;
}

/** How one item of a batch ended: its value, or the reason why not. Items of a batch fail one by one. */
export type ItemOutcome<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: CodedError };

/** SPIRE's `types.Selector`, for example `{ type: 'unix', value: 'uid:0' }`. */
export interface Selector {
  readonly type: string;
  readonly value: string;
}

/** The part of SPIRE's `types.Entry` that federation looks at. */
export interface RegistrationEntry {
  readonly id: string;
  readonly spiffeId: SpiffeId;
  readonly parentId: SpiffeId;
  readonly selectors: readonly Selector[];
  readonly federatesWith: readonly TrustDomain[];
  /** Absent when the entry has none. */
  readonly hint: string | undefined;
}

/** SPIRE's `types.FederationRelationship` without its bundle: SPIRE's own poller fetches that trust domain. */
export interface FederationRelationship {
  readonly trustDomain: TrustDomain;
  readonly bundleEndpointUrl: string;
  readonly profile: BundleEndpointProfile;
}

/**
 * The peers a broker of this trust domain manages, by how: only for `Delegate` is SPIRE's relationship ours to delete.
 * In the record of SPIRE: selectors `own:` and `delegate:`, each with the names of trust domains joined by commas.
 */
export type ManagedPeers = ReadonlyMap<TrustDomain, 'Own' | 'Delegate'>;

/** A ClusterSPIFFEID: spire-controller-manager makes a registration entry of it for every pod that it selects. */
export interface ClusterSpiffeId {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly labels: Readonly<Record<string, string>>;
  /** In the order of the object. As text: what others wrote there need be no trust domain. */
  readonly federatesWith: readonly string[];
  /** Which of them a broker added, by the annotation `fedbroker.dev/federates-with`. */
  readonly addedByBroker: readonly string[];
  readonly className: string | undefined;
}

/** A ClusterFederatedTrustDomain: spire-controller-manager makes SPIRE's federation relationship of it. */
export interface ClusterFederatedTrustDomain {
  readonly name: string;
  readonly uid: string;
  /** As text: the resource's schema lets more through than trust domains. */
  readonly trustDomain: string;
  readonly bundleEndpointUrl: string;
  /** Undefined: none that SPIRE knows. */
  readonly profile: BundleEndpointProfile | undefined;
  readonly className: string | undefined;
  /** Whether it carries a bundle, which the controller-manager writes over SPIRE's at every change of the object. */
  readonly carriesBundle: boolean;
  /** A broker made it, by its label, and none of another trust domain. */
  readonly ours: boolean;
  /** The trust domain whose broker wrote it, by its own word; undefined: nobody said, as earlier versions did not. */
  readonly brokerOf: string | undefined;
}

/** With what settings spire-controller-manager runs, as far as they matter beside it. */
export interface ControllerManager {
  /** With its dot. Entries of other ids it leaves alone; undefined: it deletes or reverts every entry that is not its. */
  readonly entryIdPrefix: string | undefined;
  readonly reconciles: {
    readonly clusterSpiffeIds: boolean;
    readonly clusterFederatedTrustDomains: boolean;
    readonly clusterStaticEntries: boolean;
  };
  /** It looks at objects of this class; undefined: at those without one. */
  readonly className: string | undefined;
  /** It looks at objects without a class too. */
  readonly watchClassless: boolean;
}

/** Where spire-controller-manager is looked for, and what of it is found there. */
export interface ControllerManagerSite {
  readonly namespace: string;
  /** The ConfigMap that we read its settings of. */
  readonly configMap: string;
  /** Sorted by kind and name. */
  readonly workloads: readonly ControllerManagerWorkload[];
}

/** A Deployment or StatefulSet with a container of spire-controller-manager: in the usual charts that of spire-server. */
export interface ControllerManagerWorkload {
  readonly kind: 'Deployment' | 'StatefulSet';
  readonly name: string;
  readonly image: string;
  /** Of the container, as the pod template has them. */
  readonly arguments: readonly string[];
  /** Of those that it mounts, the names. */
  readonly configMaps: readonly string[];
  readonly replicas: number;
  readonly readyReplicas: number;
}

/** An X.509-SVID as SPIRE mints it. */
export interface MintedX509Svid {
  /** Leaf first, DER. */
  readonly chain: readonly Uint8Array[];
  readonly expiresAt: Date;
}

/**
 * The SPIRE Server API, as far as the broker uses it. Every call has its own deadline and rejects with `SpireError`.
 * A sequence number or refresh hint that SPIRE holds as 0 is read as absent: its wire format has no other word for it.
 */
export interface SpireServer {
  /** `GetBundle` with nothing but the sequence number: 10 bytes on the wire, so it can be asked often. */
  readOwnSequenceNumber(signal?: AbortSignal): Promise<bigint | undefined>;
  readOwnBundle(signal?: AbortSignal): Promise<Bundle>;

  listFederatedBundles(signal?: AbortSignal): Promise<readonly Bundle[]>;
  /** Undefined when SPIRE holds none. */
  getFederatedBundle(trustDomain: TrustDomain, signal?: AbortSignal): Promise<Bundle | undefined>;
  /** Full replacement. One outcome an item, in order; the value is the bundle as SPIRE answers it after the write. */
  setFederatedBundles(bundles: readonly Bundle[], signal?: AbortSignal): Promise<readonly ItemOutcome<Bundle>[]>;
  /**
   * `Restrict` fails with `SpireBundleInUse` while an entry names the trust domain; `Dissociate` cuts those links.
   * Resolves to false when there was nothing to delete. SPIRE's mode DELETE, which deletes entries, cannot be asked for.
   */
  deleteFederatedBundle(
    trustDomain: TrustDomain,
    mode: 'Restrict' | 'Dissociate',
    signal?: AbortSignal,
  ): Promise<boolean>;

  countEntries(signal?: AbortSignal): Promise<number>;
  listEntries(signal?: AbortSignal): Promise<readonly RegistrationEntry[]>;
  /**
   * Replaces `federates_with` and nothing else. Every update makes agents re-issue that SVID, also one that changes
   * nothing: ask only for real differences. The outcome's value is what SPIRE answers after the write.
   */
  updateFederatesWith(
    updates: readonly { readonly id: string; readonly federatesWith: readonly TrustDomain[] }[],
    signal?: AbortSignal,
  ): Promise<readonly ItemOutcome<readonly TrustDomain[]>[]>;

  /** Relationships made through the API. Those of SPIRE's configuration file are never listed. */
  listFederationRelationships(signal?: AbortSignal): Promise<readonly FederationRelationship[]>;
  /** `bootstrap` is stored as the peer's bundle in the same transaction: give it only when SPIRE holds none. */
  createFederationRelationship(
    relationship: FederationRelationship,
    bootstrap: Bundle | undefined,
    signal?: AbortSignal,
  ): Promise<void>;
  /** Changes URL and profile, never the bundle. */
  updateFederationRelationship(relationship: FederationRelationship, signal?: AbortSignal): Promise<void>;
  /** Resolves to false when there was none. Leaves the bundle where it is. */
  deleteFederationRelationship(trustDomain: TrustDomain, signal?: AbortSignal): Promise<boolean>;
  /**
   * Asks SPIRE's own poller to fetch now. `NotManaged` when SPIRE has no relationship for this trust domain, neither
   * through its API nor in its configuration file: the one way to find the latter.
   */
  refreshBundle(trustDomain: TrustDomain, signal?: AbortSignal): Promise<'Refreshed' | 'NotManaged'>;

  /** The peers recorded as managed by a broker of this trust domain; empty when nothing was ever recorded. */
  readManagedPeers(signal?: AbortSignal): Promise<ManagedPeers>;
  /** Records them in SPIRE itself, so that a restarted broker knows what it may remove. */
  writeManagedPeers(peers: ManagedPeers, signal?: AbortSignal): Promise<void>;

  /** `csr` is PKCS #10 DER with one URI SAN in our trust domain. SPIRE caps the lifetime to what its CA has left. */
  mintX509Svid(csr: Uint8Array, ttlSeconds: number, signal?: AbortSignal): Promise<MintedX509Svid>;
}

/** Against which authorities a bundle endpoint proves itself. */
export type EndpointTrust =
  | { readonly type: 'https_web'; /** PEM; absent: the public roots that Node ships. */ readonly caPem?: string }
  | {
      readonly type: 'https_spiffe';
      readonly endpointSpiffeId: SpiffeId;
      /** Of the endpoint's trust domain; the adapter refuses to dial with neither these nor pins. */
      readonly authorities: readonly X509Authority[];
      /** Of keys, as `pinOfCertificate` gives them: without authorities, those roots of its document that have them. */
      readonly pins?: readonly string[];
    };

export interface BundleRequest {
  readonly url: string;
  readonly trust: EndpointTrust;
  /** The entity tag of the document that has been applied, never of one that was merely seen. */
  readonly appliedEtag?: string;
  /** Ask the endpoint to hold its answer until the bundle changes (`Prefer: wait`, RFC 7240 §4.3). */
  readonly waitSeconds?: number;
}

export type BundleAnswer = {
  /** The endpoint honoured `Prefer: wait`: it may be asked again at once. */
  readonly waitApplied: boolean;
} & (
  | {
      readonly kind: 'Document';
      readonly body: Uint8Array;
      readonly etag: string | undefined;
      readonly endpoint?: AnsweringEndpoint;
    }
  | { readonly kind: 'NotModified' }
);

/** Who gave a document. */
export interface AnsweringEndpoint {
  /** After redirects. */
  readonly url: string;
  /** SHA-256 fingerprints of the certificates it proved its identity with, leaf first. */
  readonly certificates: readonly string[];
}

/** GETs a peer's bundle document. Rejects with `EndpointError`; never retries by itself. */
export interface BundleSource {
  fetch(request: BundleRequest, signal?: AbortSignal): Promise<BundleAnswer>;
}

/** Where declarations come from: a directory of files, or custom resources. */
export interface PeerSource {
  /**
   * Reports what is declared, now and at every change, until the signal aborts. An error is reported when nothing can
   * be read at all; the declarations reported before then stay in force.
   */
  watch(report: (declared: Declarations | CodedError) => void, signal: AbortSignal): Promise<void>;
}

/** What was found of something that need not be there: undefined when the API server does not know it at all. */
export type Report<T> = (found: T | CodedError | undefined) => void;

/** The ClusterSPIFFEIDs of our cluster. */
export interface ClusterSpiffeIds {
  /** Reports all, sorted by name, now and at every change, until the signal aborts. */
  watch(report: Report<readonly ClusterSpiffeId[]>, signal: AbortSignal): Promise<void>;
  /** Replaces the list and what is recorded as added by a broker, unless the object is no longer what it was. */
  updateFederatesWith(
    object: ClusterSpiffeId,
    change: Pick<ClusterSpiffeId, 'federatesWith' | 'addedByBroker'>,
    signal?: AbortSignal,
  ): Promise<ClusterSpiffeId>;
}

/** What a ClusterFederatedTrustDomain of ours says. */
export interface FederatedTrustDomainDeclaration {
  readonly name: string;
  readonly relationship: FederationRelationship;
  readonly className: string | undefined;
  readonly bootstrap: Bundle | undefined;
}

/** The ClusterFederatedTrustDomains of our cluster. */
export interface ClusterFederatedTrustDomains {
  /** Reports all, sorted by name, now and at every change, until the signal aborts. */
  watch(report: Report<readonly ClusterFederatedTrustDomain[]>, signal: AbortSignal): Promise<void>;
  /** Creates it, or makes it say exactly this; never over what somebody else says there. */
  apply(declaration: FederatedTrustDomainDeclaration, signal?: AbortSignal): Promise<ClusterFederatedTrustDomain>;
  /** Only this very object. */
  delete(object: Pick<ClusterFederatedTrustDomain, 'name' | 'uid'>, signal?: AbortSignal): Promise<void>;
}

/** Whether spire-controller-manager is there, and with what settings. */
export interface ControllerManagerSettings {
  /** Reports them now and again and again, until the signal aborts. */
  watch(report: Report<ControllerManager>, signal: AbortSignal): Promise<void>;
}

/** Where spire-controller-manager runs. */
export interface ControllerManagerSites {
  /** Reports it now and again and again, until the signal aborts; undefined when nobody said where to look. */
  watch(report: Report<ControllerManagerSite>, signal: AbortSignal): Promise<void>;
}
