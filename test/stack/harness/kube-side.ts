// How does a test run a trust domain whose peers are PeerTrustDomain objects? SPIRE, an API server, and replicas of the broker.
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { PEER_TRUST_DOMAIN } from '../../../src/kubernetes/peer-trust-domain.ts';
import { startBroker, type Broker, type BrokerFlags } from './broker.ts';
import type { Cleanup } from './cleanup.ts';
import { eventually } from './eventually.ts';
import { startKubeApiServer, type KubeApiServer } from './kube-api-server.ts';
import { startSpireAgent, type SpireAgent } from './spire-agent.ts';
import { startSpireServer, type SpireServer, type SpireServerOptions } from './spire-server.ts';
import { untilServed } from './until-served.ts';
import { STACK_FOLDER } from '../parts.ts';

export const CRD_PATH = join(STACK_FOLDER, '../../deploy/crd/peertrustdomains.fedbroker.dev.yaml');
const NAMESPACE = 'spire-server';
const LEASE = 'fedbroker';

export interface KubeSideOptions {
  readonly server?: SpireServerOptions;
  readonly flags?: BrokerFlags;
  /** Flags that depend on what runs already, over `flags`. */
  readonly flagsFor?: (parts: Pick<KubeSide, 'server' | 'kube'>) => Promise<BrokerFlags>;
  /** Default 1. */
  readonly replicas?: number;
  /** The kubeconfig the brokers use; default: of a user who may do everything. */
  readonly kubeconfig?: (kube: KubeApiServer) => Promise<string> | string;
}

/** What `kubectl get ptd -o json` shows of one object. */
export interface PeerObject {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly generation: number;
    readonly resourceVersion: string;
    readonly finalizers?: readonly string[];
    readonly deletionTimestamp?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }[];
    readonly bundle?: { readonly digest: string; readonly sequence?: string };
    readonly entriesFederated?: number;
    readonly writer?: string;
    readonly lastHandledRefresh?: string;
    readonly lastHandledRebootstrap?: string;
    readonly evidence?: readonly { readonly verdict: string; readonly reason: string; readonly digest?: string }[];
  };
}

export interface KubeSide {
  readonly trustDomain: string;
  readonly server: SpireServer;
  readonly agent: SpireAgent;
  readonly kube: KubeApiServer;
  /** In the order in which they were started first. */
  readonly replicas: readonly Broker[];
  /** Starts one more, with the flags of all of them and `flags` over these. */
  addReplica(flags?: BrokerFlags): Promise<Broker>;
  /** Of the workload `/workload`. */
  readonly entryId: string;
  /** `kubectl apply --server-side` of a PeerTrustDomain. */
  apply(name: string, spec: Readonly<Record<string, unknown>>): Promise<void>;
  /** Does not wait until the object is gone. */
  remove(name: string): Promise<void>;
  /** Undefined when there is none. */
  object(name: string): Promise<PeerObject | undefined>;
  /** The first state of the object that `accept` accepts; default: the condition Ready is true for its generation. */
  waitForObject(name: string, accept?: (object: PeerObject) => boolean, timeoutMs?: number): Promise<PeerObject>;
  /** The replica that holds the Lease. */
  leader(): Promise<Broker>;
}

export async function startKubeSide(
  cleanup: Cleanup,
  trustDomain: string,
  { server: serverOptions = {}, flags = {}, flagsFor, replicas: count = 1, kubeconfig }: KubeSideOptions = {},
): Promise<KubeSide> {
  const [server, kube] = await Promise.all([
    startSpireServer(cleanup, trustDomain, serverOptions),
    startKubeApiServer(cleanup, { name: trustDomain }),
  ]);
  const agent = await startSpireAgent(cleanup, server);
  const entryId = await agent.registerWorkload({ path: '/workload' });
  await kube.kubectl(['apply', '--server-side', '--filename', CRD_PATH]);
  await untilServed(kube, resource());
  await kube.kubectl(['create', 'namespace', NAMESPACE]);
  const path = await (kubeconfig?.(kube) ?? kube.kubeconfigPath);
  const ofParts = await flagsFor?.({ server, kube });
  const replicas: Broker[] = [];
  const addReplica = async (ownFlags: BrokerFlags = {}): Promise<Broker> => {
    const identity = `replica-${replicas.length + 1}`;
    const settings = {
      kubernetes: 'kubeconfig',
      kubeconfig: path,
      'kubernetes-namespace': NAMESPACE,
      'lease-name': LEASE,
      'replica-identity': identity,
      ...flags,
      ...ofParts,
      ...ownFlags,
    };
    const replica = await startBroker(cleanup, server, settings, identity);
    replicas.push(replica);
    return replica;
  };
  for (let number = 1; number <= count; number++) await addReplica();

  const object = async (name: string): Promise<PeerObject | undefined> => {
    const { items } = await kube.kubectlJson<{ readonly items: readonly PeerObject[] }>(['get', resource()]);
    return items.find(({ metadata }) => metadata.name === name);
  };
  return {
    trustDomain,
    server,
    agent,
    kube,
    replicas,
    addReplica,
    entryId,
    async apply(name, spec) {
      const { group, version, kind } = PEER_TRUST_DOMAIN;
      const document = { apiVersion: `${group}/${version}`, kind, metadata: { name }, spec };
      await kube.kubectl(['apply', '--server-side', '--filename=-'], { input: JSON.stringify(document) });
    },
    async remove(name) {
      await kube.kubectl(['delete', resource(), name, '--wait=false']);
    },
    object,
    waitForObject: (name, accept = isReadyObject, timeoutMs = 60_000) =>
      eventually(
        `PeerTrustDomain ${name} at ${trustDomain} is as expected`,
        async () => {
          const found = await object(name);
          if (found !== undefined && accept(found)) return found;
          throw new Error(JSON.stringify(found?.status?.conditions?.filter(({ status }) => status !== 'True')));
        },
        { timeoutMs, intervalMs: 200 },
      ),
    leader: () =>
      eventually('a replica leads', async () => {
        const lease = await kube.kubectlJson<{ readonly spec: { readonly holderIdentity?: string } }>([
          ...['get', 'lease', LEASE, `--namespace=${NAMESPACE}`],
        ]);
        const holder = lease.spec.holderIdentity ?? '';
        return replicas.find((_, index) => holder.startsWith(`replica-${index + 1}`));
      }),
  };
}

export function isReadyObject({ metadata, status }: PeerObject): boolean {
  return (
    status?.observedGeneration === metadata.generation &&
    (status.conditions ?? []).some((condition) => condition.type === 'Ready' && condition.status === 'True')
  );
}

export function conditionOf({ status }: PeerObject, type: string) {
  return status?.conditions?.find((condition) => condition.type === type);
}

/** Nothing happens for this long: `what` stays the same. */
export async function staysTheSame<T>(what: () => Promise<T>, ms: number): Promise<readonly [T, T]> {
  const before = await what();
  await pause(ms);
  return [before, await what()];
}

function resource(): string {
  return `${PEER_TRUST_DOMAIN.plural}.${PEER_TRUST_DOMAIN.group}`;
}
