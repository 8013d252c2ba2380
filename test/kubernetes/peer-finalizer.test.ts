// When does the finalizer go on an object, and when off? A table, then the patches against an API server.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { systemClock } from '../../src/federation/clock.ts';
import { known, unreadable, type Facts } from '../../src/federation/facts.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import { finalizerChange, UNFEDERATE, type FinalizerChange, type Pass } from '../../src/kubernetes/finalizer.ts';
import { Finalizers } from '../../src/kubernetes/finalizers.ts';
import { judgeObjects, NO_MEMORY } from '../../src/kubernetes/judge-objects.ts';
import type { KubeObject } from '../../src/kubernetes/kube-object.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { BROKER_OF } from '../../src/kubernetes/managed-by.ts';
import { startFakeApiServer, type FakeApiServer } from '../fakes/fake-api-server.ts';
import { EAST, factsOf, NORTH, peerOf, WEST } from '../federation/samples.ts';
import { DELETING, objectOf, specOf } from './peer-objects.ts';
import { PEERS, placeOf } from './west.ts';

const NOTHING_PLANNED = { steps: [], peers: [], removed: [], heldRemovals: [], waitingRemovals: [] };

function passOf(facts: Partial<Facts>, plan: Partial<Pass['plan']> = {}): Pass {
  const declared = known({ peers: [peerOf(NORTH)], incompleteBecause: undefined }, new Date());
  return { facts: { ...factsOf({ peers: [] }), declared, ...facts }, plan: { ...NOTHING_PLANNED, ...plan } };
}

const at = new Date();
const UNMANAGED = passOf({ managed: known(new Map([[NORTH, 'Own'] as const]), at) });
const MANAGED = passOf({ managed: known(new Map([[WEST, 'Own'] as const]), at) }, { removed: [WEST] });
const deleting = objectOf('west', { metadata: DELETING });

interface Row {
  readonly because: string;
  readonly object: KubeObject;
  readonly others?: readonly KubeObject[];
  readonly pass?: Pass;
  readonly change: FinalizerChange | undefined;
}

const ROWS: readonly Row[] = [
  {
    because:
      'goes with the name of our trust domain, which is put on also where an earlier version put the finalizer alone',
    object: objectOf('west', { metadata: { annotations: {} } }),
    change: 'Add',
  },
  {
    because: 'goes on an object in force before anything else is done',
    object: objectOf('west', { metadata: { finalizers: ['other.example/hold'] } }),
    change: 'Add',
  },
  { because: 'stays on an object in force', object: objectOf('west'), pass: UNMANAGED, change: undefined },
  {
    because: 'does not go on a refused object',
    object: objectOf('west', { spec: { mode: 'Both' }, metadata: { finalizers: [] } }),
    change: undefined,
  },
  {
    because: 'does not go on an object that is being deleted',
    object: objectOf('west', { metadata: { ...DELETING, finalizers: ['other.example/hold'] } }),
    change: undefined,
  },
  { because: 'stays while no pass has seen the deletion', object: deleting, change: undefined },
  { because: 'stays while SPIRE’s record has the trust domain', object: deleting, pass: MANAGED, change: undefined },
  {
    because: 'stays while the removal is held',
    object: deleting,
    pass: passOf({ managed: known(new Map(), at) }, { heldRemovals: [WEST] }),
    change: undefined,
  },
  {
    because: 'stays while SPIRE’s record cannot be read',
    object: deleting,
    pass: passOf({ managed: unreadable({ code: 'SpireUnreachable', message: 'no' }, at) }),
    change: undefined,
  },
  {
    because: 'stays while the pass still had it declared',
    object: deleting,
    pass: passOf({
      declared: known({ peers: [peerOf(WEST)], incompleteBecause: undefined }, at),
      managed: known(new Map(), at),
    }),
    change: undefined,
  },
  { because: 'goes off when SPIRE’s record has forgotten it', object: deleting, pass: UNMANAGED, change: 'Remove' },
  {
    because: 'goes off when another object declares the trust domain',
    object: deleting,
    others: [objectOf('copy', { spec: { trustDomain: 'west.example' } })],
    pass: MANAGED,
    change: 'Remove',
  },
  {
    because: 'goes off an object of our own trust domain, which never had an effect',
    object: objectOf('east', { metadata: DELETING }),
    change: 'Remove',
  },
  {
    because: 'goes off an object without a readable trust domain, which never had an effect',
    object: objectOf('west', { metadata: DELETING, spec: { trustDomain: 'West!' } }),
    change: 'Remove',
  },
  {
    because: 'stays on a faulty object that is deleted while its trust domain is recorded',
    object: objectOf('west', { metadata: DELETING, spec: { mode: 'Both' } }),
    pass: MANAGED,
    change: undefined,
  },
];

describe('the finalizer', () => {
  for (const { because, object, others = [], pass, change } of ROWS) {
    it(because, () => {
      const { objects } = judgeObjects([object, ...others], NO_MEMORY, EAST);
      const declared = objects.find((each) => each.object === object)!;
      const inForce = objects.filter((each) => !each.deleting && each.state.kind === 'InForce');
      const inForceElsewhere = (name: string) =>
        inForce.some(({ object: { spec } }) => (spec as { trustDomain: string }).trustDomain === name);
      assert.equal(finalizerChange({ declared, inForceElsewhere, pass }), change);
    });
  }
});

describe('the finalizer’s patches', () => {
  let fake: FakeApiServer;
  let api: ApiServer;
  let stop: AbortController;
  let running: Promise<void>;
  let errors: string[];
  let onError: () => void;
  let finalizers: Finalizers;

  beforeEach(async () => {
    fake = await startFakeApiServer([PEERS]);
    api = await openApiServer({ access: await fake.serviceAccount(), clock: systemClock, timeoutMs: 5_000 });
    [stop, errors] = [new AbortController(), []];
    onError = () => undefined;
    finalizers = new Finalizers({
      api,
      clock: systemClock,
      readAnew: () => Promise.resolve(),
      ownTrustDomain: EAST,
      onError({ message }) {
        errors.push(message);
        onError();
      },
    });
    running = finalizers.run(stop.signal);
  });
  afterEach(async () => {
    stop.abort();
    await running;
    api.close();
    await fake.close();
  });

  const create = (name: string, more: readonly string[] = []) =>
    fake.store.create(
      placeOf(name),
      { metadata: { name, finalizers: more }, spec: specOf(`${name}.example`) },
      'kubectl',
    );
  const listed = () =>
    judgeObjects(fake.store.list(PEERS, undefined) as unknown as KubeObject[], NO_MEMORY, EAST).objects;
  const note = () => {
    finalizers.noteObjects(listed());
  };
  const finalizersOf = (name: string) => fake.store.get(placeOf(name)).metadata['finalizers'];
  /** Resolves at the first change that satisfies. */
  const changed = (satisfied: () => boolean) =>
    new Promise<void>((resolve) => {
      const off = fake.store.onChange(() => {
        setImmediate(() => {
          if (!satisfied()) return;
          off();
          resolve();
        });
      });
    });

  it('put it beside others, and let go of the object when its trust is gone', async () => {
    create('west', ['other.example/hold']);
    const added = changed(() => (finalizersOf('west') as string[]).includes(UNFEDERATE));
    note();
    await added;
    assert.deepEqual(finalizersOf('west'), ['other.example/hold', UNFEDERATE]);
    assert.deepEqual(fake.store.get(placeOf('west')).metadata['annotations'], { [BROKER_OF]: EAST });
    fake.store.delete(placeOf('west'), undefined);
    note();
    const facts = { ...MANAGED.facts, now: new Date(Date.now() + 1) };
    finalizers.notePass({ ...MANAGED, facts });
    const removed = changed(() => !(finalizersOf('west') as string[]).includes(UNFEDERATE));
    finalizers.notePass({ ...UNMANAGED, facts: { ...UNMANAGED.facts, now: new Date(Date.now() + 1) } });
    await removed;
    assert.deepEqual(finalizersOf('west'), ['other.example/hold']);
    assert.deepEqual(errors, []);
  });

  it('do not let go by a pass from before the deletion', async () => {
    create('west', [UNFEDERATE]);
    fake.store.delete(placeOf('west'), undefined);
    finalizers.notePass({ ...UNMANAGED, facts: { ...UNMANAGED.facts, now: new Date(Date.now() - 60_000) } });
    // A second round ends after every patch of the first.
    for (const name of ['north', 'south']) {
      create(name);
      const added = changed(() => (finalizersOf(name) as string[]).includes(UNFEDERATE));
      note();
      await added;
    }
    assert.deepEqual(finalizersOf('west'), [UNFEDERATE]);
  });

  it('are not made over a newer version of the object; its next change brings them', async () => {
    create('west');
    const outdated = listed();
    fake.store.patch(placeOf('west'), 'application/merge-patch+json', { metadata: { labels: { a: 'b' } } }, 'kubectl');
    const refused = patchAsked();
    finalizers.noteObjects(outdated);
    await refused;
    assert.equal(finalizersOf('west'), undefined);
    const added = changed(() => (finalizersOf('west') as string[] | undefined)?.includes(UNFEDERATE) === true);
    note();
    await added;
    assert.deepEqual(errors, [], 'somebody else being faster is no error');
  });

  it(
    'are made over a newer version, too, when no watch tells of it: the objects are listed',
    { timeout: 5_000 },
    async () => {
      create('west');
      const outdated = listed();
      fake.store.patch(
        placeOf('west'),
        'application/merge-patch+json',
        { metadata: { labels: { a: 'b' } } },
        'kubectl',
      );
      const clock = new FakeClock();
      let lists = 0;
      const blind = new Finalizers({
        api,
        clock,
        ownTrustDomain: EAST,
        readAnew: () => {
          lists += 1;
          blind.noteObjects(listed());
          return Promise.resolve();
        },
        onError: () => undefined,
      });
      const ended = blind.run(stop.signal);
      const added = changed(() => (finalizersOf('west') as string[] | undefined)?.includes(UNFEDERATE) === true);
      blind.noteObjects(outdated);
      while (clock.pending === 0 && !stop.signal.aborted) await new Promise((resolve) => setImmediate(resolve));
      clock.advance(4_999);
      assert.equal(lists, 0);
      clock.advance(1);
      await added;
      assert.equal(lists, 1);
      stop.abort();
      await ended;
    },
  );

  it('that are not allowed are told, and tried again with the next change', async () => {
    fake.isAllowed = ({ verb }) => verb !== 'patch';
    create('west');
    const told = new Promise<void>((resolve) => (onError = resolve));
    note();
    await told;
    assert.match(errors.join(), /^patch .*"west": this is not allowed to us/);
    fake.isAllowed = () => true;
    const added = changed(() => (finalizersOf('west') as string[]).includes(UNFEDERATE));
    note();
    await added;
  });

  /** Resolves when the API server is asked for a patch. */
  function patchAsked(): Promise<void> {
    return new Promise((resolve) => {
      fake.isAllowed = ({ verb }) => {
        if (verb === 'patch') resolve();
        return true;
      };
    });
  }
});
