// Does spire-controller-manager run beside our SPIRE, and with what settings? (its ConfigMap; ControllerManagerConfig of
// spire.spiffe.io/v1alpha1)
import { parse } from 'yaml';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Clock } from '../federation/clock.ts';
import type { CodedError, ControllerManager, ControllerManagerSettings, Report } from '../federation/ports.ts';
import type { ApiServer } from './api-server.ts';
import { CLUSTER_SPIFFE_IDS } from './cluster-spiffeids.ts';
import { CONFIG_MAPS } from './core-resources.ts';
import { isKubeError, KubeError } from './kube-error.ts';
import { describeTarget } from './kube-object.ts';
import { fieldsOf, textOf } from './object-fields.ts';
import { readAgain } from './read-again.ts';

/** As in its own manifests and in helm-charts-hardened. */
export const CONTROLLER_MANAGER_CONFIG_KEY = 'controller-manager-config.yaml';

/** Which tells "no such object" from "no such resource". */
const NO_OBJECT = 'fedbroker-preflight';

export interface ControllerManagerOptions {
  readonly api: Pick<ApiServer, 'get'>;
  readonly clock: Clock;
  readonly ownTrustDomain: TrustDomain;
  /** Undefined: nobody said where its settings are. `key` defaults to `CONTROLLER_MANAGER_CONFIG_KEY`. */
  readonly configMap: { readonly namespace: string; readonly name: string; readonly key?: string } | undefined;
}

/** Why its settings are not known although it may run. */
export class ControllerManagerError extends Error implements CodedError {
  override readonly name = 'ControllerManagerError';
  readonly code: 'ControllerManagerConfigUnset' | 'ControllerManagerConfigMissing' | 'ControllerManagerConfigInvalid';

  constructor(code: ControllerManagerError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

export class ControllerManagerConfig implements ControllerManagerSettings {
  readonly #options: ControllerManagerOptions;

  constructor(options: ControllerManagerOptions) {
    this.#options = options;
  }

  /** Undefined is reported while the API server serves no ClusterSPIFFEIDs: it cannot run then. */
  watch(report: Report<ControllerManager>, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    return readAgain((until) => this.read(until), report, { clock, signal, isAnswer });
  }

  /** @throws KubeError, ControllerManagerError */
  async read(signal: AbortSignal): Promise<ControllerManager | undefined> {
    const { api, configMap, ownTrustDomain } = this.#options;
    if (!(await servesItsResources(api, signal))) return undefined;
    if (configMap === undefined) {
      throw new ControllerManagerError(
        'ControllerManagerConfigUnset',
        'the API server serves ClusterSPIFFEIDs, so spire-controller-manager may run; tell the broker the namespace and name of its ConfigMap',
      );
    }
    const { namespace, name, key = CONTROLLER_MANAGER_CONFIG_KEY } = configMap;
    const ref = { resource: CONFIG_MAPS, namespace, name };
    const object = await api.get(ref, { signal });
    const text = textOf(fieldsOf(object?.['data'])[key]);
    if (text === undefined) {
      const missing =
        object === undefined ? `there is no ${describeTarget(ref)}` : `${describeTarget(ref)} has no key "${key}"`;
      throw new ControllerManagerError(
        'ControllerManagerConfigMissing',
        `${missing}; tell the broker where the settings of spire-controller-manager are`,
      );
    }
    return parseControllerManagerConfig(text, ownTrustDomain);
  }
}

function isAnswer(error: unknown): error is KubeError | ControllerManagerError {
  return error instanceof KubeError || error instanceof ControllerManagerError;
}

async function servesItsResources(api: Pick<ApiServer, 'get'>, signal: AbortSignal): Promise<boolean> {
  try {
    await api.get({ resource: CLUSTER_SPIFFE_IDS, name: NO_OBJECT }, { signal });
    return true;
  } catch (error) {
    if (isKubeError(error, 'KubeResourceUnknown')) return false;
    throw error;
  }
}

/**
 * Defaults as the program's own: without `reconcile` all kinds, with it those that it names; the prefix gets a dot.
 *
 * @throws ControllerManagerError `ControllerManagerConfigInvalid`
 */
export function parseControllerManagerConfig(text: string, ownTrustDomain: TrustDomain): ControllerManager {
  const config = fieldsOf(yamlOf(text));
  const read = (name: string): string | undefined => {
    const value = textOf(config[name]);
    if (value?.includes('$') !== true) return value;
    throw invalid(`${name} is "${value}", which only spire-controller-manager itself can expand (-expand-env)`);
  };
  const trustDomain = read('trustDomain');
  if (trustDomain === undefined) throw invalid('it has no trustDomain');
  if (trustDomain !== ownTrustDomain)
    throw invalid(`it is for trust domain "${trustDomain}", ours is "${ownTrustDomain}"`);
  const prefix = read('entryIDPrefix');
  const reconcile = config['reconcile'] === undefined ? undefined : fieldsOf(config['reconcile']);
  const reconciles = (kind: string) => (reconcile === undefined ? true : reconcile[kind] === true);
  return {
    entryIdPrefix: prefix === undefined || prefix.endsWith('.') ? prefix : `${prefix}.`,
    reconciles: {
      clusterSpiffeIds: reconciles('clusterSPIFFEIDs'),
      clusterFederatedTrustDomains: reconciles('clusterFederatedTrustDomains'),
      clusterStaticEntries: reconciles('clusterStaticEntries'),
    },
    className: read('className'),
    watchClassless: config['watchClassless'] === true,
  };
}

function yamlOf(text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw invalid(`it is no YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function invalid(fault: string): ControllerManagerError {
  return new ControllerManagerError(
    'ControllerManagerConfigInvalid',
    `the configuration of spire-controller-manager cannot be used: ${fault}`,
  );
}
