// What is known right now? Everything a plan is made from, gathered before it and never changed by it.
import type { Bundle } from '../bundle/bundle.ts';
import type { BundleError } from '../bundle/bundle-error.ts';
import type { ParsedBundleDocument } from '../bundle/bundle-document.ts';
import type { KnownRoots } from '../bundle/known-roots.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Acknowledgement } from './acknowledgement.ts';
import type { AuthorityState } from './local-authority.ts';
import type { Judgement } from './judgement.ts';
import type {
  AnsweringEndpoint,
  ClusterFederatedTrustDomain,
  ClusterSpiffeId,
  CodedError,
  ControllerManager,
  ControllerManagerSite,
  FederationRelationship,
  ManagedPeers,
  RegistrationEntry,
} from './ports.ts';
import type { Peer } from './relationship.ts';

/** A fact is a value, or it is unreadable because of something. Unreadable is never empty. */
export type Fact<T> =
  | { readonly state: 'Known'; readonly value: T; readonly at: Date }
  | { readonly state: 'Unreadable'; readonly reason: string; readonly message: string; readonly at: Date };

export function known<T>(value: T, at: Date): Fact<T> {
  return { state: 'Known', value, at };
}

export function unreadable(error: Pick<CodedError, 'code' | 'message'>, at: Date): Fact<never> {
  return { state: 'Unreadable', reason: error.code, message: error.message, at };
}

/** What the operator declares. */
export interface Declarations {
  readonly peers: readonly Peer[];
  /** Set when some declaration could not be read: then an absent peer is no wish to remove it. */
  readonly incompleteBecause: string | undefined;
}

/** A document that came from the peer's authenticated endpoint. */
export interface FetchedDocument {
  readonly at: Date;
  /** Undefined when the endpoint gave none. */
  readonly etag: string | undefined;
  readonly content: ParsedBundleDocument | BundleError;
  /** Who answered. */
  readonly endpoint?: AnsweringEndpoint;
}

/** How fetching from one peer goes. */
export interface FetchFact {
  /** The newest document, kept while later fetches fail. */
  readonly document: FetchedDocument | undefined;
  readonly lastAttemptAt: Date;
  /** When the endpoint last answered, with a document or by "not modified". */
  readonly lastSuccessAt: Date | undefined;
  /** Set while the latest attempt failed. */
  readonly failure: FetchFailure | undefined;
}

export interface FetchFailure {
  readonly reason: string;
  readonly message: string;
  /** When the first of the failures in a row happened. */
  readonly since: Date;
  readonly attempts: number;
}

/** Whether SPIRE's own poller also writes a trust domain's bundle. */
export type StaticPoller = 'Present' | 'Absent';

/** How far a peer has come in the mesh. */
export interface MeshStanding extends Judgement {
  readonly trustDomain: TrustDomain;
}

/** Of the SPIRE Server beside us: each server of a trust domain has its own. */
export interface LocalAuthorityStates {
  readonly x509: AuthorityState;
  readonly jwt: AuthorityState;
}

export interface Facts {
  readonly now: Date;
  readonly declared: Fact<Declarations>;
  readonly ownBundle: Fact<Bundle>;
  /** The foreign bundles SPIRE holds. */
  readonly stored: Fact<ReadonlyMap<TrustDomain, Bundle>>;
  /** Whose roots are whose, over the own bundle and all stored ones. */
  readonly knownRoots: KnownRoots;
  readonly relationships: Fact<ReadonlyMap<TrustDomain, FederationRelationship>>;
  readonly entries: Fact<readonly RegistrationEntry[]>;
  readonly managed: Fact<ManagedPeers>;
  /** Undefined: there are none to look at, for want of Kubernetes or of the resource. So with the next two. */
  readonly clusterSpiffeIds: Fact<readonly ClusterSpiffeId[]> | undefined;
  readonly federatedTrustDomains: Fact<readonly ClusterFederatedTrustDomain[]> | undefined;
  readonly controllerManager: Fact<ControllerManager> | undefined;
  /** Undefined: nobody said where to look. Nothing is decided by it: it is told. */
  readonly controllerManagerSite: Fact<ControllerManagerSite> | undefined;
  /** Of the peers that ask for something in a mesh; undefined: no mesh is written for. */
  readonly mesh: Fact<readonly MeshStanding[]> | undefined;
  /** Those that sign for our own trust domain; undefined: they are not looked at. */
  readonly localAuthorities: Fact<LocalAuthorityStates> | undefined;
  readonly fetched: ReadonlyMap<TrustDomain, FetchFact>;
  /** The declared `trustDomainBundle`s of the peers that SPIRE itself fetches from. */
  readonly bootstraps: ReadonlyMap<TrustDomain, Fact<Bundle>>;
  /** Found by asking SPIRE to refresh; a trust domain that was not asked for yet is absent. */
  readonly staticPollers: ReadonlyMap<TrustDomain, StaticPoller>;
  /** Trust domains whose bundle, as we wrote it, was replaced by somebody else again and again. */
  readonly overwritten: ReadonlySet<TrustDomain>;
  /** Of the peers whose broker has asked our endpoint for our bundle and proved who it is. */
  readonly acknowledgements: ReadonlyMap<TrustDomain, Acknowledgement>;
}
