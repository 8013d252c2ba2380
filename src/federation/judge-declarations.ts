// Which declarations are in force, and what is wrong with the others? One rule, whether they stand in files or objects.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Declarations } from './facts.ts';
import type { Peer } from './relationship.ts';

export type FaultReason = 'Invalid' | 'Conflict' | 'OwnTrustDomain';

/** A declaration without faults of its own. */
export interface DeclaredPeer<Fault> {
  readonly peer: Peer;
  /** A fault at one of its fields, for whoever sees more than this declaration. */
  readonly faultAt: (path: readonly (string | number)[], message: string, reason: FaultReason) => Fault;
}

/** What is changed and removed as a whole: a file or an object. */
export interface DeclaringUnit<Fault> {
  /** Under which its content is remembered. */
  readonly id: string;
  /** What messages call it. */
  readonly title: string;
  /** The declarations without faults, in their order. */
  readonly declared: readonly DeclaredPeer<Fault>[];
  readonly faults: readonly Fault[];
  /** Whether, with these faults, it may stand for peers in force that nobody can read from it now. */
  readonly mayHide: (faults: readonly Fault[]) => boolean;
}

/** What each unit without faults declared when it last had none, by its ID. */
export type EarlierPeers = ReadonlyMap<string, readonly Peer[]>;

export interface JudgedUnit<Fault> {
  readonly id: string;
  /** Those in force, now or still. */
  readonly peers: readonly Peer[];
  readonly faults: readonly Fault[];
}

export interface Judgement<Fault> {
  readonly declarations: Declarations;
  /** In the order given. */
  readonly units: readonly JudgedUnit<Fault>[];
  readonly inForce: EarlierPeers;
}

/** Which unit declares a trust domain or name first: its title. */
type Claims = Map<string, string>;

/**
 * Puts the units together in their order: the first declaration of a trust domain or name wins. A unit with any fault
 * changes nothing: what it declared before stays in force. Only a unit that is gone takes its peers away.
 *
 * @param before what was in force until now; empty at the start
 */
export function judgeDeclarations<Fault>(
  units: readonly DeclaringUnit<Fault>[],
  before: EarlierPeers,
  own: TrustDomain,
): Judgement<Fault> {
  const claims: Claims = new Map();
  const inForce = new Map<string, readonly Peer[]>();
  const judged: JudgedUnit<Fault>[] = [];
  const unknown: string[] = [];
  for (const unit of units) {
    const fresh = withoutConflicts(unit, claims, own);
    const faults = [...unit.faults, ...fresh.faults];
    const previous = faults.length > 0 ? before.get(unit.id) : undefined;
    if (faults.length === 0 || previous !== undefined) inForce.set(unit.id, previous ?? fresh.peers);
    else if (unit.mayHide(faults)) unknown.push(unit.title);

    // An earlier unit may by now declare what this one declared before.
    const peers = (previous ?? fresh.peers).filter((peer) => claimsOf(peer).every((claim) => !claims.has(claim)));
    for (const claim of peers.flatMap(claimsOf)) claims.set(claim, unit.title);
    judged.push({ id: unit.id, peers, faults });
  }
  const incompleteBecause =
    unknown.length === 0 ? undefined : `${unknown.join(', ')}: has faults, and no earlier content is in force`;
  return { declarations: { peers: judged.flatMap(({ peers }) => peers), incompleteBecause }, units: judged, inForce };
}

function claimsOf({ trustDomain, name }: Peer): string[] {
  return [`trust domain ${trustDomain}`, `name ${name}`];
}

function withoutConflicts<Fault>({ title, declared }: DeclaringUnit<Fault>, claims: Claims, own: TrustDomain) {
  const inUnit: Claims = new Map();
  const peers: Peer[] = [];
  const faults: Fault[] = [];
  for (const declaration of declared) {
    const found = conflictsOf(declaration, (claim) => claims.get(claim) ?? inUnit.get(claim), own);
    faults.push(...found);
    if (found.length > 0) continue;
    peers.push(declaration.peer);
    for (const claim of claimsOf(declaration.peer)) inUnit.set(claim, title);
  }
  return { peers, faults };
}

/** What only the sight of our own trust domain and of the other declarations can find. */
function conflictsOf<Fault>(
  { peer, faultAt }: DeclaredPeer<Fault>,
  claimedBy: (claim: string) => string | undefined,
  own: TrustDomain,
): Fault[] {
  const faults: Fault[] = [];
  const fields = [['spec', 'trustDomain'] as const, ['metadata', 'name'] as const];
  for (const [index, claim] of claimsOf(peer).entries()) {
    const title = claimedBy(claim);
    if (title === undefined) continue;
    faults.push(faultAt(fields[index] ?? [], `${claim} is already declared in ${title}`, 'Conflict'));
  }
  if (peer.trustDomain === own) {
    const message = `${own} is our own trust domain, which cannot be its own peer`;
    faults.push(faultAt(['spec', 'trustDomain'], message, 'OwnTrustDomain'));
  }
  for (const [index, { spiffeIdPattern, parentIdPattern }] of peer.entrySelectors.entries()) {
    const patterns = [['spiffeID', spiffeIdPattern] as const, ['parentID', parentIdPattern] as const];
    for (const [field, pattern] of patterns) {
      if (pattern === undefined || pattern.split('/')[2] === own) continue;
      const message = `"${pattern}" matches nothing: the entries of this SPIRE Server are in ${own}`;
      faults.push(faultAt(['spec', 'federatesWith', 'entries', index, field], message, 'Invalid'));
    }
  }
  return faults;
}
