// How does spire-controller-manager stand, as far as its Deployment or StatefulSet tells? Told to operators; nothing waits for it.
import type { Facts } from './facts.ts';
import type { ControllerManagerSite, ControllerManagerWorkload } from './ports.ts';

export interface ControllerManagerStanding {
  /** `OtherConfiguration`: it mounts other ConfigMaps than the one that is read for its settings. */
  readonly state: 'Running' | 'NotReady' | 'OtherConfiguration' | 'NotFound' | 'Unknown';
  /** What was found, or what to change. */
  readonly message: string;
}

/** Undefined where the API server serves none of its resources, or nobody said where to look. */
export function controllerManagerStanding({
  controllerManager,
  controllerManagerSite: site,
}: Pick<Facts, 'controllerManager' | 'controllerManagerSite'>): ControllerManagerStanding | undefined {
  if (controllerManager === undefined || site === undefined) return undefined;
  if (site.state === 'Unreadable') {
    return { state: 'Unknown', message: `it is not known whether it runs: ${site.message}` };
  }
  return standingAt(site.value);
}

function standingAt(site: ControllerManagerSite): ControllerManagerStanding {
  const { namespace, configMap, workloads } = site;
  if (workloads.length === 0) {
    const message = `no Deployment and no StatefulSet of namespace "${namespace}" has a container of it, though the API server serves its resources: nobody makes entries of ClusterSPIFFEIDs there; install it, or set controllerManagerConfig to the namespace and ConfigMap of the one beside our SPIRE`;
    return { state: 'NotFound', message };
  }
  const found = workloads.map((each) => describe(namespace, each)).join('; ');
  const others = workloads.filter(({ configMaps }) => configMaps.length > 0 && !configMaps.includes(configMap));
  if (others.length > 0) {
    const mounted = [...new Set(others.flatMap(({ configMaps }) => configMaps))].join(', ');
    const message = `${found}; its settings are read from ConfigMap "${configMap}", but it mounts ${mounted}: set controllerManagerConfig to the one that it uses`;
    return { state: 'OtherConfiguration', message };
  }
  if (workloads.some(({ readyReplicas }) => readyReplicas > 0)) return { state: 'Running', message: found };
  return { state: 'NotReady', message: `${found}; what is declared to it takes effect only when one is ready` };
}

function describe(namespace: string, workload: ControllerManagerWorkload): string {
  const { kind, name, image, arguments: args, replicas, readyReplicas } = workload;
  const given = args.length === 0 ? '' : ` with ${args.join(' ')}`;
  return `${kind} ${namespace}/${name} runs ${image}${given}, ${readyReplicas} of ${replicas} replicas ready`;
}
