// What are the pieces that every configuration of a real Envoy here is made of? (Envoy's v3 API, as JSON)

export type Json = Readonly<Record<string, unknown>>;

export function typed(name: string, fields: object): { readonly name: string; readonly typed_config: Json } {
  return { name, typed_config: { '@type': `type.googleapis.com/envoy.extensions.${name}`, ...fields } };
}

export function httpManager(name: string, route: Json): Json {
  return typed('filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: name,
    http_filters: [typed('filters.http.router.v3.Router', {})],
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, ...route }] }] },
  });
}

export function listener(name: string, port: number, chain: Json): Json {
  const address = { socket_address: { address: '127.0.0.1', port_value: port } };
  return { name, stat_prefix: name, address, filter_chains: [chain] };
}

export function cluster(name: string, address: Json, fields: Json = {}): Json {
  const endpoints = [{ lb_endpoints: [{ endpoint: { address } }] }];
  return { name, load_assignment: { cluster_name: name, endpoints }, ...fields };
}

export function httpOptions(options: Json): Json {
  const { name, typed_config } = typed('upstreams.http.v3.HttpProtocolOptions', options);
  return { typed_extension_protocol_options: { [`envoy.extensions.${name}`]: typed_config } };
}
