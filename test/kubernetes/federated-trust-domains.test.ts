// Does a ClusterFederatedTrustDomain say what the peer declares, and is nobody else's touched?
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { systemClock } from '../../src/federation/clock.ts';
import type { ClusterFederatedTrustDomain, CodedError } from '../../src/federation/ports.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import {
  CLUSTER_FEDERATED_TRUST_DOMAINS,
  FederatedTrustDomainResources,
  type FederatedTrustDomainParts,
} from '../../src/kubernetes/federated-trust-domains.ts';
import { startFakeApiServer, type FakeApiServer } from '../fakes/fake-api-server.ts';
import { bundleOf, EAST, NORTH, peerOf, relationshipOf, WEST } from '../federation/samples.ts';

const peer = peerOf(WEST);
const DECLARATION = { name: 'west', relationship: relationshipOf(peer), className: 'spire', bootstrap: undefined };

describe('FederatedTrustDomainResources', () => {
  let kube: FakeApiServer;
  let api: ApiServer;
  let parts: FederatedTrustDomainParts;
  let resources: FederatedTrustDomainResources;

  beforeEach(async () => {
    kube = await startFakeApiServer([CLUSTER_FEDERATED_TRUST_DOMAINS]);
    api = await openApiServer({ access: await kube.serviceAccount(), clock: systemClock, timeoutMs: 5_000 });
    const onFault = (error: unknown) => {
      throw error;
    };
    parts = { api, clock: systemClock, random: Math.random, onFault, ownTrustDomain: EAST };
    resources = new FederatedTrustDomainResources(parts);
  });
  afterEach(async () => {
    api.close();
    await kube.close();
  });

  const spec = async () => {
    const object = await api.get({ resource: CLUSTER_FEDERATED_TRUST_DOMAINS, name: 'west' });
    return object?.['spec'] as Record<string, unknown> | undefined;
  };

  /** What is reported first. */
  const list = () =>
    new Promise<readonly ClusterFederatedTrustDomain[] | CodedError | undefined>((resolve) => {
      const stop = new AbortController();
      void resources.watch((found) => {
        stop.abort();
        resolve(found);
      }, stop.signal);
    });

  it('writes it with our label, with a bundle only while one is given, and reads it as it was written', async () => {
    const written = await resources.apply({ ...DECLARATION, bootstrap: bundleOf(WEST) });
    assert.ok(written.ours && written.carriesBundle);
    assert.match(String((await spec())?.['trustDomainBundle']), /"keys"/);
    const { carriesBundle, profile, bundleEndpointUrl } = await resources.apply(DECLARATION);
    assert.deepEqual([carriesBundle, profile, bundleEndpointUrl], [false, peer.profile, peer.bundleEndpointUrl]);
    assert.deepEqual(await spec(), {
      trustDomain: WEST,
      bundleEndpointURL: peer.bundleEndpointUrl,
      bundleEndpointProfile: { type: 'https_spiffe', endpointSPIFFEID: `spiffe://${WEST}/federation-broker` },
      className: 'spire',
    });
  });

  it('does not write over what somebody else says', async () => {
    const body = { metadata: { name: 'west' }, spec: { trustDomain: WEST, bundleEndpointURL: 'https://theirs/' } };
    await api.create(CLUSTER_FEDERATED_TRUST_DOMAINS, body);
    kube.store.patch(
      { resource: CLUSTER_FEDERATED_TRUST_DOMAINS, namespace: undefined, name: 'west', subresource: undefined },
      'application/merge-patch+json',
      { spec: { bundleEndpointURL: 'https://theirs.example/' } },
      'kubectl',
    );
    await assert.rejects(resources.apply(DECLARATION), { code: 'KubeAlreadyExists' });
    assert.equal((await spec())?.['bundleEndpointURL'], 'https://theirs.example/');
  });

  it('does not write over what somebody else says in an object of ours', async () => {
    await resources.apply(DECLARATION);
    kube.store.patch(
      { resource: CLUSTER_FEDERATED_TRUST_DOMAINS, namespace: undefined, name: 'west', subresource: undefined },
      'application/merge-patch+json',
      { spec: { bundleEndpointURL: 'https://theirs.example/' } },
      'kubectl',
    );
    await assert.rejects(resources.apply(DECLARATION), { code: 'KubeApplyConflict' });
    assert.equal((await spec())?.['bundleEndpointURL'], 'https://theirs.example/');
  });

  it('does not write over what the broker of another trust domain made, also when both make it at once', async () => {
    const others = [WEST, NORTH].map(
      (ownTrustDomain) => new FederatedTrustDomainResources({ ...parts, ownTrustDomain }),
    );
    const tried = await Promise.allSettled([resources, ...others].map((each) => each.apply(DECLARATION)));
    const [winner, ...more] = tried.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    assert.deepEqual(more, []);
    const codes = tried.flatMap((each) => (each.status === 'rejected' ? [(each.reason as CodedError).code] : []));
    assert.deepEqual(codes, ['KubeAlreadyExists', 'KubeAlreadyExists']);
    const [found] = (await list()) as readonly ClusterFederatedTrustDomain[];
    assert.deepEqual(found?.brokerOf, winner?.brokerOf);
  });

  it('deletes only this very object', async () => {
    const { uid } = await resources.apply(DECLARATION);
    await resources.delete({ name: 'west', uid: 'another' });
    assert.notEqual(await spec(), undefined);
    await resources.delete({ name: 'west', uid });
    assert.equal(await spec(), undefined);
    await resources.delete({ name: 'west', uid });
  });

  it('reads objects of others for what they are', async () => {
    const create = (name: string, theirs: object) =>
      api.create(CLUSTER_FEDERATED_TRUST_DOMAINS, { metadata: { name }, spec: { trustDomain: WEST, ...theirs } });
    await create('b', { bundleEndpointProfile: { type: 'https_spiffe', endpointSPIFFEID: 'no ID' } });
    await create('a', { bundleEndpointProfile: { type: 'https_web' }, className: '' });
    await create('c', {});
    const found = (await list()) as readonly ClusterFederatedTrustDomain[];
    assert.deepEqual(
      found.map(({ name, profile, className, ours }) => [name, profile?.type, className, ours]),
      [
        ['a', 'https_web', undefined, false],
        ['b', undefined, undefined, false],
        ['c', undefined, undefined, false],
      ],
    );
  });

  it('reports what hinders it, and nothing where the resource is not served', async () => {
    kube.isAllowed = () => false;
    assert.equal(((await list()) as CodedError).code, 'KubeForbidden');
    const bare = await startFakeApiServer();
    const bareApi = await openApiServer({ access: await bare.serviceAccount(), clock: systemClock, timeoutMs: 5_000 });
    resources = new FederatedTrustDomainResources({ ...parts, api: bareApi });
    assert.equal(await list(), undefined);
    bareApi.close();
    await bare.close();
  });
});
