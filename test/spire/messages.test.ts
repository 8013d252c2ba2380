// Are SPIRE's messages read as values that cannot be wrong?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { BundleError } from '../../src/bundle/bundle-error.ts';
import { bundleFromMessage, bundleToMessage } from '../../src/spire/bundle-messages.ts';
import { entryFromMessage } from '../../src/spire/entry-messages.ts';
import { BundleSchema } from '../../src/spire/gen/spire/api/types/bundle_pb.ts';
import { EntrySchema } from '../../src/spire/gen/spire/api/types/entry_pb.ts';
import { FederationRelationshipSchema } from '../../src/spire/gen/spire/api/types/federationrelationship_pb.ts';
import { relationshipFromMessage } from '../../src/spire/relationship-messages.ts';
import { makeBundle } from '../contract/contract-subject.ts';
import { WEST } from './dev-spire-fixture.ts';

const invalid = (error: unknown) => error instanceof BundleError;

describe('bundle message', () => {
  it('is the same bundle there and back', async () => {
    const bundle = await makeBundle(WEST, { roots: 2, jwtKeys: 2, sequenceNumber: 5n, refreshHintSeconds: 60 });
    assert.deepEqual(bundleFromMessage(create(BundleSchema, bundleToMessage(bundle))), bundle);
  });

  it('reads 0 as absent and writes absent as 0', () => {
    const bundle = bundleFromMessage(create(BundleSchema, { trustDomain: WEST }));
    assert.deepEqual([bundle.sequenceNumber, bundle.refreshHintSeconds], [undefined, undefined]);
    const message = bundleToMessage(bundle);
    assert.deepEqual([message.sequenceNumber, message.refreshHint], [0n, 0n]);
  });

  for (const refreshHint of [-1n, 2n ** 63n - 1n]) {
    it(`reads the refresh hint ${refreshHint.toString()} as absent`, () => {
      const bundle = bundleFromMessage(create(BundleSchema, { trustDomain: WEST, refreshHint }));
      assert.equal(bundle.refreshHintSeconds, undefined);
    });
  }

  it('keeps the last of two JWT authorities with one key id', () => {
    const key = (byte: number) => ({ keyId: 'k', publicKey: Uint8Array.of(byte) });
    const bundle = bundleFromMessage(create(BundleSchema, { trustDomain: WEST, jwtAuthorities: [key(1), key(2)] }));
    assert.deepEqual(bundle.jwtAuthorities, [key(2)]);
  });

  it('is refused when its trust domain is none', () => {
    assert.throws(() => bundleFromMessage(create(BundleSchema, { trustDomain: 'West' })), invalid);
  });
});

describe('entry message', () => {
  const VALID = {
    id: 'x',
    spiffeId: { trustDomain: 'east.test', path: '/a' },
    parentId: { trustDomain: 'east.test', path: '/node' },
  };

  it('reads an empty hint as absent', () => {
    assert.equal(entryFromMessage(create(EntrySchema, VALID)).hint, undefined);
  });

  it('is refused without SPIFFE ID or with a trust domain that is none', () => {
    assert.throws(() => entryFromMessage(create(EntrySchema, { id: 'x' })), invalid);
    assert.throws(() => entryFromMessage(create(EntrySchema, { ...VALID, federatesWith: ['a/b'] })), invalid);
  });
});

describe('relationship message', () => {
  it('is refused without a profile', () => {
    const message = create(FederationRelationshipSchema, { trustDomain: WEST, bundleEndpointUrl: 'https://w/' });
    assert.throws(() => relationshipFromMessage(message), /no bundle endpoint profile/);
  });
});
