// What is said of one peer in the mesh? A closed set of codes: the condition's reason, the metric's label, the CLI's word.

/** Every code, by what it means for the peer. */
export const MESH_CODES = {
  /** The mesh has, or gets by this plan, all that is declared of the peer. */
  Accepted: ['AcceptedFromSpire', 'AcceptedConstrained', 'AcceptedFlat', 'AcceptedAtGateways', 'NotAskedFor'],
  /** Nothing is wrong; it takes time, or something else must come first. */
  Waiting: ['WaitsForRoots', 'WaitsForRootInterval', 'WaitsForListWindow', 'WaitsForCanary', 'Leaving'],
  /** An operator must do something; what was published before stays. */
  Refused: [
    'RootCollision',
    'RootUnfit',
    'NameNotConstrainable',
    'TrustDomainIsOurs',
    'TrustDomainIsAlias',
    'PolicyFindings',
    'MeshBudgetExceeded',
    'OwnershipConflict',
    'BaseSetsCaCertificates',
    'IstiodWouldNotStart',
    'IstiodWouldIgnore',
    'OwnSettingsWouldChange',
    'NoMeshConfig',
  ],
  /** Nothing of it is changed, or trust in it was taken away, because somebody said so. */
  Suspended: ['Paused', 'Revoked'],
  /** Something cannot be read; nothing is removed for that. */
  Unknown: ['SpireUnreadable', 'MeshUnreadable', 'MeshRootsUnreadable', 'DeclarationsUnreadable'],
} as const;

export type MeshState = keyof typeof MESH_CODES;
export type MeshCode = (typeof MESH_CODES)[MeshState][number];

export interface MeshVerdict {
  readonly code: MeshCode;
  /** What is so, and what to do. */
  readonly message: string;
  /** When it will be looked at again, where a time decides. */
  readonly until?: Date | undefined;
}

/** The peer is accepted all the same. */
export interface MeshWarning {
  readonly code:
    | 'FlatRisk'
    | 'GatewayCaInUse'
    | 'ConnectionsLiveOn'
    | 'BaseUnreadable'
    | 'BudgetNear'
    | 'CanaryMissing'
    | 'LeftoverConfig';
  readonly message: string;
}

export function stateOf(code: MeshCode): MeshState {
  const states = Object.keys(MESH_CODES) as MeshState[];
  return states.find((state) => (MESH_CODES[state] as readonly MeshCode[]).includes(code)) ?? 'Unknown';
}

/** From the one that most needs an operator to the one that needs none. */
const BY_WEIGHT: readonly MeshState[] = ['Refused', 'Unknown', 'Suspended', 'Waiting', 'Accepted'];

/** Of one peer's verdicts in several places, the one to be told of it. */
export function gravest(verdicts: readonly MeshVerdict[]): MeshVerdict | undefined {
  const weight = ({ code }: MeshVerdict) => BY_WEIGHT.indexOf(stateOf(code));
  return [...verdicts].sort((a, b) => weight(a) - weight(b))[0];
}

export function isFulfilled({ code }: MeshVerdict): boolean {
  return stateOf(code) === 'Accepted';
}

export const FLAT_RISK: MeshWarning = {
  code: 'FlatRisk',
  message:
    'anchors: Flat: this peer’s CA can make certificates for any name, ours included, and the mesh accepts them; choose Constrained or SpireSds',
};

export const CONNECTIONS_LIVE_ON: MeshWarning = {
  code: 'ConnectionsLiveOn',
  message:
    'new connections are refused; those that are open live on until they end, their maximum age is over or the workload restarts: restart the workloads that must cut them now',
};
