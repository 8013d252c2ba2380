// What stands against peers in this mesh, before and beside what is written? Preflight and lint, told for each peer.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { remembered } from '../bundle/remembered.ts';
import { no, unknown, type Judgement } from '../federation/judgement.ts';
import { asksForMeshConfig } from '../federation/mesh-condition.ts';
import type { MeshSurvey } from '../federation/mesh-survey.ts';
import type { Peer } from '../federation/relationship.ts';
import { blocksActivation, lintPeer, type LintFacts, type LintReport, type LintRuleId } from './lint.ts';
import type { MeshVerdict } from './mesh-verdict.ts';
import { preflight } from './preflight.ts';
import type { PreflightCheck, PreflightCheckId, PreflightFacts } from './preflight-check.ts';

export interface MeshReview {
  readonly checks: readonly PreflightCheck[];
  readonly lintOf: (trustDomain: TrustDomain) => LintReport;
}

/** The peer is accepted all the same. */
export interface MeshNotice {
  readonly code: PreflightCheckId | LintRuleId | 'MoreFindings';
  readonly message: string;
}

/** Without an answer to these, nobody knows whether what is written takes effect. */
const DECISIVE: ReadonlySet<PreflightCheckId> = new Set([
  'MultiRootEnabled',
  'XdsAgentEnabled',
  'SharedMeshConfigWired',
  'BaseSetsCaCertificates',
]);

/** How many findings a condition tells; `/status` has all. */
const TOLD_FINDINGS = 3;

/** Policies are looked at once a survey: there can be thousands of them, and of peers. */
const reportsOf = remembered<MeshSurvey, Map<TrustDomain, LintReport>>(() => new Map());

export function reviewMesh(facts: PreflightFacts & LintFacts): MeshReview {
  const reports = reportsOf(facts.survey);
  return {
    checks: preflight(facts),
    lintOf: (trustDomain) => {
      const report = reports.get(trustDomain) ?? lintPeer(facts, trustDomain);
      reports.set(trustDomain, report);
      return report;
    },
  };
}

/** Of the checks that count for this peer; undefined: none stands against it. */
export function judgeChecks(peer: Peer, { checks }: MeshReview): Judgement | undefined {
  const counting = checks.filter((check) => countsFor(check, peer));
  const failed = counting.find(({ status }) => status === 'Failed');
  if (failed !== undefined) return no(failed.id, failed.message);
  const open = counting.find(({ id, status }) => status === 'Unknown' && DECISIVE.has(id));
  return open && unknown(open.id, open.message);
}

function countsFor({ anchors }: PreflightCheck, { mesh }: Peer): boolean {
  return mesh !== undefined && anchors.includes(mesh.anchors);
}

/** Of the peer's anchors, what may not be as wanted; and what its workloads could do in the mesh. */
export function reviewNotices(peer: Peer, { checks, lintOf }: MeshReview): readonly MeshNotice[] {
  if (!asksForMeshConfig(peer)) return [];
  const { findings } = lintOf(peer.trustDomain);
  const told = findings.slice(0, TOLD_FINDINGS).map(({ id, kind, namespace, name, message }): MeshNotice => {
    return { code: id, message: `${kind} ${namespace}/${name}: ${message}` };
  });
  const more = findings.length - told.length;
  return [
    ...checks
      .filter((check) => check.status === 'Warning' && countsFor(check, peer))
      .map(({ id, message }): MeshNotice => ({ code: id, message })),
    ...told,
    ...(more > 0
      ? [{ code: 'MoreFindings', message: `${more} more findings are in /status` } satisfies MeshNotice]
      : []),
  ];
}

/** Under strict: why these may not be let in, by name. */
export function barredPeers(peers: readonly Peer[], { lintOf }: MeshReview): ReadonlyMap<TrustDomain, MeshVerdict> {
  return new Map(
    peers.filter(asksForMeshConfig).flatMap(({ trustDomain }) => {
      const report = lintOf(trustDomain);
      return blocksActivation(report, 'strict') ? [[trustDomain, policyFindings(report)] as const] : [];
    }),
  );
}

function policyFindings({ findings, unread }: LintReport): MeshVerdict {
  const [first] = findings;
  const [unreadFirst] = unread;
  const what =
    first === undefined
      ? `${unreadFirst?.id ?? ''} could not be looked at: ${unreadFirst?.message ?? ''}`
      : `${first.id}: ${first.kind} ${first.namespace}/${first.name}: ${first.message}`;
  const more = findings.length + unread.length - 1;
  const others = more > 0 ? ` (and ${more} more, see /status)` : '';
  return { code: 'PolicyFindings', message: `istioStrict keeps it out of the mesh. ${what}${others}` };
}
