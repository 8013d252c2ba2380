// How does a test run an edge gateway: an Envoy with the servers of a Gateway object, each with the CA that it names?
import type { Issued } from '../../fakes/fake-ca.ts';
import type { Cleanup } from './cleanup.ts';
import { envoyFiles } from '../../../src/cli/demo/envoy-files.ts';
import { type Envoy, startEnvoy } from './envoy.ts';
import { type DataObject, followObject, type ObjectPlace } from './follow-object.ts';
import { gatewayListeners, type GatewayServer, OWN_CERTIFICATE } from '../../../src/cli/demo/istio-envoy.ts';
import type { KubeApiServer } from './kube-api-server.ts';
import { tempFolder } from './temp-folder.ts';

/** The fields of a server with `mode: MUTUAL` that are followed here. */
export interface ServerTls {
  readonly mode: 'MUTUAL';
  /** `builtin://` is the gateway's own SVID; another name is a Secret, and its CA is in the Secret `<name>-cacert`. */
  readonly credentialName: string;
  /** `configmap://<namespace>/<name>`, or `kubernetes://<name>-cacert`. Of Istio 1.28. */
  readonly caCertCredentialName?: string;
  readonly subjectAltNames?: readonly string[];
}

/** networking.istio.io/v1 Gateway. */
interface GatewayObject {
  readonly spec: {
    readonly servers: readonly {
      readonly port: { readonly name: string; readonly number: number };
      readonly tls: ServerTls;
    }[];
  };
}

export interface Gateway {
  readonly envoy: Envoy;
  readonly listenerWrites: () => number;
}

/**
 * Servers listen on their port of 127.0.0.1, once their CA object was there. A change of it is a change of a secret
 * alone; what it holds is passed on as it is; when it is deleted, the gateway keeps what it has. Every server's own
 * certificate is `svid`.
 */
export async function startGateway(
  cleanup: Cleanup,
  kube: KubeApiServer,
  place: { readonly namespace: string; readonly name: string },
  svid: Issued,
): Promise<Gateway> {
  const args = ['get', 'gateways.networking.istio.io', place.name, `--namespace=${place.namespace}`];
  const { spec } = await kube.kubectlJson<GatewayObject>(args);
  const files = envoyFiles(tempFolder(cleanup, `${place.name}-xds`));
  files.writeCertificate(OWN_CERTIFICATE, svid);
  const servers: GatewayServer[] = [];
  for (const { port, tls } of spec.servers) {
    const caPlace = caObjectOf(tls, place.namespace);
    const caSecret = `${caPlace.resource}://${caPlace.namespace}/${caPlace.name}`;
    files.writeNothing(caSecret);
    await followObject(cleanup, kube.kubeconfigPath, caPlace, (object) => {
      const pem = object === undefined ? undefined : caIn(caPlace, object);
      if (pem !== undefined) files.writeRoots(caSecret, pem);
    });
    servers.push({ name: port.name, port: port.number, caSecret, subjectAltNames: tls.subjectAltNames ?? [] });
  }
  files.writeListeners(gatewayListeners(files.secretOf, servers));
  const bootstrap = { dynamic_resources: files.dynamicResources };
  return { envoy: await startEnvoy(cleanup, bootstrap, place.name), listenerWrites: files.listenerWrites };
}

/** A ConfigMap may be in any namespace, a Secret only in the gateway's. */
function caObjectOf({ credentialName, caCertCredentialName }: ServerTls, namespace: string): ObjectPlace {
  const name = caCertCredentialName ?? `${credentialName}-cacert`;
  const configMap = /^configmap:\/\/([^/]+)\/([^/]+)$/.exec(name);
  if (configMap === null) return { resource: 'secrets', namespace, name: name.replace(/^kubernetes:\/\//, '') };
  return { resource: 'configmaps', namespace: configMap[1] ?? '', name: configMap[2] ?? '' };
}

function caIn({ resource }: ObjectPlace, { data = {} }: DataObject): string | undefined {
  if (resource === 'configmaps') return data['ca.crt'];
  const base64 = data['cacert'] ?? data['ca.crt'];
  return base64 === undefined ? undefined : Buffer.from(base64, 'base64').toString();
}
