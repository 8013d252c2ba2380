// How does Istio configure a sidecar's or a gateway's Envoy? (istiod's LDS and CDS, pilot/pkg/security/model/authentication.go)
import { cluster, httpManager, httpOptions, type Json, listener, typed } from './envoy-resources.ts';

/** Where Envoy takes a secret from: a field `sds_config` or what stands for it. */
export type SecretSource = (name: string) => Json;

/** The names Istio's Envoys ask their agent, or SPIRE's, for. */
export const OWN_CERTIFICATE = 'default';
export const ROOTS = 'ROOTCA';

/** Also the prefix of its counters, for example `listener.inbound-http.ssl.fail_verify_error`. */
export const INBOUND_HTTP = 'inbound-http';

export interface Inbound {
  /** Answers each request with 200. */
  readonly httpPort: number;
  /** Passes each connection on to `127.0.0.1:<tcpUpstreamPort>`. */
  readonly tcpPort: number;
  readonly tcpUpstreamPort: number;
}

/** Plain requests and connections to these ports go to the peer's `Inbound`, each by a TLS connection of its own. */
export interface Outbound {
  readonly httpPort: number;
  readonly tcpPort: number;
  readonly peer: Pick<Inbound, 'httpPort' | 'tcpPort'>;
  /** The only identities that are accepted there: the service's `subjectAltNames`. */
  readonly subjectAltNames: readonly string[];
}

/** A server of a Gateway with `mode: MUTUAL`. */
export interface GatewayServer {
  readonly name: string;
  readonly port: number;
  /** The name of the secret with the peer's roots. */
  readonly caSecret: string;
  readonly subjectAltNames: readonly string[];
}

/** Untyped, as Istio has them: a DNS name or an e-mail address with the text of a SPIFFE ID matches too. */
type SanMatcher = { readonly prefix: string } | { readonly exact: string };

function tlsContext(secretOf: SecretSource, roots: string, matchers: readonly SanMatcher[]): Json {
  return {
    tls_certificate_sds_secret_configs: [secretOf(OWN_CERTIFICATE)],
    combined_validation_context: {
      default_validation_context: matchers.length === 0 ? {} : { match_subject_alt_names: matchers },
      validation_context_sds_secret_config: secretOf(roots),
    },
  };
}

function serverTls(context: Json): Json {
  return typed('transport_sockets.tls.v3.DownstreamTlsContext', {
    require_client_certificate: true,
    common_tls_context: context,
  });
}

function inboundTls(secretOf: SecretSource, sanPrefixes: readonly string[]): Json {
  const matchers = sanPrefixes.map((prefix) => ({ prefix }));
  return serverTls(tlsContext(secretOf, ROOTS, matchers));
}

function tcpProxy(name: string): Json {
  return typed('filters.network.tcp_proxy.v3.TcpProxy', { stat_prefix: name, cluster: name });
}

function loopback(port: number): Json {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

/** The inbound listener that answers each request of an accepted caller with 200. */
export function inboundHttpListener(secretOf: SecretSource, sanPrefixes: readonly string[], port: number): Json {
  const filters = [httpManager(INBOUND_HTTP, { direct_response: { status: 200 } })];
  return listener(INBOUND_HTTP, port, { filters, transport_socket: inboundTls(secretOf, sanPrefixes) });
}

/** The sidecar's listeners: what every change of `sanPrefixes` writes anew, and no change of roots does. */
export function sidecarListeners(
  secretOf: SecretSource,
  sanPrefixes: readonly string[],
  { inbound, outbound }: { readonly inbound: Inbound; readonly outbound?: Outbound | undefined },
): readonly Json[] {
  const transport_socket = inboundTls(secretOf, sanPrefixes);
  return [
    inboundHttpListener(secretOf, sanPrefixes, inbound.httpPort),
    listener('inbound-tcp', inbound.tcpPort, { filters: [tcpProxy('inbound-tcp')], transport_socket }),
    ...(outbound === undefined
      ? []
      : [
          listener('outbound-http', outbound.httpPort, {
            filters: [httpManager('outbound-http', { route: { cluster: 'outbound-http' } })],
          }),
          listener('outbound-tcp', outbound.tcpPort, { filters: [tcpProxy('outbound-tcp')] }),
        ]),
  ];
}

export function sidecarClusters(
  secretOf: SecretSource,
  { inbound, outbound }: { readonly inbound: Inbound; readonly outbound?: Outbound | undefined },
): readonly Json[] {
  const own = cluster('inbound-tcp', loopback(inbound.tcpUpstreamPort));
  if (outbound === undefined) return [own];
  const matchers = outbound.subjectAltNames.map((exact) => ({ exact }));
  const transport_socket = typed('transport_sockets.tls.v3.UpstreamTlsContext', {
    common_tls_context: tlsContext(secretOf, ROOTS, matchers),
  });
  const oneRequestEach = httpOptions({
    common_http_protocol_options: { max_requests_per_connection: 1 },
    explicit_http_config: { http_protocol_options: {} },
  });
  return [
    own,
    cluster('outbound-http', loopback(outbound.peer.httpPort), { transport_socket, ...oneRequestEach }),
    cluster('outbound-tcp', loopback(outbound.peer.tcpPort), { transport_socket }),
  ];
}

/** A gateway's listeners, each with its own peer's roots. */
export function gatewayListeners(secretOf: SecretSource, servers: readonly GatewayServer[]): readonly Json[] {
  return servers.map(({ name, port, caSecret, subjectAltNames }) => {
    const matchers = subjectAltNames.map((exact) => ({ exact }));
    return listener(name, port, {
      filters: [httpManager(name, { direct_response: { status: 200 } })],
      transport_socket: serverTls(tlsContext(secretOf, caSecret, matchers)),
    });
  });
}
