// What of spire-controller-manager does a broker look at? Its objects, its configuration, as the settings name them.
import type { ClusterParts } from '../broker/gather-cluster.ts';
import { systemClock } from '../federation/clock.ts';
import type { ApiServer } from '../kubernetes/api-server.ts';
import { ClusterSpiffeIdResources } from '../kubernetes/cluster-spiffeids.ts';
import { ControllerManagerConfig } from '../kubernetes/controller-manager.ts';
import { FederatedTrustDomainResources } from '../kubernetes/federated-trust-domains.ts';
import type { BrokerGround } from './create-broker.ts';

export function clusterParts(
  { config, trustDomain, log }: Pick<BrokerGround, 'config' | 'trustDomain' | 'log'>,
  api: ApiServer,
): ClusterParts {
  const options = {
    ...{ api, clock: systemClock, random: Math.random },
    onFault: (error: unknown) => {
      log.error({ err: error }, 'objects of spire-controller-manager were not taken up by a fault of this program');
    },
  };
  const configMap = config.controllerManagerConfig;
  return {
    clusterSpiffeIds: new ClusterSpiffeIdResources(options),
    federatedTrustDomains: new FederatedTrustDomainResources(options),
    controllerManager: new ControllerManagerConfig({ ...options, ownTrustDomain: trustDomain, configMap }),
  };
}
