// How does a test knock at a workload of the mesh? A sidecar certified by istiod, with HTTP and an echo behind it.
import type { Cleanup } from './cleanup.ts';
import { requestByTls, type ClientCertificate } from './envoy-config.ts';
import { eventually } from './eventually.ts';
import { freePort } from './free-ports.ts';
import { holdStream, startEcho, type HeldStream } from './held-stream.ts';
import { startSidecar, type Sidecar } from './istio-proxy.ts';
import type { MeshSide } from './mesh-side.ts';

const OK = 'HTTP/1.1 200 OK';

export interface MeshWorkload {
  readonly sidecar: Sidecar;
  /** Whether one request on a connection of its own was answered with 200. */
  accepts(certificate: ClientCertificate): Promise<boolean>;
  waitUntilAccepted(certificate: ClientCertificate): Promise<void>;
  waitUntilRefused(certificate: ClientCertificate): Promise<void>;
  hold(certificate: ClientCertificate): Promise<HeldStream>;
  /** Handshakes that failed since no CA may vouch for the names. */
  badChains(): Promise<number>;
}

export async function startMeshWorkload(
  cleanup: Cleanup,
  { istiod, meshRoot, trustDomain }: Pick<MeshSide, 'istiod' | 'meshRoot' | 'trustDomain'>,
): Promise<MeshWorkload> {
  const inbound = {
    httpPort: await freePort(),
    tcpPort: await freePort(),
    tcpUpstreamPort: await startEcho(cleanup),
  };
  const certifier = { by: 'istiod', root: meshRoot, spiffeId: `spiffe://${trustDomain}/ns/shop/sa/orders` } as const;
  const sidecar = await startSidecar(cleanup, istiod, { name: 'orders', certifier, inbound });
  const accepts = async (certificate: ClientCertificate): Promise<boolean> =>
    requestByTls(inbound.httpPort, certificate).then(
      (answer) => answer === OK,
      () => false,
    );
  return {
    sidecar,
    accepts,
    waitUntilAccepted: async (certificate) => {
      await eventually('the workload accepts it', () => accepts(certificate));
    },
    waitUntilRefused: async (certificate) => {
      await eventually('the workload refuses it', async () => !(await accepts(certificate)));
    },
    hold: (certificate) => holdStream(cleanup, inbound.tcpPort, certificate),
    badChains: async () => (await sidecar.envoy.stat('listener.inbound-http.ssl.fail_verify_error')) ?? 0,
  };
}
