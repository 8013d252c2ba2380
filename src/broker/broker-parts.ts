// What is a broker made of, what is it told to keep to, and what does it tell of its work? Interfaces only.
import type { BundleDocumentLimits } from '../bundle/bundle-document.ts';
import type { Bundle } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Clock } from '../federation/clock.ts';
import type { PlanLimits } from '../federation/plan.ts';
import type { BundleSource, PeerSource, SpireServer } from '../federation/ports.ts';
import type { RefreshLimits } from '../federation/refresh-schedule.ts';
import type { Peer } from '../federation/relationship.ts';
import type { Auditor } from './auditor.ts';
import type { ClusterParts } from './gather-cluster.ts';
import type { MeshParts, MeshReport } from './mesh-keeper.ts';
import type { PassReport } from './pass.ts';
import type { RotationParts } from './rotation-keeper.ts';
import type { RotationStatus } from './rotation-status.ts';

export interface BrokerSettings {
  readonly refresh: RefreshLimits;
  readonly plan: PlanLimits;
  /** Undefined: endpoints are not asked to hold their answers. */
  readonly longPollSeconds: number | undefined;
  readonly documentLimits: BundleDocumentLimits;
  readonly ownBundlePollMs: number;
  readonly storedPollMs: number;
  readonly entryCountPollMs: number;
}

/** What the broker tells of its work, beside its status. */
export interface BrokerObserver {
  /** Our own bundle was read for the first time, or changed. */
  ownBundle(bundle: Bundle): void;
  /** `result`: `Document`, `NotModified` or the code of the failure. */
  fetched(peer: Peer, result: string, seconds: number): void;
  passEnded(report: PassReport, seconds: number): void;
  /** The mesh was looked at, and written where it had to be. */
  meshLooked(report: MeshReport): void;
  /** The authorities that sign for us were looked at. */
  rotationLooked(status: RotationStatus): void;
  /** A fault of this program: a pass ended by an error that no step accounts for. */
  passFailed(error: Error): void;
}

export interface BrokerParts {
  readonly trustDomain: TrustDomain;
  readonly spire: SpireServer;
  readonly source: BundleSource;
  readonly peers: PeerSource;
  readonly readBootstrap: (peer: Peer) => Promise<Bundle | undefined>;
  readonly settings: BrokerSettings;
  readonly observer: BrokerObserver;
  /** Absent: there is no Kubernetes to look at, and so no spire-controller-manager to mind. */
  readonly cluster?: ClusterParts;
  /** Absent: nothing is recorded. */
  readonly auditor?: Auditor;
  /** Absent: nothing is written for a mesh. */
  readonly mesh?: MeshParts;
  /** Absent: the authorities that sign for us are not looked at. */
  readonly rotation?: RotationParts;
  /** See `PlanLimits.upkeepOnly`; asked at each pass. Default: never. */
  readonly isUpkeepOnly?: () => boolean;
  /** Asked before each step; after a no, nothing more is written. Default: always. */
  readonly mayWrite?: () => boolean;
  /** Calls `sweep` on its schedule until the signal aborts: everything in SPIRE is read again, in case it drifted. */
  readonly scheduleSweeps: (sweep: () => Promise<void>, signal: AbortSignal) => void;
  readonly clock?: Clock;
  readonly random?: () => number;
}
