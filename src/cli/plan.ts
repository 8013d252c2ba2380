// What would the broker change now? Gathers every fact, prints the plan, changes nothing.
import { diffBundles } from '../bundle/bundle.ts';
import type { MeshReport } from '../broker/mesh-keeper.ts';
import { meshStatus } from '../broker/mesh-status.ts';
import { planMeshOnce } from '../broker/plan-mesh-once.ts';
import { planOnce, type PlannedOnce } from '../broker/plan-once.ts';
import { createBundleSource } from '../bundle-endpoint/fetch-bundle.ts';
import { systemClock } from '../federation/clock.ts';
import { controllerManagerStanding } from '../federation/controller-manager-standing.ts';
import type { PeerPlan } from '../federation/decide-peer.ts';
import type { Step } from '../federation/plan.ts';
import { wantsJson, type Command } from './command.ts';
import { controllerManagerLine } from './controller-manager-line.ts';
import { readDeclaredPeers } from './declared-peers.ts';
import { meshPlanLines } from './mesh-lines.ts';
import { brokerSettings, connectSpire, fetchLimits } from './wiring.ts';

/** For the mesh's objects and surveys, of which one that does not answer must not hold the others back. */
const MESH_TIMEOUT_MS = 10_000;

export const planCommand: Command = {
  name: 'plan',
  usage: '[--output json]',
  summary: 'print what a broker with these settings would change now; changes nothing',
  flags: { output: 'Text' },
  async run(context) {
    const json = wantsJson(context);
    const { trustDomain, spire } = await connectSpire(context.config, context.signal);
    let close = (): void => undefined;
    try {
      const declared = await readDeclaredPeers(context.config, trustDomain, context.signal);
      close = declared.close;
      for (const fault of declared.faults) context.explain(`${fault}\n`);
      const planned = await planOnce(
        {
          spire,
          source: createBundleSource({ limits: fetchLimits(context.config), clock: systemClock }),
          settings: brokerSettings(context.config),
          ...declared,
        },
        context.signal,
      );
      const { mesh } = declared;
      const inMesh =
        mesh && (await planMeshOnce({ ...mesh, trustDomain, ground: planned.facts }, MESH_TIMEOUT_MS, context.signal));
      context.print(json ? planJson(planned, inMesh) : planText(planned, inMesh));
      return declared.faults.length === 0 ? 0 : 1;
    } finally {
      close();
      spire.close();
    }
  },
};

function planText({ facts, plan }: PlannedOnce, mesh: MeshReport | undefined): string {
  const manager = controllerManagerStanding(facts);
  const unreadable = Object.entries({ ...facts, controllerManagerSite: undefined }).flatMap(
    ([name, fact]: [string, unknown]) => {
      const { state, message } = (fact ?? {}) as { readonly state?: string; readonly message?: string };
      return state === 'Unreadable' ? [`! ${name} cannot be read: ${message ?? ''}`] : [];
    },
  );
  const kept = plan.heldRemovals.map((name) => `! ${name} is not declared any more but kept`);
  const waiting = plan.waitingRemovals.map(
    ({ trustDomain, message }) => `! ${trustDomain} goes, but waits: ${message}`,
  );
  const steps = plan.steps.flatMap((step) => stepLines(step, { facts, plan }));
  const summary = steps.length === 0 ? ['nothing to change'] : steps.map((line) => line);
  return [
    ...unreadable,
    ...(manager === undefined ? [] : [controllerManagerLine(manager)]),
    ...plan.peers.map((peer) => peerLine(peer, facts)),
    ...kept,
    ...waiting,
    '',
    ...summary,
    '',
    ...(mesh === undefined ? [] : [...meshPlanLines(mesh), '']),
  ].join('\n');
}

function peerLine({ peer, verdict, otherWriter, cut, waitsForConsent }: PeerPlan, facts: PlannedOnce['facts']): string {
  const failure = facts.fetched.get(peer.trustDomain)?.failure;
  const parts = [
    verdict === undefined ? undefined : verdict.verdict,
    verdict !== undefined && 'reason' in verdict ? `${verdict.reason}: ${verdict.message}` : undefined,
    failure === undefined ? undefined : `${failure.reason}: ${failure.message}`,
    otherWriter === undefined ? undefined : `Conflict: ${otherWriter.message}`,
    peer.suspend === 'Active' ? undefined : `suspend: ${peer.suspend}`,
    cut === undefined || cut === 'Declared' ? undefined : `cut: ${cut}`,
    waitsForConsent ? 'WaitingForPeer: this command cannot see whether the running broker was asked' : undefined,
    peer.mode === 'Delegate' ? 'SPIRE fetches' : undefined,
  ].filter((part) => part !== undefined);
  return `${peer.name} (${peer.trustDomain}): ${parts.join('; ')}`;
}

function stepLines(step: Step, { facts }: PlannedOnce): string[] {
  switch (step.kind) {
    case 'RecordManagedPeers':
      return [`record   managed peers: ${[...step.managed.keys()].join(', ') || 'none'}`];
    case 'StoreBundle': {
      const held = facts.stored.state === 'Known' ? facts.stored.value.get(step.trustDomain) : undefined;
      const empty = { ...step.bundle, x509Authorities: [], jwtAuthorities: [] };
      const diff = diffBundles(held ?? empty, step.bundle);
      return [
        `store    bundle of ${step.trustDomain}, sequence ${step.bundle.sequenceNumber?.toString() ?? 'none'}`,
        ...diff.addedRoots.map((root) => `           + root ${root}`),
        ...diff.removedRoots.map((root) => `           - root ${root}`),
        ...diff.addedJwtKeyIds.map((keyId) => `           + JWT key ${keyId}`),
        ...diff.removedJwtKeyIds.map((keyId) => `           - JWT key ${keyId}`),
      ];
    }
    case 'UpdateEntries':
      return [
        `update   ${step.changes.length} entries; agents re-issue each one's SVID`,
        ...step.changes.map(({ entry, add, remove }) => {
          const changes = [...add.map((name) => `+${name}`), ...remove.map((name) => `-${name}`)];
          return `           ${entry.spiffeId} (${entry.id}): ${changes.join(' ')}`;
        }),
      ];
    case 'UpdateClusterSpiffeIds':
      return [
        `update   ${step.changes.length} ClusterSPIFFEIDs; the entries made of them follow`,
        ...step.changes.map(({ object, add, remove }) => {
          const changes = [...add.map((name) => `+${name}`), ...remove.map((name) => `-${name}`)];
          return `           ${object.name}: ${changes.join(' ')}`;
        }),
      ];
    case 'ApplyFederatedTrustDomain':
      return [`apply    ClusterFederatedTrustDomain ${step.declaration.name} of ${step.trustDomain}`];
    case 'DeleteFederatedTrustDomain':
      return [`delete   ClusterFederatedTrustDomain ${step.object.name} of ${step.trustDomain}`];
    case 'CreateRelationship':
    case 'UpdateRelationship':
      return [
        `${step.kind === 'CreateRelationship' ? 'create' : 'update'}   relationship with ${step.trustDomain} at ${step.relationship.bundleEndpointUrl}`,
      ];
    case 'DeleteRelationship':
      return [`delete   relationship with ${step.trustDomain}`];
    case 'DeleteBundle':
      return [`delete   bundle of ${step.trustDomain} (${step.mode})`];
  }
}

function planJson({ facts, plan }: PlannedOnce, mesh: MeshReport | undefined): string {
  const document = {
    at: facts.now,
    steps: plan.steps,
    peers: plan.peers.map(({ peer, verdict, otherWriter }) => ({
      name: peer.name,
      trustDomain: peer.trustDomain,
      verdict,
      otherWriter,
      failure: facts.fetched.get(peer.trustDomain)?.failure,
    })),
    controllerManager: controllerManagerStanding(facts),
    removed: plan.removed,
    heldRemovals: plan.heldRemovals,
    ...(mesh !== undefined && {
      mesh: { ...meshStatus(mesh), steps: mesh.plan.steps, standings: mesh.standings },
    }),
  };
  const plain = (_name: string, value: unknown): unknown => {
    if (typeof value === 'bigint') return value.toString();
    if (value instanceof Map) return Object.fromEntries(value);
    if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
    return value;
  };
  return `${JSON.stringify(document, plain, 2)}\n`;
}
