// Do release, reject and quarantine change exactly what they mean to of an object, and only the version they looked at?
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { endQuarantine, quarantine, rejectDigest } from '../../src/federation/declaration-edit.ts';
import { systemClock } from '../../src/federation/clock.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import { peerObjectStore } from '../../src/kubernetes/edit-peer-object.ts';
import { evidenceInStatus, type ReportedEvidence } from '../../src/kubernetes/evidence-in-status.ts';
import { startFakeApiServer, type FakeApiServer } from '../fakes/fake-api-server.ts';
import { PEERS, placeOf } from './west.ts';

const { signal } = new AbortController();
const A = 'aa'.repeat(32);
const QUARANTINE = 'fedbroker.dev/quarantine-reason';

describe('an object', () => {
  let fake: FakeApiServer;
  let api: ApiServer;

  beforeEach(async () => {
    fake = await startFakeApiServer([PEERS]);
    api = await openApiServer({ access: await fake.serviceAccount(), clock: systemClock, timeoutMs: 5_000 });
    const metadata = { name: 'west', annotations: { team: 'mesh', 'fedbroker.dev/last-good-bundle': 'old' } };
    fake.store.create(placeOf('west'), { metadata, spec: { trustDomain: 'west.example', mode: 'Own' } }, 'kubectl');
    fake.store.create(
      placeOf('north'),
      { metadata: { name: 'north' }, spec: { trustDomain: 'north.example' } },
      'kubectl',
    );
  });
  afterEach(async () => {
    api.close();
    await fake.close();
  });

  const west = async () => {
    const { items } = await api.list({ resource: PEERS });
    return [...items].find(({ metadata }) => metadata.name === 'west')!;
  };

  it('is found by name and by trust domain', async () => {
    const store = peerObjectStore(api);
    for (const wanted of ['west', 'west.example']) {
      assert.deepEqual(
        (await store.find(wanted, signal)).map(({ name }) => name),
        ['west'],
      );
    }
    assert.deepEqual(await store.find('south', signal), []);
  });

  it('is quarantined and released, and keeps what else it says', async () => {
    const store = peerObjectStore(api);
    const [before] = await store.find('west', signal);
    await store.edit(before!, quarantine('lost a key', undefined), signal);
    const cut = await west();
    assert.deepEqual(cut['spec'], { trustDomain: 'west.example', mode: 'Own', suspend: 'Revoke' });
    assert.deepEqual(cut.metadata.annotations, { ...before!.annotations, [QUARANTINE]: 'lost a key' });

    const [quarantined] = await store.find('west', signal);
    await store.edit(quarantined!, endQuarantine(quarantined!), signal);
    const back = await west();
    assert.deepEqual(back['spec'], { trustDomain: 'west.example', mode: 'Own', suspend: false });
    assert.deepEqual(back.metadata.annotations, before!.annotations);
  });

  it('that somebody changed meanwhile is left as it is', async () => {
    const store = peerObjectStore(api);
    const [before] = await store.find('west', signal);
    await store.edit(before!, rejectDigest(before!, A), signal);
    await assert.rejects(store.edit(before!, quarantine('x', undefined), signal), { code: 'DeclarationChanged' });
    assert.equal((await west()).metadata.annotations?.[QUARANTINE], undefined);
  });
});

describe('the evidence in a status', () => {
  const seen = (digest: string, firstSeen: string): ReportedEvidence => ({
    verdict: 'held',
    reason: 'DisjointRoots',
    firstSeen,
    lastSeen: '2030-01-01T00:10:00.500Z',
    endpointCertificates: ['c0'],
    bundle: { digest, sequence: '7', roots: Array.from({ length: 20 }, () => ({ fingerprint: 'f' })) },
  });

  it('outlives the broker that saw it, with the first time it was seen', () => {
    const before = evidenceInStatus([seen('a', '2030-01-01T00:00:00Z'), seen('b', '2030-01-01T00:01:00Z')]);
    assert.deepEqual(evidenceInStatus([], before), before);
    const after = evidenceInStatus([seen('b', '2030-01-01T00:09:00Z')], before)!;
    assert.deepEqual(
      after.map(({ digest, firstSeen }) => `${digest} ${firstSeen}`),
      ['b 2030-01-01T00:01:00Z', 'a 2030-01-01T00:00:00Z'],
    );
  });

  it('is bounded, and absent where there never was any', () => {
    const many = Array.from({ length: 12 }, (_, index) => seen(String(index), '2030-01-01T00:00:00Z'));
    assert.equal(evidenceInStatus(many)?.length, 8);
    assert.equal(evidenceInStatus(many)?.[0]?.rootFingerprints?.length, 16);
    assert.equal(evidenceInStatus([]), undefined);
  });
});
