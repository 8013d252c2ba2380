// What does SPIRE Server promise about federation relationships? (measured on SPIRE 1.15.3)
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseSpiffeId } from '../../src/bundle/spiffe-id.ts';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import type { FederationRelationship } from '../../src/federation/ports.ts';
import { bundleToMessage } from '../../src/spire/bundle-messages.ts';
import { CALL, freshTrustDomain, makeBundle, spireError, type Subject } from './contract-subject.ts';

/** Nobody listens there: SPIRE's own poller fails at once. */
const NOWHERE = 'https://127.0.0.1:1/bundle';

function relationship(trustDomain: TrustDomain): FederationRelationship {
  return { trustDomain, bundleEndpointUrl: NOWHERE, profile: { type: 'https_web' } };
}

export function describeRelationships(subject: () => Subject): void {
  async function find(trustDomain: TrustDomain): Promise<FederationRelationship | undefined> {
    return (await subject().spire.listFederationRelationships()).find((each) => each.trustDomain === trustDomain);
  }

  it('lists a relationship as it was created, of either profile', async () => {
    const { spire } = subject();
    const web = relationship(freshTrustDomain());
    const peer = freshTrustDomain();
    const endpointSpiffeId = parseSpiffeId(`spiffe://${peer}/federation-broker`);
    const spiffe: FederationRelationship = {
      trustDomain: peer,
      bundleEndpointUrl: NOWHERE,
      profile: { type: 'https_spiffe', endpointSpiffeId },
    };
    for (const each of [web, spiffe]) {
      await spire.createFederationRelationship(each, undefined);
      assert.deepEqual(await find(each.trustDomain), each);
      assert.equal(await spire.deleteFederationRelationship(each.trustDomain), true);
      assert.equal(await find(each.trustDomain), undefined);
    }
  });

  it('stores the bundle that comes with a relationship, and keeps it when the relationship is deleted', async () => {
    const { spire } = subject();
    const bundle = await makeBundle(freshTrustDomain(), { sequenceNumber: 3n });
    await spire.createFederationRelationship(relationship(bundle.trustDomain), bundle);
    assert.deepEqual(await spire.getFederatedBundle(bundle.trustDomain), bundle);
    assert.equal(await spire.deleteFederationRelationship(bundle.trustDomain), true);
    assert.deepEqual(await spire.getFederatedBundle(bundle.trustDomain), bundle);
    assert.equal(await spire.deleteFederationRelationship(bundle.trustDomain), false);
  });

  it('answers INTERNAL with the data store’s words for a second one of the same trust domain', async () => {
    const { spire } = subject();
    const first = relationship(freshTrustDomain());
    await spire.createFederationRelationship(first, undefined);
    await assert.rejects(
      spire.createFederationRelationship(first, undefined),
      spireError(
        'SpireAlreadyExists',
        'failed to create federation relationship: datastore-sql: UNIQUE constraint failed',
      ),
    );
    await spire.deleteFederationRelationship(first.trustDomain);
  });

  it('changes URL and profile on update, never the bundle', async () => {
    const { spire } = subject();
    const bundle = await makeBundle(freshTrustDomain(), { sequenceNumber: 4n });
    const { trustDomain } = bundle;
    await spire.createFederationRelationship(relationship(trustDomain), bundle);
    const endpointSpiffeId = parseSpiffeId(`spiffe://${trustDomain}/endpoint`);
    const changed: FederationRelationship = {
      trustDomain,
      bundleEndpointUrl: 'https://127.0.0.1:1/other',
      profile: { type: 'https_spiffe', endpointSpiffeId },
    };
    await spire.updateFederationRelationship(changed);
    assert.deepEqual(await find(trustDomain), changed);
    assert.deepEqual(await spire.getFederatedBundle(trustDomain), bundle);
    await spire.deleteFederationRelationship(trustDomain);
  });

  it('cannot update what is not there', async () => {
    await assert.rejects(
      subject().spire.updateFederationRelationship(relationship(freshTrustDomain())),
      spireError('SpireNotFound', 'unable to fetch federation relationship: record not found'),
    );
  });

  it('has no relationship of a trust domain nobody named', async () => {
    const trustDomain = freshTrustDomain();
    await assert.rejects(
      subject().trustDomains.getFederationRelationship({ trustDomain }, CALL),
      spireError('SpireNotFound', 'federation relationship does not exist'),
    );
  });

  it('lists the same relationships whatever the page size', async () => {
    const { spire, trustDomains } = subject();
    const made = [freshTrustDomain(), freshTrustDomain(), freshTrustDomain()];
    for (const each of made) await spire.createFederationRelationship(relationship(each), undefined);
    for (const pageSize of [0, 1, 2, 3, 4]) {
      const listed: string[] = [];
      let pageToken = '';
      do {
        const page = await trustDomains.listFederationRelationships({ pageSize, pageToken }, CALL);
        listed.push(...page.federationRelationships.map((each) => each.trustDomain));
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      assert.deepEqual(listed, made, `page size ${pageSize}`);
    }
    for (const each of made) await spire.deleteFederationRelationship(each);
  });

  const REFUSED = [
    [
      'a URL without https',
      { bundleEndpointUrl: 'http://peer.test/' },
      'bundle endpoint URL must use the https scheme',
    ],
    ['a URL without host', { bundleEndpointUrl: 'https:///bundle' }, 'bundle endpoint URL must specify the host'],
    [
      'a URL with user info',
      { bundleEndpointUrl: 'https://user@peer.test/' },
      'bundle endpoint URL must not contain user info',
    ],
    ['no profile', { bundleEndpointProfile: { case: undefined } }, 'unsupported bundle endpoint profile type: <nil>'],
    [
      'an endpoint SPIFFE ID that is none',
      { bundleEndpointProfile: { case: 'httpsSpiffe', value: { endpointSpiffeId: 'peer.test' } } },
      'failed to parse endpoint SPIFFE ID: scheme is missing or invalid',
    ],
  ] as const;
  for (const [what, fault, text] of REFUSED) {
    it(`refuses ${what}`, async () => {
      const valid = { trustDomain: freshTrustDomain(), bundleEndpointUrl: NOWHERE };
      const profile = { bundleEndpointProfile: { case: 'httpsWeb', value: {} } };
      const request = { federationRelationships: [{ ...valid, ...profile, ...fault } as object] };
      const { results } = await subject().trustDomains.batchCreateFederationRelationship(request, CALL);
      assert.equal(results[0]?.status?.message, `failed to convert federation relationship: ${text}`);
    });
  }

  it('refuses the bundle of another trust domain', async () => {
    const message = bundleToMessage(await makeBundle(freshTrustDomain()));
    const trustDomain = freshTrustDomain();
    const given = {
      trustDomain,
      bundleEndpointUrl: NOWHERE,
      bundleEndpointProfile: { case: 'httpsWeb', value: {} },
      trustDomainBundle: message,
    };
    const request = { federationRelationships: [given as object] };
    const { results } = await subject().trustDomains.batchCreateFederationRelationship(request, CALL);
    assert.equal(
      results[0]?.status?.message,
      `failed to convert federation relationship: trust domain bundle ("${message.trustDomain ?? ''}") must match the trust domain of the federation relationship ("${trustDomain}")`,
    );
  });

  it('refuses its own trust domain', async () => {
    await assert.rejects(
      subject().spire.createFederationRelationship(relationship(subject().trustDomain), undefined),
      spireError('SpireRefused', 'unable to create federation relationship for server trust domain'),
    );
  });

  describe('RefreshBundle', () => {
    it('knows nothing of a trust domain it does not fetch', async () => {
      assert.equal(await subject().spire.refreshBundle(freshTrustDomain()), 'NotManaged');
    });

    it('answers INTERNAL when the fetch fails', async () => {
      const { spire } = subject();
      const unreachable = relationship(freshTrustDomain());
      await spire.createFederationRelationship(unreachable, undefined);
      try {
        await assert.rejects(
          spire.refreshBundle(unreachable.trustDomain),
          spireError('SpireInternal', 'failed to refresh bundle: '),
        );
      } finally {
        await spire.deleteFederationRelationship(unreachable.trustDomain);
      }
    });
  });
}
