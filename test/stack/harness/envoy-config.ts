// How is a real Envoy told to take its SVID and its peers' roots from the SPIRE agent beside it? (SDS, SPIFFE validator)
import { connect } from 'node:tls';
import {
  cluster,
  httpManager,
  httpOptions,
  type Json,
  listener,
  typed,
} from '../../../src/cli/demo/envoy-resources.ts';

const AGENT_CLUSTER = 'spire_agent';

/** The agent's SDS: a SPIFFE ID names its SVID, `ALL` the SPIFFE validator with every bundle. */
export function agentSecret(name: string): Json {
  const grpc_services = [{ envoy_grpc: { cluster_name: AGENT_CLUSTER } }];
  const api_config_source = { api_type: 'GRPC', transport_api_version: 'V3', grpc_services };
  return { name, sds_config: { resource_api_version: 'V3', api_config_source } };
}

/** Its own SVID, and whoever a bundle vouches for; with `peerId` only that one. */
function tlsContext(spiffeId: string, peerId?: string): Json {
  const match = { san_type: 'URI', matcher: { exact: peerId } };
  return {
    tls_certificate_sds_secret_configs: [agentSecret(spiffeId)],
    combined_validation_context: {
      default_validation_context: peerId === undefined ? {} : { match_typed_subject_alt_names: [match] },
      validation_context_sds_secret_config: agentSecret('ALL'),
    },
  };
}

export function agentCluster(agentSocketPath: string): Json {
  const http2 = httpOptions({ explicit_http_config: { http2_protocol_options: {} } });
  return cluster(AGENT_CLUSTER, { pipe: { path: agentSocketPath } }, http2);
}

/** Answers 200 to whoever comes with an accepted SVID. */
export function gateway(port: number, agentSocketPath: string, spiffeId: string): Json {
  const tls = typed('transport_sockets.tls.v3.DownstreamTlsContext', {
    require_client_certificate: true,
    common_tls_context: tlsContext(spiffeId),
  });
  const chain = { filters: [httpManager('gateway', { direct_response: { status: 200 } })], transport_socket: tls };
  return {
    static_resources: { listeners: [listener('gateway', port, chain)], clusters: [agentCluster(agentSocketPath)] },
  };
}

/** Takes plain requests and passes each on to the gateway of `peerId`, by a connection of its own. */
export function sidecar(
  ports: { readonly own: number; readonly gateway: number },
  agentSocketPath: string,
  { spiffeId, peerId }: { readonly spiffeId: string; readonly peerId: string },
): Json {
  const tls = typed('transport_sockets.tls.v3.UpstreamTlsContext', {
    common_tls_context: tlsContext(spiffeId, peerId),
  });
  const peer = cluster(
    'peer',
    { socket_address: { address: '127.0.0.1', port_value: ports.gateway } },
    {
      transport_socket: tls,
      ...httpOptions({
        common_http_protocol_options: { max_requests_per_connection: 1 },
        explicit_http_config: { http_protocol_options: {} },
      }),
    },
  );
  const chain = { filters: [httpManager('sidecar', { route: { cluster: 'peer' } })] };
  return {
    static_resources: {
      listeners: [listener('sidecar', ports.own, chain)],
      clusters: [agentCluster(agentSocketPath), peer],
    },
  };
}

export interface ClientCertificate {
  readonly chainPem: string;
  readonly keyPem: string;
}

/** The first line of the gateway's answer; rejects when it refuses the certificate. */
export function requestByTls(port: number, { chainPem, keyPem }: ClientCertificate): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      ...{ host: '127.0.0.1', port, cert: chainPem, key: keyPem },
      rejectUnauthorized: false,
      timeout: 5_000,
    });
    socket.once('error', reject);
    socket.once('data', (data: Buffer) => {
      resolve(data.toString('latin1').split('\r\n')[0] ?? '');
      socket.destroy();
    });
    socket.write('GET / HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n');
  });
}
