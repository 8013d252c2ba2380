// What must never happen, whatever fails? One row a promise; each is checked where it can first be broken.
import { bundleDigest, type Bundle } from '../../src/bundle/bundle.ts';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import { storedAlike } from '../../src/federation/acceptance.ts';
import type { BundleRequest } from '../../src/federation/ports.ts';
import type { Peer } from '../../src/federation/relationship.ts';
import type { Replica } from './replica.ts';
import type { SpireWrite } from './spire-link.ts';
import { PARTNER, type World } from './world.ts';

/** A broker asks its SPIRE for a change. */
export interface WriteSight {
  readonly world: World;
  readonly replica: Replica;
  readonly write: SpireWrite;
}

/** A broker asks an endpoint. */
export interface RequestSight {
  readonly world: World;
  readonly replica: Replica;
  readonly request: BundleRequest;
}

export interface Promised {
  readonly id: string;
  /** Of docs/simulation.md: which rule it stands for. */
  readonly rule: string;
  /** Completes "in no run …". */
  readonly promise: string;
}

export interface WriteInvariant extends Promised {
  /** Says how the write breaks it. */
  readonly objection: (sight: WriteSight) => string | undefined;
}

export interface RequestInvariant extends Promised {
  readonly objection: (sight: RequestSight) => string | undefined;
}

/** A broker is judged by what it has been told: nobody can act on what he cannot know. */
export const WRITE_INVARIANTS: readonly WriteInvariant[] = [
  {
    id: 'EmptyBundleStored',
    rule: 'nothing empty is ever written',
    promise: 'a broker stores a bundle without X.509 authorities',
    objection: ({ write }) =>
      write.kind === 'SetBundle' && write.bundle.x509Authorities.length === 0 ? 'it is empty' : undefined,
  },
  {
    id: 'SequenceWentDown',
    rule: 'sequence numbers never go down; absent is not zero',
    promise: 'a broker replaces a bundle that it knows by one with a lower number',
    objection: ({ write, replica }) => {
      if (write.kind !== 'SetBundle') return undefined;
      const held = replica.seen.bundles?.get(write.bundle.trustDomain)?.sequenceNumber;
      const next = write.bundle.sequenceNumber;
      if (held === undefined || (next !== undefined && next >= held)) return undefined;
      if (toldOf(replica, write.bundle.trustDomain)?.acceptDigest === bundleDigest(write.bundle)) return undefined;
      return `${next?.toString() ?? 'no number'} over ${held.toString()}`;
    },
  },
  {
    id: 'ForeignRootStored',
    rule: 'a bundle belongs to one trust domain and only that',
    promise: 'a root of one trust domain is accepted for another, as far as anybody could tell',
    objection: ({ write, replica, world: { pool } }) => {
      if (write.kind !== 'SetBundle') return undefined;
      const { trustDomain, x509Authorities } = write.bundle;
      const { bundles, own } = replica.seen;
      const others = [...(bundles?.values() ?? []), ...(own === undefined ? [] : [own])].filter(
        (bundle) => bundle.trustDomain !== trustDomain,
      );
      const foreign = x509Authorities.find((root) => {
        if (pool.ownerOf(root) === trustDomain) return false;
        return pool.namesOwner(root) || others.some((bundle) => holds(bundle, root));
      });
      return foreign && `${pool.nameOf(foreign)} for ${trustDomain}`;
    },
  },
  {
    id: 'NotVerbatim',
    rule: 'never merged, stored as published',
    promise: 'a broker stores what its peer never published in this form',
    objection: ({ write, world }) => {
      if (write.kind !== 'SetBundle') return undefined;
      const { bundle } = write;
      const wasPublished = world
        .of(bundle.trustDomain)
        .published.some(
          (each) =>
            bundleDigest(each) === bundleDigest(bundle) &&
            (each.sequenceNumber === undefined || each.sequenceNumber === bundle.sequenceNumber),
        );
      return wasPublished ? undefined : `${bundle.trustDomain} never published that`;
    },
  },
  {
    id: 'HandUndone',
    rule: 'a document counts only against the bundle that was held when it was fetched',
    promise:
      'a broker undoes what somebody set or deleted by hand by a document that it fetched before it knew of that',
    objection: ({ write, replica, world }) => {
      if (write.kind !== 'SetBundle') return undefined;
      const { trustDomain } = write.bundle;
      const { byHand } = world.of(replica.trustDomain);
      if (!byHand.has(trustDomain) || replica.seen.bundles?.get(trustDomain) !== byHand.get(trustDomain))
        return undefined;
      const peer = toldOf(replica, trustDomain);
      if (peer?.mode !== 'Own') return undefined;
      const answeredAtMs = replica.answeredAtMs.get(peer.bundleEndpointUrl);
      const knownSinceMs = replica.seen.bundleSinceMs.get(trustDomain);
      if (answeredAtMs === undefined || knownSinceMs === undefined || answeredAtMs >= knownSinceMs) return undefined;
      return `${trustDomain}, fetched ${(knownSinceMs - answeredAtMs) / 1000} s before`;
    },
  },
  {
    id: 'NeedlessWrite',
    rule: 'compare before writing',
    promise: 'a broker writes what is there already, as it knows',
    objection: ({ write, replica, world }) => {
      const { seen } = replica;
      switch (write.kind) {
        case 'SetBundle': {
          const held = seen.bundles?.get(write.bundle.trustDomain);
          return held !== undefined && storedAlike(write.bundle, held) ? 'the same bundle is held' : undefined;
        }
        case 'UpdateEntry': {
          const links = seen.entries.get(write.id);
          return links !== undefined && sameNames(links, write.federatesWith) ? 'the same links are there' : undefined;
        }
        case 'WriteManaged':
          return knownManaged(replica, world).every(
            (managed) => managed !== undefined && sameRecord(managed, write.managed),
          )
            ? 'the same peers are recorded'
            : undefined;
        case 'DeleteBundle':
        case 'Relationship':
          return undefined;
      }
    },
  },
  {
    id: 'RemovalNotAskedFor',
    rule: 'removal is asked for, never inferred',
    promise: 'a bundle is deleted of a peer that nobody withdrew, revoked or ever managed',
    objection: ({ write, replica }) => {
      if (write.kind !== 'DeleteBundle') return undefined;
      const { trustDomain, mode } = write;
      const peer = toldOf(replica, trustDomain);
      if (peer !== undefined) {
        return peer.suspend === 'Revoke' && mode === 'Dissociate' ? undefined : `${trustDomain} is declared`;
      }
      const wasAskedFor = replica.toldInFull?.peers.every((each) => each.trustDomain !== trustDomain) ?? false;
      if (!wasAskedFor) return 'the declarations were never complete without it';
      if (mode === 'Dissociate') return 'it takes the links away with the bundle';
      return replica.seen.managed?.has(trustDomain) === true ? undefined : `${trustDomain} was never managed`;
    },
  },
  {
    id: 'StoredWithoutRecord',
    rule: 'what a broker may remove is recorded before its first change',
    promise: 'a bundle is stored of a peer that is not declared, or not recorded as managed',
    objection: ({ write, replica, world }) => {
      if (write.kind !== 'SetBundle') return undefined;
      const { trustDomain } = write.bundle;
      const peer = toldOf(replica, trustDomain);
      const inFull = toldInFull(replica, trustDomain);
      if ((peer ?? inFull)?.suspend !== 'Active') return `${trustDomain} is not declared as active`;
      const { managed, bundles } = world.of(replica.trustDomain).spire;
      const isRecorded = [managed, ...knownManaged(replica, world)].some((each) => each?.has(trustDomain));
      return isRecorded || bundles.has(trustDomain) ? undefined : `${trustDomain} is not recorded`;
    },
  },
  {
    id: 'ForeignLinkTouched',
    rule: 'unmanaged things are never touched',
    promise: 'an entry gains or loses a trust domain that is neither declared nor managed',
    objection: ({ write, replica }) => {
      if (write.kind !== 'UpdateEntry') return undefined;
      const ours = (name: TrustDomain) =>
        toldOf(replica, name) !== undefined || replica.seen.managed?.has(name) === true;
      const foreign = changedNames(write, replica).find((name) => !ours(name));
      return foreign && `${write.id}: ${foreign}`;
    },
  },
  {
    id: 'LinkTakenFromPeer',
    rule: 'no good peer loses trust',
    promise: 'a chosen entry loses an active peer',
    objection: ({ write, replica }) => {
      if (write.kind !== 'UpdateEntry') return undefined;
      const before = replica.seen.entries.get(write.id) ?? [];
      const lost = before.find(
        (name) =>
          !write.federatesWith.includes(name) &&
          toldOf(replica, name)?.suspend === 'Active' &&
          (toldOf(replica, name)?.entryScope === 'Additive' || write.id.startsWith('entry-pay-')),
      );
      return lost && `${write.id} loses ${lost}`;
    },
  },
  {
    id: 'RelationshipNotOurs',
    rule: 'unmanaged things are never touched',
    promise:
      'a broker makes SPIRE poll a peer that is not declared so, or ends or changes a relationship that it did not record as its own',
    objection: ({ write, replica, world }) => {
      if (write.kind !== 'Relationship') return undefined;
      const { change, trustDomain } = write;
      const peer = toldOf(replica, trustDomain) ?? toldInFull(replica, trustDomain);
      const isDelegated = peer?.mode === 'Delegate' && peer.suspend === 'Active';
      const { managed } = world.of(replica.trustDomain).spire;
      const isOurs = [managed, ...knownManaged(replica, world)].some((each) => each?.get(trustDomain) === 'Delegate');
      if (!isOurs) return `${change}s that with ${trustDomain}, which is not recorded as delegated`;
      return isDelegated === (change === 'delete') ? `${change}s that with ${trustDomain}` : undefined;
    },
  },
  {
    id: 'BootstrapOverHeld',
    rule: 'a declared bundle serves the first contact only',
    promise: 'a broker lets SPIRE store a declared bundle over one that it holds, as it knows',
    objection: ({ write, replica }) =>
      write.kind === 'Relationship' &&
      write.bundle !== undefined &&
      replica.seen.bundles?.has(write.trustDomain) === true
        ? `of ${write.trustDomain}`
        : undefined,
  },
  {
    id: 'WroteBesidePoller',
    rule: 'one writer a trust domain',
    promise: 'a broker replaces a bundle of a trust domain that SPIRE itself polls, as it knows',
    objection: ({ write, replica }) =>
      write.kind === 'SetBundle' &&
      replica.seen.relationships.has(write.bundle.trustDomain) &&
      replica.seen.bundles?.has(write.bundle.trustDomain) === true
        ? `of ${write.bundle.trustDomain}`
        : undefined,
  },
  {
    id: 'WroteWithoutLease',
    rule: 'one writer a trust domain',
    promise: 'a replica writes that does not lead',
    objection: ({ write, replica, world }) => {
      const { lease, role, process } = replica;
      if (lease === undefined) return undefined;
      if (role === 'Isolated') {
        if (write.kind !== 'SetBundle') return 'out of reach of the API server, it changes more than a bundle';
        const bundles = replica.seen.bundles ?? world.of(replica.trustDomain).spire.bundles;
        return bundles.has(write.bundle.trustDomain) ? undefined : 'out of reach of the API server, it takes up a peer';
      }
      if (role !== 'Leader') return `it is ${role}`;
      return lease.holder === process.name ? undefined : `the Lease is held by ${lease.holder ?? 'nobody'}`;
    },
  },
];

export const REQUEST_INVARIANTS: readonly RequestInvariant[] = [
  {
    id: 'DialledWithoutAnchors',
    rule: 'no dialling with zero anchors',
    promise: 'an https_spiffe endpoint is asked with nothing to verify it',
    objection: ({ request: { trust } }) =>
      trust.type === 'https_spiffe' && trust.authorities.length === 0 ? 'no authorities' : undefined,
  },
  {
    id: 'WrongAnchors',
    rule: 'exactly the configured SPIFFE ID, against that domain’s latest accepted bundle',
    promise: 'an endpoint is verified by other roots than those held of its trust domain, or declared for it',
    objection: ({ request, replica, world }) => {
      const peer = peerAt(replica, request.url);
      if (peer === undefined) return undefined;
      if (peer.profile.type !== request.trust.type) return `${request.trust.type} in place of ${peer.profile.type}`;
      if (request.trust.type === 'https_web') return undefined;
      if (peer.profile.type === 'https_spiffe' && request.trust.endpointSpiffeId !== peer.profile.endpointSpiffeId) {
        return `expects ${request.trust.endpointSpiffeId}`;
      }
      const held = replica.seen.bundles?.get(peer.trustDomain);
      const bootstrap = world.of(replica.trustDomain).operator.readBootstrap(peer.trustDomain);
      const { authorities } = request.trust;
      const isOf = (bundle: Bundle | undefined) =>
        bundle !== undefined && authorities.every((root) => holds(bundle, root));
      return isOf(held) || isOf(bootstrap) ? undefined : 'roots that are neither held nor declared';
    },
  },
  {
    id: 'NamesWhatIsNotApplied',
    rule: 'If-None-Match names only what has been applied',
    promise: 'a broker tells a peer that it holds what its SPIRE does not hold, as it knows',
    objection: ({ request, replica, world }) => {
      if (request.appliedEtag === undefined) return undefined;
      const peer = peerAt(replica, request.url);
      const document = world.pool.documentOf(request.appliedEtag);
      if (peer === undefined || document?.bundle === undefined) return undefined;
      const { bundles, bundlesBefore, bundlesAtMs } = replica.seen;
      // What was read in this very instant may be on its way through the program.
      const known = [bundles, ...(bundlesAtMs === world.time.nowMs ? [bundlesBefore] : [])];
      const applied = bundleDigest(document.bundle);
      const isHeld = known.some((each) => {
        const held = each?.get(peer.trustDomain);
        return held !== undefined && bundleDigest(held) === applied;
      });
      return isHeld ? undefined : `of ${peer.trustDomain}`;
    },
  },
];

/** A bundle and an entry that were there before any broker, and are nobody's peer. */
export const UNTOUCHED: Promised & { readonly objection: (world: World) => string | undefined } = {
  id: 'UnmanagedChanged',
  rule: 'unmanaged things are never touched',
  promise: 'a bundle, a link or a relationship changes that an operator made by hand for somebody who is no peer',
  objection: (world) => {
    for (const { spire, trustDomain } of world.brokered) {
      if (!spire.relationships.has(PARTNER)) return `${trustDomain} polls ${PARTNER} no longer`;
      if (!spire.bundles.has(PARTNER)) return `${trustDomain} lost the bundle of ${PARTNER}`;
      const unlinked = [...spire.entries.values()].find(({ federatesWith }) => !federatesWith.includes(PARTNER));
      if (unlinked !== undefined) return `${unlinked.id} of ${trustDomain} lost ${PARTNER}`;
    }
    return undefined;
  },
};

/** What was read in this very instant may be on its way through the program. */
function knownManaged({ seen }: Replica, { time }: World) {
  return [seen.managed, ...(seen.managedAtMs === time.nowMs ? [seen.managedBefore] : [])];
}

function sameRecord(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return JSON.stringify([...a].sort()) === JSON.stringify([...b].sort());
}

function toldOf(replica: Replica, trustDomain: TrustDomain): Peer | undefined {
  return replica.told?.peers.find((peer) => peer.trustDomain === trustDomain);
}

function toldInFull(replica: Replica, trustDomain: TrustDomain): Peer | undefined {
  return replica.toldInFull?.peers.find((peer) => peer.trustDomain === trustDomain);
}

function peerAt(replica: Replica, url: string): Peer | undefined {
  return replica.told?.peers.find((peer) => peer.bundleEndpointUrl === url);
}

function holds(bundle: Bundle, root: Uint8Array): boolean {
  return bundle.x509Authorities.some((each) => each === root || Buffer.compare(each, root) === 0);
}

function sameNames(a: readonly TrustDomain[], b: readonly TrustDomain[]): boolean {
  return [...a].sort().join() === [...b].sort().join();
}

function changedNames(
  { id, federatesWith }: Extract<SpireWrite, { readonly kind: 'UpdateEntry' }>,
  { seen }: Replica,
): readonly TrustDomain[] {
  const before = seen.entries.get(id) ?? [];
  return [
    ...before.filter((name) => !federatesWith.includes(name)),
    ...federatesWith.filter((name) => !before.includes(name)),
  ];
}
