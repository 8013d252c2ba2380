// What shall the mesh hold of each trust domain, by what is declared and what SPIRE stores? No object looked at yet.
import type { Bundle } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { MeshAcceptance, Peer } from '../federation/relationship.ts';
import type { MeshFacts } from './mesh-facts.ts';
import { CONNECTIONS_LIVE_ON, FLAT_RISK, type MeshVerdict, type MeshWarning } from './mesh-verdict.ts';
import { peerAnchors } from './peer-anchors.ts';
import type { OurRoots } from './root-collision.ts';
import { refuseRoots } from './root-gate.ts';

/** `Keep`: as it is now, whatever that is. */
export interface Wanted {
  readonly trustDomain: TrustDomain;
  readonly list: 'On' | 'Off' | 'Keep';
  /** DER; none: none of it may be there. */
  readonly anchors: readonly Uint8Array[] | 'Keep';
  /** Its name does not wait for others. */
  readonly isUrgent: boolean;
  /** Roots that go do not wait either: trust in them is over. */
  readonly isCut: boolean;
  /** What holds when all this is there. */
  readonly verdict: MeshVerdict;
}

export interface WantedPeer extends Wanted {
  readonly peer: Peer;
  readonly mesh: MeshAcceptance;
  readonly warnings: readonly MeshWarning[];
  /** The roots that passed the gate; undefined: what gateways have of it stays. */
  readonly roots: Bundle | undefined;
}

type Decision = Pick<Wanted, 'list' | 'anchors' | 'verdict'> & Pick<WantedPeer, 'roots'>;

/** By trust domain, in their order. */
export function wantedPeers(facts: MeshFacts): readonly WantedPeer[] {
  if (facts.declared.state === 'Unreadable') return [];
  return facts.declared.value.peers
    .flatMap((peer) => (peer.mesh === undefined ? [] : [wantedPeer(peer, peer.mesh, facts)]))
    .sort((a, b) => (a.trustDomain < b.trustDomain ? -1 : 1));
}

/** Of a trust domain that is published, but that no declaration wants in the mesh. */
export function wantedOfUndeclared(trustDomain: TrustDomain, { declared }: MeshFacts): Wanted {
  const base = { trustDomain, isUrgent: false, isCut: true };
  if (declared.state === 'Unreadable') {
    return { ...base, ...keep({ code: 'DeclarationsUnreadable', message: declared.message }) };
  }
  const { incompleteBecause } = declared.value;
  if (incompleteBecause !== undefined) {
    const message = `no declaration wants it, but not all of them could be read, so it stays: ${incompleteBecause}`;
    return { ...base, ...keep({ code: 'DeclarationsUnreadable', message }) };
  }
  const message = 'no declaration wants it in the mesh any more: its roots go at once, its name when the list changes';
  return { ...base, list: 'Off', anchors: [], verdict: { code: 'Leaving', message } };
}

/** Nothing of it is changed. */
export function asItIs(wanted: Wanted): Wanted {
  return { ...wanted, list: 'Keep', anchors: 'Keep' };
}

/** What would be added is left out; what goes, goes. */
export function withoutAdditions(wanted: Wanted): Wanted {
  const addsRoots = wanted.anchors !== 'Keep' && wanted.anchors.length > 0;
  return { ...wanted, list: wanted.list === 'On' ? 'Keep' : wanted.list, anchors: addsRoots ? 'Keep' : wanted.anchors };
}

function wantedPeer(peer: Peer, mesh: MeshAcceptance, facts: MeshFacts): WantedPeer {
  const decision = decide(peer, mesh, facts);
  const isCut = isCutOff(peer, facts);
  const warnings = [...(mesh.anchors === 'Flat' ? [FLAT_RISK] : []), ...(isCut ? [CONNECTIONS_LIVE_ON] : [])];
  return { trustDomain: peer.trustDomain, peer, mesh, isUrgent: mesh.urgent, isCut, warnings, ...decision };
}

export function isCutOff({ suspend, trustDomain }: Peer, { revoked }: MeshFacts): boolean {
  return suspend === 'Revoke' || (suspend === 'Active' && revoked.has(trustDomain));
}

function decide(peer: Peer, mesh: MeshAcceptance, facts: MeshFacts): Decision {
  const { trustDomain } = peer;
  if (isCutOff(peer, facts)) {
    const why = peer.suspend === 'Revoke' ? 'spec.suspend is Revoke' : 'the peer withdrew all its keys';
    const message = `${why}: its roots are taken out of the mesh at once, its name when the list changes. ${CONNECTIONS_LIVE_ON.message}`;
    return off({ code: 'Revoked', message });
  }
  if (peer.suspend === 'Paused')
    return keep({ code: 'Paused', message: 'spec.suspend is true: the mesh stays as it is' });
  if (trustDomain === facts.ownTrustDomain) {
    return keep({
      code: 'TrustDomainIsOurs',
      message: `${trustDomain} is our own trust domain; a peer is another one`,
    });
  }
  if (mesh.anchors === 'None' && mesh.gatewayCas.length === 0) {
    return off({
      code: 'NotAskedFor',
      message: 'anchors: None, and no CA object for a gateway: the mesh holds nothing of it',
    });
  }
  const roots = readRoots(trustDomain, facts);
  if ('code' in roots) return keep(roots);
  const ours = rootsBeside(mesh, facts);
  const { now, knownRoots } = facts;
  const gate = { now, knownRoots, ours, publishesRoots: publishesRoots(mesh) };
  const refusal = refuseRoots(roots, gate);
  if (refusal !== undefined) return keep(refusal);
  const unreadable = meshRootsUnreadable(mesh, facts);
  // A gateway's object has this peer's roots and no others.
  return unreadable === undefined ? { ...publish(roots, mesh), roots } : { ...keep(unreadable), roots };
}

function publish(bundle: Bundle, { anchors: form, gatewayCas }: MeshAcceptance): Omit<Decision, 'roots'> {
  const count = `${bundle.x509Authorities.length} roots`;
  if (form === 'None') {
    const message = `${gatewayCas.length} CA objects for gateways have its ${count}; mesh config has nothing of it`;
    return { list: 'Off', anchors: [], verdict: { code: 'AcceptedAtGateways', message } };
  }
  if (form === 'SpireSds') {
    const message = `its name is on the list, and SPIRE's agents give its ${count} to the workloads that may meet it`;
    return { list: 'On', anchors: [], verdict: { code: 'AcceptedFromSpire', message } };
  }
  const made = peerAnchors(bundle.x509Authorities, bundle.trustDomain, form);
  if (made.kind === 'None') return { list: 'Keep', anchors: 'Keep', verdict: made.because };
  const verdict: MeshVerdict =
    form === 'Flat'
      ? { code: 'AcceptedFlat', message: `its name is on the list, and its ${count} are in mesh config as they are` }
      : {
          code: 'AcceptedConstrained',
          message: `its name is on the list, and its ${count} are in mesh config, each for this trust domain alone. Proxies refuse its workloads whose SVIDs carry DNS names (dns_names of their entries) or email addresses; where they need them, choose anchors: SpireSds, which looks at the SPIFFE ID alone`,
        };
  return { list: 'On', anchors: made.ders, verdict };
}

/** What SPIRE stores, which is never empty. Without our own roots nobody can tell whether the peer's collide with them. */
function readRoots(trustDomain: TrustDomain, { stored, ownBundle }: MeshFacts): Bundle | MeshVerdict {
  if (stored.state === 'Unreadable') return { code: 'SpireUnreadable', message: `SPIRE's bundles: ${stored.message}` };
  if (ownBundle.state === 'Unreadable') {
    return { code: 'SpireUnreadable', message: `our own bundle, which no root may collide with: ${ownBundle.message}` };
  }
  const bundle = stored.value.get(trustDomain);
  if (bundle !== undefined && bundle.x509Authorities.length > 0) return bundle;
  const message = 'SPIRE holds no root of it yet; what the mesh had of it stays. See the condition BundleStored';
  return { code: 'WaitsForRoots', message };
}

/** Those of istiod count where the peer's get into one list with them. */
function rootsBeside(mesh: MeshAcceptance, { ownBundle, meshRoots, ownTrustDomain }: MeshFacts): readonly OurRoots[] {
  return [
    { of: ownTrustDomain, roots: ownBundle.state === 'Known' ? ownBundle.value.x509Authorities : [] },
    { of: 'istiod', roots: hasRootsInMeshConfig(mesh) && meshRoots.state === 'Known' ? meshRoots.value : [] },
  ];
}

function meshRootsUnreadable(mesh: MeshAcceptance, { meshRoots }: MeshFacts): MeshVerdict | undefined {
  if (meshRoots.state === 'Known' || !hasRootsInMeshConfig(mesh)) return undefined;
  const message = `the roots of istiod cannot be read, and a peer's root that is mistaken for one of them would break the mesh: nothing of it comes into mesh config, what is there stays. ${meshRoots.message}`;
  return { code: 'MeshRootsUnreadable', message };
}

function hasRootsInMeshConfig({ anchors }: MeshAcceptance): boolean {
  return anchors === 'Constrained' || anchors === 'Flat';
}

function publishesRoots(mesh: MeshAcceptance): boolean {
  return hasRootsInMeshConfig(mesh) || mesh.gatewayCas.length > 0;
}

function keep(verdict: MeshVerdict): Decision {
  return { list: 'Keep', anchors: 'Keep', verdict, roots: undefined };
}

function off(verdict: MeshVerdict): Decision {
  return { list: 'Off', anchors: [], verdict, roots: undefined };
}
