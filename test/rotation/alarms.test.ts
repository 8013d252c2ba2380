// Does every danger of a rotation raise its alarm in time, and only then?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ALARM_CODES, rotationAlarms, type RotationAlarmCode } from '../../src/rotation/alarms.ts';
import { rotationReadiness, type ReadinessInput } from '../../src/rotation/readiness.ts';
import {
  acknowledgementOf,
  ACTIVE_ID,
  ACTIVE_ROOT,
  authorityStates,
  BOTH,
  HELD,
  hour,
  NORTH,
  PREPARED_ID,
  PREPARED_ROOT,
  readinessInput,
  WEST,
} from './samples.ts';

const WEST_LATE = [acknowledgementOf(WEST, [ACTIVE_ROOT]), acknowledgementOf(NORTH, BOTH)];
const WEST_LOST = [acknowledgementOf(WEST, [PREPARED_ROOT]), acknowledgementOf(NORTH, BOTH)];

function alarms(input: ReadinessInput) {
  return rotationAlarms(rotationReadiness(input)[0]!, input.now, input.refreshHintSeconds);
}

/** The prepared authority was made long before its turn. */
const PREPARED_EARLY = authorityStates({
  x509: {
    active: { id: PREPARED_ID, expiresAt: hour(36) },
    prepared: { id: ACTIVE_ID, expiresAt: hour(24) },
    old: undefined,
  },
});

/** The upstream signs by another root than before. */
const NEXT_UPSTREAM = {
  states: authorityStates({
    x509: {
      active: { id: 'aa', expiresAt: hour(24), upstreamId: ACTIVE_ID },
      prepared: { id: 'bb', expiresAt: hour(36), upstreamId: PREPARED_ID },
      old: undefined,
    },
  }),
  seenSince: new Map([['bb', hour(12)]]),
};

const CASES: readonly (readonly [sentence: string, input: ReadinessInput, codes: readonly RotationAlarmCode[]])[] = [
  ['all hold what comes and what signs', readinessInput(HELD, { now: hour(19.9) }), []],
  ['a peer is late by less than three hints', readinessInput(WEST_LATE, { now: hour(12.24) }), []],
  ['a peer is late by three hints', readinessInput(WEST_LATE, { now: hour(12.25) }), ['ActivatesUnheld']],
  [
    'half of a window that is shorter than that is over',
    readinessInput(WEST_LATE, { now: hour(16), refreshHintSeconds: 24 * 3600 }),
    ['ActivatesUnheld'],
  ],
  [
    'nobody knows when the next root of the upstream signs, and a peer is late by three hints',
    readinessInput(WEST_LATE, { now: hour(12.25), ...NEXT_UPSTREAM }),
    ['ActivatesUnheld'],
  ],
  [
    'nobody knows when the next root of the upstream signs, and a peer is late by less than that',
    readinessInput(WEST_LATE, { now: hour(12.24), ...NEXT_UPSTREAM }),
    [],
  ],
  ['a peer does not hold what signs', readinessInput(WEST_LOST), ['ActiveNotHeld']],
  ['the clock leaves three hints to those who are not observed', readinessInput([], { refreshHintSeconds: 9_600 }), []],
  [
    'the clock leaves less than three hints to those who are not observed',
    readinessInput([], { refreshHintSeconds: 9_601 }),
    ['SafeMomentTooLate'],
  ],
  ['it will be old when it signs', readinessInput(HELD, { states: PREPARED_EARLY }), ['FollowedUnseen']],
];

describe('the alarms of a rotation', () => {
  for (const [sentence, input, codes] of CASES) {
    it(`${codes.length === 0 ? 'are silent' : `say ${codes.join(', ')}`} when ${sentence}`, () => {
      assert.deepEqual(
        alarms(input).map(({ code }) => code),
        codes,
      );
    });
  }

  it('name the peer, the authority and the moment', () => {
    const [alarm] = alarms(readinessInput(WEST_LATE, { now: hour(13) }));
    assert.deepEqual(alarm?.trustDomains, [WEST]);
    assert.match(alarm.message, new RegExp(`${PREPARED_ID} at 2040-01-01T20:00:00.000Z .* west\\.example`));
  });

  it('are all tested here', () => {
    assert.deepEqual(new Set(CASES.flatMap(([, , codes]) => codes)), new Set(ALARM_CODES));
  });
});
