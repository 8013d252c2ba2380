// What does SPIRE Server promise about registration entries? (measured on SPIRE 1.15.3)
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTrustDomain, type TrustDomain } from '../../src/bundle/trust-domain.ts';
import { spiffeIdToMessage } from '../../src/spire/entry-messages.ts';
import { FederatesWithMatch_MatchBehavior as Match } from '../../src/spire/gen/spire/api/types/federateswith_pb.ts';
import { SelectorMatch_MatchBehavior as SelectorMatch } from '../../src/spire/gen/spire/api/types/selector_pb.ts';
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

const OK = 0;
const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;
const INTERNAL = 13;

export function describeEntries(subject: () => Subject): void {
  /** A trust domain whose bundle is stored. */
  async function knownTrustDomain(): Promise<TrustDomain> {
    return (await storeBundle(subject(), await makeBundle(freshTrustDomain()))).trustDomain;
  }

  async function update(id: string, federatesWith: readonly TrustDomain[]) {
    const [outcome] = await subject().spire.updateFederatesWith([{ id, federatesWith }]);
    return outcome;
  }

  describe('creating an entry', () => {
    it('keeps the id it is given and lists the entry', async () => {
      const peer = await knownTrustDomain();
      const entry = makeEntry(subject(), { federatesWith: [peer], hint: 'internal' });
      const { status } = await createEntry(subject(), entry);
      assert.equal(status?.code, OK);
      const listed = (await subject().spire.listEntries()).find(({ id }) => id === entry.id);
      assert.deepEqual(listed, {
        id: entry.id,
        spiffeId: `spiffe://${subject().trustDomain}${entry.spiffeId?.path ?? ''}`,
        parentId: subject().ownId('/node'),
        selectors: [{ type: 'unix', value: 'uid:0' }],
        federatesWith: [peer],
        hint: 'internal',
      });
    });

    it('makes up an id when none is given, and starts at revision 0', async () => {
      const { entry } = await createEntry(subject(), makeEntry(subject(), { id: '' }));
      assert.match(entry?.id ?? '', /^[0-9a-f-]{36}$/);
      assert.equal(entry?.revisionNumber, 0n);
      assert.ok(entry.createdAt > 0n);
    });

    it('refuses to federate with a trust domain whose bundle it does not hold', async () => {
      const { status } = await createEntry(subject(), makeEntry(subject(), { federatesWith: ['nope.test'] }));
      assert.equal(status?.code, INTERNAL);
      assert.equal(status.message, 'failed to create entry: unable to find federated bundle "spiffe://nope.test"');
    });

    it('answers the existing entry, unchanged, for the same SPIFFE ID, parent and selectors', async () => {
      const entry = makeEntry(subject());
      await createEntry(subject(), entry);
      const again = await createEntry(subject(), { ...entry, id: `${entry.id}.other`, hint: 'other' });
      assert.equal(again.status?.code, ALREADY_EXISTS);
      assert.deepEqual([again.entry?.id, again.entry?.hint], [entry.id, '']);
    });

    it('refuses an id that another entry has', async () => {
      const { id } = makeEntry(subject());
      await createEntry(subject(), makeEntry(subject(), { id }));
      const { status } = await createEntry(subject(), makeEntry(subject(), { id }));
      assert.equal(status?.code, ALREADY_EXISTS);
      assert.match(status.message, /^failed to create entry: datastore-sql: UNIQUE constraint failed: /);
    });

    const INVALID = [
      ['an id with other characters', () => ({ id: 'a/b' }), /entry ID contains invalid characters/],
      ['an id over 255 characters', () => ({ id: 'x'.repeat(256) }), /entry ID too long/],
      ['no selectors', () => ({ selectors: [] }), /^failed to convert entry: selector list is empty$/],
      [
        'a selector type with a colon',
        () => ({ selectors: [{ type: 'a:b', value: 'c' }] }),
        /^failed to convert entry: selector type contains ':'$/,
      ],
      [
        'a SPIFFE ID in the reserved namespace',
        () => ({ spiffeId: spiffeIdToMessage(subject().ownId('/spire/x')) }),
        /^failed to convert entry: invalid spiffe ID: .* path is in the reserved namespace$/,
      ],
      [
        'a SPIFFE ID of another trust domain',
        () => ({ spiffeId: { trustDomain: 'other.test', path: '/x' } }),
        /^failed to convert entry: invalid spiffe ID: "spiffe:\/\/other.test\/x" is not a member of trust domain /,
      ],
      [
        'a SPIFFE ID without path',
        () => ({ spiffeId: { trustDomain: subject().trustDomain, path: '' } }),
        /^failed to convert entry: invalid spiffe ID: .* path is empty$/,
      ],
      ['no parent', () => ({ parentId: {} }), /^failed to convert entry: invalid parent ID: trust domain is missing$/],
      [
        'a trust domain name with capital letters',
        () => ({ federatesWith: ['West.test'] }),
        /^failed to convert entry: invalid federated trust domain: trust domain characters are limited/,
      ],
    ] as const;
    for (const [what, fault, text] of INVALID) {
      it(`refuses ${what}`, async () => {
        const { status } = await createEntry(subject(), makeEntry(subject(), fault()));
        assert.equal(status?.code, INVALID_ARGUMENT);
        assert.match(status.message, text);
      });
    }
  });

  describe('updating federates_with', () => {
    it('replaces the set, leaves everything else and raises the revision', async () => {
      const [first, second] = [await knownTrustDomain(), await knownTrustDomain()];
      const entry = makeEntry(subject(), { federatesWith: [first], hint: 'kept' });
      await createEntry(subject(), entry);
      assert.deepEqual(await update(entry.id, [second]), { ok: true, value: [second] });
      const stored = await getEntry(subject(), entry.id);
      assert.deepEqual([stored.federatesWith, stored.hint, stored.revisionNumber], [[second], 'kept', 1n]);
      assert.equal(stored.selectors.length, 1);
    });

    it('raises the revision also when nothing changes', async () => {
      const entry = makeEntry(subject(), { federatesWith: [await knownTrustDomain()] });
      await createEntry(subject(), entry);
      await update(entry.id, entry.federatesWith!.map(parseTrustDomain));
      assert.equal((await getEntry(subject(), entry.id)).revisionNumber, 1n);
    });

    it('keeps each trust domain once, in an order of its own', async () => {
      const [older, newer] = [await knownTrustDomain(), await knownTrustDomain()];
      const { id } = makeEntry(subject());
      await createEntry(subject(), makeEntry(subject(), { id }));
      const outcome = await update(id, [newer, older, newer]);
      assert.ok(outcome?.ok);
      assert.deepEqual([...outcome.value].sort(), [older, newer].sort());
      assert.deepEqual([...(await getEntry(subject(), id)).federatesWith].sort(), [older, newer].sort());
    });

    it('refuses a trust domain whose bundle it does not hold and changes nothing', async () => {
      const entry = makeEntry(subject(), { federatesWith: [await knownTrustDomain()] });
      await createEntry(subject(), entry);
      const text = 'failed to update entry: unable to find federated bundle "spiffe://nope.test"';
      const outcome = await update(entry.id, [parseTrustDomain('nope.test')]);
      assert.ok(spireError('SpireBundleMissing', text)(errorOf(outcome)));
      const stored = await getEntry(subject(), entry.id);
      assert.deepEqual([stored.federatesWith, stored.revisionNumber], [entry.federatesWith, 0n]);
    });

    it('does the other items of a batch when one is refused', async () => {
      const peer = await knownTrustDomain();
      const { id } = makeEntry(subject());
      await createEntry(subject(), makeEntry(subject(), { id }));
      const outcomes = await subject().spire.updateFederatesWith([
        { id: 'contract.no-such-entry', federatesWith: [peer] },
        { id, federatesWith: [peer] },
      ]);
      assert.ok(spireError('SpireNotFound')(errorOf(outcomes[0])));
      assert.deepEqual(outcomes[1], { ok: true, value: [peer] });
    });
  });

  describe('reading entries', () => {
    it('lists the same entries whatever the page size', async () => {
      const { entries } = subject();
      for (let i = 0; i < 3; i += 1) await createEntry(subject(), makeEntry(subject()));
      const all = await entries.listEntries({}, CALL);
      const ids = all.entries.map(({ id }) => id).sort();
      assert.equal(all.nextPageToken, '');
      assert.equal((await entries.countEntries({}, CALL)).count, ids.length);
      for (const pageSize of [2, ids.length - 1, ids.length, ids.length + 1]) {
        const listed: string[] = [];
        let pageToken = '';
        do {
          const page = await entries.listEntries({ pageSize, pageToken }, CALL);
          listed.push(...page.entries.map(({ id }) => id));
          pageToken = page.nextPageToken;
        } while (pageToken !== '');
        assert.deepEqual(listed.sort(), ids, `page size ${pageSize}`);
      }
    });

    it('refuses a page token that it did not give', async () => {
      const request = { pageSize: 1, pageToken: 'x' };
      const text = "could not parse token 'x'";
      await assert.rejects(subject().entries.listEntries(request, CALL), spireError('SpireInternal', text));
      await assert.rejects(subject().bundles.listFederatedBundles(request, CALL), spireError('SpireInternal', text));
    });

    it('answers only what the mask asks for, and always the id', async () => {
      const { id } = makeEntry(subject());
      await createEntry(subject(), makeEntry(subject(), { id, hint: 'h' }));
      const entry = await subject().entries.getEntry({ id, outputMask: { hint: true } }, CALL);
      assert.deepEqual([entry.id, entry.hint, entry.spiffeId, entry.selectors], [id, 'h', undefined, []]);
    });

    it('filters by SPIFFE ID, by selectors and by whom entries federate with', async () => {
      const [first, second] = [await knownTrustDomain(), await knownTrustDomain()];
      const one = makeEntry(subject(), { federatesWith: [first] });
      const selectors = [{ type: 'contract', value: one.id }];
      const both = makeEntry(subject(), { federatesWith: [first, second], selectors });
      await createEntry(subject(), one);
      await createEntry(subject(), both);
      const federatesWith = (match: Match, ...trustDomains: string[]) => ({ byFederatesWith: { match, trustDomains } });
      const FILTERS = [
        [{ bySpiffeId: one.spiffeId! }, [one.id]],
        [{ bySelectors: { selectors, match: SelectorMatch.MATCH_EXACT } }, [both.id]],
        [federatesWith(Match.MATCH_EXACT, first), [one.id]],
        [federatesWith(Match.MATCH_SUPERSET, first), [one.id, both.id]],
        [federatesWith(Match.MATCH_SUBSET, first, second), [one.id, both.id]],
        [federatesWith(Match.MATCH_ANY, second), [both.id]],
      ] as const;
      for (const [filter, expected] of FILTERS) {
        const { entries } = await subject().entries.listEntries({ filter: filter as object }, CALL);
        assert.deepEqual(entries.map(({ id }) => id).sort(), [...expected].sort(), JSON.stringify(filter));
        assert.equal((await subject().entries.countEntries({ filter: filter as object }, CALL)).count, expected.length);
      }
      const none = { filter: { byFederatesWith: { trustDomains: [] } } };
      const text = 'malformed federates with filter: empty trust domain set';
      await assert.rejects(subject().entries.listEntries(none, CALL), spireError('SpireRefused', text));
    });

    it('has no entry of an id nobody used', async () => {
      await assert.rejects(getEntry(subject(), 'contract.none'), spireError('SpireNotFound', 'entry not found'));
      const { results } = await subject().entries.batchDeleteEntry({ ids: ['contract.none', ''] }, CALL);
      assert.deepEqual(
        results.map(({ status }) => status?.code),
        [NOT_FOUND, INVALID_ARGUMENT],
      );
    });

    it('forgets a deleted entry', async () => {
      const { id } = makeEntry(subject());
      await createEntry(subject(), makeEntry(subject(), { id }));
      const { results } = await subject().entries.batchDeleteEntry({ ids: [id] }, CALL);
      assert.deepEqual([results[0]?.id, results[0]?.status?.code], [id, OK]);
      await assert.rejects(getEntry(subject(), id), spireError('SpireNotFound'));
    });
  });

  describe('the record of managed peers', () => {
    it('is kept in one entry that no list of entries shows, and is written only when it changes', async () => {
      const { spire } = subject();
      const peers = new Map([
        [freshTrustDomain(), 'Own'],
        [freshTrustDomain(), 'Delegate'],
      ] as const);
      await spire.writeManagedPeers(peers);
      assert.deepEqual(await spire.readManagedPeers(), peers);
      await spire.writeManagedPeers(new Map([...peers].reverse()));
      assert.equal((await getEntry(subject(), 'fedbroker.managed-peers')).revisionNumber, 0n);
      await spire.writeManagedPeers(new Map());
      assert.deepEqual(await spire.readManagedPeers(), new Map());
      assert.equal((await getEntry(subject(), 'fedbroker.managed-peers')).revisionNumber, 1n);
      const ids = (await spire.listEntries()).map(({ id }) => id);
      assert.ok(!ids.includes('fedbroker.managed-peers'));
    });
  });
}
