// How does a plan become true? Step by step through the SPIRE port, one outcome a step.
import type { Bundle } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { storedAlike } from '../federation/acceptance.ts';
import type { StepOutcome } from '../federation/judgement.ts';
import { linksAfter, type EntryLinkChange } from '../federation/entry-links.ts';
import type { Step } from '../federation/plan.ts';
import type { CodedError, ItemOutcome, SpireServer } from '../federation/ports.ts';
import { deleteDeclaration, applyDeclaration, updateClusterSpiffeIds, type ClusterWriters } from './apply-cluster.ts';
import { runRecorded, type StepAudit } from './audited.ts';
import { codedError } from './coded.ts';

export interface ApplyParts {
  readonly spire: SpireServer;
  /** Undefined without Kubernetes: then no step needs it. */
  readonly cluster: ClusterWriters | undefined;
  /** What SPIRE holds after a write, as its answer said; undefined for a deleted bundle. */
  readonly noteStored: (trustDomain: TrustDomain, bundle: Bundle | undefined) => void;
  /** Undefined: nothing is recorded. */
  readonly audit: StepAudit | undefined;
  /** To be stored, or to be deleted where undefined, and SPIRE did not say that it was: it can be all the same, or later. */
  readonly noteUnanswered: (trustDomain: TrustDomain, bundle: Bundle | undefined) => void;
  /** Asked before each step; after a no, nothing more is done. */
  readonly mayWrite: () => boolean;
  /** Asked before each step: whether the peer's declaration is another since the plan was made. Then the next plan decides. */
  readonly isOverruled: (trustDomain: TrustDomain) => boolean;
  readonly signal: AbortSignal;
}

/** Runs the steps in order. Never throws for a peer: its failure is an outcome, and ends only its own later steps. */
export async function applySteps(steps: readonly Step[], parts: ApplyParts): Promise<StepOutcome[]> {
  const outcomes: StepOutcome[] = [];
  const failed = new Set<TrustDomain>();
  for (const batch of batched(steps)) {
    if (parts.signal.aborted || !parts.mayWrite()) break;
    const names = new Set(batch.flatMap(namesIn));
    const excluded = new Set([...failed, ...[...names].filter(parts.isOverruled)]);
    const run = () => runBatch(batch, excluded, parts);
    const results = await (parts.audit === undefined ? run() : runRecorded(batch, excluded, parts.audit, run));
    for (const name of failedNames(results)) failed.add(name);
    outcomes.push(...results);
  }
  return outcomes;
}

/** Whom a step concerns. A record is of all peers at once, and says only what may be removed one day. */
function namesIn(step: Step): readonly TrustDomain[] {
  if (step.kind === 'RecordManagedPeers') return [];
  return 'changes' in step ? step.changes.flatMap(({ add, remove }) => [...add, ...remove]) : [step.trustDomain];
}

/**
 * A refused entry or ClusterSPIFFEID is that one's failure; the peer goes on with all others. That a bundle is not
 * deleted under a name that stayed, SPIRE sees to for entries, and the plan for ClusterSPIFFEIDs: it waits.
 */
function failedNames(results: readonly StepOutcome[]): TrustDomain[] {
  return results
    .filter(({ error, kind }) => error !== undefined && kind !== 'UpdateEntries' && kind !== 'UpdateClusterSpiffeIds')
    .flatMap(({ trustDomains }) => trustDomains);
}

/** Neighbouring bundles are stored with one call. */
function batched(steps: readonly Step[]): Step[][] {
  const batches: Step[][] = [];
  for (const step of steps) {
    const last = batches.at(-1);
    if (step.kind === 'StoreBundle' && last?.[0]?.kind === 'StoreBundle') last.push(step);
    else batches.push([step]);
  }
  return batches;
}

async function runBatch(
  batch: readonly Step[],
  excluded: ReadonlySet<TrustDomain>,
  parts: ApplyParts,
): Promise<StepOutcome[]> {
  const [step] = batch;
  if (step === undefined) return [];
  if (step.kind === 'StoreBundle') {
    const bundles = batch.flatMap((item) => (item.kind === 'StoreBundle' ? [item.bundle] : []));
    return storeBundles(bundles, excluded, parts);
  }
  if (step.kind === 'UpdateEntries') return updateEntries(step.changes, excluded, parts);
  if (step.kind === 'UpdateClusterSpiffeIds') return updateClusterSpiffeIds(step.changes, excluded, parts);
  const trustDomains = step.kind === 'RecordManagedPeers' ? step.added : [step.trustDomain];
  if (trustDomains.length > 0 && trustDomains.every((name) => excluded.has(name))) return [];
  try {
    await runStep(step, parts);
    return [{ kind: step.kind, trustDomains, error: undefined }];
  } catch (error) {
    if (step.kind === 'DeleteBundle') parts.noteUnanswered(step.trustDomain, undefined);
    return [{ kind: step.kind, trustDomains, error: codedError(error) }];
  }
}

type SingleStep = Exclude<Step, { readonly kind: 'StoreBundle' | 'UpdateEntries' | 'UpdateClusterSpiffeIds' }>;

async function runStep(step: SingleStep, { spire, cluster, noteStored, signal }: ApplyParts): Promise<void> {
  switch (step.kind) {
    case 'RecordManagedPeers':
      return spire.writeManagedPeers(step.managed, signal);
    case 'CreateRelationship':
      return spire.createFederationRelationship(step.relationship, step.bootstrap, signal);
    case 'UpdateRelationship':
      return spire.updateFederationRelationship(step.relationship, signal);
    case 'DeleteRelationship':
      await spire.deleteFederationRelationship(step.trustDomain, signal);
      return;
    case 'ApplyFederatedTrustDomain':
      return applyDeclaration(step.declaration, cluster, signal);
    case 'DeleteFederatedTrustDomain':
      return deleteDeclaration(step.object, cluster, signal);
    case 'DeleteBundle':
      await deleteBundle(step.trustDomain, step.mode, spire, signal);
      noteStored(step.trustDomain, undefined);
  }
}

/** A poll of SPIRE that was under way can write the bundle again after it was deleted: read, and repeat once. */
async function deleteBundle(
  trustDomain: TrustDomain,
  mode: 'Restrict' | 'Dissociate',
  spire: SpireServer,
  signal: AbortSignal,
): Promise<void> {
  await spire.deleteFederatedBundle(trustDomain, mode, signal);
  if ((await spire.getFederatedBundle(trustDomain, signal)) === undefined) return;
  await spire.deleteFederatedBundle(trustDomain, mode, signal);
  if ((await spire.getFederatedBundle(trustDomain, signal)) !== undefined) {
    throw new ApplyError(
      'BundleReappeared',
      `the bundle of ${trustDomain} was written again while it was being deleted`,
    );
  }
}

async function storeBundles(
  bundles: readonly Bundle[],
  excluded: ReadonlySet<TrustDomain>,
  { spire, noteStored, noteUnanswered, signal }: ApplyParts,
): Promise<StepOutcome[]> {
  const wanted = bundles.filter(({ trustDomain }) => !excluded.has(trustDomain));
  const results = await itemsOrFailure(wanted, () => spire.setFederatedBundles(wanted, signal));
  return wanted.map((bundle, index) => {
    const result = results[index];
    const error = result === undefined ? missingAnswer() : (errorOf(result) ?? readBackFault(bundle, result));
    // The answer says the same; what was read of the bundle while it was judged is known of this value.
    if (error === undefined) noteStored(bundle.trustDomain, bundle);
    else noteUnanswered(bundle.trustDomain, bundle);
    return { kind: 'StoreBundle', trustDomains: [bundle.trustDomain], error };
  });
}

function readBackFault(written: Bundle, result: ItemOutcome<Bundle>): CodedError | undefined {
  if (!result.ok || storedAlike(written, result.value)) return undefined;
  return new ApplyError(
    'ReadBackDiffers',
    `SPIRE holds another bundle of ${written.trustDomain} than the one just written`,
  );
}

async function updateEntries(
  changes: readonly EntryLinkChange[],
  excluded: ReadonlySet<TrustDomain>,
  { spire, signal }: ApplyParts,
): Promise<StepOutcome[]> {
  const wanted = changes.filter((change) => [...change.add, ...change.remove].some((name) => !excluded.has(name)));
  const updates = wanted.map((change) => ({ id: change.entry.id, federatesWith: linksAfter(change, excluded) }));
  const results = await itemsOrFailure(wanted, () => spire.updateFederatesWith(updates, signal));
  return wanted.map((change, index) => {
    const result = results[index];
    return {
      kind: 'UpdateEntries',
      trustDomains: [...change.add, ...change.remove].filter((name) => !excluded.has(name)),
      error: result === undefined ? missingAnswer() : errorOf(result),
      subject: change.entry.spiffeId,
    };
  });
}

/** A call that fails as a whole fails each of its items. */
async function itemsOrFailure<T>(
  items: readonly unknown[],
  call: () => Promise<readonly ItemOutcome<T>[]>,
): Promise<readonly ItemOutcome<T>[]> {
  if (items.length === 0) return [];
  try {
    return await call();
  } catch (error) {
    return items.map(() => ({ ok: false, error: codedError(error) }));
  }
}

function errorOf(result: ItemOutcome<unknown>): CodedError | undefined {
  return result.ok ? undefined : result.error;
}

function missingAnswer(): CodedError {
  return new ApplyError('AnswerMissing', 'SPIRE answered fewer items than it was asked for');
}

class ApplyError extends Error implements CodedError {
  readonly code: 'BundleReappeared' | 'ReadBackDiffers' | 'AnswerMissing';

  constructor(code: ApplyError['code'], message: string) {
    super(message);
    this.code = code;
  }
}
