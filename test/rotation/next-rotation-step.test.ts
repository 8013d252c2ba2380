// Is the next step of a rotation the right one, from wherever it was left?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nextRotationStep, type RotationView } from '../../src/rotation/next-rotation-step.ts';
import { rotationReadiness } from '../../src/rotation/readiness.ts';
import { readRecordTexts, recordTexts, type RotationRecord } from '../../src/rotation/rotation-record.ts';
import {
  acknowledgementOf,
  ACTIVE_ID,
  ACTIVE_ROOT,
  authorityStates,
  BOTH,
  HELD,
  hour,
  NORTH,
  OLD_ID,
  PREPARED_ID,
  readinessInput,
  WEST,
} from './samples.ts';

const TIMES = {
  servedAtLeastSeconds: 15,
  revokeAfterSeconds: 300,
  callEndsWithinSeconds: 30,
  notAgainWithinSeconds: 300,
};
const active = { id: ACTIVE_ID, expiresAt: hour(24) };
const prepared = { id: PREPARED_ID, expiresAt: hour(36) };
const NOTHING_PREPARED = { active, prepared: undefined, old: undefined };
const PREPARED = { active, prepared, old: undefined };
const ACTIVATED = { active: prepared, prepared: undefined, old: active };
const BEGUN: RotationRecord = {
  kind: 'x509',
  run: 'this',
  startedAt: hour(12),
  askedAt: hour(12),
  from: ACTIVE_ID,
  to: undefined,
  taintOld: false,
  revokeOld: false,
  activatedAt: undefined,
  agentsUntil: undefined,
  taintedAt: undefined,
  endedAt: undefined,
};
const ADOPTED = { ...BEGUN, to: PREPARED_ID };
const SIGNING: RotationRecord = { ...ADOPTED, activatedAt: hour(13), agentsUntil: hour(14) };
const RETIRING: RotationRecord = { ...SIGNING, taintOld: true, revokeOld: true };

/** An hour after it was prepared, and held by all. */
function view(
  changes: Partial<RotationView> = {},
  acknowledgements = HELD,
  input: Parameters<typeof readinessInput>[1] = {},
): RotationView {
  const state = changes.state ?? PREPARED;
  const now = changes.now ?? hour(13);
  const states = authorityStates({ x509: state });
  return {
    now,
    kind: 'x509',
    run: 'this',
    askedAt: undefined,
    heard: new Set(),
    asked: { taintOld: false, revokeOld: false },
    record: undefined,
    state,
    published: new Map([ACTIVE_ID, PREPARED_ID].map((id) => [id, { tainted: false }])),
    readiness: rotationReadiness(readinessInput(acknowledgements, { now, states, ...input }))[0],
    agentExpiries: [],
    times: TIMES,
    ...changes,
  };
}

const tainted = new Map([
  [ACTIVE_ID, { tainted: true }],
  [PREPARED_ID, { tainted: false }],
]);
const revoked = new Map([[PREPARED_ID, { tainted: false }]]);

describe('the next step of a rotation', () => {
  it('writes the record before anything is changed', () => {
    const step = nextRotationStep(view({ state: NOTHING_PREPARED }));
    assert.deepEqual(step, { step: 'Record', record: { ...BEGUN, startedAt: hour(13), askedAt: hour(13) } });
  });

  it('prepares when nothing is prepared', () => {
    assert.deepEqual(nextRotationStep(view({ state: NOTHING_PREPARED, record: BEGUN })), { step: 'Prepare' });
  });

  it('takes what the clock or a hand has prepared, and never prepares a second one', () => {
    assert.deepEqual(nextRotationStep(view()), {
      step: 'Record',
      record: { ...ADOPTED, startedAt: hour(13), askedAt: hour(13) },
    });
    assert.deepEqual(nextRotationStep(view({ record: BEGUN })), { step: 'Record', record: ADOPTED });
  });

  const at = (seconds: number) => new Date(hour(12).getTime() + seconds * 1000);

  for (const [who, changes] of [
    ['another process', { record: { ...BEGUN, run: 'other' } }],
    ['this process', { record: BEGUN, askedAt: at(1) }],
  ] as const) {
    it(`does not prepare anew while what ${who} asked for may come late, and writes down that it asks`, () => {
      const early = nextRotationStep(view({ state: NOTHING_PREPARED, ...changes, now: at(29) }));
      assert.ok(early.step === 'Wait' && early.reason === 'PrepareUnanswered');
      assert.deepEqual(early.until, at(30));
      const step = nextRotationStep(view({ state: NOTHING_PREPARED, ...changes, now: at(30) }));
      const record = { ...BEGUN, askedAt: at(30) };
      assert.deepEqual(step, { step: 'Record', record });
      assert.deepEqual(nextRotationStep(view({ state: NOTHING_PREPARED, ...changes, record, now: at(30) })), {
        step: 'Prepare',
      });
    });
  }

  it('waits for the peer that does not hold it, for as long as it takes', () => {
    const step = nextRotationStep(view({ record: ADOPTED }, [acknowledgementOf(WEST, [ACTIVE_ROOT]), HELD[1]!]));
    assert.ok(step.step === 'Wait' && step.reason === 'PeersMissing' && step.until === undefined);
    assert.match(step.message, /held by 1 of 2 peers; not yet by west\.example \(sequence 41, last seen 2040-/);
  });

  it('waits the computed time for the peer that is not observed', () => {
    const now = hour(12.1);
    const step = nextRotationStep(view({ record: ADOPTED, now }, [HELD[0]!]));
    assert.ok(step.step === 'Wait' && step.reason === 'PeersUnobserved');
    assert.equal(step.until?.getTime(), hour(12).getTime() + 5 * 300_000);
  });

  it('waits for the peer that has told before our broker was started anew, until it tells again', () => {
    const record = ADOPTED;
    const silent = nextRotationStep(view({ record, heard: new Set([WEST]) }, [HELD[1]!]));
    assert.ok(silent.step === 'Wait' && silent.reason === 'PeersFellSilent' && silent.until === undefined);
    assert.match(silent.message, /no longer knows what west\.example holds/);
    assert.equal(nextRotationStep(view({ record }, [HELD[1]!])).step, 'Activate', 'who never told has had the time');
    assert.equal(nextRotationStep(view({ record, heard: new Set([WEST]) })).step, 'Activate');
  });

  it('lets our own agents sync first, also when every peer holds it at once', () => {
    const now = new Date(hour(12).getTime() + 14_000);
    const step = nextRotationStep(view({ record: ADOPTED, now }));
    assert.ok(step.step === 'Wait' && step.reason === 'OwnAgents');
  });

  it('lets the agents of a peer sync that has come to hold it late, however often it says so', () => {
    const heldSince = (seconds: number) => {
      const west = { at: hour(13), since: new Date(hour(13).getTime() - seconds * 1_000) };
      return [acknowledgementOf(WEST, BOTH, west), acknowledgementOf(NORTH, BOTH)];
    };
    const step = nextRotationStep(view({ record: ADOPTED }, heldSince(14)));
    assert.ok(step.step === 'Wait' && step.reason === 'PeersAgents');
    assert.match(step.message, /the agents of west\.example/);
    assert.deepEqual(step.until, new Date(hour(13).getTime() + 1_000));
    assert.equal(nextRotationStep(view({ record: ADOPTED }, heldSince(15))).step, 'Activate');
  });

  it('waits while the broker is silent or has not seen the authority', () => {
    const silent = nextRotationStep({ ...view({ record: ADOPTED }), readiness: undefined });
    assert.ok(silent.step === 'Wait' && silent.reason === 'BrokerSilent');
    const lagging = view({ record: ADOPTED });
    const step = nextRotationStep({ ...lagging, readiness: { ...lagging.readiness!, authorities: [] } });
    assert.ok(step.step === 'Wait' && step.reason === 'BrokerLags');
  });

  it('activates what everybody holds', () => {
    assert.deepEqual(nextRotationStep(view({ record: ADOPTED })), { step: 'Activate', id: PREPARED_ID });
  });

  it('notes after activation until when SVIDs of the old authority can last at the agents', () => {
    const agentExpiries = [hour(13.5), hour(14)];
    const step = nextRotationStep(view({ record: ADOPTED, state: ACTIVATED, agentExpiries }));
    assert.deepEqual(step, { step: 'Record', record: SIGNING });
  });

  it('goes on when SPIRE’s clock activated it before us, recorded or not', () => {
    const step = nextRotationStep(view({ record: BEGUN, state: ACTIVATED }));
    assert.deepEqual(step, { step: 'Record', record: ADOPTED });
  });

  it('watches the agents move to the new authority', () => {
    const agentExpiries = [hour(14), hour(14.1)];
    const step = nextRotationStep(view({ record: SIGNING, state: ACTIVATED, agentExpiries }));
    assert.deepEqual(step, { step: 'WatchAgents', moved: 1, total: 2, until: hour(14) });
  });

  it('is done when they moved and nothing more was asked', () => {
    const step = nextRotationStep(view({ record: SIGNING, state: ACTIVATED, agentExpiries: [hour(14.1)] }));
    assert.deepEqual(step, { step: 'Record', record: { ...SIGNING, endedAt: hour(13) } });
  });

  it('is done when that is written down, also for who runs it again soon after; later another one is begun', () => {
    const ended = { ...SIGNING, endedAt: hour(13) };
    const at = (hours: number, changes: Partial<RotationView> = {}) =>
      nextRotationStep(view({ record: ended, state: ACTIVATED, now: hour(hours), ...changes }));
    assert.deepEqual(at(13.08, { run: 'other' }), { step: 'Done', record: ended });
    const more = at(13.08, { asked: { taintOld: true, revokeOld: false } });
    assert.deepEqual(more, { step: 'Record', record: { ...ended, taintOld: true, endedAt: undefined } });
    const another = at(13.09);
    assert.ok(another.step === 'Record' && another.record.from === PREPARED_ID && another.record.to === undefined);
  });

  it('does not taint while a peer still needs the old authority', () => {
    const told = [acknowledgementOf(WEST, [ACTIVE_ROOT]), HELD[1]!];
    const step = nextRotationStep(view({ record: RETIRING, state: ACTIVATED }, told));
    assert.ok(step.step === 'Wait' && step.reason === 'PeersMissing');
  });

  it('taints, notes it, waits, revokes, and is done', () => {
    const at = (changes: Partial<RotationView>) => nextRotationStep(view({ state: ACTIVATED, ...changes }));
    assert.deepEqual(at({ record: RETIRING }), { step: 'Taint', id: ACTIVE_ID });
    const noted = { ...RETIRING, taintedAt: hour(13) };
    assert.deepEqual(at({ record: RETIRING, published: tainted }), { step: 'Record', record: noted });
    const until = new Date(hour(13).getTime() + 300_000);
    assert.deepEqual(at({ record: noted, published: tainted }), { step: 'WaitBeforeRevoke', until });
    assert.deepEqual(at({ record: noted, published: tainted, now: until }), { step: 'Revoke', id: ACTIVE_ID });
    const ended = { ...noted, endedAt: hour(13) };
    assert.deepEqual(at({ record: noted, published: revoked }), { step: 'Record', record: ended });
    const kept = { record: { ...noted, revokeOld: false }, published: tainted };
    assert.deepEqual(at(kept), { step: 'Record', record: { ...ended, revokeOld: false } });
  });

  it('writes down what is asked for in addition when it is run again, and forgets nothing that was asked before', () => {
    const asked = { taintOld: true, revokeOld: true };
    assert.deepEqual(nextRotationStep(view({ record: ADOPTED, asked })), {
      step: 'Record',
      record: { ...ADOPTED, ...asked },
    });
    assert.equal(nextRotationStep(view({ record: { ...ADOPTED, ...asked } })).step, 'Activate');
  });
});

const HOUR_LONG = { preparesAt: hour(12), activatesAt: hour(20) };
const withLife = (lifeSeconds: number) => {
  const some = view({ state: NOTHING_PREPARED });
  return { ...some, readiness: { ...some.readiness!, clock: { ...HOUR_LONG, lifeSeconds } } };
};
const upstream = (taintOld: boolean) => {
  const some = view({ state: NOTHING_PREPARED, asked: { taintOld, revokeOld: false } });
  return { ...some, readiness: { ...some.readiness!, signedBy: 'Upstream' as const } };
};
const silent = (record: RotationRecord | undefined) => ({ ...view({ record }), readiness: undefined });

/** Code, a view that is refused by it, and one beside it that is not. */
const REFUSALS: readonly (readonly [code: string, refused: RotationView, led: RotationView])[] = [
  ['BrokerSilent', silent(undefined), silent(ADOPTED)],
  ['CaTtlTooShort', withLife(3_599), withLife(3_600)],
  ['UpstreamSigned', upstream(true), upstream(false)],
  ['PreparedTooOld', view({ record: ADOPTED, now: hour(24) }), view({ record: ADOPTED, now: hour(23.99) })],
  [
    'AnotherUnderWay',
    view({ record: { ...ADOPTED, kind: 'jwt' } }),
    view({ record: { ...ADOPTED, kind: 'jwt', endedAt: hour(13) } }),
  ],
  ['Overtaken', view({ record: { ...ADOPTED, from: OLD_ID, to: 'other' } }), view({ record: ADOPTED })],
  ['Overtaken', view({ record: ADOPTED, state: NOTHING_PREPARED }), view({ record: BEGUN, state: NOTHING_PREPARED })],
  [
    'OldOutOfReach',
    view({ record: RETIRING, state: { ...ACTIVATED, old: undefined } }),
    view({ record: RETIRING, state: ACTIVATED }),
  ],
];

describe('a rotation that would do harm', () => {
  for (const [code, refused, led] of REFUSALS) {
    it(`is refused: ${code}`, () => {
      const step = nextRotationStep(refused);
      assert.ok(step.step === 'Refuse', `${step.step} is no refusal`);
      assert.equal(step.code, code);
      assert.notEqual(nextRotationStep(led).step, 'Refuse');
    });
  }
});

describe('the record of a rotation', () => {
  it('is read as it was written', () => {
    for (const record of [BEGUN, ADOPTED, { ...RETIRING, taintedAt: hour(15) }]) {
      assert.deepEqual(readRecordTexts(recordTexts(record)), record);
    }
  });

  it('is read of a version that did not write down when it asked', () => {
    assert.deepEqual(readRecordTexts(recordTexts(BEGUN).filter((text) => !text.startsWith('askedAt'))), BEGUN);
  });

  it('is none when somebody else wrote there', () => {
    assert.equal(readRecordTexts(['record', 'kind=x509']), undefined);
    assert.equal(readRecordTexts([...recordTexts(BEGUN).filter((text) => !text.startsWith('startedAt'))]), undefined);
  });
});
