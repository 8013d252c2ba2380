// How does the demo run a real Kubernetes API server without nodes? kube-apiserver over an etcd of its own.
import { execFile } from 'node:child_process';
import { randomBytes, generateKeyPairSync } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TrustDomain } from '../../bundle/trust-domain.ts';
import { UsageError } from '../command.ts';
import { HOW_TO_BUILD, type BuiltPrograms } from './built-programs.ts';
import type { ChildPrograms } from './child-programs.ts';
import {
  etcdArguments,
  isEtcdReady,
  isKubeApiServerReady,
  kubeApiServerArguments,
  kubeApiServerCertificatePath,
} from './control-plane.ts';
import { freePort } from './free-port.ts';
import { kubeconfigText } from './kubeconfig-text.ts';

/** Paths. */
export interface KubePrograms {
  readonly kubeApiServer: string;
  readonly etcd: string;
  readonly kubectl: string;
  /** Of the API server, for example `1.36.3`. */
  readonly version: string;
}

export interface RunningKubeApiServer {
  /** Of a user who may do everything. */
  readonly kubeconfigPath: string;
  readonly stop: () => Promise<void>;
}

const VERSION_TIMEOUT_MS = 10_000;
const ISSUER = 'https://kubernetes.default.svc';
const ETCD_READY_TIMEOUT_MS = 30_000;
/** It creates its own roles, priority classes and namespaces first, on busy machines slowly. */
const READY_TIMEOUT_MS = 120_000;

/** @throws UsageError that says how to get them when `npm run test:stack` has not built them yet */
export async function findKubePrograms(built: BuiltPrograms): Promise<KubePrograms> {
  const [kubeApiServer, kubectl, etcd] = await Promise.all([
    needed(built, 'kubernetes', 'kube-apiserver'),
    needed(built, 'kubernetes', 'kubectl'),
    needed(built, 'etcd', 'etcd'),
  ]);
  const { stdout } = await promisify(execFile)(kubeApiServer, ['--version'], { timeout: VERSION_TIMEOUT_MS });
  return { kubeApiServer, kubectl, etcd, version: /\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? 'unknown' };
}

async function needed(built: BuiltPrograms, part: string, program: string): Promise<string> {
  const path = await built.find(part, program);
  if (path !== undefined) return path;
  throw new UsageError(`--kubernetes needs ${program}, which is not built yet below ${built.folder}: ${HOW_TO_BUILD}`);
}

/** Resolves when it answers /readyz. Nothing of it is kept: it ends without ceremony. */
export async function startKubeApiServer(
  { kubeApiServer, etcd }: KubePrograms,
  { trustDomain, folder, programs }: { trustDomain: TrustDomain; folder: string; programs: ChildPrograms },
): Promise<RunningKubeApiServer> {
  const file = async (name: string, text: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  const store = await startEtcd(etcd, { trustDomain, folder, programs });
  try {
    const place = { url: `https://127.0.0.1:${await freePort()}`, folder };
    const token = randomBytes(32).toString('hex');
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const serviceAccountKeyPath = await file('sa.pem', privateKey.export({ type: 'sec1', format: 'pem' }).toString());
    const server = await programs.start({
      name: `kube-apiserver of ${trustDomain}`,
      program: kubeApiServer,
      args: [
        ...kubeApiServerArguments({
          ...place,
          etcdUrl: store.url,
          serviceAccountKeyPath,
          serviceAccountIssuer: ISSUER,
        }),
        `--token-auth-file=${await file('tokens.csv', `${token},admin,admin,system:masters\n`)}`,
      ],
      logPath: join(folder, 'kube-apiserver.log'),
      isReady: () => isKubeApiServerReady(place),
      readyTimeoutMs: READY_TIMEOUT_MS,
    });
    const caPem = await readFile(kubeApiServerCertificatePath(place), 'utf8');
    const kubeconfigPath = await file('kubeconfig', kubeconfigText({ server: place.url, caPem, user: { token } }));
    const stop = async () => {
      await server.kill();
      await store.kill();
    };
    return { kubeconfigPath, stop };
  } catch (error) {
    await store.kill();
    throw error;
  }
}

async function startEtcd(
  program: string,
  { trustDomain, folder, programs }: { trustDomain: TrustDomain; folder: string; programs: ChildPrograms },
): Promise<{ readonly url: string; readonly kill: () => Promise<void> }> {
  const url = `http://127.0.0.1:${await freePort()}`;
  const peerUrl = `http://127.0.0.1:${await freePort()}`;
  const dataFolder = join(folder, 'etcd-data');
  await mkdir(dataFolder, { mode: 0o700 });
  const { kill } = await programs.start({
    name: `etcd of ${trustDomain}`,
    program,
    args: etcdArguments({ url, peerUrl, dataFolder }),
    logPath: join(folder, 'etcd.log'),
    isReady: () => isEtcdReady(url),
    readyTimeoutMs: ETCD_READY_TIMEOUT_MS,
  });
  return { url, kill };
}
