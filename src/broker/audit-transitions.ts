// What is otherwise than the audit trail says? Declarations taken up, changed and withdrawn; verdicts that are new.
import { createHash } from 'node:crypto';
import { BundleError } from '../bundle/bundle-error.ts';
import { bundleDigest } from '../bundle/bundle.ts';
import { remembered } from '../bundle/remembered.ts';
import type { AuditedPeer, AuditEvent, DeclarationNoted, VerdictChanged } from '../federation/audit-trail.ts';
import type { Facts } from '../federation/facts.ts';
import type { PeerPlan } from '../federation/decide-peer.ts';
import type { FederationPlan } from '../federation/plan.ts';
import type { BootstrapSource, Peer } from '../federation/relationship.ts';
import type { Auditor } from './auditor.ts';
import { dataDigest } from './audit-steps.ts';

export interface TransitionInput {
  readonly facts: Pick<Facts, 'declared' | 'fetched'>;
  readonly plan: Pick<FederationPlan, 'peers'>;
  readonly trail: Pick<Auditor, 'peer' | 'peers'>;
}

/** None as long as nothing changed. Declarations that cannot be read are not withdrawn. */
export function transitionsOf({ facts, plan, trail }: TransitionInput): AuditEvent[] {
  const { declared } = facts;
  if (declared.state === 'Unreadable') return [];
  const names = new Set(declared.value.peers.map(({ trustDomain }) => trustDomain));
  const gone =
    declared.value.incompleteBecause === undefined
      ? [...trail.peers()].filter(
          ({ trustDomain, declaration }) => declaration !== undefined && !names.has(trustDomain),
        )
      : [];
  return [
    ...declared.value.peers.flatMap((peer) => takenUp(peer, trail.peer(peer.trustDomain))),
    ...gone.map(({ trustDomain, name = trustDomain }): DeclarationNoted => {
      return { kind: 'DeclarationWithdrawn', peer: name, trustDomains: [trustDomain] };
    }),
    ...plan.peers.flatMap((planned) => judgedAnew(planned, facts, trail.peer(planned.peer.trustDomain))),
  ];
}

function takenUp(peer: Peer, known: AuditedPeer | undefined): DeclarationNoted[] {
  const { digest: declaration, declared } = toldOf(peer);
  if (known?.declaration === declaration) return [];
  const kind = known?.declaration === undefined ? 'DeclarationTakenUp' : 'DeclarationChanged';
  return [{ kind, peer: peer.name, trustDomains: [peer.trustDomain], declaration, declared }];
}

const toldOf = remembered((peer: Peer) => {
  const { webCaPem, bootstrap, lastGoodBundle, ...rest } = peer;
  const declared = {
    ...rest,
    ...(webCaPem !== undefined && { webCaSha256: textDigest(webCaPem) }),
    ...(bootstrap !== undefined && { bootstrap: toldBootstrap(bootstrap) }),
    ...(lastGoodBundle !== undefined && { lastGoodBundleSha256: textDigest(lastGoodBundle) }),
  };
  return { declared, digest: dataDigest(declared) };
});

function toldBootstrap(source: BootstrapSource): unknown {
  return source.type === 'inline' ? { type: 'inline', sha256: textDigest(source.text) } : source;
}

function judgedAnew(
  { peer, verdict: found }: PeerPlan,
  { fetched }: Pick<Facts, 'fetched'>,
  known: AuditedPeer | undefined,
): VerdictChanged[] {
  if (found === undefined) return [];
  const { trustDomain, name } = peer;
  const about = { kind: 'VerdictChanged', peer: name, trustDomains: [trustDomain] } as const;
  if (found.verdict === 'accepted' || found.verdict === 'unchanged') {
    return known?.verdict === undefined ? [] : [{ ...about, verdict: 'accepted' }];
  }
  const content = fetched.get(trustDomain)?.document?.content;
  const digest =
    content === undefined || content instanceof BundleError ? {} : { digest: bundleDigest(content.bundle) };
  const told: VerdictChanged =
    found.verdict === 'revoked'
      ? { ...about, verdict: 'revoked', ...digest }
      : { ...about, verdict: found.verdict, reason: found.reason, message: found.message, ...digest };
  const mark = `${told.verdict} ${told.reason ?? ''}`.trim();
  return known?.verdict === mark ? [] : [told];
}

function textDigest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
