// How are the demo's peers declared as PeerTrustDomain objects? With kubectl, on an API server for each trust domain.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { repeat } from '../../broker/repeat.ts';
import type { TrustDomain } from '../../bundle/trust-domain.ts';
import { systemClock } from '../../federation/clock.ts';
import type { Condition } from '../../federation/conditions.ts';
import { openApiServer, type ApiServer } from '../../kubernetes/api-server.ts';
import { MeshResources } from '../../kubernetes/mesh-objects.ts';
import { PEER_TRUST_DOMAIN, type PeerTrustDomainStatus } from '../../kubernetes/peer-trust-domain.ts';
import { peerTrustDomainDefinition } from '../../kubernetes/peer-trust-domain-crd.ts';
import type { BuiltPrograms } from './built-programs.ts';
import type { ChildPrograms } from './child-programs.ts';
import type { DeclarationPlace, DeclarationPlaces, PeerObjects } from './declaration-place.ts';
import { ISTIO_FLAGS, istioObjects } from './istio-place.ts';
import { findKubePrograms, startKubeApiServer, type KubePrograms } from './kube-api-server.ts';
import { waitUntil } from './wait-until.ts';

const NAMESPACE = 'spire-server';
const LIST = ['get', PEER_TRUST_DOMAIN.shortName];
const KUBECTL_TIMEOUT_MS = 40_000;
/** From applying the definition until the API server and its discovery know it. */
const SERVED_TIMEOUT_MS = 30_000;
const REQUEST_TIMEOUT_MS = 5_000;
const LOOK_EVERY_MS = 250;

export interface KubeParts {
  readonly built: BuiltPrograms;
  readonly programs: ChildPrograms;
  /** Whether Istio is there, and the brokers write for it. */
  readonly withIstio: boolean;
}

/** @throws UsageError when the programs are not there */
export async function kubeDeclarations({ built, programs, withIstio }: KubeParts): Promise<DeclarationPlaces> {
  const kubePrograms = await findKubePrograms(built);
  return {
    kubernetes: kubePrograms.version,
    open: (trustDomain, folder, signal) =>
      openPlace(kubePrograms, { trustDomain, folder, programs, withIstio }, signal),
  };
}

interface PlaceParts extends Pick<KubeParts, 'programs' | 'withIstio'> {
  readonly trustDomain: TrustDomain;
  readonly folder: string;
}

async function openPlace(programs: KubePrograms, where: PlaceParts, signal: AbortSignal): Promise<DeclarationPlace> {
  const { kubeconfigPath, stop } = await startKubeApiServer(programs, where);
  const kubectl = kubectlOf(programs.kubectl, where.folder, kubeconfigPath);
  try {
    await kubectl(['apply', '--server-side', '--filename=-'], peerTrustDomainDefinition());
    const isServed = () =>
      kubectl(LIST).then(
        () => true,
        () => false,
      );
    const wait = { everyMs: LOOK_EVERY_MS, timeoutMs: SERVED_TIMEOUT_MS, signal };
    if (!(await waitUntil(isServed, wait))) throw new Error('the API server does not serve PeerTrustDomain objects');
    await kubectl(['create', 'namespace', NAMESPACE]);
    if (where.withIstio) await kubectl(['apply', '--server-side', '--filename=-'], istioObjects(where.trustDomain));
    const access = { path: kubeconfigPath };
    const api = await openApiServer({ access, clock: systemClock, timeoutMs: REQUEST_TIMEOUT_MS });
    const conditions = followReady(api);
    return {
      brokerFlags: {
        ...{ kubernetes: 'kubeconfig', kubeconfig: kubeconfigPath, 'kubernetes-namespace': NAMESPACE },
        ...(where.withIstio && ISTIO_FLAGS),
      },
      declare: async (document) => {
        await kubectl(['apply', '--server-side', '--filename=-'], document);
      },
      objects: {
        ready: conditions.ready,
        table: async () => (await kubectl(LIST)).trimEnd().split('\n'),
      },
      mesh: where.withIstio
        ? new MeshResources({
            ...{ api, clock: systemClock, random: Math.random, onFault: rethrow },
            ownTrustDomain: where.trustDomain,
          })
        : undefined,
      close: async () => {
        await conditions.close();
        api.close();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Looks at all objects again and again. While the API server does not answer, the last answer stays. */
function followReady(api: ApiServer): Pick<PeerObjects, 'ready'> & { readonly close: () => Promise<void> } {
  const end = new AbortController();
  let byName: ReadonlyMap<string, Pick<Condition, 'status' | 'reason'>> = new Map();
  const looking = repeat({ clock: systemClock, intervalMs: LOOK_EVERY_MS, signal: end.signal }, async () => {
    const answer = await api.list({ resource: PEER_TRUST_DOMAIN }, { signal: end.signal }).catch(() => undefined);
    if (answer === undefined) return;
    byName = new Map(
      answer.items.flatMap(({ metadata, status }) => {
        const { conditions = [] } = (status ?? {}) as PeerTrustDomainStatus;
        const ready = conditions.find(({ type }) => type === 'Ready');
        return ready === undefined ? [] : [[metadata.name, ready] as const];
      }),
    );
  });
  return {
    ready: (name) => byName.get(name),
    close: async () => {
      end.abort();
      await looking;
    },
  };
}

function rethrow(fault: unknown): never {
  throw fault;
}

type Kubectl = (args: readonly string[], input?: object) => Promise<string>;

/** What it learned about the server stays in the demo's folder. */
function kubectlOf(program: string, folder: string, kubeconfigPath: string): Kubectl {
  const options = [`--kubeconfig=${kubeconfigPath}`, `--cache-dir=${join(folder, 'kubectl-cache')}`];
  return (args, input) =>
    new Promise((resolve, reject) => {
      const child = execFile(
        program,
        [...options, ...args],
        { timeout: KUBECTL_TIMEOUT_MS },
        (error, stdout, stderr) => {
          if (error === null) resolve(stdout);
          else reject(new Error(`kubectl ${args.join(' ')}: ${stderr.trim() || error.message}`, { cause: error }));
        },
      );
      // A program that ends without reading is judged by its exit code.
      child.stdin?.on('error', () => undefined).end(input === undefined ? '' : JSON.stringify(input));
    });
}
