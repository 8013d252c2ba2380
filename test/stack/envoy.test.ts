// Does a real Envoy take its SVID and its peers' roots from a real agent, and accept only who they vouch for?
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect } from 'node:tls';
import { Cleanup } from './harness/cleanup.ts';
import { type Envoy, startEnvoy } from './harness/envoy.ts';
import { freePort } from './harness/free-ports.ts';
import { startSpireAgent } from './harness/spire-agent.ts';
import { startSpireServer } from './harness/spire-server.ts';
import type { X509Context } from './harness/x509-context.ts';

const AGENT_CLUSTER = 'spire_agent';

/** The agent's SDS: `spiffe://east.test/gateway` is an SVID, `ALL` the SPIFFE validator with every bundle. */
function secret(name: string): Readonly<Record<string, unknown>> {
  const grpc_services = [{ envoy_grpc: { cluster_name: AGENT_CLUSTER } }];
  const api_config_source = { api_type: 'GRPC', transport_api_version: 'V3', grpc_services };
  return { name, sds_config: { resource_api_version: 'V3', api_config_source } };
}

/** A gateway that answers 200 to whoever comes with an accepted SVID. */
function gateway(port: number, agentSocketPath: string, spiffeId: string): Readonly<Record<string, unknown>> {
  const at = (name: string, fields: object): object => ({
    name,
    typed_config: { '@type': `type.googleapis.com/envoy.extensions.${name}`, ...fields },
  });
  const manager = at('filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'gateway',
    http_filters: [at('filters.http.router.v3.Router', {})],
    route_config: {
      virtual_hosts: [
        { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }] },
      ],
    },
  });
  const tls = at('transport_sockets.tls.v3.DownstreamTlsContext', {
    require_client_certificate: true,
    common_tls_context: {
      tls_certificate_sds_secret_configs: [secret(spiffeId)],
      combined_validation_context: {
        default_validation_context: {},
        validation_context_sds_secret_config: secret('ALL'),
      },
    },
  });
  const http2 = at('upstreams.http.v3.HttpProtocolOptions', { explicit_http_config: { http2_protocol_options: {} } });
  return {
    static_resources: {
      listeners: [
        {
          name: 'gateway',
          stat_prefix: 'gateway',
          address: { socket_address: { address: '127.0.0.1', port_value: port } },
          filter_chains: [{ filters: [manager], transport_socket: tls }],
        },
      ],
      clusters: [
        {
          name: AGENT_CLUSTER,
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': (http2 as { typed_config: unknown }).typed_config,
          },
          load_assignment: {
            cluster_name: AGENT_CLUSTER,
            endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: agentSocketPath } } } }] }],
          },
        },
      ],
    },
  };
}

/** The first line of the gateway's answer; rejects when it refuses the SVID. */
function request(port: number, context: X509Context): Promise<string> {
  return new Promise((resolve, reject) => {
    const { chainPem: cert, privateKeyPem: key } = context.svid;
    const socket = connect({ host: '127.0.0.1', port, cert, key, rejectUnauthorized: false, timeout: 5_000 });
    socket.once('error', reject);
    socket.once('data', (data: Buffer) => {
      resolve(data.toString('latin1').split('\r\n')[0] ?? '');
      socket.destroy();
    });
    socket.write('GET / HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n');
  });
}

describe('a real Envoy beside a real agent', () => {
  const cleanup = new Cleanup();
  const contexts = new Map<string, X509Context>();
  let envoy: Envoy;
  let port: number;

  before(async () => {
    const names = ['east.test', 'west.test', 'north.test'];
    const [east, west, north] = await Promise.all(names.map((name) => startSpireServer(cleanup, name)));
    const agents = await Promise.all([east, west, north].map((server) => startSpireAgent(cleanup, server!)));
    const bundlePath = join(east!.folder, 'west.json');
    writeFileSync(bundlePath, await west!.bundleDocument());
    await east!.cli(['bundle', 'set', '-format', 'spiffe', '-id', 'spiffe://west.test', '-path', bundlePath]);
    await Promise.all(
      agents.map(async (agent, index) => {
        const federatesWith = index === 0 ? ['west.test'] : [];
        await agent.registerWorkload({ path: '/gateway', federatesWith });
        contexts.set(names[index]!, await agent.waitForX509());
      }),
    );
    port = await freePort();
    envoy = await startEnvoy(cleanup, gateway(port, agents[0]!.socketPath, 'spiffe://east.test/gateway'));
  });

  after(() => cleanup.run());

  it('accepts an SVID of its own trust domain and of a peer', async () => {
    assert.equal(await request(port, contexts.get('east.test')!), 'HTTP/1.1 200 OK');
    assert.equal(await request(port, contexts.get('west.test')!), 'HTTP/1.1 200 OK');
  });

  it('refuses an SVID of a trust domain that nobody declared, and counts it', async () => {
    const counter = 'listener.gateway.ssl.fail_verify_error';
    const refusedBefore = await envoy.stat(counter);
    assert.notEqual(refusedBefore, undefined);
    await assert.rejects(request(port, contexts.get('north.test')!));
    assert.equal(await envoy.stat(counter), refusedBefore! + 1);
    assert.equal(await envoy.stat('listener.gateway.ssl.nonsense'), undefined);
  });
});
