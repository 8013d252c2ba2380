// How are people told of the mesh? Lines for `status` and `plan`.
import type { MeshReport } from '../broker/mesh-keeper.ts';
import type { MeshStatus } from '../broker/mesh-status.ts';
import { meshObjectKey } from '../federation/mesh-objects.ts';
import type { MeshStep } from '../istio/mesh-steps.ts';

/** What an operator has to look at; nothing when all is well. */
export function meshStatusLines({ checks, findings, removals }: MeshStatus): readonly string[] {
  return [
    ...checks
      .filter(({ status }) => status !== 'OK')
      .map(({ id, revision, status, message }) => {
        const of = revision === undefined ? '' : ` of revision ${revision}`;
        return `  mesh ${id}${of} (${status}): ${message}`;
      }),
    ...findings.map(({ peer, id, kind, namespace, name, message }) => {
      return `  mesh ${id} for ${peer}: ${kind} ${namespace}/${name}: ${message}`;
    }),
    ...removals.map(({ trustDomain, reason, message }) => `  mesh ${trustDomain} (${reason}): ${message}`),
  ];
}

export function meshPlanLines({ plan, review, facts: { shared } }: MeshReport): readonly string[] {
  const unreadable = shared.flatMap(({ ref, object }) =>
    object.state === 'Unreadable' ? [`! ${meshObjectKey(ref)} cannot be read: ${object.message}`] : [],
  );
  const checks = (review?.checks ?? []).filter(({ status }) => status === 'Failed' || status === 'Unknown');
  return [
    ...unreadable,
    ...checks.map(({ id, status, message }) => `! mesh ${id} (${status}): ${message}`),
    ...plan.peers.map(({ peer, verdict, warnings }) => {
      const notices = warnings.map(({ code, message }) => `; ${code}: ${message}`).join('');
      return `${peer.name} (${peer.trustDomain}) in the mesh: ${verdict.code}: ${verdict.message}${notices}`;
    }),
    '',
    ...(plan.steps.length === 0 ? ['nothing to change in the mesh'] : plan.steps.map(stepLine)),
  ];
}

function stepLine(step: MeshStep): string {
  const verb = step.kind === 'DeleteMeshObject' ? 'delete' : 'write';
  const effects = [
    step.changesList ? 'the list of names changes, every listener drains' : undefined,
    step.changesRoots ? 'roots change' : undefined,
  ].filter((effect) => effect !== undefined);
  const effect = effects.length === 0 ? '' : ` (${effects.join('; ')})`;
  return `${verb.padEnd(8)} ${meshObjectKey(step.ref)}: ${step.trustDomains.join(', ')}${effect}`;
}
