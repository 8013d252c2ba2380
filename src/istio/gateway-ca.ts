// Which CA object has each gateway at the edge, one peer each? (istio.md §1.7; measured on istiod 1.29.6)
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { MeshObjectContent } from '../federation/mesh-objects.ts';
import type { MeshFacts, MeshLimits } from './mesh-facts.ts';
import type { MeshStep } from './mesh-steps.ts';
import type { MeshVerdict, MeshWarning } from './mesh-verdict.ts';
import type { MeshRemoval } from './plan-mesh.ts';
import type { WantedPeer } from './wanted-trust.ts';

export interface GatewayCaPlan {
  readonly steps: readonly MeshStep[];
  readonly verdicts: ReadonlyMap<TrustDomain, readonly MeshVerdict[]>;
  readonly warnings: ReadonlyMap<TrustDomain, readonly MeshWarning[]>;
  readonly removals: readonly MeshRemoval[];
  readonly lookAgainAt: readonly Date[];
  readonly undisturbed: readonly (readonly [string, MeshObjectContent])[];
}

export function planGatewayCas(_peers: readonly WantedPeer[], _facts: MeshFacts, _limits: MeshLimits): GatewayCaPlan {
  return { steps: [], verdicts: new Map(), warnings: new Map(), removals: [], lookAgainAt: [], undisturbed: [] };
}
