// What do the tests of planning start from? Values that say nothing special, to be changed where a test is about it.
import type { ParsedBundleDocument } from '../../src/bundle/bundle-document.ts';
import type { Bundle } from '../../src/bundle/bundle.ts';
import { RootIndexer } from '../../src/bundle/known-roots.ts';
import { parseSpiffeId } from '../../src/bundle/spiffe-id.ts';
import { parseTrustDomain, type TrustDomain } from '../../src/bundle/trust-domain.ts';
import { known, type Fact, type Facts, type FetchFact } from '../../src/federation/facts.ts';
import type {
  ClusterFederatedTrustDomain,
  ClusterSpiffeId,
  ControllerManager,
  FederationRelationship,
  RegistrationEntry,
} from '../../src/federation/ports.ts';
import type { Peer } from '../../src/federation/relationship.ts';
import { makeRoot } from '../fakes/fake-ca.ts';

export const NOW = new Date('2040-01-01T00:00:00Z');
export const EAST = parseTrustDomain('east.example');
export const WEST = parseTrustDomain('west.example');
export const NORTH = parseTrustDomain('north.example');

/** Three roots each, made once a test run: their keys are all different. */
export const ROOTS: ReadonlyMap<TrustDomain, readonly Uint8Array[]> = new Map(
  await Promise.all(
    [EAST, WEST, NORTH].map(async (name) => {
      const roots = await Promise.all([1, 2, 3].map(() => makeRoot(name)));
      return [name, roots.map(({ der }) => der)] as const;
    }),
  ),
);

/** The roots of these numbers, from 0. */
export function bundleOf(
  trustDomain: TrustDomain,
  roots: readonly number[] = [0],
  changes: Partial<Bundle> = {},
): Bundle {
  return {
    trustDomain,
    x509Authorities: roots.map((index) => ROOTS.get(trustDomain)![index]!),
    jwtAuthorities: [],
    sequenceNumber: 7n,
    refreshHintSeconds: 300,
    ...changes,
  };
}

export function documentOf(bundle: Bundle): ParsedBundleDocument {
  return { bundle, findings: [] };
}

/** As a declaration without `spec.policy` has it. */
export const POLICY: Peer['policy'] = {
  onEmptyBundle: 'Hold',
  onDisjointRoots: 'Accept',
  onLargeChange: 'Accept',
  largeChange: { added: 5, removed: 5 },
  onSequenceReuse: 'Accept',
  staleAfterSeconds: 3600,
  expireAfterSeconds: undefined,
  onExpired: 'Keep',
  pins: [],
  requireConsent: false,
};

export function peerOf(trustDomain: TrustDomain, changes: Partial<Peer> = {}): Peer {
  return {
    name: trustDomain.split('.')[0]!,
    trustDomain,
    bundleEndpointUrl: `https://bundle.${trustDomain}/`,
    profile: { type: 'https_spiffe', endpointSpiffeId: parseSpiffeId(`spiffe://${trustDomain}/federation-broker`) },
    webCaPem: undefined,
    bootstrap: undefined,
    mode: 'Own',
    entrySelectors: [],
    entryScope: 'Additive',
    clusterSpiffeIds: undefined,
    mesh: undefined,
    policy: POLICY,
    suspend: 'Active',
    acceptDigest: undefined,
    rejectDigests: [],
    quarantine: undefined,
    lastGoodBundle: undefined,
    ...changes,
  };
}

/** Selects entries of our trust domain by their path. */
export function selecting(path: string): Peer['entrySelectors'] {
  const spiffeIdPattern = `spiffe://${EAST}${path}`;
  return [{ spiffeIdPattern, parentIdPattern: undefined, selectors: [], hint: undefined }];
}

export function entryOf(path: string, federatesWith: readonly TrustDomain[] = []): RegistrationEntry {
  return {
    id: `entry${path.replaceAll('/', '-')}`,
    spiffeId: parseSpiffeId(`spiffe://${EAST}${path}`),
    parentId: parseSpiffeId(`spiffe://${EAST}/node`),
    selectors: [{ type: 'unix', value: 'uid:0' }],
    federatesWith,
    hint: undefined,
  };
}

export function relationshipOf({ trustDomain, bundleEndpointUrl, profile }: Peer): FederationRelationship {
  return { trustDomain, bundleEndpointUrl, profile };
}

/** With a prefix, and looking after everything. */
export function controllerManagerOf(
  changes: Partial<Omit<ControllerManager, 'reconciles'>> = {},
  reconciles: Partial<ControllerManager['reconciles']> = {},
): ControllerManager {
  return {
    entryIdPrefix: 'cluster.',
    reconciles: {
      clusterSpiffeIds: true,
      clusterFederatedTrustDomains: true,
      clusterStaticEntries: true,
      ...reconciles,
    },
    className: 'spire',
    watchClassless: false,
    ...changes,
  };
}

export function clusterSpiffeIdOf(name: string, changes: Partial<ClusterSpiffeId> = {}): ClusterSpiffeId {
  return {
    name,
    uid: `uid-${name}`,
    resourceVersion: '1',
    labels: {},
    federatesWith: [],
    addedByBroker: [],
    className: 'spire',
    ...changes,
  };
}

/** As a broker made it. */
export function federatedTrustDomainOf(
  peer: Peer,
  changes: Partial<ClusterFederatedTrustDomain> = {},
): ClusterFederatedTrustDomain {
  const { name, trustDomain, bundleEndpointUrl, profile } = peer;
  const own = { uid: `uid-${name}`, className: 'spire', carriesBundle: false, ours: true, brokerOf: EAST };
  return { name, trustDomain, bundleEndpointUrl, profile, ...own, ...changes };
}

export function fetchedFact(bundle: Bundle): FetchFact {
  const document = { at: NOW, etag: '"1"', content: documentOf(bundle) };
  return { document, lastAttemptAt: NOW, lastSuccessAt: NOW, failure: undefined };
}

export interface Situation {
  readonly peers?: readonly Peer[];
  readonly incompleteBecause?: string;
  readonly stored?: readonly Bundle[];
  readonly relationships?: readonly FederationRelationship[];
  readonly entries?: readonly RegistrationEntry[];
  readonly managed?: Facts['managed'] extends Fact<infer M> ? M : never;
  /** What each peer publishes. */
  readonly fetched?: readonly Bundle[];
}

/** Everything readable, every peer probed. `changes` replaces whole facts. */
export function factsOf(situation: Situation, changes: Partial<Facts> = {}): Facts {
  const { peers = [], stored = [], relationships = [], entries = [], managed = new Map(), fetched = [] } = situation;
  return {
    now: NOW,
    declared: known({ peers, incompleteBecause: situation.incompleteBecause }, NOW),
    ownBundle: known(bundleOf(EAST), NOW),
    stored: known(new Map(stored.map((bundle) => [bundle.trustDomain, bundle])), NOW),
    knownRoots: new RootIndexer().index(bundleOf(EAST), stored),
    relationships: known(new Map(relationships.map((each) => [each.trustDomain, each])), NOW),
    entries: known(entries, NOW),
    managed: known(managed, NOW),
    clusterSpiffeIds: undefined,
    federatedTrustDomains: undefined,
    controllerManager: undefined,
    controllerManagerSite: undefined,
    mesh: undefined,
    fetched: new Map(fetched.map((bundle) => [bundle.trustDomain, fetchedFact(bundle)])),
    bootstraps: new Map(),
    staticPollers: new Map(peers.map(({ trustDomain }) => [trustDomain, 'Absent'])),
    overwritten: new Set(),
    acknowledgements: new Map(),
    localAuthorities: undefined,
    ...changes,
  };
}
