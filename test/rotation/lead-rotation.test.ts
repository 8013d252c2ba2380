// Does a rotation that is led end right: with slow peers, with SPIRE's clock going on, and killed after any of its writes?
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { status as GrpcStatus } from '@grpc/grpc-js';
import { fingerprint } from '../../src/bundle/bundle.ts';
import { rootOf } from '../../src/rotation/authority-times.ts';
import { until } from '../broker/side.ts';
import { RotationWorld, type Kill } from './rotation-world.ts';
import { NORTH, WEST } from './samples.ts';

const WHOLE_WAY = [
  ...['record', 'prepare', 'record', 'activate', 'record'],
  ...['taint', 'record', 'revoke', 'record'],
];

describe('a rotation that is led', () => {
  let world: RotationWorld;
  beforeEach(async () => {
    world = await RotationWorld.start();
  });
  afterEach(() => world.stop());

  const rootNow = async () => {
    const bundle = await world.spire.readOwnBundle();
    const { active } = await world.spire.localAuthorities.x509.state();
    return rootOf(active, bundle)!.fingerprint;
  };
  const prepares = () => world.dev.record.calls('PrepareX509Authority').length;
  const stepNames = (steps: readonly { readonly step: string }[]) =>
    steps.map(({ step }) => step).filter((step, index, all) => step !== all[index - 1]);

  it('goes the whole way: prepare, wait, activate, watch the agents, taint, wait, revoke', async () => {
    world.addAgent('/spire/agent/one');
    const before = world.dev.x509.activeId;
    const { end, steps, writes } = await world.lead({ revokeOld: true });
    assert.equal(end !== 'Killed' && end.end, 'Done');
    assert.deepEqual(writes, WHOLE_WAY);
    const way =
      'Record Prepare Record Wait Activate Record WatchAgents Taint Record WaitBeforeRevoke Revoke Record Done';
    assert.deepEqual(stepNames(steps), way.split(' '));
    assert.notEqual(world.dev.x509.activeId, before);
    assert.equal((await world.spire.readOwnBundle()).x509Authorities.length, 1);
    assert.deepEqual((await world.spire.rotation.records.read())?.endedAt, world.clock.now());
  });

  it('leaves the old authority in the bundle unless it is asked to taint or revoke it', async () => {
    const { writes } = await world.lead();
    assert.deepEqual(writes, ['record', 'prepare', 'record', 'activate', 'record', 'record']);
    assert.equal((await world.spire.readOwnBundle()).x509Authorities.length, 2);
  });

  it('does not activate before the peer that is two hours late holds it', async () => {
    world.peers.push(WEST, NORTH);
    await world.apply(WEST);
    await world.apply(NORTH);
    const startMs = world.clock.now().getTime();
    world.onTurn = async () => {
      const root = await rootNow();
      assert.ok([WEST, NORTH].every((name) => world.holds(name).includes(root)));
      await world.apply(NORTH);
      if (world.clock.now().getTime() - startMs > 2 * 3_600_000) await world.apply(WEST);
    };
    const { end, steps } = await world.lead();
    assert.equal(end !== 'Killed' && end.end, 'Done');
    assert.ok(steps.some((step) => step.step === 'Wait' && step.reason === 'PeersMissing'));
    assert.ok(world.holds(WEST).includes(await rootNow()));
    assert.ok(world.clock.now().getTime() - startMs >= 2 * 3_600_000);
  });

  it('waits for the late peer also when our broker is started anew meanwhile, and knows nothing of it', async () => {
    world.peers.push(WEST);
    await world.apply(WEST);
    const startMs = world.clock.now().getTime();
    world.onTurn = async () => {
      const passedMs = world.clock.now().getTime() - startMs;
      if (passedMs > 2 * 3_600_000) await world.apply(WEST);
      else if (passedMs > 5 * 60_000) world.acknowledgements.delete(WEST);
    };
    const { end, steps } = await world.lead();
    assert.equal(end !== 'Killed' && end.end, 'Done');
    assert.ok(steps.some((step) => step.step === 'Wait' && step.reason === 'PeersFellSilent'));
    assert.ok(world.clock.now().getTime() - startMs >= 2 * 3_600_000);
  });

  it('waits five refresh hints for a peer that is not observed', async () => {
    world.peers.push(WEST);
    const startMs = world.clock.now().getTime();
    const { steps } = await world.lead();
    assert.ok(steps.some((step) => step.step === 'Wait' && step.reason === 'PeersUnobserved'));
    assert.ok(world.clock.now().getTime() - startMs >= 5 * 300_000);
  });

  it('does not taint before the agents have SVIDs of the new authority', async () => {
    world.addAgent('/spire/agent/one');
    world.addAgent('/spire/agent/two');
    const old = world.dev.x509.activeId;
    world.onTurn = () => {
      if (world.dev.record.calls('TaintX509Authority').length > 0) assert.deepEqual(world.agentsSignedBy(old), []);
    };
    const { steps } = await world.lead({ revokeOld: true });
    assert.ok(steps.some((step) => step.step === 'WatchAgents' && step.moved < 2));
    assert.equal(world.dev.record.calls('TaintX509Authority').length, 1);
  });

  it('takes no agent for behind that is banned or whose SVID has ended', async () => {
    const at = (ms: number) => new Date(world.clock.now().getTime() + ms);
    world.dev.noteAgent({ path: '/spire/agent/banned', svidExpiresAt: at(86_400_000), banned: true });
    world.dev.noteAgent({ path: '/spire/agent/gone', svidExpiresAt: at(60_000) });
    const { end } = await world.lead();
    assert.equal(end !== 'Killed' && end.end, 'Done');
    assert.ok(world.clock.now().getTime() < at(120_000).getTime());
  });

  it('takes over what SPIRE’s clock has prepared', async () => {
    world.clock.advance(12.5 * 3_600_000);
    await world.dev.rotateByClock();
    const { prepared } = await world.spire.localAuthorities.x509.state();
    const { writes } = await world.lead();
    assert.deepEqual(writes, ['record', 'activate', 'record', 'record']);
    assert.equal(world.dev.x509.activeId, prepared?.id);
  });

  it('goes on when SPIRE’s clock activates before the peer holds it, and waits for the peer before it taints', async () => {
    world.peers.push(WEST);
    await world.apply(WEST);
    world.clock.advance(19 * 3_600_000);
    const startMs = world.clock.now().getTime();
    world.onTurn = async () => {
      await world.dev.rotateByClock();
      if (world.clock.now().getTime() - startMs > 3 * 3_600_000) await world.apply(WEST);
    };
    const { end, steps } = await world.lead({ taintOld: true });
    assert.equal(end !== 'Killed' && end.end, 'Done');
    assert.ok(!steps.some(({ step }) => step === 'Activate'));
    assert.ok(stepNames(steps).join(' ').endsWith('Record Wait Taint Record Done'));
  });

  it('leads the JWT authority alike, without agents to watch', async () => {
    const before = world.dev.jwt.activeId;
    world.addAgent('/spire/agent/one');
    const { end, writes } = await world.lead({ kind: 'jwt', revokeOld: true });
    assert.equal(end !== 'Killed' && end.end, 'Done');
    assert.deepEqual(writes, WHOLE_WAY);
    const { jwtAuthorities } = await world.spire.readOwnBundle();
    assert.ok(!jwtAuthorities.some(({ keyId }) => keyId === before));
  });

  it('stops at its time limit with the record kept, and ends when it is run again', async () => {
    world.peers.push(WEST);
    await world.apply(WEST);
    const { end } = await world.lead({ timeoutMs: 3_600_000 });
    assert.equal(end !== 'Killed' && end.end, 'TimedOut');
    assert.ok((await world.spire.rotation.records.read())?.to !== undefined);
    await world.apply(WEST);
    const again = await world.lead({ run: 'second' });
    assert.equal(again.end !== 'Killed' && again.end.end, 'Done');
    assert.equal(prepares(), 1);
  });

  it('writes nothing when it refuses', async () => {
    world.brokerAnswers = false;
    const { end, writes } = await world.lead();
    assert.equal(end !== 'Killed' && end.end, 'Refused');
    assert.deepEqual(writes, []);
  });

  it('goes on when the answer to a step is lost', async () => {
    for (const rpc of ['PrepareX509Authority', 'ActivateX509Authority', 'TaintX509Authority'] as const) {
      world.dev.failNext(rpc, { type: 'LoseAnswer' });
    }
    const { end } = await world.lead({ revokeOld: true });
    assert.equal(end !== 'Killed' && end.end, 'Done');
    assert.equal(prepares(), 1);
  });

  it('ends with SPIRE’s own error when a step fails twice', async () => {
    const fault = { type: 'Refuse', code: GrpcStatus.INTERNAL, text: 'disk is full' } as const;
    world.dev.failNext('PrepareX509Authority', fault);
    world.dev.failNext('PrepareX509Authority', fault);
    await assert.rejects(world.lead(), /disk is full/);
  });

  it('waits while the broker or SPIRE Server restarts', async () => {
    world.peers.push(WEST);
    let turns = 0;
    world.onTurn = async () => {
      turns += 1;
      world.brokerAnswers = turns < 5 || turns > 10;
      if (turns === 12) await world.dev.stopListening();
      if (turns !== 16) return;
      await world.dev.startListening();
      await until('SPIRE Server serves again', () => world.spire.isServing().catch(() => false));
    };
    const { end, steps } = await world.lead();
    assert.equal(end !== 'Killed' && end.end, 'Done');
    assert.ok(steps.some((step) => step.step === 'Wait' && step.reason === 'BrokerSilent'));
  });

  it('writes its record again when somebody deletes it meanwhile, and prepares no second one', async () => {
    world.peers.push(WEST);
    let turns = 0;
    world.onTurn = async () => {
      if (++turns === 10) await world.spire.rotation.records.forget();
    };
    const { end } = await world.lead();
    assert.equal(end !== 'Killed' && end.end, 'Done');
    assert.equal(prepares(), 1);
  });
});

describe('a rotation whose process is killed', () => {
  let world: RotationWorld;
  beforeEach(async () => {
    world = await RotationWorld.start();
  });
  afterEach(() => world.stop());

  for (const done of [false, true]) {
    for (const [index, write] of WHOLE_WAY.entries()) {
      const kill: Kill = { nth: index + 1, done };
      it(`at write ${kill.nth} (${write}), which SPIRE ${done ? 'did' : 'did not do'}, ends the same when it is run again`, async () => {
        world.addAgent('/spire/agent/one');
        world.peers.push(WEST, NORTH);
        await world.apply(WEST);
        world.onTurn = () => world.apply(WEST);
        const before = world.dev.x509.activeId;
        const [oldRoot] = (await world.spire.readOwnBundle()).x509Authorities.map(fingerprint);
        const first = await world.lead({ revokeOld: true }, kill);
        assert.equal(first.end, 'Killed');
        const again = await world.lead({ run: 'second', revokeOld: true });
        assert.equal(again.end !== 'Killed' && again.end.end, 'Done');
        assert.notEqual(world.dev.x509.activeId, before);
        const roots = (await world.spire.readOwnBundle()).x509Authorities.map(fingerprint);
        assert.ok(!roots.includes(oldRoot!));
        assert.deepEqual(world.agentsSignedBy(before), []);
        assert.ok((await world.spire.rotation.records.read())?.endedAt !== undefined);
        assert.equal(world.dev.record.calls('PrepareX509Authority').length, 1);
      });
    }
  }
});
