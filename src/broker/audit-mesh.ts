// Which record does a change of a mesh object make? Its content as a digest; the roots in it are recorded with the bundles.
import type { ChangeIntended } from '../federation/audit-trail.ts';
import { meshObjectKey } from '../federation/mesh-objects.ts';
import type { MeshStep } from '../istio/mesh-steps.ts';
import { dataDigest } from './audit-steps.ts';

export function meshChangeOf(step: MeshStep): Omit<ChangeIntended, 'kind'> {
  const { kind: change, ref, trustDomains, changesList, changesRoots } = step;
  const about = { change, trustDomains, subject: meshObjectKey(ref) };
  if (step.kind === 'DeleteMeshObject') {
    return { ...about, cause: 'Withdrawal', why: step.why };
  }
  const { isFlip, replaces, content } = step;
  return {
    ...about,
    ...(isFlip
      ? { cause: 'Drift', why: 'somebody else had changed this object' }
      : {
          cause: changesList || !changesRoots ? 'Declaration' : 'Peer',
          why: 'the mesh is to accept the declared peers',
        }),
    after: dataDigest(step.kind === 'ReplaceMeshKey' ? step.text : content.data),
    ...(step.kind === 'ReplaceMeshKey' && { before: dataDigest(step.object.data[step.key] ?? '') }),
    details: { changesList, changesRoots, replacedVersion: replaces.resourceVersion },
  };
}
