// Does a real API server keep a ClusterFederatedTrustDomain for the broker that made it first, where several make one?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parseTrustDomain, type TrustDomain } from '../../src/bundle/trust-domain.ts';
import { systemClock } from '../../src/federation/clock.ts';
import type { CodedError } from '../../src/federation/ports.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import {
  CLUSTER_FEDERATED_TRUST_DOMAINS,
  FederatedTrustDomainResources,
} from '../../src/kubernetes/federated-trust-domains.ts';
import { bundleOf, peerOf, relationshipOf, WEST } from '../federation/samples.ts';
import { Cleanup } from './harness/cleanup.ts';
import { CONTROLLER_MANAGER_DEFINITIONS } from './harness/controller-manager-resources.ts';
import { eventually } from './harness/eventually.ts';
import { startKubeApiServer, type KubeApiServer } from './harness/kube-api-server.ts';

const EAST = parseTrustDomain('east.test');
const BROKERS = Array.from({ length: 8 }, (_, number) => parseTrustDomain(`side${number}.test`));

describe('a ClusterFederatedTrustDomain on a real API server', () => {
  const cleanup = new Cleanup();
  let server: KubeApiServer;
  let api: ApiServer;

  before(async () => {
    server = await startKubeApiServer(cleanup, { name: 'declared' });
    await server.kubectl(['apply', '--server-side', '--filename=-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: CONTROLLER_MANAGER_DEFINITIONS }),
    });
    await server.kubectl(['wait', '--for=condition=Established', 'crd', '--all']);
    api = await openApiServer({ access: { path: server.kubeconfigPath }, clock: systemClock, timeoutMs: 10_000 });
    cleanup.add(() => {
      api.close();
    });
    // The API server answers 429 until it has read what there is of a new kind.
    await eventually('it lists the new kind', () => api.list({ resource: CLUSTER_FEDERATED_TRUST_DOMAINS }));
  });
  after(() => cleanup.run());

  const of = (ownTrustDomain: TrustDomain) => {
    const onFault = (error: unknown) => {
      throw error;
    };
    return new FederatedTrustDomainResources({ api, clock: systemClock, random: Math.random, onFault, ownTrustDomain });
  };
  const declaration = (name: string, by: TrustDomain) => ({
    name,
    relationship: relationshipOf(peerOf(WEST, { bundleEndpointUrl: `https://${by}/` })),
    className: 'spire',
    bootstrap: undefined,
  });
  const stored = (name: string) => api.get({ resource: CLUSTER_FEDERATED_TRUST_DOMAINS, name });

  it('is of the first of many brokers that make it at once, and the others change nothing', async () => {
    const tried = await Promise.allSettled(BROKERS.map((by) => of(by).apply(declaration('at-once', by))));
    const [winner, ...others] = tried.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    assert.deepEqual(others, []);
    const refusals = tried.flatMap((each) => (each.status === 'rejected' ? [each.reason as CodedError] : []));
    assert.deepEqual([...new Set(refusals.map(({ code }) => code))], ['KubeAlreadyExists']);
    const { metadata, spec } = (await stored('at-once')) as unknown as {
      readonly metadata: { readonly uid: string; readonly generation: number };
      readonly spec: { readonly bundleEndpointURL: string };
    };
    assert.deepEqual(
      [metadata.uid, metadata.generation, spec.bundleEndpointURL],
      [winner?.uid, 1, winner?.bundleEndpointUrl],
    );
    assert.equal(winner?.bundleEndpointUrl, `https://${winner?.brokerOf ?? ''}/`);
  });

  it('is changed by its broker, writes nothing when it says the same, and stays as it is for another', async () => {
    const east = of(EAST);
    await east.apply({ ...declaration('changed', EAST), bootstrap: bundleOf(WEST) });
    const { uid, carriesBundle } = await east.apply(declaration('changed', EAST));
    assert.equal(carriesBundle, false);
    const before = await stored('changed');
    await east.apply(declaration('changed', EAST));
    await assert.rejects(of(WEST).apply(declaration('changed', WEST)), { code: 'KubeAlreadyExists' });
    assert.deepEqual(await stored('changed'), before);
    await east.delete({ name: 'changed', uid });
    await of(WEST).apply(declaration('changed', WEST));
    assert.match(JSON.stringify((await stored('changed'))?.['spec']), /west/);
  });

  it('is taken over from an earlier version, which did not say whose it is, and left to who made it by hand', async () => {
    const body = (name: string) => ({
      apiVersion: 'spire.spiffe.io/v1alpha1',
      kind: 'ClusterFederatedTrustDomain',
      metadata: { name },
      spec: {
        trustDomain: WEST,
        bundleEndpointURL: 'https://by-hand/',
        bundleEndpointProfile: { type: 'https_web' },
      },
    });
    await server.kubectl(['create', '--filename=-'], { input: JSON.stringify(body('by-hand')) });
    const before = await stored('by-hand');
    await assert.rejects(of(EAST).apply(declaration('by-hand', EAST)), { code: 'KubeAlreadyExists' });
    assert.deepEqual(await stored('by-hand'), before);

    const east = of(EAST);
    await east.apply(declaration('earlier', EAST));
    await server.kubectl(['annotate', 'clusterfederatedtrustdomains', 'earlier', 'fedbroker.dev/broker-of-']);
    assert.equal((await of(WEST).apply({ ...declaration('earlier', EAST) })).brokerOf, WEST);
  });
});
