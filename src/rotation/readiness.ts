// Who can verify what this authority signs, and who not yet? (SPIFFE Federation §4.1: a new key is published 3–5 times
// the refresh hint before it signs)
import type { Bundle } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Acknowledgement, ServedBundle } from '../federation/acknowledgement.ts';
import type { LocalAuthorityStates } from '../federation/facts.ts';
import type { Authority, AuthorityState } from '../federation/local-authority.ts';
import {
  lifeMsOf,
  publishedAt,
  rootOf,
  rootsNeeded,
  spireClock,
  type AuthorityKind,
  type SpireClock,
} from './authority-times.ts';

export interface ReadinessInput {
  readonly now: Date;
  readonly states: LocalAuthorityStates;
  readonly ownBundle: Bundle;
  /** Those that may verify our SVIDs. */
  readonly peers: readonly TrustDomain[];
  readonly acknowledgements: ReadonlyMap<TrustDomain, Acknowledgement>;
  /** What we publish. */
  readonly refreshHintSeconds: number;
  /** When this broker saw each authority for the first time, by id. */
  readonly seenSince: ReadonlyMap<string, Date>;
  /** Since when peers can have told this broker what they hold. */
  readonly listeningSince: Date;
}

export interface Holder {
  readonly trustDomain: TrustDomain;
  /** By a request that its broker authenticated. */
  readonly lastSeenAt: Date;
}

export interface Holding extends Holder {
  /** Its SPIRE Server; its agents get it with their next sync. */
  readonly heldSince: Date;
}

export interface Missing extends Holder {
  /** Of the newest of our bundles that it has applied; undefined: none that is known here. */
  readonly holdsSequence: bigint | undefined;
}

/** A peer that only fetches: nobody can know what it holds, only when it has had the time to. */
export interface Unobserved {
  readonly trustDomain: TrustDomain;
  readonly safeAt: Date;
}

export interface AuthorityReadiness {
  readonly state: 'Prepared' | 'Active' | 'Old';
  /** As SPIRE names it. */
  readonly id: string;
  /** Of its root; undefined for JWT, and when our bundle does not have it. */
  readonly fingerprint: string | undefined;
  /** Subject key id of the certificate of an UpstreamAuthority plugin that signed it; undefined: it signed itself. */
  readonly upstreamId: string | undefined;
  /** Exactly, or when this broker first saw it; undefined: not yet. */
  readonly publishedAt: Date | undefined;
  readonly expiresAt: Date | undefined;
  readonly heldBy: readonly Holding[];
  readonly missing: readonly Missing[];
  readonly unobserved: readonly Unobserved[];
  /** Nobody is missing, and who is not observed has had the time. */
  readonly ready: boolean;
}

export interface KindReadiness {
  readonly kind: AuthorityKind;
  /** `Upstream`: peers need the roots of an UpstreamAuthority plugin, whatever authority signs below the same one. */
  readonly signedBy: 'Self' | 'Upstream';
  /** Undefined where nothing says how long an authority lives. */
  readonly clock: SpireClock | undefined;
  /** What comes next first, then what signs, then what was before. */
  readonly authorities: readonly AuthorityReadiness[];
}

/** The advance of SPIFFE Federation §4.1, as multiples of the refresh hint: what is waited for, and what is the least. */
export const ADVANCE = { safe: 5, least: 3 } as const;

export function rotationReadiness(input: ReadinessInput): readonly KindReadiness[] {
  const lifeMs = lifeMsOf(input.states, input.ownBundle);
  const sorted = { ...input, peers: [...input.peers].sort() };
  return (['x509', 'jwt'] as const).map((kind) => kindReadiness(kind, sorted, lifeMs));
}

function kindReadiness(kind: AuthorityKind, input: ReadinessInput, lifeMs: number | undefined): KindReadiness {
  const state = input.states[kind];
  return {
    kind,
    signedBy: state.active.upstreamId === undefined ? 'Self' : 'Upstream',
    clock: spireClock(state.active, lifeMs),
    authorities: authoritiesOf(state).map(([name, authority]) =>
      authorityReadiness({ kind, state: name, authority, seenAt: seenAt(authority, state, input) }, input, lifeMs),
    ),
  };
}

function authoritiesOf({
  prepared,
  active,
  old,
}: AuthorityState): (readonly [AuthorityReadiness['state'], Authority])[] {
  return [
    ...(prepared === undefined ? [] : [['Prepared', prepared] as const]),
    ['Active', active],
    ...(old === undefined ? [] : [['Old', old] as const]),
  ];
}

interface Judged {
  readonly kind: AuthorityKind;
  readonly state: AuthorityReadiness['state'];
  readonly authority: Authority;
  /** When this broker first saw it, or another authority that the same certificate of an upstream signed. */
  readonly seenAt: Date | undefined;
}

function authorityReadiness(
  { kind, state, authority, seenAt }: Judged,
  input: ReadinessInput,
  lifeMs: number | undefined,
): AuthorityReadiness {
  const root = kind === 'x509' ? rootOf(authority, input.ownBundle) : undefined;
  const published = publishedAt(kind, authority, input.ownBundle, lifeMs) ?? seenAt;
  const safeAt = safeMoment(published ?? input.now, input);
  const needed = kind === 'x509' ? rootsNeeded(authority, root, input.ownBundle) : undefined;
  const isHeld = ({ x509Authorities, jwtKeyIds }: ServedBundle) =>
    kind === 'jwt'
      ? jwtKeyIds.includes(authority.id)
      : needed?.every((each) => x509Authorities.includes(each)) === true;
  const heldBy: Holding[] = [];
  const missing: Missing[] = [];
  const unobserved: Unobserved[] = [];
  for (const trustDomain of input.peers) {
    const told = input.acknowledgements.get(trustDomain);
    if (told === undefined) unobserved.push({ trustDomain, safeAt });
    else if (told.holds !== undefined && isHeld(told.holds))
      heldBy.push({ trustDomain, lastSeenAt: told.at, heldSince: told.since ?? told.at });
    else missing.push({ trustDomain, lastSeenAt: told.at, holdsSequence: told.holds?.sequenceNumber });
  }
  return {
    state,
    id: authority.id,
    fingerprint: root?.fingerprint,
    upstreamId: authority.upstreamId,
    publishedAt: published,
    expiresAt: authority.expiresAt,
    heldBy,
    missing,
    unobserved,
    ready: published !== undefined && missing.length === 0 && (unobserved.length === 0 || safeAt <= input.now),
  };
}

function seenAt({ id, upstreamId }: Authority, state: AuthorityState, { seenSince }: ReadinessInput): Date | undefined {
  const all = authoritiesOf(state).map(([, authority]) => authority);
  const sameRoot = upstreamId === undefined ? [] : all.filter((each) => each.upstreamId === upstreamId);
  const seen = [id, ...sameRoot.map((each) => each.id)].flatMap((each) => seenSince.get(each) ?? []);
  return seen.sort((one, other) => one.getTime() - other.getTime())[0];
}

/**
 * Five hints after publication; but a peer whose broker tells what it holds is taken for a silent one until it has asked
 * this process once, which takes it one hint at most.
 */
function safeMoment(published: Date, { refreshHintSeconds, listeningSince }: ReadinessInput): Date {
  const hintMs = refreshHintSeconds * 1000;
  return new Date(Math.max(published.getTime() + ADVANCE.safe * hintMs, listeningSince.getTime() + hintMs));
}
