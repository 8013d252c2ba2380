// Which settings are about Istio? Their rows, in the order of the documentation.
import { row } from './setting.ts';
import {
  cronExpression,
  filePath,
  httpUrl,
  objectName,
  objectPath,
  oneOf,
  or,
  revisionNames,
  wholeNumber,
} from './value-form.ts';

export const istioRows = {
  istio: row(
    'off',
    oneOf('off', 'shared-config', 'patch-base'),
    'Whether the peers’ names and roots are written for Istio: into ConfigMaps of our own, which istiod reads beside its own by `SHARED_MESH_CONFIG`, or into istiod’s own ConfigMap, which whoever installs Istio may overwrite. `fedbroker render` prints the same for those who write it themselves.',
  ),
  istioNamespace: row('istio-system', objectName, 'Namespace of istiod.'),
  istioConfigMap: row(
    'istio-federation',
    objectName,
    'Our ConfigMap for the revision `default`; that of another revision has its name after a dash.',
  ),
  istioRevisions: row(
    'discovered',
    or('discovered', revisionNames),
    'The revisions of istiod to write for; discovered from its Deployments.',
  ),
  istioListIntervalSeconds: row(
    '60',
    wholeNumber({ min: 0, max: 86_400 }),
    'How long changes of the list of accepted trust domains are collected before they are written together: each write makes every proxy drain its connections.',
  ),
  istioListSchedule: row(
    'always',
    or('always', cronExpression),
    'In which minutes that list may be changed: those that match, in UTC. Roots are not bound by it.',
  ),
  istioRootIntervalSeconds: row(
    '60',
    wholeNumber({ min: 0, max: 3600 }),
    'Roots are written no more often than this, except to withdraw them: at each change every proxy asks istiod for a new certificate.',
  ),
  istioCanaryRevision: row(
    'none',
    or('none', objectName),
    'The revision of istiod that gets new names and roots first; the others follow when its istiod uses them (`istiodDebugUrl`, which must then be that of this revision) and `istioCanarySoakSeconds` have passed. What is withdrawn goes everywhere at once.',
  ),
  istioCanarySoakSeconds: row(
    '300',
    wholeNumber({ min: 0, max: 86_400 }),
    'How long the revision that goes first has what is new before the others get it.',
  ),
  istioVanishedRevisionSeconds: row(
    '3600',
    or('never', wholeNumber({ min: 10, max: 2_592_000 })),
    'How long a discovered revision of istiod must be seen to be gone, while another one is there, before our ConfigMap for it is deleted. None is deleted of the revisions that `istioRevisions` names.',
  ),
  istioStrict: row(
    'off',
    oneOf('off', 'on'),
    'Whether a finding in the mesh’s policies, gateways and service entries keeps a peer out of the mesh, or is only reported.',
  ),
  istioSurveySeconds: row(
    '60',
    wholeNumber({ min: 5, max: 3600 }),
    'How often istiod’s settings, the proxies, policies, gateways and service entries are looked at.',
  ),
  istiodDebugUrl: row(
    'none',
    or('none', httpUrl),
    'Where istiod tells the mesh config in force, for example `http://istiod.istio-system:15014`.',
  ),
  istiodTokenFile: row(
    'none',
    or('none', filePath),
    'File with a token of our service account for the audience `istio-ca`, which istiod asks for outside of its own host; read again for each request.',
  ),
  spireAgentSocket: row(
    'none',
    or('none', filePath),
    'Unix socket of the SPIRE Agent beside us, which is asked what anchors Envoys get; the broker needs a registration entry of its own there.',
  ),
  spireAgentConfig: row(
    'none',
    or('none', objectPath),
    'ConfigMap of the SPIRE Agents, so that it is known under which names they serve anchors to Envoy.',
  ),
};
