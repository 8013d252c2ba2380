// Does a running broker know who holds its authorities, and ask SPIRE no more often than it needs to?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { createMetrics } from '../../src/admin/metrics.ts';
import { FactBoard } from '../../src/broker/fact-board.ts';
import { RotationKeeper } from '../../src/broker/rotation-keeper.ts';
import type { RotationStatus } from '../../src/broker/rotation-status.ts';
import { bundlesEqual } from '../../src/bundle/bundle.ts';
import { measureRotation } from '../../src/cli/measure-rotation.ts';
import { observeRotation } from '../../src/cli/observe-rotation.ts';
import { readRotationAnswer } from '../../src/cli/rotation-answer.ts';
import { rotationText } from '../../src/cli/rotation-text.ts';
import { known, type LocalAuthorityStates } from '../../src/federation/facts.ts';
import type { LocalAuthorities } from '../../src/federation/local-authority.ts';
import { createLogger } from '../../src/log.ts';
import { metricLines } from '../admin/metric-lines.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { peerOf } from '../federation/samples.ts';
import {
  ACTIVE_ID,
  ACTIVE_ROOT,
  acknowledgementOf,
  authorityStates,
  hour,
  NORTH,
  ownBundle,
  PREPARED_ID,
  PREPARED_ROOT,
  WEST,
} from '../rotation/samples.ts';

const IDLE = authorityStates({
  x509: { active: { id: ACTIVE_ID, expiresAt: hour(24) }, prepared: undefined, old: undefined },
});

/** A keeper that runs over these states, which can be replaced, or an error. */
function keep(states: LocalAuthorityStates) {
  const clock = new FakeClock(hour(12));
  const board = new FactBoard(clock, { changed: () => undefined, bundleReplaced: () => undefined });
  const world = { states: states as LocalAuthorityStates | Error, asked: 0, looked: [] as RotationStatus[] };
  const answer = <K extends keyof LocalAuthorityStates>(kind: K) => {
    if (kind === 'x509') world.asked += 1;
    return world.states instanceof Error ? Promise.reject(world.states) : Promise.resolve(world.states[kind]);
  };
  const never = () => Promise.reject(new Error('nothing is written here'));
  const authority = (kind: keyof LocalAuthorityStates) => ({
    state: () => answer(kind),
    ...{ prepare: never, activate: never, taint: never, revoke: never },
  });
  const authorities: LocalAuthorities = { x509: authority('x509'), jwt: authority('jwt') };
  const observer = { rotationLooked: (status: RotationStatus) => world.looked.push(status) };
  const keeper = new RotationKeeper({ authorities, refreshHintSeconds: 300 }, observer, board, clock);
  board.replace('ownBundle', known(ownBundle(), clock.now()), bundlesEqual);
  const peers = [peerOf(WEST), peerOf(NORTH), peerOf(ownBundle().trustDomain, { suspend: 'Revoke' })];
  board.replace('declared', known({ peers, incompleteBecause: undefined }, clock.now()), () => false);
  const end = new AbortController();
  const running = keeper.run(end.signal);
  const status = () => keeper.status(board.snapshot());
  return {
    ...{ clock, board, world, status },
    async seconds(count: number) {
      for (let second = 0; second < count; second++) {
        clock.advance(1_000);
        for (let turn = 0; turn < 5; turn++) await setImmediate();
      }
    },
    async stop() {
      end.abort();
      await running;
    },
  };
}

function kindsOf(status: RotationStatus | undefined) {
  assert.ok(status !== undefined && 'kinds' in status);
  return status.kinds;
}

describe('the authorities beside a running broker', () => {
  it('are asked for every five seconds while nothing is prepared, each second while something is, at once after a change', async () => {
    const kept = keep(IDLE);
    await kept.seconds(11);
    assert.equal(kept.world.asked, 3);
    kept.world.states = authorityStates();
    kept.board.replace('ownBundle', known({ ...ownBundle(), sequenceNumber: 43n }, kept.clock.now()), bundlesEqual);
    await kept.seconds(1);
    assert.equal(kept.world.asked, 4);
    await kept.seconds(5);
    assert.equal(kept.world.asked, 9);
    await kept.stop();
  });

  it('are told with who holds them; a peer whose trust is revoked does not count', async () => {
    const kept = keep(authorityStates());
    kept.board.noteAcknowledged(acknowledgementOf(WEST, [ACTIVE_ROOT, PREPARED_ROOT]));
    await kept.seconds(1);
    const [prepared] = kindsOf(kept.status())[0]!.authorities;
    assert.equal(prepared!.id, PREPARED_ID);
    assert.deepEqual(
      [prepared!.heldBy.map((peer) => peer.trustDomain), prepared!.unobserved.map((peer) => peer.trustDomain)],
      [[WEST], [NORTH]],
    );
    await kept.stop();
  });

  it('are still waited for by a managed peer whose declaration cannot be read', async () => {
    const kept = keep(authorityStates());
    const { board, clock } = kept;
    const spoilt = { peers: [peerOf(NORTH)], incompleteBecause: 'west.yaml has faults' };
    board.noteAcknowledged(acknowledgementOf(WEST, [ACTIVE_ROOT]));
    board.replace('declared', known(spoilt, clock.now()), () => false);
    await kept.seconds(1);
    assert.deepEqual(kept.status(), { reason: 'NotReadYet', message: 'not read yet' });
    board.replace('managed', known(new Map([WEST, NORTH].map((name) => [name, 'Own'])), clock.now()), () => false);
    const [prepared] = kindsOf(kept.status())[0]!.authorities;
    assert.deepEqual(
      [prepared!.missing.map((peer) => peer.trustDomain), prepared!.unobserved.map((peer) => peer.trustDomain)],
      [[WEST], [NORTH]],
    );
    board.replace('declared', known({ ...spoilt, incompleteBecause: undefined }, clock.now()), () => false);
    assert.deepEqual(kindsOf(kept.status())[0]!.authorities[0]!.missing, []);
    await kept.stop();
  });

  it('are not known while SPIRE does not answer, and why is said', async () => {
    const kept = keep(IDLE);
    kept.world.states = Object.assign(new Error('no such method'), { code: 'SpireUnsupported' });
    await kept.seconds(6);
    assert.deepEqual(kept.status(), { reason: 'SpireUnsupported', message: 'no such method' });
    await kept.stop();
  });

  it('raise the alarm in the log once, when time alone makes a late peer dangerous', async () => {
    const kept = keep(authorityStates());
    kept.board.noteAcknowledged(acknowledgementOf(WEST, [ACTIVE_ROOT]));
    kept.board.noteAcknowledged(acknowledgementOf(NORTH, [ACTIVE_ROOT, PREPARED_ROOT]));
    await kept.seconds(920);
    const lines: string[] = [];
    const observe = observeRotation(createLogger({ level: 'info', format: 'json', write: (text) => lines.push(text) }));
    for (const status of kept.world.looked) observe(status);
    const alarms = lines.filter((line) => line.includes('ActivatesUnheld'));
    assert.equal(alarms.length, 1);
    assert.match(alarms[0]!, /west\.example/);
    await kept.stop();
  });

  it('are gauges with closed sets of labels, and take their series away again', async () => {
    const kept = keep(authorityStates());
    kept.board.noteAcknowledged(acknowledgementOf(WEST, [ACTIVE_ROOT]));
    await kept.seconds(1);
    const lines = async () => {
      const found = await metricLines(createMetrics(), measureRotation(kept.status(), kept.clock.now()));
      return found.filter((line) => /^fedbroker_(peer_h|rotation_l)/.test(line));
    };
    assert.deepEqual(
      (await lines()).filter((line) => line.includes('x509')),
      [
        'fedbroker_peer_holds_authority{trust_domain="west.example",kind="x509",state="prepared"} 0',
        'fedbroker_peer_holds_authority{trust_domain="west.example",kind="x509",state="active"} 1',
        'fedbroker_rotation_lead_seconds{kind="x509"} 28799',
      ],
    );
    kept.world.states = IDLE;
    await kept.seconds(1);
    assert.deepEqual(
      (await lines()).filter((line) => line.includes('x509')),
      ['fedbroker_peer_holds_authority{trust_domain="west.example",kind="x509",state="active"} 1'],
    );
    await kept.stop();
  });

  it('are read from /status as they were told, and told to people in sentences', async () => {
    const kept = keep(authorityStates());
    kept.board.noteAcknowledged(acknowledgementOf(WEST, [ACTIVE_ROOT], { at: hour(10) }));
    await kept.seconds(1);
    const rotation = kept.status();
    const body = JSON.stringify(
      { now: hour(12).toISOString(), trustDomain: 'east.example', rotation },
      (_name, value: unknown) => (typeof value === 'bigint' ? value.toString() : value),
    );
    const answer = readRotationAnswer(body);
    assert.deepEqual(answer.kinds, kindsOf(rotation));
    const text = rotationText(answer);
    assert.match(
      text,
      /^X\.509 authority 2c2c2c2c2c2c…, prepared 2040-01-01T12:00:00Z, active from about 2040-01-01T20:00:00Z \(in 8 hours\), held by 0 of 2 peers$/m,
    );
    assert.match(text, /^ {2}west\.example does not hold it: last seen 2 hours ago, with sequence 41$/m);
    assert.match(
      text,
      /^ {2}north\.example is not observed: it will have had the time to fetch at 2040-01-01T12:25:00Z$/m,
    );
    await kept.stop();
  });

  it('are not told by a replica that stands by, and the answer says whom to ask', () => {
    const body = JSON.stringify({ now: hour(12).toISOString(), trustDomain: 'east.example' });
    assert.throws(() => readRotationAnswer(body), /only the one that leads/);
  });
});
