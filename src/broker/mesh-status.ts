// What stands in the mesh's way? The part of /status about Istio, beside each peer's condition.
import { remembered } from '../bundle/remembered.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { asksForMeshConfig } from '../federation/mesh-condition.ts';
import type { LintFinding } from '../istio/lint.ts';
import type { PreflightCheck } from '../istio/preflight-check.ts';
import type { MeshReport } from './mesh-keeper.ts';

export interface MeshStatus {
  readonly checks: readonly Omit<PreflightCheck, 'anchors'>[];
  /** What in the mesh would let in too much of a peer. */
  readonly findings: readonly (LintFinding & { readonly peer: TrustDomain })[];
  /** No longer wanted there, and not all gone yet. */
  readonly removals: readonly {
    readonly trustDomain: TrustDomain;
    readonly reason: string;
    readonly message: string;
  }[];
}

const NOTHING = { findings: [] };

/** Made once a report: the status is asked for at every pass, scrape and probe. */
export const meshStatus = remembered(({ plan, review }: MeshReport): MeshStatus => {
  return {
    checks: (review?.checks ?? []).map(({ id, revision, status, message }) => {
      return { id, ...(revision !== undefined && { revision }), status, message };
    }),
    findings: plan.peers.flatMap(({ peer }) => {
      const { findings } = review !== undefined && asksForMeshConfig(peer) ? review.lintOf(peer.trustDomain) : NOTHING;
      return findings.map((finding) => ({ peer: peer.trustDomain, ...finding }));
    }),
    removals: plan.removals.map(({ trustDomain, verdict: { code: reason, message } }) => {
      return { trustDomain, reason, message };
    }),
  };
});
