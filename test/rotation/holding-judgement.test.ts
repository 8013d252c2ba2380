// Is it said of each peer whether it holds what signs for us, with the alarm that concerns it, and without times that move?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rotationAlarms } from '../../src/rotation/alarms.ts';
import { judgeHoldings } from '../../src/rotation/holding-judgement.ts';
import { rotationReadiness, type ReadinessInput } from '../../src/rotation/readiness.ts';
import {
  acknowledgementOf,
  ACTIVE_ID,
  ACTIVE_ROOT,
  authorityStates,
  BOTH,
  EAST,
  hour,
  OLD_ROOT,
  PREPARED_ID,
  readinessInput,
  WEST,
} from './samples.ts';

const JWT = { jwtKeyIds: ['jwt-active'] };
const told = (roots: readonly Uint8Array[] | undefined, more: Parameters<typeof acknowledgementOf>[2] = JWT) => [
  acknowledgementOf(WEST, roots, more),
];
const PREPARED_EARLY = authorityStates({
  x509: {
    active: { id: PREPARED_ID, expiresAt: hour(36) },
    prepared: { id: ACTIVE_ID, expiresAt: hour(24) },
    old: undefined,
  },
});

function judge(input: ReadinessInput) {
  const kinds = rotationReadiness(input).map((kind) => ({
    ...kind,
    alarms: rotationAlarms(kind, input.now, input.refreshHintSeconds),
  }));
  return judgeHoldings(kinds)(WEST);
}

const CASES: readonly (readonly [sentence: string, input: ReadinessInput, said: string])[] = [
  ['holds both authorities', readinessInput(told(BOTH)), 'True Held'],
  ['does not hold yet what was prepared just now', readinessInput(told([ACTIVE_ROOT])), 'True Held'],
  ['is late by three hints', readinessInput(told([ACTIVE_ROOT]), { now: hour(12.25) }), 'False ActivatesUnheld'],
  ['does not hold what signs', readinessInput(told([OLD_ROOT])), 'False ActiveNotHeld'],
  ['does not hold the key that signs JWT-SVIDs', readinessInput(told(BOTH, { jwtKeyIds: [] })), 'False ActiveNotHeld'],
  ['has told of nothing that is known here', readinessInput(told(undefined)), 'Unknown ActiveNotHeld'],
  ['only fetches', readinessInput(), 'Unknown NotObserved'],
  ['only fetches, and has no time to', readinessInput([], { refreshHintSeconds: 9_601 }), 'Unknown SafeMomentTooLate'],
  ['holds what is followed unseen', readinessInput(told(BOTH), { states: PREPARED_EARLY }), 'Unknown FollowedUnseen'],
  ['is to hold nothing of ours', readinessInput(told(BOTH), { peers: [] }), 'nothing'],
];

describe('of a peer', () => {
  for (const [sentence, input, said] of CASES) {
    it(`that ${sentence} it is said: ${said}`, () => {
      const judgement = judge(input);
      assert.equal(judgement === undefined ? 'nothing' : `${judgement.status} ${judgement.reason}`, said);
    });
  }

  it('the words stay the same while nothing but time has passed', () => {
    const late = (hours: number) =>
      judge(readinessInput(told([ACTIVE_ROOT], { ...JWT, at: hour(hours) }), { now: hour(hours) }));
    assert.deepEqual(late(12.5), late(19));
    assert.match(late(19)!.message, new RegExp(`X.509 authority ${PREPARED_ID} .*it holds sequence 41`));
  });

  it('the alarm of another is not told', () => {
    const west = acknowledgementOf(WEST, BOTH, JWT);
    const east = acknowledgementOf(EAST, [OLD_ROOT], JWT);
    assert.equal(judge(readinessInput([west, east], { peers: [WEST, EAST] }))?.reason, 'Held');
  });
});
