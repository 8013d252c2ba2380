// Is every write of a rotation that is led recorded before and after it, and none made that must be recorded and cannot be?
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { status as GrpcStatus } from '@grpc/grpc-js';
import { Auditor } from '../../src/broker/auditor.ts';
import { recordedRotation } from '../../src/broker/recorded-rotation.ts';
import type { AuditEvent, AuditTrail } from '../../src/federation/audit-trail.ts';
import { RotationWorld } from '../rotation/rotation-world.ts';
import { EAST } from '../rotation/samples.ts';

/** Takes so many records, then none. */
class MemoryTrail implements AuditTrail {
  readonly place = 'memory';
  readonly head = undefined;
  readonly events: AuditEvent[] = [];
  readonly #room: number;

  constructor(room = Infinity) {
    this.#room = room;
  }

  peer(): undefined {
    return undefined;
  }

  peers(): Iterable<never> {
    return [];
  }

  append(events: readonly AuditEvent[]) {
    if (this.events.length >= this.#room) return Promise.reject(new Error('the disk is full'));
    this.events.push(...events);
    return Promise.resolve(
      events.map((_, index) => ({ record: this.events.length - events.length + index, hash: '' })),
    );
  }

  look(): Promise<void> {
    return Promise.resolve();
  }
}

describe('a rotation that is led and recorded', () => {
  let world: RotationWorld;
  beforeEach(async () => {
    world = await RotationWorld.start();
  });
  afterEach(() => world.stop());

  function record(trail: AuditTrail, isRequired: boolean): void {
    const auditor = new Auditor({ trail, isRequired, clock: world.clock });
    const request = { cause: 'Command', why: 'fedbroker rotate', by: 'ada@east' } as const;
    world.around = (ports) => ({ ...ports, ...recordedRotation(ports, { auditor, trustDomain: EAST, request }) });
  }
  const changes = ({ events }: MemoryTrail) =>
    events.map((event) => (event.kind === 'ChangeIntended' ? event.change : event.kind));

  it('has an intention and an outcome for each write, and names the authority', async () => {
    const trail = new MemoryTrail();
    record(trail, true);
    const from = world.dev.x509.activeId;
    await world.lead({ revokeOld: true });
    const to = world.dev.x509.activeId;
    const intended = trail.events.flatMap((event) => (event.kind === 'ChangeIntended' ? [event] : []));
    assert.deepEqual(
      intended.map(({ change, subject }) => [change, subject]),
      [
        ['BeginRotation', `x509 ${from} → the next`],
        ['PrepareAuthority', 'x509'],
        ['NoteRotation', `x509 ${from} → ${to}`],
        ['ActivateAuthority', `x509 ${to}`],
        ['NoteRotation', `x509 ${from} → ${to}`],
        ['TaintAuthority', `x509 ${from}`],
        ['NoteRotation', `x509 ${from} → ${to}`],
        ['RevokeAuthority', `x509 ${from}`],
        ['EndRotation', `x509 ${from} → ${to}`],
      ],
    );
    assert.ok(intended.every(({ by, trustDomains }) => by === 'ada@east' && trustDomains[0] === EAST));
    for (const [index, event] of trail.events.entries()) {
      if (index % 2 === 0) assert.equal(event.kind, 'ChangeIntended');
      else assert.deepEqual(event.kind === 'ChangeEnded' && [event.intention, event.result], [index - 1, 'Done']);
    }
  });

  it('records the failure of a write, and what is tried again', async () => {
    const trail = new MemoryTrail();
    record(trail, true);
    world.dev.failNext('PrepareX509Authority', { type: 'Refuse', code: GrpcStatus.INTERNAL, text: 'no entropy' });
    await world.lead();
    assert.deepEqual(changes(trail).slice(2, 8), [
      ...['PrepareAuthority', 'ChangeEnded'],
      ...['NoteRotation', 'ChangeEnded'],
      ...['PrepareAuthority', 'ChangeEnded'],
    ]);
    const [, , , failed, , , , done] = trail.events;
    assert.match(
      failed?.kind === 'ChangeEnded' ? `${failed.result}: ${failed.message}` : '',
      /^Spire\w+: .*no entropy/,
    );
    assert.equal(done?.kind === 'ChangeEnded' && done.result, 'Done');
  });

  it('activates nothing once it must be recorded and cannot be, and goes on when it is run again', async () => {
    record(new MemoryTrail(6), true);
    const before = world.dev.x509.activeId;
    await assert.rejects(world.lead(), { code: 'AuditUnwritable' });
    assert.equal(world.dev.x509.activeId, before);
    const trail = new MemoryTrail();
    record(trail, true);
    await world.lead();
    assert.notEqual(world.dev.x509.activeId, before);
    assert.equal(changes(trail)[0], 'ActivateAuthority');
  });

  it('is led all the same when it need not be recorded', async () => {
    record(new MemoryTrail(0), false);
    const before = world.dev.x509.activeId;
    await world.lead();
    assert.notEqual(world.dev.x509.activeId, before);
  });
});
