// Of what is the mesh's side of a broker made? Settings become the objects, surveys and read-backs that it uses.
import { readFile } from 'node:fs/promises';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { MeshParts, MeshSettings } from '../broker/mesh-keeper.ts';
import type { Config } from '../config.ts';
import { systemClock } from '../federation/clock.ts';
import { createDebugMesh } from '../istio/debug-mesh.ts';
import type { ApiServer } from '../kubernetes/api-server.ts';
import { MeshResources } from '../kubernetes/mesh-objects.ts';
import { MeshSurveyReader } from '../kubernetes/mesh-survey.ts';
import { createAgentSds } from '../spire/agent-sds.ts';

/** How often what others changed is changed back before we leave it to them. */
const MAX_FLIPS = 3;
const FLIP_WINDOW_MS = 10 * 60_000;

export interface MeshPartsOptions {
  readonly config: Config;
  readonly trustDomain: TrustDomain;
  /** Ours. */
  readonly namespace: string;
  readonly onFault: (error: unknown) => void;
}

/** Undefined: nothing is written for a mesh. */
export function meshParts(
  api: ApiServer,
  { config, trustDomain: ownTrustDomain, namespace, onFault }: MeshPartsOptions,
): MeshParts | undefined {
  if (config.istio === 'off') return undefined;
  const { istioNamespace, istiodDebugUrl, istiodTokenFile, spireAgentSocket, spireAgentConfig } = config;
  const clock = systemClock;
  return {
    objects: new MeshResources({ api, clock, random: Math.random, onFault, ownTrustDomain }),
    surveys: new MeshSurveyReader({
      ...{ api, clock, istioNamespace, spireAgentConfig },
      intervalMs: config.istioSurveySeconds * 1_000,
    }),
    agentSds: spireAgentSocket === undefined ? undefined : createAgentSds({ socketPath: spireAgentSocket, clock }),
    mergedMesh:
      istiodDebugUrl === undefined
        ? undefined
        : createDebugMesh({
            ...{ url: istiodDebugUrl, clock },
            ...(istiodTokenFile !== undefined && { readToken: () => readFile(istiodTokenFile, 'utf8') }),
          }),
    settings: meshSettings(config, namespace),
  };
}

/** `namespace`: ours. */
function meshSettings(config: Config, namespace: string): MeshSettings {
  return {
    istioNamespace: config.istioNamespace,
    configMap: config.istioConfigMap,
    revisions: config.istioRevisions,
    namespace,
    target: config.istio === 'patch-base' ? 'PatchBase' : 'SharedConfigMap',
    listIntervalMs: config.istioListIntervalSeconds * 1_000,
    listSchedule: config.istioListSchedule,
    rootIntervalMs: config.istioRootIntervalSeconds * 1_000,
    canary:
      config.istioCanaryRevision === undefined
        ? undefined
        : { revision: config.istioCanaryRevision, soakMs: config.istioCanarySoakSeconds * 1_000 },
    vanishedAfterMs:
      config.istioVanishedRevisionSeconds === undefined ? undefined : config.istioVanishedRevisionSeconds * 1_000,
    isStrict: config.istioStrict === 'on',
    rootNamespace: config.istioNamespace,
    maxFlips: MAX_FLIPS,
    flipWindowMs: FLIP_WINDOW_MS,
  };
}
