// What is there in the mesh that decides whether peers can be let in? Read on a period, one list at a time, and reduced
// while it is read.
import { sleep, type Clock } from '../federation/clock.ts';
import { known, unreadable, type Fact } from '../federation/facts.ts';
import type { CaReferrer, MeshPlace, MeshSurvey, MeshSurveys, SpireAgentSds } from '../federation/mesh-survey.ts';
import type { ApiServer } from './api-server.ts';
import { CONFIG_MAPS } from './core-resources.ts';
import { CA_REFERRER_KINDS, type CaReferrerKind } from './gateway-api-resources.ts';
import {
  AUTHORIZATION_POLICIES,
  authorizationPolicyOf,
  DESTINATION_RULES,
  destinationRuleOf,
  GATEWAYS,
  gatewayOf,
  SERVICE_ENTRIES,
  serviceEntryOf,
} from './istio-resources.ts';
import { ISTIOD_LABELS, istiodDeploymentOf } from './istiod-deployment.ts';
import { KubeError } from './kube-error.ts';
import { describeTarget, type KubeObject, type Resource, type Selection } from './kube-object.ts';
import { AMBIENT_LABEL, readPods, type PodsSeen } from './mesh-proxies.ts';
import { fieldsOf, textsOf } from './object-fields.ts';
import { parseSpireAgentConfig } from './spire-agent-config.ts';
import { DEPLOYMENTS } from './workload-object.ts';

export interface MeshSurveyOptions {
  readonly api: Pick<ApiServer, 'get' | 'pages'>;
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly istioNamespace: string;
  /** Where the configuration of SPIRE Agents is; undefined: nobody said. */
  readonly spireAgentConfig: MeshPlace | undefined;
}

export const NAMESPACES: Resource = {
  group: '',
  version: 'v1',
  plural: 'namespaces',
  kind: 'Namespace',
  namespaced: false,
};

export class MeshSurveyReader implements MeshSurveys {
  readonly #options: MeshSurveyOptions;

  constructor(options: MeshSurveyOptions) {
    this.#options = options;
  }

  async watch(report: (survey: MeshSurvey) => void, signal: AbortSignal): Promise<void> {
    const { clock, intervalMs } = this.#options;
    for (;;) {
      const survey = await this.read(signal);
      if (signal.aborted) return;
      report(survey);
      await sleep(clock, intervalMs, signal);
    }
  }

  /** Rejects with nothing that an API server can answer: that is a fact. */
  async read(signal: AbortSignal): Promise<MeshSurvey> {
    const { istioNamespace } = this.#options;
    const istiods = { resource: DEPLOYMENTS, namespace: istioNamespace, labelSelector: ISTIOD_LABELS };
    const pods = await this.#fact(() => readPods(this.#options.api, signal));
    return {
      istiods: await this.#fact(() => this.#readAll(istiods, istiodDeploymentOf, signal)),
      proxies: pods.state === 'Known' ? { ...pods, value: pods.value.proxies } : pods,
      ambientNamespaces: await this.#readAmbient(pods, signal),
      spireAgent: await this.#readSpireAgent(signal),
      authorizationPolicies: await this.#readServed(AUTHORIZATION_POLICIES, authorizationPolicyOf, signal),
      gateways: await this.#readServed(GATEWAYS, gatewayOf, signal),
      serviceEntries: await this.#readServed(SERVICE_ENTRIES, serviceEntryOf, signal),
      destinationRules: await this.#readServed(DESTINATION_RULES, destinationRuleOf, signal),
      gatewayApi: await this.#readGatewayApi(signal),
    };
  }

  /** None that is found may be forgotten because others cannot be read; but "none" needs both. */
  async #readAmbient(pods: Fact<PodsSeen>, signal: AbortSignal): Promise<Fact<readonly string[]>> {
    const selection = { resource: NAMESPACES, labelSelector: `${AMBIENT_LABEL}=ambient` };
    const whole = await this.#fact(() => this.#readAll(selection, ({ metadata }) => metadata.name, signal));
    const found = [
      ...(whole.state === 'Known' ? whole.value : []),
      ...(pods.state === 'Known' ? pods.value.ambientNamespaces : []),
    ];
    if (found.length > 0) return known([...new Set(found)].sort(), whole.at);
    if (whole.state === 'Unreadable') return whole;
    return pods.state === 'Unreadable' ? pods : known([], whole.at);
  }

  async #readSpireAgent(signal: AbortSignal): Promise<Fact<SpireAgentSds> | undefined> {
    const { api, spireAgentConfig } = this.#options;
    if (spireAgentConfig === undefined) return undefined;
    const ref = { resource: CONFIG_MAPS, ...spireAgentConfig };
    return this.#fact(async () => {
      const object = await api.get(ref, { signal });
      if (object === undefined) {
        throw new KubeError('KubeNotFound', `${describeTarget(ref)} does not exist; name the one of SPIRE Agent`);
      }
      const texts = textsOf(Object.values(fieldsOf(object['data'])));
      const config = texts.map(parseSpireAgentConfig).find((each) => each !== undefined);
      if (config !== undefined) return config;
      throw new KubeError('KubeInvalid', `no key of ${describeTarget(ref)} holds a configuration of SPIRE Agent`);
    });
  }

  /** Whether an object is named nowhere is known only when all were read. */
  async #readGatewayApi(signal: AbortSignal): Promise<MeshSurvey['gatewayApi']> {
    const referrers: CaReferrer[] = [];
    let since: Date | undefined;
    for (const kind of CA_REFERRER_KINDS) {
      const found = await this.#readNewest(kind, signal);
      if (found?.state === 'Unreadable') return found;
      referrers.push(...(found?.value ?? []));
      since ??= found?.at;
    }
    return since && known(referrers, since);
  }

  async #readNewest({ versions, referrerOf }: CaReferrerKind, signal: AbortSignal): Promise<MeshSurvey['gatewayApi']> {
    for (const resource of versions) {
      const found = await this.#readServed(resource, referrerOf, signal);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Undefined when the API server does not serve the resource. */
  async #readServed<T>(
    resource: Resource,
    read: (object: KubeObject) => T,
    signal: AbortSignal,
  ): Promise<Fact<readonly T[]> | undefined> {
    const fact = await this.#fact(() => this.#readAll({ resource }, read, signal));
    return fact.state === 'Unreadable' && fact.reason === 'KubeResourceUnknown' ? undefined : fact;
  }

  async #readAll<T>(selection: Selection, read: (object: KubeObject) => T, signal: AbortSignal): Promise<readonly T[]> {
    const all: T[] = [];
    for await (const page of this.#options.api.pages(selection, { signal })) all.push(...page.map(read));
    return all;
  }

  async #fact<T>(read: () => Promise<T>): Promise<Fact<T>> {
    // What appears while it is read may be missing.
    const at = this.#options.clock.now();
    try {
      return known(await read(), at);
    } catch (error) {
      if (error instanceof KubeError) return unreadable(error, at);
      throw error;
    }
  }
}
