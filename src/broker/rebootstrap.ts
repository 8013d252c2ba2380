// How is a peer's bundle set from one that an operator obtained, when its endpoint is signed by a root we never learned
// of? The same rules as for any bundle, but no comparison with what is held.
import { bundleDigest, type Bundle } from '../bundle/bundle.ts';
import type { Finding } from '../bundle/bundle-rules.ts';
import { checkBundle } from '../bundle/check-bundle.ts';
import { RootIndexer } from '../bundle/known-roots.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { ChangeIntended } from '../federation/audit-trail.ts';
import type { CodedError, SpireServer } from '../federation/ports.ts';
import { runRecordedOnce } from './audited.ts';
import type { Auditor, CloseEarlier } from './auditor.ts';
import { codedError } from './coded.ts';

/** The given bundle cannot be used; nothing was changed. */
export class RebootstrapError extends Error implements CodedError {
  override readonly name = 'RebootstrapError';
  /** `NoAuthorities`, or the ID of the rule that refuses the bundle. */
  readonly code: string;
  readonly findings: readonly Finding[];

  constructor(code: string, message: string, findings: readonly Finding[]) {
    super(message);
    this.code = code;
    this.findings = findings;
  }
}

export interface RebootstrapParts {
  readonly spire: Pick<SpireServer, 'readOwnBundle' | 'listFederatedBundles' | 'setFederatedBundles'>;
  readonly now: Date;
  readonly maxRoots: number;
  readonly signal: AbortSignal;
}

export interface StoreParts extends Pick<RebootstrapParts, 'spire' | 'signal'> {
  /** Undefined: it is not recorded. */
  readonly auditor: Auditor | undefined;
  /** Done before the bundle is stored. */
  readonly closeEarlier?: CloseEarlier | undefined;
  /** Who asked for it. */
  readonly request: Pick<ChangeIntended, 'cause' | 'why' | 'by'>;
}

export interface CheckedRebootstrap {
  /** Without the keys that cannot be used. */
  readonly bundle: Bundle;
  /** What SPIRE holds now. */
  readonly held: Bundle | undefined;
  readonly findings: readonly Finding[];
}

/** @throws RebootstrapError; rejects as SPIRE does */
export async function checkRebootstrap(
  given: Bundle,
  { spire, now, maxRoots, signal }: RebootstrapParts,
): Promise<CheckedRebootstrap> {
  const stored = await spire.listFederatedBundles(signal);
  const knownRoots = new RootIndexer().index(await spire.readOwnBundle(signal), stored);
  const { bundle, findings, refusedBy } = checkBundle({ bundle: given, findings: [] }, { now, knownRoots, maxRoots });
  if (refusedBy !== undefined) throw new RebootstrapError(refusedBy.ruleId, refusedBy.message, findings);
  if (bundle.x509Authorities.length === 0) {
    throw new RebootstrapError('NoAuthorities', 'the bundle holds no X.509 authority that can be used', findings);
  }
  return { bundle, findings, held: stored.find(({ trustDomain }) => trustDomain === given.trustDomain) };
}

/** Stores it in place of what SPIRE holds; rejects when SPIRE does not take it. */
export async function storeRebootstrap(
  { bundle, held }: CheckedRebootstrap,
  { spire, signal, auditor, closeEarlier, request }: StoreParts,
): Promise<void> {
  await closeEarlier?.((trustDomains) => foundIn(spire, trustDomains));
  const before = held === undefined ? {} : { before: bundleDigest(held) };
  const change = {
    ...{ change: 'Rebootstrap', trustDomains: [bundle.trustDomain] },
    ...request,
    ...before,
    after: bundleDigest(bundle),
  };
  await runRecordedOnce(change, auditor, async () => {
    const [outcome] = await spire.setFederatedBundles([bundle], signal);
    if (outcome?.ok !== true) throw outcome?.error ?? new Error('SPIRE did not answer for the bundle');
  });
}

/** Whether what was intended has come true can be read from it. */
async function foundIn(spire: StoreParts['spire'], trustDomains: readonly TrustDomain[]): Promise<string> {
  try {
    const stored = await spire.listFederatedBundles();
    const holds = trustDomains.map((name) => {
      const bundle = stored.find(({ trustDomain }) => trustDomain === name);
      return `${bundle === undefined ? 'no bundle' : bundleDigest(bundle)} of ${name}`;
    });
    return `SPIRE holds ${holds.join(', ')}`;
  } catch (error) {
    return `SPIRE could not be asked: ${codedError(error).code}`;
  }
}
