// Where does spire-controller-manager run? (a container of the StatefulSet or Deployment of spire-server in
// helm-charts-hardened and in its own examples; it may have a Deployment to itself)
import type { Clock } from '../federation/clock.ts';
import type {
  ControllerManagerSite,
  ControllerManagerSites,
  ControllerManagerWorkload,
  Report,
} from '../federation/ports.ts';
import type { ApiServer } from './api-server.ts';
import type { KubeObject, Resource } from './kube-object.ts';
import { textOf, textsOf } from './object-fields.ts';
import { configMapsOf, containersOf } from './pod-template.ts';
import { readAgain } from './read-again.ts';
import { DEPLOYMENTS, podSpecOf, replicasOf, STATEFUL_SETS } from './workload-object.ts';

/** Of its image, whatever the registry, and of its container in the charts, whatever the image. */
const PROGRAM = 'spire-controller-manager';

const KINDS = [
  [DEPLOYMENTS, 'Deployment'],
  [STATEFUL_SETS, 'StatefulSet'],
] as const;

export interface ControllerManagerWorkloadsOptions {
  readonly api: Pick<ApiServer, 'pages'>;
  readonly clock: Clock;
  /** Where its settings are, and so its pods; undefined: nobody said. */
  readonly configMap: { readonly namespace: string; readonly name: string } | undefined;
}

export class ControllerManagerWorkloads implements ControllerManagerSites {
  readonly #options: ControllerManagerWorkloadsOptions;

  constructor(options: ControllerManagerWorkloadsOptions) {
    this.#options = options;
  }

  watch(report: Report<ControllerManagerSite>, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    return readAgain((until) => this.read(until), report, { clock, signal });
  }

  /** @throws KubeError when one of the kinds cannot be read: what is found among the others may not be all */
  async read(signal: AbortSignal): Promise<ControllerManagerSite | undefined> {
    const { configMap } = this.#options;
    if (configMap === undefined) return undefined;
    const { namespace, name } = configMap;
    const workloads: ControllerManagerWorkload[] = [];
    for (const [resource, kind] of KINDS) {
      const found = (await this.#list(resource, namespace, signal)).flatMap((object) => workloadOf(kind, object) ?? []);
      workloads.push(...found.sort((a, b) => (a.name < b.name ? -1 : 1)));
    }
    return { namespace, configMap: name, workloads };
  }

  async #list(resource: Resource, namespace: string, signal: AbortSignal): Promise<readonly KubeObject[]> {
    const all: KubeObject[] = [];
    for await (const page of this.#options.api.pages({ resource, namespace }, { signal })) all.push(...page);
    return all;
  }
}

function workloadOf(
  kind: ControllerManagerWorkload['kind'],
  object: KubeObject,
): ControllerManagerWorkload | undefined {
  const podSpec = podSpecOf(object);
  const container = containersOf(podSpec).find(
    ({ name, image }) => name === PROGRAM || programOf(textOf(image)) === PROGRAM,
  );
  if (container === undefined) return undefined;
  return {
    kind,
    name: object.metadata.name,
    image: textOf(container['image']) ?? '',
    arguments: [...textsOf(container['command']), ...textsOf(container['args'])],
    configMaps: configMapsOf(podSpec, container),
    ...replicasOf(object),
  };
}

/** Of an image like `ghcr.io/spiffe/spire-controller-manager:0.6.6@sha256:…`, the last name of its path. */
function programOf(image: string | undefined): string | undefined {
  return /([^/:@]+)(?::[^/@]*)?(?:@[^/]*)?$/.exec(image ?? '')?.[1];
}
