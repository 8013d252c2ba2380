// What can be asked of a mesh about the anchors it uses? Interfaces, owned here and implemented by the adapters.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { CodedError } from './ports.ts';

/** What Envoys beside a SPIRE agent are given as anchors under one secret name. Roots by SHA-256, lower-case hex, sorted. */
export type ServedAnchors =
  | {
      /** Envoy's SPIFFE validator: a root vouches for the names of its own trust domain and no others. */
      readonly validator: 'PerTrustDomain';
      /** An Envoy refuses the whole secret while one of the lists is empty. */
      readonly roots: ReadonlyMap<TrustDomain, readonly string[]>;
    }
  | {
      /** A plain `trusted_ca`: every root vouches for every name. */
      readonly validator: 'OneList';
      readonly roots: readonly string[];
    };

/** What the SPIRE agent beside us gives to Envoys that have our own selectors. */
export interface AgentSds {
  /**
   * Reports now and at every change, until the signal aborts; an error for as long as there are no anchors to name.
   * Connects again by itself.
   */
  watch(report: (found: ServedAnchors | CodedError) => void, signal: AbortSignal): Promise<void>;
}

/**
 * The `caCertificates` of an istiod's mesh config after its merge, in its order. It proves the merge and no more: PEMs
 * that istiod refused are in it too (measured on istiod 1.29.6).
 */
export interface MergedAnchors {
  /** As text: istiod takes names that are no trust domains. */
  readonly trustDomains: readonly string[];
  /** As they were written. */
  readonly pems: readonly string[];
}

/** What one istiod has made of the mesh configs it reads. */
export interface MergedMesh {
  /** Rejects with an error that has a `code`; never tries again by itself. */
  read(signal?: AbortSignal): Promise<MergedAnchors>;
}
