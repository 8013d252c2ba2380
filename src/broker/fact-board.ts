// Where are the facts kept between those who gather them and the passes that use them?
import type { Bundle } from '../bundle/bundle.ts';
import { RootIndexer, type KnownRoots } from '../bundle/known-roots.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Acknowledgement } from '../federation/acknowledgement.ts';
import { storedAlike } from '../federation/acceptance.ts';
import type { Clock } from '../federation/clock.ts';
import type {
  Declarations,
  Fact,
  Facts,
  FetchFact,
  LocalAuthorityStates,
  MeshStanding,
  StaticPoller,
} from '../federation/facts.ts';
import type {
  ClusterFederatedTrustDomain,
  ClusterSpiffeId,
  ControllerManager,
  ControllerManagerSite,
  FederationRelationship,
  ManagedPeers,
  RegistrationEntry,
} from '../federation/ports.ts';
import { Overwrites } from './overwrites.ts';
import { SnapshotMap } from './snapshot-map.ts';

/** The facts that are replaced as a whole by the one gatherer that owns each, beside `stored`. */
interface WholeValues {
  readonly declared: Declarations;
  readonly ownBundle: Bundle;
  readonly relationships: ReadonlyMap<TrustDomain, FederationRelationship>;
  readonly entries: readonly RegistrationEntry[];
  readonly managed: ManagedPeers;
}

/** Those of Kubernetes and of the mesh, which need not be there. */
interface OptionalValues {
  readonly clusterSpiffeIds: readonly ClusterSpiffeId[];
  readonly federatedTrustDomains: readonly ClusterFederatedTrustDomain[];
  readonly controllerManager: ControllerManager;
  readonly controllerManagerSite: ControllerManagerSite;
  readonly mesh: readonly MeshStanding[];
  readonly localAuthorities: LocalAuthorityStates;
}

type WholeFacts = { readonly [K in keyof WholeValues]: Fact<WholeValues[K]> };
type OptionalFacts = { readonly [K in keyof OptionalValues]: Fact<OptionalValues[K]> | undefined };

export interface FactBoardListener {
  /** A fact now says something else than before, so that a pass may find something to do. */
  changed(): void;
  /** A bundle that SPIRE held was replaced or removed by somebody else, or by a late write of ours. */
  bundleReplaced(trustDomain: TrustDomain): void;
}

/** Each fact is replaced, never changed in place: a snapshot stays what it was. */
export class FactBoard {
  readonly #clock: Clock;
  readonly #listener: FactBoardListener;
  #facts: WholeFacts;
  #optional: OptionalFacts = {
    clusterSpiffeIds: undefined,
    federatedTrustDomains: undefined,
    controllerManager: undefined,
    controllerManagerSite: undefined,
    mesh: undefined,
    localAuthorities: undefined,
  };
  #stored: Facts['stored'];
  readonly #fetched = new SnapshotMap<TrustDomain, FetchFact>();
  readonly #bootstraps = new SnapshotMap<TrustDomain, Fact<Bundle>>();
  readonly #staticPollers = new SnapshotMap<TrustDomain, StaticPoller>();
  readonly #acknowledgements = new SnapshotMap<TrustDomain, Acknowledgement>();
  #heldLast: ReadonlyMap<TrustDomain, Bundle> = new Map();
  readonly #indexer = new RootIndexer();
  #knownRoots: KnownRoots | undefined;
  readonly #overwrites: Overwrites;

  constructor(clock: Clock, listener: FactBoardListener) {
    this.#clock = clock;
    this.#listener = listener;
    this.#overwrites = new Overwrites(clock);
    const notRead = { state: 'Unreadable', reason: 'NotReadYet', message: 'not read yet', at: clock.now() } as const;
    this.#facts = {
      declared: notRead,
      ownBundle: notRead,
      relationships: notRead,
      entries: notRead,
      managed: notRead,
    };
    this.#stored = notRead;
  }

  /** One fact as it is now. For those who ask at each change: a snapshot indexes all roots anew. */
  fact<K extends keyof WholeValues>(key: K): Fact<WholeValues[K]> {
    return this.#facts[key];
  }

  get stored(): Facts['stored'] {
    return this.#stored;
  }

  snapshot(): Facts {
    const own = this.#facts.ownBundle.state === 'Known' ? this.#facts.ownBundle.value : undefined;
    this.#knownRoots ??= this.#indexer.index(own, [...this.#heldLast.values()]);
    return {
      ...this.#facts,
      ...this.#optional,
      stored: this.#stored,
      now: this.#clock.now(),
      knownRoots: this.#knownRoots,
      fetched: this.#fetched.snapshot(),
      bootstraps: this.#bootstraps.snapshot(),
      staticPollers: this.#staticPollers.snapshot(),
      overwritten: this.#overwrites.trustDomains(),
      acknowledgements: this.#acknowledgements.snapshot(),
    };
  }

  /** Replaces one fact. When `same` says that the new value tells nothing new, it stays the same value: nobody is woken. */
  replace<K extends keyof WholeValues>(
    key: K,
    fact: Fact<WholeValues[K]>,
    same: (before: WholeValues[K], after: WholeValues[K]) => boolean,
  ): void {
    const before: Fact<WholeValues[K]> = this.#facts[key];
    const unchanged =
      before.state === 'Known' &&
      fact.state === 'Known' &&
      (before.value === fact.value || same(before.value, fact.value));
    this.#facts = { ...this.#facts, [key]: unchanged ? { ...fact, value: before.value } : fact };
    if (unchanged) return;
    if (before.state === 'Unreadable' && fact.state === 'Unreadable' && before.reason === fact.reason) return;
    if (key === 'ownBundle') this.#knownRoots = undefined;
    this.#listener.changed();
  }

  /** Replaces one fact that need not be there. A value that says the same stays the same value, and nobody is woken. */
  replaceOptional<K extends keyof OptionalValues>(key: K, fact: OptionalFacts[K]): void {
    const before: OptionalFacts[K] = this.#optional[key];
    if (before === undefined && fact === undefined) return;
    const says = (some: OptionalFacts[K]) =>
      some?.state === 'Known' ? JSON.stringify(some.value) : `${some?.reason ?? ''} ${some?.message ?? ''}`;
    const same = before?.state === fact?.state && says(before) === says(fact);
    const kept = same && before?.state === 'Known' && fact?.state === 'Known' ? { ...fact, value: before.value } : fact;
    this.#optional = { ...this.#optional, [key]: kept };
    if (!same) this.#listener.changed();
  }

  /** What SPIRE holds, as it was just listed. A difference to what we knew was made by somebody else. */
  replaceStored(fact: Facts['stored']): void {
    const before = this.#stored;
    if (fact.state === 'Unreadable') {
      this.#stored = fact;
      if (before.state === 'Known') this.#listener.changed();
      return;
    }
    const held = this.#keepingAlike(fact.value);
    const replaced = [...this.#heldLast.values()].filter((bundle) => held.get(bundle.trustDomain) !== bundle);
    const unchanged = replaced.length === 0 && held.size === this.#heldLast.size;
    if (!unchanged) this.#hold(held);
    this.#stored = { ...fact, value: this.#heldLast };
    for (const { trustDomain } of replaced) {
      if (!this.#overwrites.isOurs(trustDomain, held.get(trustDomain))) this.#noteOverwritten(trustDomain);
      if (this.#fetched.get(trustDomain) !== undefined) this.#listener.bundleReplaced(trustDomain);
    }
    if (!unchanged || before.state === 'Unreadable') this.#listener.changed();
  }

  /** A bundle that says the same stays the same value, so that what was read from it need not be read again. */
  #keepingAlike(listed: ReadonlyMap<TrustDomain, Bundle>): ReadonlyMap<TrustDomain, Bundle> {
    const kept = new Map<TrustDomain, Bundle>();
    for (const [trustDomain, bundle] of listed) {
      const before = this.#heldLast.get(trustDomain);
      const alike = before !== undefined && (before === bundle || storedAlike(before, bundle));
      kept.set(trustDomain, alike ? before : bundle);
    }
    return kept;
  }

  /** What we wrote ourselves and SPIRE read back; undefined for a bundle that we deleted. */
  noteStored(trustDomain: TrustDomain, bundle: Bundle | undefined): void {
    const held = new Map(this.#heldLast);
    if (bundle === undefined) held.delete(trustDomain);
    else held.set(trustDomain, bundle);
    this.#hold(held);
    if (this.#stored.state === 'Known') this.#stored = { state: 'Known', value: held, at: this.#clock.now() };
    this.#listener.changed();
  }

  /** We asked SPIRE to store it, or to delete it where undefined, and do not know whether it did. */
  noteUnanswered(trustDomain: TrustDomain, bundle: Bundle | undefined): void {
    this.#overwrites.noteUnanswered(trustDomain, bundle);
  }

  noteFetched(trustDomain: TrustDomain, fact: FetchFact | undefined): void {
    const before = this.#fetched.get(trustDomain);
    this.#fetched.set(trustDomain, fact);
    const isNews =
      before?.document?.content !== fact?.document?.content || before?.failure?.reason !== fact?.failure?.reason;
    if (isNews) this.#listener.changed();
  }

  noteBootstrap(trustDomain: TrustDomain, bootstrap: Fact<Bundle>): void {
    this.#bootstraps.set(trustDomain, bootstrap);
    this.#listener.changed();
  }

  noteStaticPoller(trustDomain: TrustDomain, poller: StaticPoller | undefined): void {
    const before = this.#staticPollers.get(trustDomain);
    this.#staticPollers.set(trustDomain, poller);
    if (before !== poller) this.#listener.changed();
  }

  /** The same version again is no news, and what was seen later counts. */
  noteAcknowledged(acknowledgement: Acknowledgement): void {
    const before = this.#acknowledgements.get(acknowledgement.trustDomain);
    if (before !== undefined && before.at > acknowledgement.at) return;
    const { trustDomain, holds, at } = acknowledgement;
    const since = before?.holds?.digest === holds?.digest ? before?.since : undefined;
    this.#acknowledgements.set(trustDomain, { ...acknowledgement, since: since ?? at });
    if (before === undefined || before.holds?.etag !== holds?.etag) this.#listener.changed();
  }

  get acknowledgements(): ReadonlyMap<TrustDomain, Acknowledgement> {
    return this.#acknowledgements.snapshot();
  }

  /** A peer that is declared anew later has to show itself anew. */
  keepAcknowledgementsOf(declared: ReadonlySet<TrustDomain>): void {
    for (const trustDomain of this.#acknowledgements.snapshot().keys()) {
      if (!declared.has(trustDomain)) this.#acknowledgements.set(trustDomain, undefined);
    }
  }

  /** The newest bundle known of a trust domain, ours included, also while SPIRE cannot be read. */
  heldBundle(trustDomain: TrustDomain): Bundle | undefined {
    const { ownBundle } = this.#facts;
    if (ownBundle.state === 'Known' && ownBundle.value.trustDomain === trustDomain) return ownBundle.value;
    return this.#heldLast.get(trustDomain);
  }

  fetchOf(trustDomain: TrustDomain): FetchFact | undefined {
    return this.#fetched.get(trustDomain);
  }

  /** SPIRE itself writes it, which is no second writer once that relationship is gone. */
  #isPolled(trustDomain: TrustDomain): boolean {
    const { relationships } = this.#facts;
    return relationships.state === 'Known' && relationships.value.has(trustDomain);
  }

  #hold(bundles: ReadonlyMap<TrustDomain, Bundle>): void {
    this.#heldLast = bundles;
    this.#knownRoots = undefined;
  }

  /**
   * A document counts only against the bundle that was held when it was fetched: an operator who sets a bundle by hand
   * must not see it undone by an older document.
   */
  #noteOverwritten(trustDomain: TrustDomain): void {
    if (!this.#isPolled(trustDomain)) this.#overwrites.noteReplaced(trustDomain);
    const fetch = this.#fetched.get(trustDomain);
    if (fetch !== undefined) this.#fetched.set(trustDomain, { ...fetch, document: undefined });
  }
}
