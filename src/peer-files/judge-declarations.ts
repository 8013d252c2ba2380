// Which declarations of a directory are in force, and what is wrong with the others?
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Declarations } from '../federation/facts.ts';
import type { Peer } from '../federation/relationship.ts';
import type { DeclaredPeer, PeerFile, PeerFileFault } from './parse-peer-file.ts';

/** The declarations in force, with the faults of those that are not. */
export interface DirectoryDeclarations extends Declarations {
  readonly faults: readonly PeerFileFault[];
}

/** What each file without faults declared when it last had none, by the file's name. */
export type PeersOfFiles = ReadonlyMap<string, readonly Peer[]>;

export interface Judgement {
  readonly declarations: DirectoryDeclarations;
  readonly inForce: PeersOfFiles;
}

/** Which file declares a trust domain or name first. */
type Claims = Map<string, string>;

/**
 * Puts the files together in the order of their names: the first declaration of a trust domain or name wins. A file
 * with any fault changes nothing: what it declared before stays in force. Only a file that is gone takes its peers away.
 *
 * @param before what was in force until now; empty at the start
 */
export function judgeDeclarations(files: readonly PeerFile[], before: PeersOfFiles, own: TrustDomain): Judgement {
  const claims: Claims = new Map();
  const inForce = new Map<string, readonly Peer[]>();
  const peers: Peer[] = [];
  const faults: PeerFileFault[] = [];
  const unknown: string[] = [];
  for (const file of [...files].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const fresh = withoutConflicts(file, claims, own);
    const isFaulty = file.faults.length + fresh.faults.length > 0;
    const previous = isFaulty ? before.get(file.name) : undefined;
    faults.push(...file.faults, ...fresh.faults);
    if (isFaulty && previous === undefined) unknown.push(file.name);
    else inForce.set(file.name, previous ?? fresh.peers);

    // An earlier file may by now declare what this one declared before.
    const kept = (previous ?? fresh.peers).filter((peer) => claimsOf(peer).every((claim) => !claims.has(claim)));
    for (const claim of kept.flatMap(claimsOf)) claims.set(claim, file.name);
    peers.push(...kept);
  }
  const incompleteBecause =
    unknown.length === 0 ? undefined : `${unknown.join(', ')}: has faults, and no earlier content is in force`;
  return { declarations: { peers, faults, incompleteBecause }, inForce };
}

function claimsOf({ trustDomain, name }: Peer): string[] {
  return [`trust domain ${trustDomain}`, `name ${name}`];
}

function withoutConflicts({ name, declared }: PeerFile, claims: Claims, own: TrustDomain) {
  const inFile: Claims = new Map();
  const peers: Peer[] = [];
  const faults: PeerFileFault[] = [];
  for (const declaration of declared) {
    const found = conflictsOf(declaration, (claim) => claims.get(claim) ?? inFile.get(claim), own);
    faults.push(...found);
    if (found.length > 0) continue;
    peers.push(declaration.peer);
    for (const claim of claimsOf(declaration.peer)) inFile.set(claim, name);
  }
  return { peers, faults };
}

/** What only the sight of our own trust domain and of the other declarations can find. */
function conflictsOf(
  { peer, faultAt }: DeclaredPeer,
  claimedBy: (claim: string) => string | undefined,
  own: TrustDomain,
): PeerFileFault[] {
  const faults: PeerFileFault[] = [];
  const fields = [['spec', 'trustDomain'] as const, ['metadata', 'name'] as const];
  for (const [index, claim] of claimsOf(peer).entries()) {
    const file = claimedBy(claim);
    if (file !== undefined) faults.push(faultAt(fields[index] ?? [], `${claim} is already declared in ${file}`));
  }
  if (peer.trustDomain === own) {
    faults.push(faultAt(['spec', 'trustDomain'], `${own} is our own trust domain, which cannot be its own peer`));
  }
  for (const [index, { spiffeIdPattern, parentIdPattern }] of peer.entrySelectors.entries()) {
    const patterns = [['spiffeID', spiffeIdPattern] as const, ['parentID', parentIdPattern] as const];
    for (const [field, pattern] of patterns) {
      if (pattern === undefined || pattern.split('/')[2] === own) continue;
      const message = `"${pattern}" matches nothing: the entries of this SPIRE Server are in ${own}`;
      faults.push(faultAt(['spec', 'federatesWith', 'entries', index, field], message));
    }
  }
  return faults;
}
