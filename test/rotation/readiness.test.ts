// Is it known of each authority who holds it, since when it is published, and when SPIRE's clock acts?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rotationReadiness, type AuthorityReadiness, type ReadinessInput } from '../../src/rotation/readiness.ts';
import {
  acknowledgementOf,
  ACTIVE_ID,
  ACTIVE_ROOT,
  authorityStates,
  BOTH,
  hour,
  NORTH,
  OLD_ID,
  OLD_ROOT,
  ownBundle,
  PREPARED_ID,
  readinessInput,
  WEST,
} from './samples.ts';

const minutes = (count: number) => count / 60;

function x509(input: ReadinessInput) {
  return rotationReadiness(input)[0]!;
}

function prepared(input: ReadinessInput): AuthorityReadiness {
  return x509(input).authorities[0]!;
}

describe('the readiness of an authority', () => {
  it('is ready when every peer holds it', () => {
    const readiness = prepared(readinessInput([acknowledgementOf(WEST, BOTH), acknowledgementOf(NORTH, BOTH)]));
    assert.deepEqual(
      readiness.heldBy.map(({ trustDomain }) => trustDomain),
      [NORTH, WEST],
    );
    assert.equal(readiness.ready, true);
  });

  it('names the peer that does not hold it, with the sequence number it has and when it was last seen', () => {
    const west = acknowledgementOf(WEST, [ACTIVE_ROOT], { at: hour(10) });
    const readiness = prepared(readinessInput([west, acknowledgementOf(NORTH, BOTH)]));
    assert.deepEqual(readiness.missing, [{ trustDomain: WEST, lastSeenAt: hour(10), holdsSequence: 41n }]);
    assert.equal(readiness.ready, false);
  });

  it('takes a broker that holds nothing of ours for one that does not hold it', () => {
    const { missing } = prepared(readinessInput([acknowledgementOf(WEST, undefined)]));
    assert.deepEqual(missing, [{ trustDomain: WEST, lastSeenAt: hour(12), holdsSequence: undefined }]);
  });

  it('gives a peer that is not observed five refresh hints after publication', () => {
    const held = [acknowledgementOf(WEST, BOTH)];
    const early = prepared(readinessInput(held, { now: hour(12 + minutes(24)) }));
    assert.deepEqual(early.unobserved, [{ trustDomain: NORTH, safeAt: hour(12 + minutes(25)) }]);
    assert.equal(early.ready, false);
    assert.equal(prepared(readinessInput(held, { now: hour(12 + minutes(25)) })).ready, true);
  });

  it('waits a hint after a restart for those who may still tell, however long ago it was published', () => {
    const restarted = { now: hour(14), listeningSince: hour(14) };
    const readiness = prepared(readinessInput([], { ...restarted }));
    assert.deepEqual(readiness.unobserved[0]?.safeAt, hour(14 + minutes(5)));
    assert.equal(readiness.ready, false);
  });

  it('is ready at once without peers', () => {
    assert.equal(prepared(readinessInput([], { peers: [] })).ready, true);
  });

  it('knows from the certificate since when it is published, to the second, and when the clock activates it', () => {
    const { clock, authorities } = x509(readinessInput());
    assert.deepEqual(authorities[0]?.publishedAt, hour(12));
    assert.deepEqual(clock, { lifeSeconds: 24 * 3600, preparesAt: hour(12), activatesAt: hour(20) });
  });

  it('says what comes next, what signs, and what signed before', () => {
    const states = authorityStates({
      x509: {
        active: { id: ACTIVE_ID, expiresAt: hour(24) },
        prepared: undefined,
        old: { id: OLD_ID, expiresAt: hour(4) },
      },
    });
    const { authorities } = x509(readinessInput([], { states, ownBundle: ownBundle([OLD_ROOT, ACTIVE_ROOT]) }));
    assert.deepEqual(
      authorities.map(({ state, id }) => [state, id]),
      [
        ['Active', ACTIVE_ID],
        ['Old', OLD_ID],
      ],
    );
  });

  it('looks for the key id of a JWT authority, which lives as long as an X.509 one', () => {
    const states = authorityStates({
      jwt: {
        active: { id: 'jwt-1', expiresAt: hour(24) },
        prepared: { id: 'jwt-2', expiresAt: hour(36) },
        old: undefined,
      },
    });
    const told = [
      acknowledgementOf(WEST, BOTH, { jwtKeyIds: ['jwt-1', 'jwt-2'] }),
      acknowledgementOf(NORTH, BOTH, { jwtKeyIds: ['jwt-1'] }),
    ];
    const [next] = rotationReadiness(readinessInput(told, { states }))[1]!.authorities;
    assert.deepEqual(next?.publishedAt, hour(12));
    assert.deepEqual(
      [next.heldBy.map((peer) => peer.trustDomain), next.missing.map((peer) => peer.trustDomain)],
      [[WEST], [NORTH]],
    );
  });

  it('looks for the upstream’s root where an UpstreamAuthority plugin signs, and knows no clock', () => {
    const states = authorityStates({
      x509: {
        active: { id: 'aa', expiresAt: hour(24), upstreamId: ACTIVE_ID },
        prepared: { id: 'bb', expiresAt: hour(36), upstreamId: ACTIVE_ID },
        old: undefined,
      },
    });
    const input = readinessInput([acknowledgementOf(WEST, [ACTIVE_ROOT]), acknowledgementOf(NORTH, [ACTIVE_ROOT])], {
      states,
      seenSince: new Map([['bb', hour(12)]]),
    });
    const { signedBy, clock, authorities } = x509(input);
    assert.deepEqual([signedBy, clock, authorities[0]?.ready], ['Upstream', undefined, true]);
  });

  describe('below an upstream', () => {
    const signedBy = (active: string, next: string) =>
      authorityStates({
        x509: {
          active: { id: 'aa', expiresAt: hour(24), upstreamId: active },
          prepared: { id: 'bb', expiresAt: hour(36), upstreamId: next },
          old: undefined,
        },
      });
    const seenSince = new Map([
      ['aa', hour(2)],
      ['bb', hour(12)],
    ]);

    it('is published since its root is, whoever only fetches', () => {
      const input = readinessInput([], { states: signedBy(ACTIVE_ID, ACTIVE_ID), seenSince, listeningSince: hour(2) });
      const { publishedAt, ready } = prepared(input);
      assert.deepEqual([publishedAt, ready], [hour(2), true]);
    });

    it('waits for the root of an upstream that signs by another one than before', () => {
      const told = [acknowledgementOf(WEST, BOTH), acknowledgementOf(NORTH, [ACTIVE_ROOT])];
      const readiness = prepared(readinessInput(told, { states: signedBy(ACTIVE_ID, PREPARED_ID), seenSince }));
      assert.deepEqual(
        [readiness.publishedAt, readiness.missing.map(({ trustDomain }) => trustDomain), readiness.ready],
        [hour(12), [NORTH], false],
      );
    });

    it('of which no root signs by itself, is held by who holds all roots of our bundle', () => {
      const told = [acknowledgementOf(WEST, BOTH), acknowledgementOf(NORTH, [ACTIVE_ROOT])];
      const states = signedBy('an intermediate', 'an intermediate');
      const { heldBy, missing, fingerprint, upstreamId } = prepared(readinessInput(told, { states, seenSince }));
      assert.deepEqual(
        [heldBy.map((peer) => peer.trustDomain), missing.map((peer) => peer.trustDomain), fingerprint, upstreamId],
        [[WEST], [NORTH], undefined, 'an intermediate'],
      );
    });
  });

  it('is not ready before our own bundle has it, whatever is said', () => {
    const { ready, publishedAt } = prepared(
      readinessInput([acknowledgementOf(WEST, BOTH)], { ownBundle: ownBundle([ACTIVE_ROOT]), peers: [WEST] }),
    );
    assert.deepEqual([ready, publishedAt], [false, undefined]);
  });

  it('says the same of the same, whatever the order of the peers', () => {
    const told = [acknowledgementOf(WEST, BOTH)];
    assert.deepEqual(
      rotationReadiness(readinessInput(told, { peers: [WEST, NORTH] })),
      rotationReadiness(readinessInput(told, { peers: [NORTH, WEST] })),
    );
  });

  it('reads an id in the case of SPIRE: lower', () => {
    assert.equal(prepared(readinessInput()).id, PREPARED_ID);
    assert.match(prepared(readinessInput()).fingerprint ?? '', /^[0-9a-f]{64}$/);
  });
});
