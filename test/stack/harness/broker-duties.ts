// Which duties of a broker on Kubernetes are done now, and which cannot be done without which other?
import { parseTrustDomain } from '../../../src/bundle/trust-domain.ts';
import type { BrokerStatus } from '../../../src/broker/status.ts';
import type { KubeObject } from '../../../src/kubernetes/kube-object.ts';
import type { Duty } from '../../deploy/right-rows.ts';

const WEST = parseTrustDomain('west.test');
const CONTROLLER_MANAGER =
  'StatefulSet spire-server/spire-server runs spire-controller-manager:0.6.6 with --config=controller-manager-config.yaml, 0 of 1 replicas ready';

/** What each duty cannot be done without. */
const NEEDS: Readonly<Record<Duty, readonly Duty[]>> = {
  'one replica leads': [],
  'declarations are read': ['one replica leads'],
  'declarations take effect': ['declarations are read'],
  'new declarations are seen': ['declarations are read'],
  // It is written over the newest version of the object, which has the finalizer.
  'status is written': ['new declarations are seen'],
  // Nothing happens to a peer that is not taken up.
  'events are written': [
    'declarations take effect',
    'new declarations are seen',
    'the settings of spire-controller-manager are known',
  ],
  'the settings of spire-controller-manager are known': ['declarations are read'],
  'it is known where spire-controller-manager runs': ['declarations are read'],
  'ClusterSPIFFEIDs are known': ['declarations are read'],
  'ClusterSPIFFEIDs name the peer': [
    'ClusterSPIFFEIDs are known',
    'the settings of spire-controller-manager are known',
    'a bundle in a ConfigMap is read',
  ],
  'ClusterFederatedTrustDomains are known': ['declarations are read'],
  'mode Delegate is declared to spire-controller-manager': [
    'ClusterFederatedTrustDomains are known',
    'the settings of spire-controller-manager are known',
    'declarations take effect',
    'new declarations are seen',
  ],
  // A ClusterSPIFFEID that cannot be seen may still name the peer.
  'mode Delegate is withdrawn from spire-controller-manager': [
    'mode Delegate is declared to spire-controller-manager',
    'ClusterSPIFFEIDs are known',
  ],
  'a bundle in a ConfigMap is read': ['declarations take effect', 'new declarations are seen'],
  'a changed ConfigMap is seen at once': ['a bundle in a ConfigMap is read'],
  'a bundle in a Secret is read': ['declarations take effect', 'new declarations are seen'],
  'a changed Secret is seen at once': ['a bundle in a Secret is read'],
};

/** Asked for only when the broker runs. */
export const LATER: ReadonlySet<Duty> = new Set([
  'new declarations are seen',
  'mode Delegate is withdrawn from spire-controller-manager',
  'a changed ConfigMap is seen at once',
  'a changed Secret is seen at once',
]);

export const DUTIES = Object.keys(NEEDS) as readonly Duty[];

export function stopsWithout(duty: Duty, lost: Duty): boolean {
  return duty === lost || NEEDS[duty].some((needed) => stopsWithout(needed, lost));
}

/** What a look at the broker and the API server shows. */
export interface Seen {
  readonly leads: boolean;
  readonly status: BrokerStatus;
  readonly objects: ReadonlyMap<string, KubeObject>;
  /** Names of the ClusterFederatedTrustDomains. */
  readonly federated: readonly string[];
  /** What the ClusterSPIFFEID federates with. */
  readonly linked: readonly string[];
  /** UIDs. */
  readonly eventsAbout: ReadonlySet<string | undefined>;
}

export const WORKS: Readonly<Record<Duty, (seen: Seen) => boolean>> = {
  'one replica leads': ({ leads }) => leads,
  'declarations are read': (seen) => isTouched(seen, 'west'),
  'declarations take effect': ({ objects }) => objects.get('west')?.metadata.finalizers !== undefined,
  'new declarations are seen': (seen) => isTouched(seen, 'late'),
  'status is written': ({ objects }) => objects.get('west')?.['status'] !== undefined,
  'events are written': ({ objects, eventsAbout }) =>
    ['west', 'late-again'].some((name) => objects.has(name) && eventsAbout.has(objects.get(name)?.metadata.uid)),
  'the settings of spire-controller-manager are known': (seen) => isKnown(seen, 'controllerManager'),
  'it is known where spire-controller-manager runs': ({ status: { controllerManager } }) =>
    // No node runs it.
    controllerManager?.state === 'NotReady' && controllerManager.message.startsWith(CONTROLLER_MANAGER),
  'ClusterSPIFFEIDs are known': (seen) => isKnown(seen, 'clusterSpiffeIds'),
  'ClusterSPIFFEIDs name the peer': ({ linked }) => linked.includes(WEST),
  'ClusterFederatedTrustDomains are known': (seen) => isKnown(seen, 'federatedTrustDomains'),
  'mode Delegate is declared to spire-controller-manager': ({ federated }) => federated.includes('north'),
  'mode Delegate is withdrawn from spire-controller-manager': ({ federated, objects }) =>
    !objects.has('gone') && !federated.includes('gone'),
  'a bundle in a ConfigMap is read': (seen) => fetchResult(seen, 'west') === 'Fetched',
  'a changed ConfigMap is seen at once': (seen) => hasBootstrap(seen, 'west-later'),
  'a bundle in a Secret is read': (seen) => fetchResult(seen, 'south') === 'Fetched',
  'a changed Secret is seen at once': (seen) => hasBootstrap(seen, 'south-later'),
};

function isTouched({ objects }: Seen, name: string): boolean {
  const object = objects.get(name);
  return object?.['status'] !== undefined || object?.metadata.finalizers !== undefined;
}

function isKnown(seen: Seen, fact: string): boolean {
  return isTouched(seen, 'west') && seen.status.unreadable.every((each) => each.fact !== fact);
}

function fetchResult({ status }: Seen, name: string): string | undefined {
  return status.peers.find((peer) => peer.name === name)?.lastFetch?.result;
}

/** Then the endpoint is asked, which is not there. */
function hasBootstrap(seen: Seen, name: string): boolean {
  return fetchResult(seen, name) === 'ConnectFailed';
}
