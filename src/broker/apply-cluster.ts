// How do the steps run that change objects of spire-controller-manager? One request an object, one outcome each.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { clusterSpiffeIdAfter, type ClusterSpiffeIdChange } from '../federation/cluster-spiffeid-links.ts';
import type { StepOutcome } from '../federation/judgement.ts';
import type {
  ClusterFederatedTrustDomain,
  ClusterFederatedTrustDomains,
  ClusterSpiffeId,
  ClusterSpiffeIds,
  FederatedTrustDomainDeclaration,
} from '../federation/ports.ts';
import { codedError } from './coded.ts';

export interface ClusterWriters {
  readonly clusterSpiffeIds: Pick<ClusterSpiffeIds, 'updateFederatesWith'>;
  readonly federatedTrustDomains: Pick<ClusterFederatedTrustDomains, 'apply' | 'delete'>;
  /** What the API server answered after a write; the watch says the same a moment later. */
  readonly noteClusterSpiffeId: (object: ClusterSpiffeId) => void;
  readonly noteFederatedTrustDomain: (name: string, object: ClusterFederatedTrustDomain | undefined) => void;
}

interface UpdateParts {
  readonly cluster: ClusterWriters | undefined;
  readonly mayWrite: () => boolean;
  readonly signal: AbortSignal;
}

/** One after another: there are few, and each that changes makes the controller-manager write entries. */
export async function updateClusterSpiffeIds(
  changes: readonly ClusterSpiffeIdChange[],
  failed: ReadonlySet<TrustDomain>,
  { cluster, mayWrite, signal }: UpdateParts,
): Promise<StepOutcome[]> {
  const outcomes: StepOutcome[] = [];
  for (const change of changes) {
    const trustDomains = [...change.add, ...change.remove].filter((name) => !failed.has(name));
    if (trustDomains.length === 0 || cluster === undefined || signal.aborted || !mayWrite()) continue;
    const outcome = { kind: 'UpdateClusterSpiffeIds', trustDomains, subject: change.object.name } as const;
    try {
      const after = clusterSpiffeIdAfter(change, failed);
      cluster.noteClusterSpiffeId(await cluster.clusterSpiffeIds.updateFederatesWith(change.object, after, signal));
      outcomes.push({ ...outcome, error: undefined });
    } catch (error) {
      outcomes.push({ ...outcome, error: codedError(error) });
    }
  }
  return outcomes;
}

export async function applyDeclaration(
  declaration: FederatedTrustDomainDeclaration,
  cluster: ClusterWriters | undefined,
  signal: AbortSignal,
): Promise<void> {
  const object = await cluster?.federatedTrustDomains.apply(declaration, signal);
  cluster?.noteFederatedTrustDomain(declaration.name, object);
}

export async function deleteDeclaration(
  object: ClusterFederatedTrustDomain,
  cluster: ClusterWriters | undefined,
  signal: AbortSignal,
): Promise<void> {
  await cluster?.federatedTrustDomains.delete(object, signal);
  cluster?.noteFederatedTrustDomain(object.name, undefined);
}
