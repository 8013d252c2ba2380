// Would the broker accept this bundle document? A line a rule; exit 0 accepted, 1 refused or held.
import { readFile } from 'node:fs/promises';
import { BUNDLE_RULES, type BundleRule } from '../bundle/bundle-rules.ts';
import { bundleDigest } from '../bundle/bundle.ts';
import { BundleError } from '../bundle/bundle-error.ts';
import { parseBundleDocument, type ParsedBundleDocument } from '../bundle/bundle-document.ts';
import { RootIndexer } from '../bundle/known-roots.ts';
import { parseTrustDomain, type TrustDomain } from '../bundle/trust-domain.ts';
import { createBundleSource } from '../bundle-endpoint/fetch-bundle.ts';
import { ACCEPTANCE_RULES } from '../federation/acceptance-rules.ts';
import { judgeFetchedBundle, type Verdict } from '../federation/acceptance.ts';
import { systemClock } from '../federation/clock.ts';
import { policyField, policyOf } from '../federation/declared-policy.ts';
import { bundleText } from './bundle-text.ts';
import { onlyPositional, textFlag, UsageError, wantsJson, type Command, type CommandContext } from './command.ts';
import { ENDPOINT_FLAGS, ENDPOINT_USAGE, endpointTrust } from './endpoint-flags.ts';
import { documentLimits, fetchLimits } from './wiring.ts';

/** As a peer's declaration that says nothing else. */
const { policy: STRICT_POLICY } = policyOf(policyField.parse({ onDisjointRoots: 'Hold' }));

interface CheckReport {
  readonly source: string;
  readonly trustDomain: TrustDomain;
  readonly verdict: Verdict['verdict'];
  readonly reason?: string;
  readonly message?: string;
  readonly digest?: string;
  readonly rules: readonly RuleLine[];
}

interface RuleLine {
  readonly id: string;
  readonly outcome: 'ok' | 'warn' | 'ignore-key' | 'held' | 'refuse' | 'not checked';
  readonly text: string;
}

export const checkCommand: Command = {
  name: 'check',
  usage: `FILE|URL|- --trust-domain TD [--held FILE] ${ENDPOINT_USAGE} [--output json]`,
  summary: 'judge a bundle document by every rule; exit 0 accepted, 1 refused or held',
  flags: { ...ENDPOINT_FLAGS, 'trust-domain': 'Text', held: 'Text', output: 'Text' },
  async run(context) {
    const json = wantsJson(context);
    const source = onlyPositional(context, 'FILE|URL|-');
    const name = textFlag(context, 'trust-domain');
    if (name === undefined) throw new UsageError('--trust-domain is missing: a document does not say whose it is');
    const trustDomain = trustDomainFlag(name);
    const heldPath = textFlag(context, 'held');
    const held = heldPath === undefined ? undefined : read(await readFile(heldPath), trustDomain, context);
    if (held instanceof BundleError) throw held;
    const content = read(await documentOf(source, context), trustDomain, context);
    const verdict = judgeFetchedBundle({
      peer: {
        trustDomain,
        policy: STRICT_POLICY,
        acceptDigest: undefined,
        rejectDigests: [],
        lastGoodBundle: undefined,
      },
      content,
      held: held?.bundle,
      knownRoots: new RootIndexer().index(undefined, []),
      maxRoots: context.config.maxRoots,
      now: systemClock.now(),
    });
    const report = reportOf(source, trustDomain, verdict, content);
    context.print(json ? `${JSON.stringify(report, undefined, 2)}\n` : reportText(report, content));
    return verdict.verdict === 'accepted' || verdict.verdict === 'unchanged' ? 0 : 1;
  },
};

function trustDomainFlag(name: string): TrustDomain {
  try {
    return parseTrustDomain(name);
  } catch (error) {
    throw new UsageError(`--trust-domain: ${(error as Error).message}`);
  }
}

async function documentOf(source: string, context: CommandContext): Promise<Uint8Array> {
  if (source === '-') return readAll(context);
  if (!/^https?:\/\//.test(source)) return readFile(source);
  const answer = await createBundleSource({ limits: fetchLimits(context.config), clock: systemClock }).fetch(
    { url: source, trust: await endpointTrust(context) },
    context.signal,
  );
  if (answer.kind !== 'Document') throw new Error('the endpoint answered "not modified" without being asked for it');
  return answer.body;
}

async function readAll({ stdin, config }: CommandContext): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    // The parser says what is wrong with a document that is too large.
    if (bytes > config.maxDocumentBytes) break;
  }
  return Buffer.concat(chunks);
}

function read(
  bytes: Uint8Array,
  trustDomain: TrustDomain,
  { config }: CommandContext,
): ParsedBundleDocument | BundleError {
  try {
    return parseBundleDocument(bytes, trustDomain, documentLimits(config));
  } catch (error) {
    if (error instanceof BundleError) return error;
    throw error;
  }
}

function reportOf(
  source: string,
  trustDomain: TrustDomain,
  verdict: Verdict,
  content: ParsedBundleDocument | BundleError,
): CheckReport {
  const no = verdict.verdict === 'held' || verdict.verdict === 'refused' ? verdict : undefined;
  return {
    source,
    trustDomain,
    verdict: verdict.verdict,
    ...(no !== undefined && { reason: no.reason, message: no.message }),
    ...(!(content instanceof BundleError) && { digest: bundleDigest(content.bundle) }),
    rules: ruleLines(verdict, content),
  };
}

/** Every rule in the order in which it is applied. */
function ruleLines(verdict: Verdict, content: ParsedBundleDocument | BundleError): RuleLine[] {
  const no = verdict.verdict === 'held' || verdict.verdict === 'refused' ? verdict : undefined;
  if (content instanceof BundleError) {
    return [{ id: content.code, outcome: 'refuse', text: content.message }];
  }
  const rules: readonly BundleRule[] = BUNDLE_RULES;
  const bundleRules = rules.map(({ id, severity, demand, needsKnownRoots }): RuleLine => {
    const found = verdict.notices.filter((notice) => notice.id === id);
    // Only the broker knows which bundles are held; a document alone cannot say.
    if (needsKnownRoots === true) return { id, outcome: 'not checked', text: `${demand} (the broker checks it)` };
    if (found.length === 0) return { id, outcome: 'ok', text: demand };
    return { id, outcome: severity, text: found.map(({ message }) => message).join('; ') };
  });
  const refused = bundleRules.some(({ outcome }) => outcome === 'refuse');
  let decided = refused;
  const acceptanceRules = ACCEPTANCE_RULES.map((rule): RuleLine => {
    if (decided) return { id: rule.id, outcome: 'not checked', text: rule.demand };
    if (no?.reason !== rule.id) return { id: rule.id, outcome: 'ok', text: rule.demand };
    decided = true;
    return { id: rule.id, outcome: rule.verdict === 'held' ? 'held' : 'refuse', text: no.message };
  });
  return [...bundleRules, ...acceptanceRules];
}

function reportText(report: CheckReport, content: ParsedBundleDocument | BundleError): string {
  const width = Math.max(...report.rules.map(({ id }) => id.length));
  const lines = report.rules.map(({ id, outcome, text }) => `  ${outcome.padEnd(11)} ${id.padEnd(width)}  ${text}`);
  const shown = content instanceof BundleError ? [] : ['', ...bundleText(content.bundle)];
  const reason = report.reason === undefined ? '' : ` (${report.reason}): ${report.message ?? ''}`;
  return [...lines, ...shown, '', `${report.verdict}${reason}`, ''].join('\n');
}
