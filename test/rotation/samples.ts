// What do the tests of rotation start from? A server whose authorities live a day, twelve hours into the active one.
import type { Bundle } from '../../src/bundle/bundle.ts';
import { fingerprint } from '../../src/bundle/bundle.ts';
import { parseTrustDomain, type TrustDomain } from '../../src/bundle/trust-domain.ts';
import type { Acknowledgement } from '../../src/federation/acknowledgement.ts';
import type { LocalAuthorityStates } from '../../src/federation/facts.ts';
import type { ReadinessInput } from '../../src/rotation/readiness.ts';
import { makeRoot } from '../fakes/fake-ca.ts';

export const EAST = parseTrustDomain('east.example');
export const WEST = parseTrustDomain('west.example');
export const NORTH = parseTrustDomain('north.example');

export const HOUR_MS = 3_600_000;
export const START = new Date('2040-01-01T00:00:00Z');
export const HINT_SECONDS = 300;

/** So many hours after the active authority was made. */
export function hour(hours: number): Date {
  return new Date(START.getTime() + hours * HOUR_MS);
}

const LIFE_HOURS = 24;
export const OLD_ID = '0a'.repeat(20);
export const ACTIVE_ID = '1b'.repeat(20);
export const PREPARED_ID = '2c'.repeat(20);

/** As SPIRE makes a root at this hour: with `notBefore` ten seconds earlier. */
async function rootAt(id: string, hours: number): Promise<Uint8Array> {
  const { der } = await makeRoot(EAST, {
    subjectKeyId: id,
    notBefore: new Date(hour(hours).getTime() - 10_000),
    notAfter: hour(hours + LIFE_HOURS),
  });
  return der;
}

export const OLD_ROOT = await rootAt(OLD_ID, -20);
export const ACTIVE_ROOT = await rootAt(ACTIVE_ID, 0);
export const PREPARED_ROOT = await rootAt(PREPARED_ID, 12);

export function ownBundle(roots: readonly Uint8Array[] = [ACTIVE_ROOT, PREPARED_ROOT]): Bundle {
  return {
    trustDomain: EAST,
    x509Authorities: roots,
    jwtAuthorities: [],
    sequenceNumber: 42n,
    refreshHintSeconds: undefined,
  };
}

export function authorityStates(changes: Partial<LocalAuthorityStates> = {}): LocalAuthorityStates {
  return {
    x509: {
      active: { id: ACTIVE_ID, expiresAt: hour(24) },
      prepared: { id: PREPARED_ID, expiresAt: hour(36) },
      old: undefined,
    },
    jwt: { active: { id: 'jwt-active', expiresAt: hour(24) }, prepared: undefined, old: undefined },
    ...changes,
  };
}

/** What a broker that holds these roots of ours says. */
export function acknowledgementOf(
  trustDomain: TrustDomain,
  roots: readonly Uint8Array[] | undefined,
  {
    at = hour(12),
    since,
    sequenceNumber = 41n,
    jwtKeyIds = [],
  }: {
    readonly at?: Date;
    readonly since?: Date;
    readonly sequenceNumber?: bigint;
    readonly jwtKeyIds?: readonly string[];
  } = {},
): Acknowledgement {
  const holds = roots && {
    etag: '"x"',
    digest: 'x',
    sequenceNumber,
    x509Authorities: roots.map(fingerprint),
    jwtKeyIds,
    servedSince: hour(0),
  };
  return { trustDomain, at, holds, since: since ?? at };
}

/** Prepared just now; nobody has said anything yet. */
export function readinessInput(
  acknowledgements: readonly Acknowledgement[] = [],
  changes: Partial<ReadinessInput> = {},
): ReadinessInput {
  return {
    now: hour(12),
    states: authorityStates(),
    ownBundle: ownBundle(),
    peers: [WEST, NORTH],
    acknowledgements: new Map(acknowledgements.map((each) => [each.trustDomain, each])),
    refreshHintSeconds: HINT_SECONDS,
    seenSince: new Map(),
    listeningSince: hour(0),
    ...changes,
  };
}

export const BOTH = [ACTIVE_ROOT, PREPARED_ROOT];
/** Both peers have both. */
export const HELD = [acknowledgementOf(WEST, BOTH), acknowledgementOf(NORTH, BOTH)];
