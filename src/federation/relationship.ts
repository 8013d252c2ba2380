// What does an operator declare about a peer? (SPIFFE Federation §5, design: PeerTrustDomain)
import type { SpiffeId } from '../bundle/spiffe-id.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Selector } from './ports.ts';

/** How the peer's bundle endpoint proves its identity (SPIFFE Federation §5.2). Never inferred, never a fallback. */
export type BundleEndpointProfile =
  { readonly type: 'https_web' } | { readonly type: 'https_spiffe'; readonly endpointSpiffeId: SpiffeId };

/** Where the bundle for the first contact comes from. */
export type BootstrapSource =
  | { readonly type: 'inline'; readonly text: string }
  | { readonly type: 'file'; readonly path: string }
  | ({ readonly type: 'configMap' | 'secret' } & ObjectKey);

/** A key in the data of a ConfigMap or Secret. */
export interface ObjectKey {
  readonly namespace: string;
  readonly name: string;
  readonly key: string;
}

/** Which registration entries may meet a peer. Every given criterion must hold; at least one is given. */
export interface EntrySelector {
  /** `*` stands for one path segment, `**` for any number of them. */
  readonly spiffeIdPattern: string | undefined;
  readonly parentIdPattern: string | undefined;
  /** All of these must be among the entry's selectors. */
  readonly selectors: readonly Selector[];
  readonly hint: string | undefined;
}

/** Which objects of Kubernetes are chosen by their labels (metav1.LabelSelector). At least one requirement is given. */
export interface LabelSelector {
  readonly matchLabels: Readonly<Record<string, string>>;
  readonly matchExpressions: readonly LabelRequirement[];
}

export interface LabelRequirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  /** Of `In` and `NotIn` at least one; of the others none. */
  readonly values: readonly string[];
}

/** Where a mesh takes the roots of a peer from; `None`: its workloads do not meet this peer. */
export type MeshAnchors = 'SpireSds' | 'Constrained' | 'Flat' | 'None';

/** An object for the gateways at the edge, which holds the roots of this one peer. */
export type GatewayCa =
  /** Key `ca.crt`, in the broker's namespace: `configmap://<namespace>/<name>`, Istio 1.28 and later. */
  | { readonly type: 'ConfigMap'; readonly name: string }
  /** `<credentialName>-cacert` in the namespace of the gateway. */
  | { readonly type: 'Secret'; readonly namespace: string; readonly credentialName: string };

/** What the mesh of our trust domain accepts of a peer. */
export interface MeshAcceptance {
  readonly anchors: MeshAnchors;
  /** Its name need not wait for others to be put on the mesh's list, which drains every listener, in one write. */
  readonly urgent: boolean;
  readonly gatewayCas: readonly GatewayCa[];
}

export interface PeerPolicy {
  /** An authenticated document with no keys: keep what is held and report, or take the peer's trust away. */
  readonly onEmptyBundle: 'Hold' | 'Revoke';
  /** A document that shares no root with the held bundle. */
  readonly onDisjointRoots: 'Accept' | 'Hold';
  /** A document that differs from the held bundle by as much as `largeChange` says. */
  readonly onLargeChange: 'Accept' | 'Hold';
  /** From how many X.509 and JWT authorities together, come or gone at once, a change is large. */
  readonly largeChange: { readonly added: number; readonly removed: number };
  /** A document with the held sequence number and other keys (equivocation). */
  readonly onSequenceReuse: 'Accept' | 'Hold';
  /** Without a successful fetch for this long the peer is reported as stale. */
  readonly staleAfterSeconds: number;
  /** Without a successful fetch for this long it is expired; undefined: it never is. */
  readonly expireAfterSeconds: number | undefined;
  /** Of an expired peer: keep what is held, or take its trust away until it answers again. */
  readonly onExpired: 'Keep' | 'Cut';
  /** SHA-256 over the SubjectPublicKeyInfo, hexadecimal: at first contact a root with one of these keys must be there. */
  readonly pins: readonly string[];
  /** Nothing of the peer is taken up before its broker has shown, by an authenticated request, that it declares us too. */
  readonly requireConsent: boolean;
}

/** Why an operator has cut the peer off, by the command `quarantine`. */
export interface Quarantine {
  readonly reason: string;
}

/** A declared foreign trust domain. */
export interface Peer {
  /** `metadata.name`. */
  readonly name: string;
  readonly trustDomain: TrustDomain;
  readonly bundleEndpointUrl: string;
  readonly profile: BundleEndpointProfile;
  /** Extension to the standard (SPIFFE Federation §5.2.1.4 asks for public roots): PEM roots for `https_web`. */
  readonly webCaPem: string | undefined;
  readonly bootstrap: BootstrapSource | undefined;
  /** `Own`: the broker fetches and writes. `Delegate`: SPIRE fetches, the broker watches. */
  readonly mode: 'Own' | 'Delegate';
  /** Absent: no entry meets this peer by our doing. */
  readonly entrySelectors: readonly EntrySelector[];
  /** `Additive` never takes the peer from an entry that does not match; `Exact` does. */
  readonly entryScope: 'Additive' | 'Exact';
  /** ClusterSPIFFEIDs of spire-controller-manager that may meet the peer; absent: none. */
  readonly clusterSpiffeIds: LabelSelector | undefined;
  /** Absent: nothing of this peer is changed in a mesh. */
  readonly mesh: MeshAcceptance | undefined;
  readonly policy: PeerPolicy;
  /** `Active`; `Paused`: nothing is fetched or changed; `Revoke`: trust is cut at once, links included. */
  readonly suspend: 'Active' | 'Paused' | 'Revoke';
  /** Operator's release: content with this digest is accepted whatever held or rolled it back. */
  readonly acceptDigest: string | undefined;
  /** Operator's refusal: content with one of these digests is not accepted, whatever else speaks for it. */
  readonly rejectDigests: readonly string[];
  /** Undefined: not quarantined. */
  readonly quarantine: Quarantine | undefined;
  /** SPIFFE bundle document that was held when the peer was quarantined: it counts as a bootstrap bundle. */
  readonly lastGoodBundle: string | undefined;
}
