// Does the client ask SPIRE Server for exactly what the broker means?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { status as GrpcStatus } from '@grpc/grpc-js';
import { parseTrustDomain, type TrustDomain } from '../../src/bundle/trust-domain.ts';
import type { ManagedPeers } from '../../src/federation/ports.ts';
import {
  CALL,
  createEntry,
  errorOf,
  getEntry,
  makeBundle,
  makeEntry,
  spireError,
} from '../contract/contract-subject.ts';
import { useDevSpire, WEST } from './dev-spire-fixture.ts';

const NORTH = parseTrustDomain('north.test');
const INTERNAL = { type: 'Refuse', code: GrpcStatus.INTERNAL, text: 'database is locked' } as const;

describe('SPIRE Server client', () => {
  const fixture = useDevSpire();

  async function storeBundles(count: number): Promise<readonly TrustDomain[]> {
    const made = await makeBundle(WEST);
    const names = Array.from({ length: count }, (_, index) => parseTrustDomain(`peer-${index}.test`));
    await fixture().spire.setFederatedBundles(names.map((trustDomain) => ({ ...made, trustDomain })));
    return names;
  }

  for (const count of [49, 50, 51]) {
    it(`writes ${count} bundles and lists all of them`, async () => {
      const names = await storeBundles(count);
      const { dev, spire } = fixture();
      assert.equal(dev.record.calls('BatchSetFederatedBundle').length, Math.ceil(count / 50));
      const listed = (await spire.listFederatedBundles()).map(({ trustDomain }) => trustDomain);
      assert.deepEqual(listed, names);
    });
  }

  for (const count of [499, 500, 501]) {
    it(`lists ${count} entries`, async () => {
      const { dev, spire, subject } = fixture();
      const entries = Array.from({ length: count }, () => makeEntry(subject));
      await subject.entries.batchCreateEntry({ entries: entries.map((entry) => entry as object) }, CALL);
      assert.equal((await spire.listEntries()).length, count);
      // A page that has entries carries a token, so that one more, empty page follows.
      assert.equal(dev.record.calls('ListEntries').length, Math.ceil(count / 500) + 1);
      assert.equal(await spire.countEntries(), count);
    });
  }

  it('leaves out of a list what it cannot read, and reports it', async () => {
    const { spire, subject, skipped, dev } = fixture();
    const entry = makeEntry(subject);
    await createEntry(subject, entry);
    await createEntry(subject, makeEntry(subject));
    // SPIRE's own checks were once weaker: a data store can hold paths that are refused today.
    dev.tamper((store) => {
      store.entries.get(entry.id)!.spiffeId!.path = '/with space';
      store.bundles.set('BAD', { ...store.bundles.get('east.test')!, trustDomain: 'BAD' });
    });
    assert.equal((await spire.listEntries()).length, 1);
    assert.deepEqual(await spire.listFederatedBundles(), []);
    assert.deepEqual(
      skipped.map(({ kind, name }) => [kind, name]),
      [
        ['entry', entry.id],
        ['bundle', 'BAD'],
      ],
    );
  });

  it('fails each item when a batch fails as a whole', async () => {
    const { dev, spire } = fixture();
    dev.failNext('BatchSetFederatedBundle', INTERNAL);
    const outcomes = await spire.setFederatedBundles([await makeBundle(WEST), await makeBundle(NORTH)]);
    assert.equal(outcomes.length, 2);
    for (const outcome of outcomes) assert.ok(spireError('SpireInternal', 'database is locked')(errorOf(outcome)));
    dev.failNext('BatchUpdateEntry', INTERNAL);
    const [update] = await spire.updateFederatesWith([{ id: 'x', federatesWith: [] }]);
    assert.ok(spireError('SpireInternal', 'database is locked')(errorOf(update)));
  });

  it('makes no call for nothing to write', async () => {
    const { dev, spire } = fixture();
    assert.deepEqual(await spire.setFederatedBundles([]), []);
    assert.deepEqual(await spire.updateFederatesWith([]), []);
    assert.deepEqual(dev.record.calls(), []);
  });

  it('passes on every failure that is not "not there"', async () => {
    const { dev, spire } = fixture();
    const fails = spireError('SpireInternal', 'database is locked');
    dev.failNext('GetFederatedBundle', INTERNAL);
    await assert.rejects(spire.getFederatedBundle(WEST), fails);
    dev.failNext('BatchDeleteFederatedBundle', INTERNAL);
    await assert.rejects(spire.deleteFederatedBundle(WEST, 'Restrict'), fails);
    dev.failNext('BatchDeleteFederationRelationship', INTERNAL);
    await assert.rejects(spire.deleteFederationRelationship(WEST), fails);
    dev.failNext('RefreshBundle', INTERNAL);
    await assert.rejects(spire.refreshBundle(WEST), fails);
    dev.failNext('GetEntry', INTERNAL);
    await assert.rejects(spire.readManagedPeers(), fails);
    dev.failNext('BatchCreateEntry', INTERNAL);
    await assert.rejects(spire.writeManagedPeers(new Map()), fails);
  });

  it('changes federates_with and nothing else', async () => {
    const { spire, subject } = fixture();
    await storeBundles(1);
    const entry = makeEntry(subject, { hint: 'kept', dnsNames: ['kept.test'], admin: true, x509SvidTtl: 77 });
    await createEntry(subject, entry);
    const before = await getEntry(subject, entry.id);
    await spire.updateFederatesWith([{ id: entry.id, federatesWith: [parseTrustDomain('peer-0.test')] }]);
    assert.deepEqual(await getEntry(subject, entry.id), {
      ...before,
      federatesWith: ['peer-0.test'],
      revisionNumber: 1n,
    });
  });
});

describe('record of managed peers', () => {
  const fixture = useDevSpire();
  const PEERS: ManagedPeers = new Map([
    [WEST, 'Own'],
    [NORTH, 'Delegate'],
  ] as const);

  it('is empty when nothing was ever recorded, and reading it writes nothing', async () => {
    const { dev, spire } = fixture();
    assert.deepEqual(await spire.readManagedPeers(), new Map());
    assert.deepEqual(dev.record.writes(), []);
  });

  it('is not written again when it is the same', async () => {
    const { dev, spire } = fixture();
    await spire.writeManagedPeers(PEERS);
    assert.equal(dev.record.writes().length, 1);
    await spire.writeManagedPeers(new Map([...PEERS].reverse()));
    assert.equal(dev.record.writes().length, 1);
  });

  it('says how each peer is managed, also after that changed', async () => {
    const { spire } = fixture();
    await spire.writeManagedPeers(PEERS);
    const changed: ManagedPeers = new Map([[WEST, 'Delegate']]);
    await spire.writeManagedPeers(changed);
    assert.deepEqual(await spire.readManagedPeers(), changed);
  });

  it('can be given to no workload: SPIFFE ID, parent and selectors are the broker’s own', async () => {
    const { spire, subject } = fixture();
    await spire.writeManagedPeers(PEERS);
    const entry = await getEntry(subject, 'fedbroker.managed-peers');
    assert.deepEqual(
      [entry.spiffeId?.path, entry.parentId?.path],
      ['/federation-broker/managed-peers', '/federation-broker'],
    );
    assert.deepEqual(
      entry.selectors.map(({ type, value }) => `${type}:${value}`),
      ['fedbroker:record', 'fedbroker:own:west.test', 'fedbroker:delegate:north.test'],
    );
  });

  it('of a thousand peers has few selectors, none longer than a column of MySQL', async () => {
    const { spire, subject } = fixture();
    const names = Array.from({ length: 1_000 }, (_, number) => parseTrustDomain(`peer-${number}.example`));
    const thousand: ManagedPeers = new Map(names.map((name, number) => [name, number % 2 === 0 ? 'Own' : 'Delegate']));
    await spire.writeManagedPeers(thousand);
    assert.deepEqual(new Map([...(await spire.readManagedPeers())].sort()), new Map([...thousand].sort()));
    const { selectors } = await getEntry(subject, 'fedbroker.managed-peers');
    assert.ok(selectors.length < 100, String(selectors.length));
    assert.ok(selectors.every(({ value }) => value.length <= 255));
  });

  it('is written all the same when another replica records first', async () => {
    const { dev, spire } = fixture();
    await spire.writeManagedPeers(new Map());
    // It was read just before the other replica wrote.
    dev.failNext('GetEntry', { type: 'Refuse', code: GrpcStatus.NOT_FOUND, text: 'entry not found' });
    await spire.writeManagedPeers(PEERS);
    assert.deepEqual(await spire.readManagedPeers(), PEERS);
  });

  it('reports selectors that are not of the record and reads the others', async () => {
    const { spire, subject, skipped } = fixture();
    await spire.writeManagedPeers(PEERS);
    const selectors = ['record', 'own:west.test', 'owned:x.test', 'own:X', 'own'].map((value) => ({
      type: 'fedbroker',
      value,
    }));
    const entries = [{ id: 'fedbroker.managed-peers', selectors: [...selectors, { type: 'unix', value: 'uid:0' }] }];
    await subject.entries.batchUpdateEntry({ entries, inputMask: { selectors: true } }, CALL);
    assert.deepEqual(await spire.readManagedPeers(), new Map([[WEST, 'Own']]));
    assert.deepEqual(
      skipped.map(({ name }) => name),
      ['fedbroker:owned:x.test', 'fedbroker:own:X', 'fedbroker:own', 'unix:uid:0'],
    );
  });
});
