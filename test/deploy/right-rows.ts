// What stops without each right of deploy/rbac, and where does an operator see that? One row a right.
import { readManifests } from './manifest.ts';

/** What a broker does with its rights beside SPIRE, each to be seen to work or not. */
export type Duty =
  | 'one replica leads'
  | 'declarations are read'
  | 'declarations take effect'
  | 'new declarations are seen'
  | 'status is written'
  | 'events are written'
  | 'the settings of spire-controller-manager are known'
  | 'it is known where spire-controller-manager runs'
  | 'ClusterSPIFFEIDs are known'
  | 'ClusterSPIFFEIDs name the peer'
  | 'ClusterFederatedTrustDomains are known'
  | 'mode Delegate is declared to spire-controller-manager'
  | 'mode Delegate is withdrawn from spire-controller-manager'
  | 'a bundle in a ConfigMap is read'
  | 'a changed ConfigMap is seen at once'
  | 'a bundle in a Secret is read'
  | 'a changed Secret is seen at once';

/** Where the code and the message stand. The message says which verb to grant on which resource. */
export type Sign =
  /** A log line with this message and `reason`. */
  | { readonly log: string }
  /** Of the peer that asks for it. */
  | { readonly condition: 'BundleFetched' | 'BundleStored' | 'EntriesFederated' }
  /** Of `/status`, `status` and `plan`. */
  | { readonly status: 'controllerManager' };

export interface Right {
  /** File of the role in deploy/rbac. */
  readonly file: string;
  readonly verb: string;
  /** Plural, with its subresource and without its group. */
  readonly resource: string;
  /** Of the object, where the file names several of this resource. */
  readonly object?: string;
}

export interface RightRow extends Right {
  readonly stops: Duty;
  readonly sign: Sign;
}

const LEASE = { log: 'cannot read or write the Lease; it is tried again' };
const PEERS = { log: 'cannot read the PeerTrustDomains; it is tried again' };
const BOOTSTRAP = { log: 'cannot watch a trustDomainBundle; it is tried again' };
const STEP = { log: 'a step failed; it is tried again' };
const STORED = { condition: 'BundleStored' } as const;
const FETCHED = { condition: 'BundleFetched' } as const;
const LINKED = { condition: 'EntriesFederated' } as const;
const STANDING = { status: 'controllerManager' } as const;

const CLUSTER_SPIFFEIDS = 'controller-manager/cluster-spiffeids.yaml';
const FEDERATED = 'controller-manager/federated-trust-domains.yaml';

export const RIGHT_ROWS: readonly RightRow[] = [
  ...of('lease.yaml', 'leases', [
    ['get', 'one replica leads', LEASE],
    ['create', 'one replica leads', LEASE],
    ['update', 'one replica leads', LEASE],
  ]),
  ...of('peers.yaml', 'peertrustdomains', [
    ['list', 'declarations are read', PEERS],
    ['watch', 'new declarations are seen', PEERS],
    ['patch', 'declarations take effect', { log: 'cannot change the finalizer of an object; it is tried again' }],
  ]),
  ...of('peers.yaml', 'peertrustdomains/status', [
    ['patch', 'status is written', { log: 'cannot write a status; it is tried again' }],
  ]),
  ...of('events.yaml', 'events', [
    ['create', 'events are written', { log: 'cannot tell of a transition in an event; it is tried again' }],
  ]),
  ...of('controller-manager/configuration.yaml', 'configmaps', [
    ['get', 'the settings of spire-controller-manager are known', STORED],
  ]),
  ...['deployments', 'statefulsets'].flatMap((resource) =>
    of('controller-manager/workloads.yaml', resource, [
      ['list', 'it is known where spire-controller-manager runs', STANDING],
    ]),
  ),
  ...of(CLUSTER_SPIFFEIDS, 'clusterspiffeids', [
    ['get', 'the settings of spire-controller-manager are known', STORED],
    ['list', 'ClusterSPIFFEIDs are known', LINKED],
    ['watch', 'ClusterSPIFFEIDs are known', LINKED],
    ['patch', 'ClusterSPIFFEIDs name the peer', LINKED],
  ]),
  ...of(FEDERATED, 'clusterfederatedtrustdomains', [
    ['list', 'ClusterFederatedTrustDomains are known', STORED],
    ['watch', 'ClusterFederatedTrustDomains are known', STORED],
    ['create', 'mode Delegate is declared to spire-controller-manager', STORED],
    ['patch', 'mode Delegate is declared to spire-controller-manager', STORED],
    ['delete', 'mode Delegate is withdrawn from spire-controller-manager', STEP],
  ]),
  ...of('bootstrap.yaml', 'configmaps', [
    ['get', 'a bundle in a ConfigMap is read', FETCHED],
    ['list', 'a changed ConfigMap is seen at once', BOOTSTRAP],
    ['watch', 'a changed ConfigMap is seen at once', BOOTSTRAP],
  ]),
  ...of('bootstrap.yaml', 'secrets', [
    ['get', 'a bundle in a Secret is read', FETCHED],
    ['list', 'a changed Secret is seen at once', BOOTSTRAP],
    ['watch', 'a changed Secret is seen at once', BOOTSTRAP],
  ]),
];

function of(
  file: string,
  resource: string,
  rows: readonly (readonly [verb: string, stops: Duty, sign: Sign])[],
): readonly RightRow[] {
  return rows.map(([verb, stops, sign]) => ({ file, resource, verb, stops, sign }));
}

/** Of a right, the same text for the same one. */
export function keyOf({ file, resource, object, verb }: Right): string {
  return [file, resource, object, verb].filter((part) => part !== undefined).join(' ');
}

/** Every right that a file gives. */
export function rightsIn(file: string): readonly Right[] {
  const rules = readManifests(`deploy/rbac/${file}`).flatMap((manifest) => manifest.rules ?? []);
  return rules.flatMap(({ resources, resourceNames = [], verbs }) => {
    const named = rules.filter(
      (rule) => rule.resources.join() === resources.join() && rule.resourceNames !== undefined,
    );
    const objects = named.length > 1 ? resourceNames : [undefined];
    return resources.flatMap((resource) =>
      objects.flatMap((object) =>
        verbs.map((verb) => ({ file, resource, verb, ...(object !== undefined && { object }) })),
      ),
    );
  });
}

/** As docs/kubernetes.md has it. */
export function rightsTable(): string {
  return tableOf(RIGHT_ROWS, (sign) => {
    if ('log' in sign) return `log: \`${sign.log}\``;
    return 'status' in sign ? `\`status\`, \`plan\`: \`${sign.status}\`` : `condition \`${sign.condition}\``;
  });
}

/** One line a row, under the same headings for each. */
export function tableOf<S>(
  rows: readonly (Right & { readonly stops: string; readonly sign: S })[],
  show: (sign: S) => string,
): string {
  const lines = rows.map(
    ({ resource, object, verb, stops, sign }) =>
      `| ${verb} \`${resource}\`${object === undefined ? '' : ` \`${object}\``} | ${stops} | ${show(sign)} |`,
  );
  return ['| Right | What is no longer so without it | Where the right is asked for |', '| - | - | - |', ...lines].join(
    '\n',
  );
}
