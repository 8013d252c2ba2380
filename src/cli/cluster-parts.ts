// What of spire-controller-manager does a broker look at? Its objects, its configuration, as the settings name them.
import type { ClusterParts } from '../broker/gather-cluster.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Config } from '../config.ts';
import { systemClock } from '../federation/clock.ts';
import type { ApiServer } from '../kubernetes/api-server.ts';
import { ClusterSpiffeIdResources } from '../kubernetes/cluster-spiffeids.ts';
import { ControllerManagerConfig } from '../kubernetes/controller-manager.ts';
import { ControllerManagerWorkloads } from '../kubernetes/controller-manager-workloads.ts';
import { FederatedTrustDomainResources } from '../kubernetes/federated-trust-domains.ts';

export interface ClusterPartsOptions {
  readonly config: Pick<Config, 'controllerManagerConfig'>;
  readonly trustDomain: TrustDomain;
  /** A fault of this program: objects could not be taken up. */
  readonly onFault: (error: unknown) => void;
}

export function clusterParts(api: ApiServer, { config, trustDomain, onFault }: ClusterPartsOptions): ClusterParts {
  const options = { api, clock: systemClock, random: Math.random, onFault, ownTrustDomain: trustDomain };
  const configMap = config.controllerManagerConfig;
  return {
    clusterSpiffeIds: new ClusterSpiffeIdResources(options),
    federatedTrustDomains: new FederatedTrustDomainResources(options),
    controllerManager: new ControllerManagerConfig({ ...options, configMap }),
    controllerManagerSite: new ControllerManagerWorkloads({ ...options, configMap }),
  };
}
