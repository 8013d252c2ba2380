// What stands in the mesh that a survey is read from? Objects as Istio's own charts and users write them.
import {
  AUTHORIZATION_POLICIES,
  DESTINATION_RULES,
  GATEWAYS,
  SERVICE_ENTRIES,
} from '../../src/kubernetes/istio-resources.ts';
import type { ObjectBody, Resource } from '../../src/kubernetes/kube-object.ts';
import { NAMESPACES } from '../../src/kubernetes/mesh-survey.ts';
import { PODS } from '../../src/kubernetes/mesh-proxies.ts';
import { CONFIG_MAPS } from '../../src/kubernetes/core-resources.ts';
import { DEPLOYMENTS } from '../../src/kubernetes/workload-object.ts';

export interface Standing {
  readonly resource: Resource;
  readonly object: ObjectBody;
}

const SOCKET_PATH = '/run/secrets/workload-spiffe-uds';
const CSI = { csi: { driver: 'csi.spiffe.io', readOnly: true } };

interface PodShape {
  readonly labels?: Readonly<Record<string, string>>;
  /** Where the proxy stands among the containers; undefined: nowhere. */
  readonly proxy?: 'containers' | 'initContainers';
  readonly socket?: object;
  readonly xdsAgent?: string;
}

function pod(namespace: string, name: string, { labels = {}, proxy, socket, xdsAgent }: PodShape = {}): Standing {
  const sidecar = {
    name: 'istio-proxy',
    image: 'proxyv2',
    env: xdsAgent === undefined ? [] : [{ name: 'PROXY_CONFIG_XDS_AGENT', value: xdsAgent }],
    ...(socket !== undefined && { volumeMounts: [{ name: 'workload-socket', mountPath: SOCKET_PATH }] }),
    ...(proxy === 'initContainers' && { restartPolicy: 'Always' }),
  };
  const app = { name: 'app', image: 'app' };
  const spec = {
    containers: proxy === 'containers' ? [app, sidecar] : [app],
    ...(proxy === 'initContainers' && { initContainers: [sidecar] }),
    ...(socket !== undefined && { volumes: [{ name: 'workload-socket', ...socket }] }),
  };
  return { resource: PODS, object: { metadata: { name, namespace, labels }, spec } };
}

function istiod(name: string, labels: Readonly<Record<string, string>>, env: readonly object[]): Standing {
  const podLabels = { app: 'istiod', istio: name };
  const template = {
    metadata: { labels: podLabels },
    spec: { containers: [{ name: 'discovery', image: 'pilot', env }] },
  };
  const spec = { selector: { matchLabels: podLabels }, template };
  const metadata = { name, namespace: 'istio-system', labels: { app: 'istiod', ...labels } };
  return { resource: DEPLOYMENTS, object: { metadata, spec } };
}

function namespace(name: string, labels: Readonly<Record<string, string>> = {}): Standing {
  return { resource: NAMESPACES, object: { metadata: { name, labels } } };
}

function of(resource: Resource, name: string, spec: object): Standing {
  return { resource, object: { metadata: { name, namespace: 'shop' }, spec } };
}

/** Namespaces first. */
export const STANDING: readonly Standing[] = [
  namespace('istio-system'),
  namespace('spire-system'),
  namespace('shop'),
  namespace('mixed'),
  namespace('zt', { 'istio.io/dataplane-mode': 'ambient' }),
  istiod('istiod', { 'istio.io/rev': 'default' }, [
    { name: 'SHARED_MESH_CONFIG', value: 'istio-federation' },
    { name: 'ISTIO_MULTIROOT_MESH', value: 'true' },
    { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
  ]),
  istiod('istiod-1-31', { 'istio.io/rev': '1-31' }, [
    { name: 'PILOT_ENABLE_CA_CRL', valueFrom: { configMapKeyRef: { name: 'x', key: 'y' } } },
  ]),
  pod('shop', 'by-spire', { proxy: 'containers', socket: CSI }),
  pod('shop', 'by-spire-native', { proxy: 'initContainers', socket: CSI, xdsAgent: 'true' }),
  pod('shop', 'by-istiod', { proxy: 'initContainers', socket: { emptyDir: {} }, xdsAgent: 'true' }),
  pod('shop', 'by-istiod-old', { proxy: 'containers', socket: { emptyDir: {} } }),
  pod('shop', 'by-istiod-off', { proxy: 'containers', xdsAgent: 'false' }),
  pod('shop', 'no-mesh'),
  pod('istio-system', 'ztunnel-1', { proxy: 'containers', labels: { app: 'ztunnel' } }),
  pod('mixed', 'ambient', { labels: { 'istio.io/dataplane-mode': 'ambient' } }),
  {
    resource: CONFIG_MAPS,
    object: {
      metadata: { name: 'spire-agent', namespace: 'spire-system' },
      data: { 'agent.conf': 'agent { sds { default_bundle_name = "null" default_all_bundles_name = "ROOTCA" } }' },
    },
  },
  of(AUTHORIZATION_POLICIES, 'allow', {
    selector: { matchLabels: { app: 'cart' } },
    rules: [
      {
        from: [{ source: { namespaces: ['pay'], ipBlocks: ['10.0.0.0/8'] } }, { source: { principals: ['*'] } }],
        to: [{ operation: { methods: ['GET'] } }],
        when: [
          { key: 'source.namespace', values: ['a'], notValues: ['b'] },
          { key: 'request.headers[x]', values: ['y'] },
        ],
      },
    ],
  }),
  of(AUTHORIZATION_POLICIES, 'deny', {
    action: 'DENY',
    rules: [{ from: [{ source: { notPrincipals: ['ours.test/*'] } }] }],
  }),
  of(GATEWAYS, 'edge', {
    selector: { istio: 'ingressgateway' },
    servers: [
      {
        port: { number: 443, name: 'https', protocol: 'HTTPS' },
        hosts: ['*'],
        tls: { mode: 'MUTUAL', credentialName: 'own', caCertCredentialName: 'configmap://spire/west' },
      },
      { port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] },
    ],
  }),
  of(SERVICE_ENTRIES, 'west', {
    hosts: ['pay.west.global'],
    location: 'MESH_INTERNAL',
    resolution: 'DNS',
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    subjectAltNames: ['spiffe://west.test/ns/pay/sa/api'],
  }),
  of(DESTINATION_RULES, 'west', {
    host: 'pay.west.global',
    trafficPolicy: {
      tls: { mode: 'MUTUAL', credentialName: 'top', subjectAltNames: ['spiffe://west.test/x'] },
      portLevelSettings: [{ port: { number: 443 }, tls: { mode: 'MUTUAL', credentialName: 'port' } }],
    },
    subsets: [{ name: 'a', trafficPolicy: { tls: { mode: 'SIMPLE', credentialName: 'configmap://spire/west' } } }],
  }),
];
