// What is logged and counted of what is written for the mesh? Each write once, and how long it took to arrive.
import type { Metrics } from '../admin/metrics.ts';
import type { MeshReport } from '../broker/mesh-keeper.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { meshObjectKey } from '../federation/mesh-objects.ts';
import type { MeshStepOutcome } from '../istio/mesh-memory.ts';
import type { Logger } from '../log.ts';

export interface MeshObservationParts {
  readonly log: Logger;
  readonly metrics: Metrics;
}

export function observeMesh({ log, metrics }: MeshObservationParts): (report: MeshReport) => void {
  /** Peers of which something was written that was not read back yet. */
  const writtenAt = new Map<TrustDomain, Date>();
  let toldUnlisted = '';
  return ({ facts: { now }, outcomes, unlistedCas, standings, arrived }) => {
    const unlisted = unlistedCas.map(({ message }) => message).join('; ');
    if (unlisted !== '' && unlisted !== toldUnlisted) {
      log.warn(
        { reason: unlistedCas[0]?.code, err: unlisted },
        'CA objects of an earlier life cannot be found; they stay',
      );
    }
    toldUnlisted = unlisted;
    for (const outcome of outcomes) {
      tell(outcome, log);
      const { step, error } = outcome;
      const change = step.changesList ? 'Names' : step.changesRoots ? 'Roots' : 'Other';
      metrics.count('mesh_writes_total', { change, result: error?.code ?? 'Done' });
      if (error !== undefined) continue;
      for (const name of step.trustDomains) if (!writtenAt.has(name)) writtenAt.set(name, now);
    }
    for (const [name, since] of writtenAt) {
      const standing = standings.find(({ trustDomain }) => trustDomain === name);
      if (standing === undefined) writtenAt.delete(name);
      // A peer whose next root is on its way stands well; its root has not arrived.
      if (standing?.status !== 'True' || !arrived.has(name)) continue;
      metrics.observe('mesh_propagation_seconds', (now.getTime() - since.getTime()) / 1000);
      writtenAt.delete(name);
    }
  };
}

function tell({ step, error }: MeshStepOutcome, log: Logger): void {
  const { kind, ref, trustDomains, changesList, changesRoots } = step;
  const fields = { object: meshObjectKey(ref), trustDomains, changesList, changesRoots };
  if (error !== undefined) {
    log.warn({ ...fields, reason: error.code, err: error.message }, 'the mesh was not changed; it is tried again');
  } else if (kind === 'DeleteMeshObject') {
    log.info({ ...fields, why: step.why }, 'object of the mesh deleted, which nobody needs any more');
  } else if (step.isFlip) {
    log.warn(fields, 'somebody else had changed this object of ours; it is as it was');
  } else {
    log.info(fields, changesList ? 'names of the mesh written: proxies drain' : 'roots of the mesh written');
  }
}
