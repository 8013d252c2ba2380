// What is logged and counted of the broker's work? Transitions are logged once, not at every pass.
import type { BrokerObserver } from '../broker/broker-parts.ts';
import type { Broker } from '../broker/broker.ts';
import { fingerprint, type Bundle } from '../bundle/bundle.ts';
import type { PassReport } from '../broker/pass.ts';
import type { PeerStanding } from '../broker/peer-standing.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Step } from '../federation/plan.ts';
import type { Peer } from '../federation/relationship.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../admin/metrics.ts';
import { observeMesh } from './observe-mesh.ts';
import { observeRotation } from './observe-rotation.ts';

export interface ObservationParts {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Asked after each pass. */
  readonly status: () => ReturnType<Broker['status']>;
  readonly publish: (bundle: Bundle) => void;
}

/** Answers of an endpoint that are no failure. */
const ANSWERED: ReadonlySet<string> = new Set(['Document', 'NotModified']);

export function createObserver({ log, metrics, status, publish }: ObservationParts): BrokerObserver {
  const lastFetch = new Map<TrustDomain, string>();
  const lastConditions = new Map<TrustDomain, string>();
  const lastVerdict = new Map<TrustDomain, string>();
  return {
    ownBundle(bundle) {
      publish(bundle);
      metrics.set('own_bundle_sequence', bundle.sequenceNumber);
      log.info(
        { sequence: bundle.sequenceNumber, roots: bundle.x509Authorities.map(fingerprint) },
        'own bundle served',
      );
    },
    fetched({ name, trustDomain }: Peer, result, seconds) {
      metrics.count('fetch_total', { trust_domain: trustDomain, result });
      metrics.observe('fetch_seconds', seconds);
      const answered = ANSWERED.has(result);
      const outcome = answered ? 'Answered' : result;
      if (lastFetch.get(trustDomain) === outcome) return;
      lastFetch.set(trustDomain, outcome);
      if (answered) log.info({ peer: name, trustDomain, reason: result }, 'endpoint answers');
      else log.warn({ peer: name, trustDomain, reason: result }, 'fetch failed; last good bundle stays');
    },
    passEnded(report, seconds) {
      metrics.count('passes_total', {
        result: report.outcomes.some(({ error }) => error !== undefined) ? 'failed' : 'done',
      });
      metrics.observe('pass_seconds', seconds);
      for (const step of report.plan.steps) logStep(step, log);
      countOutcomes(report, metrics, log);
      countVerdicts(report, lastVerdict, metrics);
      const declared = new Set<TrustDomain>();
      for (const { standing } of status().peers) {
        declared.add(standing.plan.peer.trustDomain);
        logTransition(standing, lastConditions, log);
      }
      for (const trustDomain of lastConditions.keys()) {
        if (declared.has(trustDomain)) continue;
        for (const memory of [lastFetch, lastConditions, lastVerdict]) memory.delete(trustDomain);
        void metrics.forgetPeer(trustDomain);
      }
    },
    meshLooked: observeMesh({ log, metrics }),
    rotationLooked: observeRotation(log),
    passFailed(error) {
      metrics.count('passes_total', { result: 'fault' });
      log.error({ err: error }, 'a pass ended by a fault of this program; it is tried again');
    },
  };
}

function logStep(step: Step, log: Logger): void {
  if (step.kind === 'StoreBundle') {
    const { trustDomain, bundle } = step;
    const roots = bundle.x509Authorities.map(fingerprint);
    log.info({ trustDomain, sequence: bundle.sequenceNumber, roots }, 'storing bundle');
  } else if (step.kind === 'UpdateEntries') {
    log.info({ entries: step.changes.length }, 'updating federatesWith of entries');
  } else if (step.kind === 'UpdateClusterSpiffeIds') {
    log.info({ clusterSpiffeIds: step.changes.length }, 'updating federatesWith of ClusterSPIFFEIDs');
  } else if (step.kind === 'RecordManagedPeers') {
    log.info({ managed: [...step.managed.keys()] }, 'recording managed peers');
  } else {
    log.info({ trustDomain: step.trustDomain, step: step.kind }, 'changing SPIRE');
  }
}

function countOutcomes({ outcomes }: PassReport, metrics: Metrics, log: Logger): void {
  for (const { kind, error, trustDomains, subject } of outcomes) {
    if (error === undefined) metrics.count('writes_total', { kind });
    else {
      metrics.count('step_failures_total', { step: kind, reason: error.code });
      log.error(
        { step: kind, trustDomains, entry: subject, reason: error.code, err: error },
        'a step failed; it is tried again',
      );
    }
  }
}

/** Counted when it changes: a pass that judges the same again says nothing new. */
function countVerdicts({ plan, facts }: PassReport, last: Map<TrustDomain, string>, metrics: Metrics): void {
  for (const { peer, verdict } of plan.peers) {
    if (verdict === undefined) continue;
    const reason = verdict.verdict === 'held' || verdict.verdict === 'refused' ? verdict.reason : '';
    const document = facts.fetched.get(peer.trustDomain)?.document;
    const mark = `${verdict.verdict} ${reason} ${document?.at.toISOString() ?? ''}`;
    if (last.get(peer.trustDomain) === mark) continue;
    last.set(peer.trustDomain, mark);
    metrics.count('verdict_total', { trust_domain: peer.trustDomain, verdict: verdict.verdict, reason });
    if (verdict.verdict === 'accepted' && document !== undefined) {
      const seconds = (Date.now() - document.at.getTime()) / 1000;
      metrics.observe('propagation_seconds', seconds);
    }
  }
}

function logTransition({ plan, conditions }: PeerStanding, last: Map<TrustDomain, string>, log: Logger): void {
  const { name, trustDomain } = plan.peer;
  const ready = conditions.find(({ type }) => type === 'Ready');
  const mark = `${ready?.status ?? ''} ${ready?.reason ?? ''}`;
  if (ready === undefined || last.get(trustDomain) === mark) return;
  last.set(trustDomain, mark);
  const fields = { peer: name, trustDomain, ready: ready.status, reason: ready.reason };
  if (ready.status === 'False') log.warn(fields, ready.message);
  else log.info(fields, ready.message);
}
