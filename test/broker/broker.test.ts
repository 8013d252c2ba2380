// Does a running broker keep SPIRE as declared, and its hands off everything else? Over a real socket.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import type { BundleSource, SpireServer } from '../../src/federation/ports.ts';
import type { Peer } from '../../src/federation/relationship.ts';
import { SpireError } from '../../src/spire/spire-error.ts';
import { bundleOf, NORTH, peerOf, selecting, EAST, WEST } from '../federation/samples.ts';
import { readiness, ScriptedSource, SETTINGS, startSide, until, type Side } from './side.ts';

const westUrl = peerOf(WEST).bundleEndpointUrl;
const northUrl = peerOf(NORTH).bundleEndpointUrl;

describe('a broker beside SPIRE', () => {
  let side: Side;
  let source: ScriptedSource;

  beforeEach(async () => {
    side = await startSide(EAST);
    source = new ScriptedSource();
    source.publish(westUrl, bundleOf(WEST));
    source.publish(northUrl, bundleOf(NORTH));
  });
  afterEach(() => side.stop());

  /** Peers whose endpoints need no bundle to be verified: what is tried here comes after that. */
  const web = (name: TrustDomain, changes: Parameters<typeof peerOf>[1] = {}) =>
    peerOf(name, { profile: { type: 'https_web' }, ...changes });
  const stored = (name: TrustDomain) => side.spire.getFederatedBundle(name);
  const ready = (name: TrustDomain) => until(`${name} is ready`, () => readiness(side.peer(name)) === 'True Ready');
  const settled = async () => {
    const passes = () => side.reports.length;
    for (let before = -1; before !== passes();) {
      before = passes();
      await pause(150);
    }
  };

  it('stores what the peer publishes, verbatim, and links the chosen entries', async () => {
    const chosen = await side.createEntry('/pay/api');
    const other = await side.createEntry('/other');
    side.declare([web(WEST, { entrySelectors: selecting('/pay/*') })]);
    await side.startBroker(source);
    await ready(WEST);
    const held = await stored(WEST);
    assert.deepEqual([held?.sequenceNumber, held?.refreshHintSeconds], [7n, 60]);
    await until('linked', async () => (await side.links(chosen))?.includes(WEST));
    assert.deepEqual(await side.links(other), []);
  });

  it('writes nothing in steady state (rule 7)', async () => {
    const entry = await side.createEntry('/pay/api');
    side.declare([web(WEST, { entrySelectors: selecting('/**') }), web(NORTH)]);
    await side.startBroker(source);
    await ready(WEST);
    await until('linked', async () => (await side.links(entry))?.length === 1);
    await settled();
    side.dev.record.forget();
    const revision = await side.revision(entry);
    const asked = source.asked.length;
    await until('further fetches', () => source.asked.length > asked + 6);
    assert.deepEqual(side.dev.record.writes(), []);
    assert.equal(await side.revision(entry), revision);
  });

  it('writes nothing more from the moment at which it may not, also in the middle of a pass', async () => {
    const entry = await side.createEntry('/pay/api');
    side.declare([web(WEST, { entrySelectors: selecting('/**') })]);
    const mayWrite = () => side.dev.record.writes().filter(({ rpc }) => rpc === 'BatchSetFederatedBundle').length === 0;
    await side.startBroker(source, { mayWrite });
    await until('the bundle is stored', async () => (await stored(WEST)) !== undefined);
    await pause(150);
    assert.deepEqual(await side.links(entry), []);
  });

  it('links an entry that is created later', async () => {
    side.declare([web(WEST, { entrySelectors: selecting('/**') })]);
    await side.startBroker(source);
    await ready(WEST);
    const late = await side.createEntry('/late');
    await until('linked', async () => (await side.links(late))?.includes(WEST));
  });

  it('keeps what SPIRE holds when the endpoint answers nonsense, and goes on when it mends (rule 1)', async () => {
    side.declare([web(WEST)]);
    await side.startBroker(source);
    await ready(WEST);
    for (const [body, reason] of [
      ['{}', 'KeysMissing'],
      ['{"keys":[]}', 'EmptyBundle'],
      ['<html>', 'DocumentNotJson'],
    ] as const) {
      source.answer(westUrl, () => Promise.resolve(Buffer.from(body)));
      await until(reason, () => readiness(side.peer(WEST)) === `False ${reason}`);
      assert.deepEqual((await stored(WEST))?.x509Authorities.length, 1);
    }
    source.publish(westUrl, bundleOf(WEST, [0, 1], { sequenceNumber: 8n }));
    await ready(WEST);
    await until('the new root', async () => (await stored(WEST))?.x509Authorities.length === 2);
  });

  it('asks again at once, trusting a newer declared bundle, when no held root signed the endpoint', async () => {
    const newer = bundleOf(WEST, [1], { sequenceNumber: 8n });
    await side.spire.setFederatedBundles([bundleOf(WEST)]);
    side.declare([peerOf(WEST)]);
    const signedByNewRoot: BundleSource = {
      fetch: (request) => {
        const { trust } = request;
        if (trust.type === 'https_spiffe' && trust.authorities[0] === newer.x509Authorities[0]) {
          return source.fetch(request);
        }
        return Promise.reject(Object.assign(new Error('unknown root'), { code: 'EndpointRootUnknown' }));
      },
    };
    source.publish(westUrl, newer);
    await side.startBroker(signedByNewRoot, {
      readBootstrap: () => Promise.resolve(newer),
      settings: { ...SETTINGS, refresh: { ...SETTINGS.refresh, minSeconds: 60, maxSeconds: 60 } },
    });
    await until('stored', async () => (await stored(WEST))?.sequenceNumber === 8n);
    await ready(WEST);
  });

  it('does not let one peer that never answers delay another', async () => {
    source.answer(northUrl, () => new Promise(() => undefined));
    side.declare([web(NORTH), web(WEST)]);
    await side.startBroker(source);
    await ready(WEST);
    assert.match(readiness(side.peer(NORTH)), /^Unknown/);
  });

  it('does not let one refused entry keep others from being linked', async () => {
    const [first, second] = [await side.createEntry('/a'), await side.createEntry('/b')];
    side.declare([web(WEST, { entrySelectors: selecting('/**') })]);
    // Somebody deletes the first entry between our reading and our writing.
    let once = true;
    const spire: SpireServer = {
      ...side.spire,
      updateFederatesWith: (updates, signal) => {
        const altered = once
          ? updates.map((update) => (update.id === first ? { ...update, id: 'gone' } : update))
          : updates;
        once = false;
        return side.spire.updateFederatesWith(altered, signal);
      },
    };
    await side.startBroker(source, { spire });
    await until('the second is linked', async () => (await side.links(second))?.includes(WEST));
    await until('the first is linked by a later pass', async () => (await side.links(first))?.includes(WEST));
    const refused = side.reports.flatMap(({ outcomes }) => outcomes).filter(({ error }) => error !== undefined);
    assert.deepEqual(
      refused.map(({ error, subject }) => [error?.code, subject]),
      [['SpireNotFound', 'spiffe://east.example/a']],
    );
  });

  it('takes a removed peer away: links first, then the bundle, others untouched (rules 8, 10)', async () => {
    const entry = await side.createEntry('/api');
    side.declare([web(WEST, { entrySelectors: selecting('/**') }), web(NORTH, { entrySelectors: selecting('/**') })]);
    await side.startBroker(source);
    await until('linked to both', async () => (await side.links(entry))?.length === 2);
    side.declare([web(NORTH, { entrySelectors: selecting('/**') })]);
    await until('gone', async () => (await stored(WEST)) === undefined);
    assert.deepEqual(await side.links(entry), [NORTH]);
    assert.ok(await stored(NORTH));
    await until('forgotten', async () => !(await side.spire.readManagedPeers()).has(WEST));
  });

  it('keeps the bundle of a peer that is declared again while its removal is under way', async () => {
    const peer = web(WEST, { entrySelectors: selecting('/**') });
    const entry = await side.createEntry('/api');
    side.declare([peer]);
    const spire: SpireServer = {
      ...side.spire,
      updateFederatesWith: async (updates, signal) => {
        const outcomes = await side.spire.updateFederatesWith(updates, signal);
        // SPIRE is slow, and the operator has second thoughts.
        if (updates.some(({ federatesWith }) => federatesWith.length === 0)) side.declare([peer]);
        return outcomes;
      },
    };
    await side.startBroker(source, { spire });
    await until('linked', async () => (await side.links(entry))?.length === 1);
    side.dev.record.forget();
    side.declare([]);
    await until('links taken', () => side.dev.record.calls('BatchUpdateEntry').length > 0);
    await until('linked again', async () => (await side.links(entry))?.length === 1);
    assert.deepEqual(side.dev.record.calls('BatchDeleteFederatedBundle'), []);
    assert.ok(await stored(WEST));
  });

  it('takes no link from a peer that is declared again before the links are changed', async () => {
    const [west, north] = [WEST, NORTH].map((name) => web(name, { entrySelectors: selecting('/**') })) as [Peer, Peer];
    const entry = await side.createEntry('/api');
    const written: (readonly TrustDomain[])[] = [];
    let isLinked = false;
    let isDeclaredAgain = false;
    const spire: SpireServer = {
      ...side.spire,
      setFederatedBundles: (bundles, signal) => {
        if (bundles.some(({ trustDomain }) => trustDomain === NORTH)) {
          isDeclaredAgain = true;
          side.declare([west, north]);
        }
        return side.spire.setFederatedBundles(bundles, signal);
      },
      updateFederatesWith: (updates, signal) => {
        // Only a plan that also stores the other peer's bundle is of interest.
        if (isLinked && !isDeclaredAgain) throw new SpireError('SpireUnreachable', 'not now');
        written.push(...updates.map(({ federatesWith }) => federatesWith));
        return side.spire.updateFederatesWith(updates, signal);
      },
    };
    side.declare([west]);
    await side.startBroker(source, { spire });
    await until('linked', async () => (await side.links(entry))?.length === 1);
    isLinked = true;
    source.publish(northUrl, bundleOf(NORTH));
    side.declare([north]);
    await until('linked to both', async () => (await side.links(entry))?.length === 2);
    assert.deepEqual(
      written.filter((names) => !names.includes(WEST)),
      [],
    );
  });

  it('removes nothing that was never its own, and nothing while declarations are incomplete (rule 8)', async () => {
    await side.spire.setFederatedBundles([bundleOf(NORTH)]);
    side.declare([web(WEST)]);
    await side.startBroker(source);
    await ready(WEST);
    side.declare([], 'west.yaml has faults');
    side.declarationsFail(Object.assign(new Error('unmounted'), { code: 'PeersDirectoryUnreadable' }));
    await settled();
    assert.ok(await stored(WEST));
    assert.ok(await stored(NORTH));
  });

  it('finishes a removal that a killed broker had begun', async () => {
    const entry = await side.createEntry('/api');
    side.declare([web(WEST, { entrySelectors: selecting('/**') })]);
    const first = await side.startBroker(source);
    await until('linked', async () => (await side.links(entry))?.length === 1);
    await first.stop();
    side.declare([]);
    await side.startBroker(source);
    await until('gone', async () => (await stored(WEST)) === undefined);
    assert.deepEqual(await side.links(entry), []);
  });

  it('cuts the links at once when a peer is revoked', async () => {
    const entry = await side.createEntry('/api');
    side.declare([web(WEST, { entrySelectors: selecting('/**') })]);
    await side.startBroker(source);
    await until('linked', async () => (await side.links(entry))?.length === 1);
    side.declare([web(WEST, { entrySelectors: selecting('/**'), suspend: 'Revoke' })]);
    await until('gone', async () => (await stored(WEST)) === undefined);
    assert.deepEqual(await side.links(entry), []);
    await settled();
    assert.equal(await stored(WEST), undefined);
  });

  it('goes on after SPIRE was down, and writes nothing that is not needed', async () => {
    side.declare([web(WEST)]);
    await side.startBroker(source);
    await ready(WEST);
    await settled();
    await side.dev.stopListening();
    await until('unreadable', () => readiness(side.peer(WEST)) === 'Unknown SpireUnreachable');
    side.dev.record.forget();
    await side.dev.startListening();
    await ready(WEST);
    await settled();
    assert.deepEqual(side.dev.record.writes(), []);
  });

  it('tries a write again whose answer was lost, to the same end', async () => {
    side.dev.failNext('BatchSetFederatedBundle', { type: 'LoseAnswer' });
    side.declare([web(WEST)]);
    await side.startBroker(source);
    await ready(WEST);
  });

  it('does not take its own writes whose answers were lost for those of a second writer', async () => {
    side.declare([web(WEST)]);
    await side.startBroker(source);
    await ready(WEST);
    for (const sequenceNumber of [8n, 9n, 10n, 11n]) {
      side.dev.failNext('BatchSetFederatedBundle', { type: 'LoseAnswer' });
      source.publish(westUrl, bundleOf(WEST, [0, 1], { sequenceNumber }));
      await until('stored', async () => (await stored(WEST))?.sequenceNumber === sequenceNumber);
      // SPIRE is listed before the pass is tried again.
      await pause(200);
    }
    await ready(WEST);
  });

  describe('when somebody else writes too (rule 9)', () => {
    it('stops at a relationship that SPIRE has by its API, and names the command that removes it', async () => {
      const { trustDomain, bundleEndpointUrl, profile } = web(WEST);
      await side.spire.createFederationRelationship({ trustDomain, bundleEndpointUrl, profile }, undefined);
      side.declare([web(WEST)]);
      await side.startBroker(source);
      await until('conflict', () => readiness(side.peer(WEST)) === 'False Conflict');
      await settled();
      assert.deepEqual(side.dev.record.calls('BatchSetFederatedBundle'), []);
      const { message } = side.peer(WEST)!.conditions.find(({ type }) => type === 'SingleWriter')!;
      assert.match(message, /spire-server federation delete -id west\.example/);
      await side.spire.deleteFederationRelationship(WEST);
      await ready(WEST);
    });

    it('stops at a relationship of SPIRE’s configuration file, which no list shows', async () => {
      const other = await startSide(EAST, { configuredRelationships: [WEST] });
      try {
        other.declare([web(WEST)]);
        await other.startBroker(source);
        await until('conflict', () => readiness(other.peer(WEST)) === 'False Conflict');
        assert.deepEqual(other.dev.record.calls('BatchSetFederatedBundle'), []);
      } finally {
        await other.stop();
      }
    });

    it('does not undo a bundle that an operator sets by hand with a document fetched before', async () => {
      let published = bundleOf(WEST, [0], { sequenceNumber: undefined });
      let fetches = 0;
      source.answer(westUrl, async () => {
        fetches += 1;
        if (fetches > 1 && published.x509Authorities.length === 1) await new Promise(() => undefined);
        const { serializeBundle } = await import('../../src/bundle/bundle-document.ts');
        return serializeBundle(published, { refreshHintSeconds: 60 });
      });
      side.declare([web(WEST)]);
      await side.startBroker(source);
      await until('stored', async () => (await stored(WEST)) !== undefined);
      published = bundleOf(WEST, [0, 1], { sequenceNumber: undefined });
      await side.spire.setFederatedBundles([
        bundleOf(WEST, [1, 2], { sequenceNumber: undefined, refreshHintSeconds: undefined }),
      ]);
      await until('a fresh document counts', async () => {
        const held = await stored(WEST);
        assert.ok(held?.x509Authorities.length === 2, 'the old document came back');
        return (
          Buffer.compare(held.x509Authorities[0]!, bundleOf(WEST).x509Authorities[0]!) === 0 ||
          held.refreshHintSeconds === 60
        );
      });
    });

    it('gives way to a writer who overwrites it again and again: it never flaps', async () => {
      side.declare([web(WEST)]);
      await side.startBroker(source);
      await ready(WEST);
      for (let turn = 0; turn < 3; turn++) {
        await side.spire.setFederatedBundles([bundleOf(WEST, [0], { sequenceNumber: undefined })]);
        if (turn < 2) await until('mended', async () => (await stored(WEST))?.sequenceNumber === 7n);
      }
      await until('conflict', () => readiness(side.peer(WEST)) === 'False Conflict');
      await settled();
      assert.equal((await stored(WEST))?.sequenceNumber, undefined);
    });
  });

  it('in mode Delegate asks SPIRE to fetch on demand, and shows what SPIRE says', async () => {
    let fetches = (): Promise<void> => Promise.reject(new Error('certificate signed by unknown authority'));
    const other = await startSide(EAST, { fetchBundle: () => fetches() });
    try {
      await other.spire.setFederatedBundles([bundleOf(WEST)]);
      other.declare([web(WEST, { mode: 'Delegate' })]);
      const broker = await other.startBroker(source);
      await until('made', () => readiness(other.peer(WEST)) === 'True Ready');
      broker.refreshAll();
      await until('SPIRE failed', () => readiness(other.peer(WEST)) === 'False SpireInternal');
      fetches = () => Promise.resolve();
      broker.refresh(WEST);
      await until('SPIRE fetched', () => readiness(other.peer(WEST)) === 'True Ready');
    } finally {
      await other.stop();
    }
  });

  it('in mode Delegate makes the relationship, watches, and takes it back when the mode changes', async () => {
    side.declare([web(WEST, { mode: 'Delegate' })]);
    await side.startBroker(source);
    await until('made', async () => (await side.spire.listFederationRelationships()).length === 1);
    await settled();
    assert.deepEqual(side.dev.record.calls('BatchSetFederatedBundle'), []);
    side.declare([web(WEST)]);
    await ready(WEST);
    assert.deepEqual(await side.spire.listFederationRelationships(), []);
    assert.deepEqual([...(await side.spire.readManagedPeers())], [[WEST, 'Own']]);
  });
});
