// How is a real Envoy told to accept workloads as the inbound side of an Istio sidecar does? (istiod's own CA plane)
import { toPem } from '../../../src/bundle/certificate.ts';
import type { ClientCertificate } from './envoy-config.ts';

type Json = Readonly<Record<string, unknown>>;

export interface Inbound {
  /** Also the prefix of its counters, for example `listener.<name>.ssl.fail_verify_san`. */
  readonly name: string;
  readonly port: number;
  /** DER; one list for all trust domains, as a sidecar gets it. */
  readonly trustedCas: readonly Uint8Array[];
  readonly trustDomains: readonly string[];
}

function typed(name: string, fields: Json): Json {
  return { name, typed_config: { '@type': `type.googleapis.com/envoy.extensions.${name}`, ...fields } };
}

/**
 * Answers 200 to whoever comes with an accepted certificate. The matcher is untyped, as istiod writes it: Envoy compares
 * it with DNS, email and IP names too.
 */
export function inboundListener(inbound: Inbound, server: ClientCertificate): Json {
  const tls = typed('transport_sockets.tls.v3.DownstreamTlsContext', {
    require_client_certificate: true,
    common_tls_context: {
      tls_certificates: [
        { certificate_chain: { inline_string: server.chainPem }, private_key: { inline_string: server.keyPem } },
      ],
      validation_context: {
        trusted_ca: { inline_string: inbound.trustedCas.map(toPem).join('') },
        match_subject_alt_names: inbound.trustDomains.map((name) => ({ prefix: `spiffe://${name}/` })),
      },
    },
  });
  const http = typed('filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: inbound.name,
    http_filters: [typed('filters.http.router.v3.Router', {})],
    route_config: {
      virtual_hosts: [
        { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }] },
      ],
    },
  });
  return {
    name: inbound.name,
    stat_prefix: inbound.name,
    address: { socket_address: { address: '127.0.0.1', port_value: inbound.port } },
    filter_chains: [{ filters: [http], transport_socket: tls }],
  };
}
