// Is there one broker a term, and none without a term?
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { LiveStatus } from '../../src/broker/status.ts';
import { Terms, type Role, type TermsParts } from '../../src/broker/terms.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { untilAborted } from '../../src/federation/clock.ts';
import { FakeClock } from '../fakes/fake-clock.ts';

const WEST = parseTrustDomain('west.example');

let told: string[];
let clock: FakeClock;
let terms: Terms;
let end: AbortController;
let running: Promise<void>;
/** Gives the replica a term, as an election does that it won. */
let win: () => AbortController;

function statusOf(name: string): LiveStatus {
  return { trustDomain: parseTrustDomain(name), now: '', ownBundle: { reason: '', message: '' }, ...NOTHING };
}

const ROLES = ['Leader', 'Isolated', 'Standby'];

const NOTHING = { unreadable: [], peers: [], heldRemovals: [], waitingRemovals: [] };

beforeEach(() => {
  told = [];
  clock = new FakeClock();
  end = new AbortController();
  const lost: AbortController[] = [];
  let lead: Parameters<TermsParts['elect']>[0] | undefined;
  let term = Promise.resolve();
  win = () => {
    const controller = new AbortController();
    lost.push(controller);
    term = term.then(() => lead?.(AbortSignal.any([controller.signal, end.signal]), () => true));
    return controller;
  };
  terms = new Terms({
    elect: async (start, signal) => {
      lead = start;
      await untilAborted(signal);
      await term;
    },
    makeBroker: (role) => ({
      start: () => {
        told.push(`${role} starts`);
        return Promise.resolve();
      },
      stop: () => {
        told.push(`${role} stops`);
        return Promise.resolve();
      },
      status: () => statusOf(role.toLowerCase()),
      refresh: (peer) => told.push(`${role} asks ${peer}`),
      refreshAll: () => told.push(`${role} asks all`),
      find: () => Promise.resolve(undefined),
      noteAcknowledged: ({ trustDomain }) => told.push(`${role} is told of ${trustDomain}`),
    }),
    standbyPeers: { find: () => Promise.resolve(undefined) },
    standby: {
      look: () => {
        told.push('looks');
        return Promise.resolve();
      },
      status: () => statusOf('standby'),
    },
    clock,
    ownBundlePollMs: 200,
    onRole: (role: Role) => told.push(role),
  });
  running = terms.run(end.signal);
});

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

describe('a replica', () => {
  it('that does not lead follows our own bundle and nothing else', async () => {
    await settle();
    clock.advance(200);
    await settle();
    assert.deepEqual(told, ['looks', 'looks']);
    assert.equal(terms.role, 'Standby');
    terms.refresh(WEST);
    terms.refreshAll();
    assert.equal(terms.status().trustDomain, 'standby');
    end.abort();
    await running;
    assert.deepEqual(told, ['looks', 'looks']);
  });

  it('has a broker for as long as it leads, and a new one for the next term', async () => {
    const first = win();
    await settle();
    terms.refresh(WEST);
    terms.refreshAll();
    assert.equal(terms.status().trustDomain, 'leader');
    first.abort();
    await settle();
    win();
    await settle();
    end.abort();
    await running;
    assert.deepEqual(
      told.filter((line) => line !== 'looks'),
      [
        ...['Leader', 'Leader starts', 'Leader asks west.example', 'Leader asks all', 'Leader stops', 'Standby'],
        ...['Leader', 'Leader starts', 'Leader stops', 'Standby'],
      ],
    );
  });

  it('that led goes on alone while the API server is lost, until it leads again', async () => {
    const term = win();
    await settle();
    terms.noteLeaseFailure();
    term.abort();
    await settle();
    assert.equal(terms.role, 'Isolated');
    win();
    await settle();
    assert.equal(terms.role, 'Leader');
    assert.deepEqual(
      told.filter((line) => ROLES.includes(line)),
      ['Leader', 'Isolated', 'Leader'],
    );
    assert.ok(told.indexOf('Isolated stops') < told.lastIndexOf('Leader starts'), told.join(', '));
    end.abort();
    await running;
    assert.equal(terms.role, 'Standby');
  });

  it('that goes on alone stops when another leads', async () => {
    const term = win();
    await settle();
    terms.noteLeaseFailure();
    term.abort();
    await settle();
    terms.noteOtherLeader();
    await settle();
    assert.equal(terms.role, 'Standby');
    end.abort();
    await running;
  });

  it('does not go on alone when another was seen to lead, though the Lease was out of reach before', async () => {
    const term = win();
    await settle();
    terms.noteLeaseFailure();
    terms.noteOtherLeader();
    term.abort();
    await settle();
    assert.equal(terms.role, 'Standby');
    end.abort();
    await running;
    assert.ok(!told.includes('Isolated'), told.join(', '));
  });

  it('does not go on alone when its Lease was taken, nor when it is asked to end', async () => {
    const taken = win();
    await settle();
    taken.abort();
    await settle();
    assert.equal(terms.role, 'Standby');
    win();
    await settle();
    terms.noteLeaseFailure();
    end.abort();
    await running;
    assert.ok(!told.includes('Isolated'), told.join(', '));
  });
});
