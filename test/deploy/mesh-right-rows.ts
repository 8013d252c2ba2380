// What stops without each right of deploy/rbac/istio, and where does an operator see that? One row a right.
import type { LintRuleId } from '../../src/istio/lint.ts';
import type { PreflightCheckId } from '../../src/istio/preflight-check.ts';
import { type Right, tableOf } from './right-rows.ts';

/** What a broker keeps in a mesh, each to be seen to work or not. */
export type MeshDuty =
  | 'mesh config follows the peers'
  | 'the ConfigMap of a revision that is gone is deleted'
  | 'what istiod’s own mesh config sets is known'
  | 'the CA objects of gateways follow the peers'
  | 'a CA object that nobody asks for is deleted';

/** What it looks at before it lets peers in. */
type MeshLook =
  | 'the revisions of istiod and their variables are known'
  | 'it is known which proxies take roots, and from where'
  | 'ambient namespaces are known'
  | 'it is known what SPIRE Agents serve'
  | 'policies that would let peers in are found'
  | 'gateways that would let peers in are found, and those that name a CA object'
  | 'service entries that would let peers in are found';

/** Of the peer that asks for it; the message says which verb to grant on which resource. */
export interface KeepingRow extends Right {
  readonly stops: MeshDuty;
  readonly sign: { readonly condition: 'MeshInjected' };
}

/** Of a look at the mesh: what is unknown then, with the verb and the resource. */
export interface LookingRow extends Right {
  readonly stops: MeshLook;
  readonly sign: { readonly checks?: readonly PreflightCheckId[]; readonly rules?: readonly LintRuleId[] };
}

type MeshSign = (KeepingRow | LookingRow)['sign'];

const SHARED = 'istio/shared-mesh-config.yaml';
const SURVEY = 'istio/survey.yaml';
const GATEWAY_API = 'istio/gateway-api.yaml';
const PATCH_BASE = 'istio/patch-base.yaml';
/** What istiod's own roots are, which no peer's may be taken for. */
const MESH_ROOTS = 'istio-ca-root-cert';
const INJECTED = { condition: 'MeshInjected' } as const;

export const KEEPING_ROWS: readonly KeepingRow[] = [
  ...keeping({ file: SHARED, resource: 'configmaps', object: 'istio-federation' }, 'mesh config follows the peers', [
    ...['get', 'list', 'watch', 'create', 'patch'],
  ]),
  ...keeping(
    { file: 'istio/vanished-revisions.yaml', resource: 'configmaps' },
    'the ConfigMap of a revision that is gone is deleted',
    ['delete'],
  ),
  ...keeping({ file: SHARED, resource: 'configmaps', object: 'istio' }, 'what istiod’s own mesh config sets is known', [
    ...['list', 'watch'],
  ]),
  ...keeping({ file: SHARED, resource: 'configmaps', object: MESH_ROOTS }, 'mesh config follows the peers', [
    ...['list', 'watch'],
  ]),
  ...keeping(
    { file: 'istio/gateway-cas.yaml', resource: 'configmaps' },
    'the CA objects of gateways follow the peers',
    [...['get', 'list', 'watch', 'create', 'patch']],
  ),
  ...keeping(
    { file: 'istio/gateway-cas.yaml', resource: 'configmaps' },
    'a CA object that nobody asks for is deleted',
    ['delete'],
  ),
  ...keeping({ file: SURVEY, resource: 'destinationrules' }, 'a CA object that nobody asks for is deleted', ['list']),
  ...keeping({ file: GATEWAY_API, resource: 'gateways' }, 'a CA object that nobody asks for is deleted', ['list']),
  ...keeping({ file: GATEWAY_API, resource: 'listenersets' }, 'a CA object that nobody asks for is deleted', ['list']),
  ...keeping({ file: GATEWAY_API, resource: 'xlistenersets' }, 'a CA object that nobody asks for is deleted', ['list']),
  ...keeping({ file: GATEWAY_API, resource: 'backendtlspolicies' }, 'a CA object that nobody asks for is deleted', [
    'list',
  ]),
];

/** In place of those for our own ConfigMap. */
export const PATCH_BASE_ROWS: readonly KeepingRow[] = [
  ...keeping({ file: PATCH_BASE, resource: 'configmaps', object: 'istio' }, 'mesh config follows the peers', [
    ...['list', 'watch', 'patch'],
  ]),
  ...keeping({ file: PATCH_BASE, resource: 'configmaps', object: MESH_ROOTS }, 'mesh config follows the peers', [
    ...['list', 'watch'],
  ]),
];

export const LOOKING_ROWS: readonly LookingRow[] = [
  {
    ...{ file: 'istio/istiod.yaml', resource: 'deployments', verb: 'list' },
    stops: 'the revisions of istiod and their variables are known',
    sign: { checks: ['MultiRootEnabled', 'SharedMeshConfigWired', 'CrlEnforced'] },
  },
  {
    ...{ file: SURVEY, resource: 'pods', verb: 'list' },
    stops: 'it is known which proxies take roots, and from where',
    sign: { checks: ['XdsAgentEnabled', 'SpireSocketMounted', 'AmbientDetected'] },
  },
  {
    ...{ file: SURVEY, resource: 'namespaces', verb: 'list' },
    stops: 'ambient namespaces are known',
    sign: { checks: ['AmbientDetected'] },
  },
  {
    ...{ file: 'istio/spire-agent.yaml', resource: 'configmaps', verb: 'get' },
    stops: 'it is known what SPIRE Agents serve',
    sign: { checks: ['SpireSdsAllBundles', 'SpiffeValidationOn'] },
  },
  {
    ...{ file: SURVEY, resource: 'authorizationpolicies', verb: 'list' },
    stops: 'policies that would let peers in are found',
    sign: { rules: ['PolicyAllowsSameNames', 'PolicyExemptsSameNames'] },
  },
  {
    ...{ file: SURVEY, resource: 'gateways', verb: 'list' },
    stops: 'gateways that would let peers in are found, and those that name a CA object',
    sign: { rules: ['GatewayTakesEveryPeer'] },
  },
  {
    ...{ file: SURVEY, resource: 'serviceentries', verb: 'list' },
    stops: 'service entries that would let peers in are found',
    sign: { checks: ['DnsNamesPinned'], rules: ['ServiceEntryTakesEveryPeer'] },
  },
];

export const MESH_RIGHT_ROWS: readonly (KeepingRow | LookingRow)[] = [
  ...KEEPING_ROWS,
  ...PATCH_BASE_ROWS,
  ...LOOKING_ROWS,
];

function keeping(right: Omit<Right, 'verb'>, stops: MeshDuty, verbs: readonly string[]): readonly KeepingRow[] {
  return verbs.map((verb) => ({ ...right, verb, stops, sign: INJECTED }));
}

/** As docs/kubernetes.md has it. */
export function meshRightsTable(): string {
  return tableOf<MeshSign>(MESH_RIGHT_ROWS, (sign) => {
    if ('condition' in sign) return `condition \`${sign.condition}\``;
    const named = { preflight: sign.checks ?? [], lint: sign.rules ?? [] };
    return Object.entries(named)
      .filter(([, ids]) => ids.length > 0)
      .map(([where, ids]) => `${where} ${ids.map((id) => `\`${id}\``).join(', ')}`)
      .join('; ');
  });
}
