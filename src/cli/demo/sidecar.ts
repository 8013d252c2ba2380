// What runs beside a workload in a mesh? A real Envoy, its agent, and what stands in for istiod.
import { repeat } from '../../broker/repeat.ts';
import { systemClock } from '../../federation/clock.ts';
import type { MeshObjects } from '../../federation/mesh-objects.ts';
import type { ChildPrograms } from './child-programs.ts';
import { startEnvoy, type EnvoyProgram } from './envoy-program.ts';
import { freePort } from './free-port.ts';
import { INBOUND_HTTP } from './istio-envoy.ts';
import { IstiodStandIn } from './istiod-stand-in.ts';
import { ProxyAgent } from './proxy-agent.ts';
import type { Side } from './side.ts';
import type { Teardown } from './teardown.ts';
import { waitUntil } from './wait-until.ts';

export interface Sidecar {
  /** Where the workload is reached through Envoy. */
  readonly port: number;
  /** How often the list of accepted trust domains was written anew. */
  readonly listWrites: () => number;
  /** How many callers Envoy refused because no root vouches for them. */
  readonly unverified: () => Promise<number>;
}

export interface SidecarParts {
  readonly side: Side;
  /** Where Istio takes its configuration from. */
  readonly objects: MeshObjects;
  readonly envoy: EnvoyProgram;
  readonly programs: ChildPrograms;
  readonly followEveryMs: number;
}

const UNVERIFIED = `listener.${INBOUND_HTTP}.ssl.fail_verify_error`;
const FIRST_TIMEOUT_MS = 30_000;
const LOOK_EVERY_MS = 20;

/** Resolves when Envoy listens. `teardown` ends whatever was started. */
export async function startSidecar(parts: SidecarParts, teardown: Teardown, signal: AbortSignal): Promise<Sidecar> {
  const { side, objects, envoy, programs, followEveryMs } = parts;
  const port = await freePort();
  const agent = new ProxyAgent(side.folder, port);
  const istiod = new IstiodStandIn({
    objects,
    clock: systemClock,
    onPush: (push) => {
      agent.takePush(push);
    },
  });
  const ending = new AbortController();
  const following = Promise.all([
    istiod.follow(ending.signal),
    repeat({ clock: systemClock, intervalMs: followEveryMs, signal: ending.signal }, () => {
      if (side.workload.context !== undefined) agent.takeContext(side.workload.context);
      return Promise.resolve();
    }),
  ]);
  teardown.add(async () => {
    ending.abort();
    await following;
  });
  const wait = { everyMs: LOOK_EVERY_MS, timeoutMs: FIRST_TIMEOUT_MS, signal };
  const name = `envoy of ${side.trustDomain}`;
  if (!(await waitUntil(() => agent.isComplete, wait))) throw new Error(`${name} was given nothing to start with`);
  const writesAtStart = agent.listWrites;
  const bootstrap = { dynamic_resources: agent.dynamicResources };
  const { counter, stop } = await startEnvoy(envoy, { name, folder: side.folder, programs, bootstrap });
  teardown.add(stop);
  return {
    port,
    listWrites: () => agent.listWrites - writesAtStart,
    unverified: () => counter(UNVERIFIED),
  };
}
