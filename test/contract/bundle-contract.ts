// What does SPIRE Server promise about bundles? (measured on SPIRE 1.15.3)
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BatchDeleteFederatedBundleRequest_Mode as Mode } from '../../src/spire/gen/spire/api/server/bundle/v1/bundle_pb.ts';
import { bundleToMessage } from '../../src/spire/bundle-messages.ts';
import {
  CALL,
  createEntry,
  errorOf,
  freshTrustDomain,
  getEntry,
  makeBundle,
  makeEntry,
  spireError,
  storeBundle,
  type Subject,
} from './contract-subject.ts';

const INVALID_ARGUMENT = 3;

export function describeBundles(subject: () => Subject): void {
  describe('own bundle', () => {
    it('has a root, a JWT authority and a sequence number, and no refresh hint', async () => {
      const { spire, trustDomain } = subject();
      const bundle = await spire.readOwnBundle();
      assert.equal(bundle.trustDomain, trustDomain);
      assert.ok(bundle.x509Authorities.length > 0);
      assert.ok(bundle.jwtAuthorities.length > 0);
      assert.equal(bundle.refreshHintSeconds, undefined);
      assert.equal(bundle.sequenceNumber, await spire.readOwnSequenceNumber());
    });

    it('answers only what the mask asks for', async () => {
      const { bundles, trustDomain } = subject();
      const answer = await bundles.getBundle({ outputMask: { sequenceNumber: true } }, CALL);
      assert.equal(answer.trustDomain, trustDomain);
      assert.deepEqual([answer.x509Authorities, answer.jwtAuthorities], [[], []]);
      assert.ok(answer.sequenceNumber > 0n);
    });
  });

  describe('setting a federated bundle', () => {
    it('stores sequence number, refresh hint, order and repeated roots as given', async () => {
      const made = await makeBundle(freshTrustDomain(), { roots: 3, jwtKeys: 2, sequenceNumber: 7n });
      const [first, second, third] = made.x509Authorities;
      const bundle = { ...made, x509Authorities: [third!, first!, second!, first!], refreshHintSeconds: 1234 };
      assert.deepEqual(await storeBundle(subject(), bundle), bundle);
      assert.deepEqual(await subject().spire.getFederatedBundle(bundle.trustDomain), bundle);
    });

    it('keeps all 64 bits of a sequence number', async () => {
      const bundle = await makeBundle(freshTrustDomain(), { sequenceNumber: 2n ** 64n - 1n });
      await storeBundle(subject(), bundle);
      const stored = await subject().spire.getFederatedBundle(bundle.trustDomain);
      assert.equal(stored?.sequenceNumber, 18_446_744_073_709_551_615n);
    });

    it('replaces everything, also by a lower sequence number and by none', async () => {
      const trustDomain = freshTrustDomain();
      await storeBundle(
        subject(),
        await makeBundle(trustDomain, { roots: 2, jwtKeys: 1, sequenceNumber: 9n, refreshHintSeconds: 60 }),
      );
      const next = await makeBundle(trustDomain, {});
      assert.deepEqual(await storeBundle(subject(), next), next);
      assert.deepEqual(await subject().spire.getFederatedBundle(trustDomain), next);
    });

    it('accepts a bundle without any authority', async () => {
      const empty = await makeBundle(freshTrustDomain(), { roots: 0 });
      await storeBundle(subject(), empty);
      assert.deepEqual(await subject().spire.getFederatedBundle(empty.trustDomain), empty);
    });

    it('takes two certificates one after the other for one authority', async () => {
      const made = await makeBundle(freshTrustDomain(), { roots: 2 });
      const bundle = { ...made, x509Authorities: [new Uint8Array(Buffer.concat(made.x509Authorities))] };
      assert.deepEqual(await storeBundle(subject(), bundle), bundle);
    });

    it('forgets that an authority was marked as tainted', async () => {
      const message = bundleToMessage(await makeBundle(freshTrustDomain()));
      const tainted = (message.x509Authorities ?? []).map((authority) => ({ ...authority, tainted: true }));
      const request = { bundle: [{ ...message, x509Authorities: tainted }] };
      const { results } = await subject().bundles.batchSetFederatedBundle(request as object, CALL);
      assert.deepEqual(
        results[0]?.bundle?.x509Authorities.map((authority) => authority.tainted),
        [false],
      );
    });

    it('lets the last of two items for one trust domain win', async () => {
      const trustDomain = freshTrustDomain();
      const [first, second] = [await makeBundle(trustDomain), await makeBundle(trustDomain)];
      await subject().spire.setFederatedBundles([first, second]);
      assert.deepEqual(await subject().spire.getFederatedBundle(trustDomain), second);
    });

    it('refuses its own trust domain', async () => {
      const { spire, trustDomain } = subject();
      const [outcome] = await spire.setFederatedBundles([await makeBundle(trustDomain)]);
      const text = "setting a federated bundle for the server's own trust domain is not allowed";
      assert.ok(spireError('SpireRefused', text)(errorOf(outcome)));
    });

    it('refuses what is not a certificate', async () => {
      const made = await makeBundle(freshTrustDomain());
      const bundle = { ...made, x509Authorities: [...made.x509Authorities, Uint8Array.of(1, 2, 3)] };
      const [outcome] = await subject().spire.setFederatedBundles([bundle]);
      const text = 'failed to convert bundle: unable to parse X.509 authority: ';
      assert.ok(spireError('SpireRefused', text)(errorOf(outcome)));
      assert.equal(await subject().spire.getFederatedBundle(made.trustDomain), undefined);
    });

    it('refuses a JWT authority without key id and one that is no public key', async () => {
      const made = await makeBundle(freshTrustDomain(), { jwtKeys: 1 });
      const [key] = made.jwtAuthorities;
      const faults = [
        [{ ...key!, keyId: '' }, 'failed to convert bundle: unable to parse JWT authority: missing key ID'],
        [{ ...key!, publicKey: Uint8Array.of(1) }, 'failed to convert bundle: unable to parse JWT authority: '],
      ] as const;
      for (const [jwtAuthority, text] of faults) {
        const [outcome] = await subject().spire.setFederatedBundles([{ ...made, jwtAuthorities: [jwtAuthority] }]);
        assert.ok(spireError('SpireRefused', text)(errorOf(outcome)));
      }
    });

    it('stores the other items of a batch when one is refused, in order', async () => {
      const [first, bad, last] = [
        await makeBundle(freshTrustDomain()),
        await makeBundle(subject().trustDomain),
        await makeBundle(freshTrustDomain()),
      ];
      const outcomes = await subject().spire.setFederatedBundles([first, bad, last]);
      assert.deepEqual(
        outcomes.map(({ ok }) => ok),
        [true, false, true],
      );
      assert.deepEqual(await subject().spire.getFederatedBundle(last.trustDomain), last);
    });

    it('takes a trust domain also as a SPIFFE ID, and refuses capital letters', async () => {
      const message = bundleToMessage(await makeBundle(freshTrustDomain()));
      const name = message.trustDomain ?? '';
      const bundle = [`spiffe://${name}`, name.toUpperCase()].map((trustDomain) => ({ ...message, trustDomain }));
      const { results } = await subject().bundles.batchSetFederatedBundle({ bundle: bundle }, CALL);
      assert.equal(results[0]?.bundle?.trustDomain, name);
      assert.equal(results[1]?.status?.code, INVALID_ARGUMENT);
      assert.match(
        results[1].status.message,
        /^trust domain argument is not valid: trust domain characters are limited/,
      );
    });

    it('refuses a message over 4 MiB', async () => {
      const made = await makeBundle(freshTrustDomain());
      const copies = Math.ceil((4.1 * 1024 * 1024) / made.x509Authorities[0]!.length);
      const bundle = { ...made, x509Authorities: Array.from({ length: copies }, () => made.x509Authorities[0]!) };
      const [outcome] = await subject().spire.setFederatedBundles([bundle]);
      assert.ok(spireError('SpireMessageTooLarge')(errorOf(outcome)));
    });
  });

  describe('reading federated bundles', () => {
    it('has no bundle of a trust domain nobody stored', async () => {
      assert.equal(await subject().spire.getFederatedBundle(freshTrustDomain()), undefined);
    });

    it('refuses its own trust domain', async () => {
      const { spire, trustDomain } = subject();
      const text = "getting a federated bundle for the server's own trust domain is not allowed";
      await assert.rejects(spire.getFederatedBundle(trustDomain), spireError('SpireRefused', text));
    });

    it('lists the same bundles whatever the page size, never its own', async () => {
      const { bundles, spire, trustDomain } = subject();
      for (let i = 0; i < 3; i += 1) await storeBundle(subject(), await makeBundle(freshTrustDomain()));
      const all = await bundles.listFederatedBundles({}, CALL);
      const names = all.bundles.map((bundle) => bundle.trustDomain);
      assert.equal(all.nextPageToken, '');
      assert.ok(!names.includes(trustDomain));
      // Its own bundle takes a place on a page: names.length + 1 rows are one page exactly.
      for (const pageSize of [1, names.length, names.length + 1, names.length + 2]) {
        const listed: string[] = [];
        let pageToken = '';
        do {
          const page = await bundles.listFederatedBundles({ pageSize, pageToken }, CALL);
          listed.push(...page.bundles.map((bundle) => bundle.trustDomain));
          pageToken = page.nextPageToken;
        } while (pageToken !== '');
        assert.deepEqual(listed, names, `page size ${pageSize}`);
      }
      assert.deepEqual(
        (await spire.listFederatedBundles()).map((bundle) => bundle.trustDomain),
        names,
      );
    });

    it('gives a token with every page that has rows', async () => {
      const { count } = await subject().bundles.countBundles({}, CALL);
      const whole = await subject().bundles.listFederatedBundles({ pageSize: count + 1 }, CALL);
      assert.notEqual(whole.nextPageToken, '');
      const after = await subject().bundles.listFederatedBundles(
        { pageSize: count + 1, pageToken: whole.nextPageToken },
        CALL,
      );
      assert.deepEqual([after.bundles, after.nextPageToken], [[], '']);
    });
  });

  describe('deleting a federated bundle', () => {
    it('deletes what nobody federates with, and says so when there was nothing', async () => {
      const { spire } = subject();
      const { trustDomain } = await storeBundle(subject(), await makeBundle(freshTrustDomain()));
      assert.equal(await spire.deleteFederatedBundle(trustDomain, 'Restrict'), true);
      assert.equal(await spire.getFederatedBundle(trustDomain), undefined);
      assert.equal(await spire.deleteFederatedBundle(trustDomain, 'Restrict'), false);
    });

    it('refuses while an entry federates with it (RESTRICT)', async () => {
      const { trustDomain } = await storeBundle(subject(), await makeBundle(freshTrustDomain()));
      await createEntry(subject(), makeEntry(subject(), { federatesWith: [trustDomain] }));
      await assert.rejects(
        subject().spire.deleteFederatedBundle(trustDomain, 'Restrict'),
        spireError('SpireBundleInUse', 'cannot delete bundle; federated with 1 registration entries'),
      );
      assert.notEqual(await subject().spire.getFederatedBundle(trustDomain), undefined);
    });

    it('takes it from the entries without a new revision, and does not give it back (DISSOCIATE)', async () => {
      const bundle = await storeBundle(subject(), await makeBundle(freshTrustDomain()));
      const { trustDomain } = bundle;
      const { id } = makeEntry(subject());
      await createEntry(subject(), makeEntry(subject(), { id, federatesWith: [trustDomain] }));
      const before = await getEntry(subject(), id);
      assert.equal(await subject().spire.deleteFederatedBundle(trustDomain, 'Dissociate'), true);
      const after = await getEntry(subject(), id);
      assert.deepEqual([before.federatesWith, after.federatesWith], [[trustDomain], []]);
      assert.equal(after.revisionNumber, before.revisionNumber);
      await storeBundle(subject(), bundle);
      assert.deepEqual((await getEntry(subject(), id)).federatesWith, []);
    });

    it('deletes the entries too in mode DELETE, which the broker never asks for', async () => {
      const { trustDomain } = await storeBundle(subject(), await makeBundle(freshTrustDomain()));
      const { id } = makeEntry(subject());
      await createEntry(subject(), makeEntry(subject(), { id, federatesWith: [trustDomain] }));
      await subject().bundles.batchDeleteFederatedBundle({ trustDomains: [trustDomain], mode: Mode.DELETE }, CALL);
      await assert.rejects(getEntry(subject(), id), spireError('SpireNotFound'));
    });

    it('refuses its own trust domain', async () => {
      const { spire, trustDomain } = subject();
      const text = 'removing the bundle for the server trust domain is not allowed';
      await assert.rejects(spire.deleteFederatedBundle(trustDomain, 'Dissociate'), spireError('SpireRefused', text));
    });
  });
}
