// Which settings are there? One row each: everything else (flags, variables, file keys, documentation) follows from it.
import { parseTrustDomain } from '../bundle/trust-domain.ts';
import { istioRows } from './istio-settings.ts';
import { row, type Inherited, type Setting } from './setting.ts';
import {
  byteCount,
  cronExpression,
  decimal,
  contextName,
  filePath,
  listenAddress,
  objectName,
  objectPath,
  oneOf,
  or,
  urlPath,
  wholeNumber,
} from './value-form.ts';

const inPod: Inherited = {
  from: 'KUBERNETES_SERVICE_HOST:KUBERNETES_SERVICE_PORT',
  text({ KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port }) {
    if (host === undefined || port === undefined) return undefined;
    return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  },
};

/** `name` is the key in the file; `--kebab-case` is the flag and `FEDBROKER_UPPER_CASE` the variable. Units are in it. */
const rows = {
  spireSocket: row('/tmp/spire-server/private/api.sock', filePath, 'Unix socket of the SPIRE Server API.'),
  trustDomain: row(
    'from-spire',
    or('from-spire', { form: 'a trust domain name like "east.example"', read: parseTrustDomain }),
    'Our own trust domain. When it is given and SPIRE serves another one, the broker refuses to work with that server.',
  ),
  peersDirectory: row(
    '/etc/fedbroker/peers',
    filePath,
    'Directory of PeerTrustDomain files (`*.yaml`, `*.yml`, `*.json`).',
  ),
  peersPollMs: row(
    '10000',
    wholeNumber({ min: 100, max: 60_000 }),
    'How often the peers directory is looked at for changes that the system does not tell of, as on network mounts; all others are seen at once.',
  ),

  kubernetes: row(
    'off',
    oneOf('off', 'in-cluster', 'kubeconfig'),
    'Whether peers are PeerTrustDomain objects in place of files, and how their API server is reached: with the service account of our pod, or as a kubeconfig file says.',
  ),
  apiServerAddress: row('none', or('none', listenAddress), 'Address of the API server for `in-cluster`.', inPod),
  kubeconfig: row('none', or('none', filePath), 'The kubeconfig file; read again when its credentials are refused.'),
  kubeconfigContext: row('current', or('current', contextName), 'Context of the kubeconfig file.'),
  serviceAccountDirectory: row(
    '/var/run/secrets/kubernetes.io/serviceaccount',
    filePath,
    'Where `in-cluster` finds `token`, `ca.crt` and `namespace`, read anew for every request; another one for a projected volume of your own.',
  ),
  kubernetesNamespace: row(
    'own',
    or('own', objectName),
    'Namespace of the Lease. Our own is that of the service account, or of the kubeconfig’s context.',
  ),
  leaseName: row(
    'fedbroker',
    objectName,
    'The Lease by which the replicas of one SPIRE Server choose the one that writes.',
  ),
  leaseDurationSeconds: row(
    '15',
    wholeNumber({ min: 3, max: 300 }),
    'Without a sign of life for so long, the replica that writes is replaced by another one.',
  ),
  replicaIdentity: row(
    'hostname',
    or('hostname', contextName),
    'Name of this replica in the Lease and in status; the host name is that of the pod.',
  ),
  controllerManagerConfig: row(
    'none',
    or('none', objectPath),
    'ConfigMap of spire-controller-manager, so that it is known which entries are its own.',
  ),
  kubernetesTimeoutMs: row(
    '10000',
    wholeNumber({ min: 100, max: 60_000 }),
    'Deadline of one request to the API server.',
  ),
  ...istioRows,

  refreshMinSeconds: row(
    '15',
    wholeNumber({ min: 1, max: 86_400 }),
    'No peer is fetched from more often than this, whatever its refresh hint says.',
  ),
  refreshMaxSeconds: row(
    '300',
    wholeNumber({ min: 1, max: 86_400 }),
    'No peer is fetched from less often than this, whatever its refresh hint says.',
  ),
  refreshDefaultSeconds: row(
    '300',
    wholeNumber({ min: 1, max: 86_400 }),
    'How often a peer without a refresh hint is fetched from.',
  ),
  refreshJitter: row(
    '0.1',
    decimal({ min: 0, max: 0.5 }),
    'Share by which each interval varies to either side, so that brokers do not fall into step.',
  ),
  longPollSeconds: row(
    '240',
    or('off', wholeNumber({ min: 1, max: 3600 })),
    'How long a peer’s broker is asked to hold its answer until its bundle changes (`Prefer: wait`).',
  ),
  maxHeldRequests: row(
    '32',
    wholeNumber({ min: 0, max: 100_000 }),
    'How many peers’ brokers are asked to hold their answers at once; the others are fetched from by their refresh hint. Each is an open TLS connection of 150 to 200 KB.',
  ),
  fetchTimeoutMs: row(
    '10000',
    wholeNumber({ min: 100, max: 300_000 }),
    'Deadline of one whole fetch, redirects included; a held answer has its wait in addition.',
  ),
  connectTimeoutMs: row(
    '5000',
    wholeNumber({ min: 100, max: 300_000 }),
    'Deadline for the connection to a bundle endpoint, TLS handshake included.',
  ),
  maxDocumentBytes: row(
    '4MiB',
    byteCount({ min: 1024, max: 64 * 2 ** 20 }),
    'A larger bundle document is refused. Counted after decompression.',
  ),
  maxRoots: row('100', wholeNumber({ min: 1, max: 10_000 }), 'A bundle with more X.509 authorities is refused.'),
  maxRedirects: row('3', wholeNumber({ min: 0, max: 10 }), 'Redirects followed in one fetch; 0 follows none.'),

  ownBundlePollMs: row(
    '200',
    wholeNumber({ min: 50, max: 60_000 }),
    'How often SPIRE is asked for the sequence number of our own bundle.',
  ),
  storedPollSeconds: row(
    '10',
    wholeNumber({ min: 1, max: 3600 }),
    'How often the foreign bundles and relationships that SPIRE holds are read.',
  ),
  entryCountPollSeconds: row(
    '2',
    wholeNumber({ min: 1, max: 3600 }),
    'How often registration entries are counted; another count reads them all.',
  ),
  resyncSchedule: row('* * * * *', cronExpression, 'When everything is read again, changed or not. Times are UTC.'),

  serveSpiffeAddress: row(
    '0.0.0.0:8443',
    or('off', listenAddress),
    'Where our bundle endpoint serves with profile `https_spiffe`.',
  ),
  serveWebAddress: row(
    'off',
    or('off', listenAddress),
    'Where our bundle endpoint serves with profile `https_web`; needs the two files below.',
  ),
  serveWebCertFile: row(
    'none',
    or('none', filePath),
    'Certificate chain (PEM, leaf first) for `https_web`; read again when it changes.',
  ),
  serveWebKeyFile: row(
    'none',
    or('none', filePath),
    'File with the private key (PEM) for `https_web`; read again when it changes.',
  ),
  servePath: row('/', urlPath, 'Path under which our bundle is served.'),
  refreshHintSeconds: row(
    '300',
    wholeNumber({ min: 1, max: 86_400 }),
    'The refresh hint we publish: how often peers should fetch our bundle.',
  ),
  svidTtlSeconds: row(
    '3600',
    wholeNumber({ min: 60, max: 86_400 }),
    'Lifetime asked for the SVID of our endpoint; renewed at half of it.',
  ),
  maxWaiters: row(
    '1024',
    wholeNumber({ min: 0, max: 100_000 }),
    'Requests that may be held for a change of our bundle at once; one more is answered at once.',
  ),

  auditFile: row(
    'none',
    or('none', filePath),
    'File that every change of trust is recorded in, before and after it is made: JSON lines, each with the hash of the one before. Full files stay beside it; see `docs/audit.md`.',
  ),
  auditMaxBytes: row(
    '16MiB',
    byteCount({ min: 4096, max: 1024 * 2 ** 20 }),
    'A record that would make the audit file longer begins the next one.',
  ),
  auditRequired: row(
    'off',
    oneOf('off', 'on'),
    'Whether a change of trust that cannot be recorded is not made at all (`AuditUnwritable`). Off: it is made, and the gap is recorded as soon as it can be.',
  ),

  adminAddress: row(
    '127.0.0.1:9402',
    or('off', listenAddress),
    'Where `/livez`, `/readyz`, `/metrics` and `/status` are served, over plain HTTP.',
  ),
  logLevel: row(
    'info',
    oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    'The least severe level that is logged.',
  ),
  logFormat: row('json', oneOf('json', 'text'), 'One JSON object a line, or one line for people.'),
};

export type SettingName = keyof typeof rows;

/** The values of all settings. Undefined stands for a setting's word for absence, for example "off". */
export type Config = { readonly [Name in SettingName]: (typeof rows)[Name] extends Setting<infer T> ? T : never };

export const settings: Readonly<Record<SettingName, Setting<unknown>>> = rows;

export const settingNames = Object.keys(rows) as readonly SettingName[];

export const VARIABLE_PREFIX = 'FEDBROKER_';

/** `refreshMinSeconds` is `refresh-min-seconds`, without the dashes in front. */
export function flagName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `refreshMinSeconds` is `FEDBROKER_REFRESH_MIN_SECONDS`. */
export function variableName(name: string): string {
  return VARIABLE_PREFIX + flagName(name).replaceAll('-', '_').toUpperCase();
}

/** What must hold between settings. */
export interface SettingsRule {
  /** The fault is reported at the first of them. */
  readonly settings: readonly [SettingName, ...SettingName[]];
  readonly holds: (config: Config) => boolean;
  /** Completes the first setting's name. */
  readonly message: string;
}

export const settingsRules: readonly SettingsRule[] = [
  {
    settings: ['refreshMinSeconds', 'refreshMaxSeconds'],
    holds: (config) => config.refreshMinSeconds <= config.refreshMaxSeconds,
    message: 'must not be more than refreshMaxSeconds',
  },
  {
    settings: ['refreshDefaultSeconds', 'refreshMinSeconds', 'refreshMaxSeconds'],
    holds: ({ refreshDefaultSeconds, refreshMinSeconds, refreshMaxSeconds }) =>
      refreshMinSeconds > refreshMaxSeconds ||
      (refreshDefaultSeconds >= refreshMinSeconds && refreshDefaultSeconds <= refreshMaxSeconds),
    message: 'must be between refreshMinSeconds and refreshMaxSeconds',
  },
  {
    settings: ['connectTimeoutMs', 'fetchTimeoutMs'],
    holds: (config) => config.connectTimeoutMs <= config.fetchTimeoutMs,
    message: 'must not be more than fetchTimeoutMs, the deadline of the whole fetch',
  },
  {
    settings: ['serveWebAddress', 'serveWebCertFile', 'serveWebKeyFile'],
    holds: (config) =>
      config.serveWebAddress === undefined ||
      (config.serveWebCertFile !== undefined && config.serveWebKeyFile !== undefined),
    message: 'needs serveWebCertFile and serveWebKeyFile too',
  },
  {
    settings: ['kubernetes', 'kubeconfig'],
    holds: (config) => config.kubernetes !== 'kubeconfig' || config.kubeconfig !== undefined,
    message: 'is "kubeconfig", which needs kubeconfig, the path of the file',
  },
  {
    settings: ['kubernetes', 'apiServerAddress'],
    holds: (config) => config.kubernetes !== 'in-cluster' || config.apiServerAddress !== undefined,
    message: 'is "in-cluster", but KUBERNETES_SERVICE_HOST is not set: outside of a pod use "kubeconfig"',
  },
  {
    settings: ['auditRequired', 'auditFile'],
    holds: (config) => config.auditRequired === 'off' || config.auditFile !== undefined,
    message: 'is "on", which needs auditFile, the path of the file',
  },
  {
    settings: ['istio', 'kubernetes'],
    holds: (config) => config.istio === 'off' || config.kubernetes !== 'off',
    message: 'needs kubernetes, where Istio takes its configuration from; without it use "fedbroker render"',
  },
];
