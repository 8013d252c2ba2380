// Does "fedbroker status" say shortly what each peer holds of us, why one was cut off, and whom to ask when this replica knows
// nothing?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PeerStatus } from '../../src/broker/peer-status.ts';
import { standbyStatus, type BrokerStatus } from '../../src/broker/status.ts';
import { statusText } from '../../src/cli/status.ts';
import type { Condition } from '../../src/federation/conditions.ts';
import { EAST, factsOf, NOW, WEST } from '../federation/samples.ts';

const AT = NOW.toISOString();
const DONE: readonly Condition[] = [{ type: 'Ready', status: 'True', reason: 'Ready', message: 'federation works' }];
const VERSION = { digest: 'd', sequence: '41', roots: [], jwtKeyIds: [] };

function peer(changes: Partial<PeerStatus> = {}): PeerStatus {
  return {
    ...{ name: 'west', trustDomain: WEST, bundleEndpointURL: 'https://west.example/', mode: 'Own' },
    ...{ conditions: DONE, entriesFederated: 3, evidence: [], reminders: [] },
    ...changes,
  };
}

function textOf(...peers: readonly PeerStatus[]): string {
  const status: BrokerStatus = { ...standbyStatus(EAST, factsOf({}), undefined), peers };
  return statusText(status);
}

describe('the status for people', () => {
  for (const [sentence, holding, shown] of [
    ['holds the newest', { at: AT, since: AT, bundle: { ...VERSION, isNewest: true } }, `newest since ${AT}`],
    ['holds an older one', { at: AT, since: AT, bundle: { ...VERSION, isNewest: false } }, `sequence 41 since ${AT}`],
    ['has told of none that is known here', { at: AT, since: AT }, `none known, ${AT}`],
    ['does not tell', undefined, 'not observed'],
  ] as const) {
    it(`says of a peer that ${sentence} of our bundles: ${shown}`, () => {
      const text = textOf(peer(holding === undefined ? {} : { holding }));
      assert.ok(text.includes(`  ${shown}  `), text);
    });
  }

  it('says of a quarantined peer why, and not that everything after that fails', () => {
    const no = { status: 'False', reason: 'Quarantined', message: 'quarantined: lost a key' } as const;
    const stored = { type: 'BundleStored', status: 'False', reason: 'Revoked', message: 'taken away' } as const;
    const text = textOf(peer({ conditions: [{ type: 'Accepted', ...no }, stored, { type: 'Ready', ...no }] }));
    assert.match(text, /^ {2}west Accepted \(Quarantined\): quarantined: lost a key$/m);
    assert.doesNotMatch(text, /BundleStored/);
  });

  it('tells of an alarm about what a peer holds, and not that it only fetches', () => {
    const type = 'HoldsOurAuthorities';
    const fetches = { type, status: 'Unknown', reason: 'NotObserved', message: 'it only fetches' } as const;
    const late = { type, status: 'False', reason: 'ActivatesUnheld', message: 'it is late' } as const;
    assert.doesNotMatch(textOf(peer({ conditions: [fetches, ...DONE] })), /NotObserved/);
    assert.match(
      textOf(peer({ conditions: [late, ...DONE] })),
      /west HoldsOurAuthorities \(ActivatesUnheld\): it is late/,
    );
  });

  it('names the replica that leads where this one stands by', () => {
    const live = standbyStatus(EAST, factsOf({}), 'replica-2');
    assert.match(statusText({ ...live, peers: [] }), /this replica stands by, .*: ask replica-2$/m);
  });
});
