// How do etcd and kube-apiserver run without nodes, for as long as something is shown or tested, and when are they there?
import { readFile } from 'node:fs/promises';
import { get } from 'node:https';
import { join } from 'node:path';

const REQUEST_TIMEOUT_MS = 5_000;

export interface EtcdPlace {
  /** Where clients connect, without TLS. */
  readonly url: string;
  readonly peerUrl: string;
  readonly dataFolder: string;
}

/** One member. */
export function etcdArguments({ url, peerUrl, dataFolder }: EtcdPlace): string[] {
  return [
    `--data-dir=${dataFolder}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=default=${peerUrl}`,
    // What a killed process has written stays with the kernel; only a machine that loses power would lose it.
    '--unsafe-no-fsync',
  ];
}

/** Rejects while nobody answers. */
export async function isEtcdReady(url: string): Promise<boolean> {
  return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) })).ok;
}

export interface KubeApiServerPlace {
  readonly etcdUrl: string;
  /** With the port, on 127.0.0.1. */
  readonly url: string;
  /** It makes its own certificate there. */
  readonly folder: string;
  /** Private, as PEM. */
  readonly serviceAccountKeyPath: string;
  readonly serviceAccountIssuer: string;
}

/** Whom it knows is left open. */
export function kubeApiServerArguments(place: KubeApiServerPlace): string[] {
  return [
    `--etcd-servers=${place.etcdUrl}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${new URL(place.url).port}`,
    `--cert-dir=${place.folder}`,
    `--service-account-issuer=${place.serviceAccountIssuer}`,
    `--service-account-key-file=${place.serviceAccountKeyPath}`,
    `--service-account-signing-key-file=${place.serviceAccountKeyPath}`,
    '--service-cluster-ip-range=10.96.0.0/24',
    '--authorization-mode=RBAC',
    '--endpoint-reconciler-type=none',
  ];
}

/** Its certificate with the authority behind it, once it has made it. */
export function kubeApiServerCertificatePath({ folder }: Pick<KubeApiServerPlace, 'folder'>): string {
  return join(folder, 'apiserver.crt');
}

/** Anybody may ask it for /readyz. Rejects while it has no certificate or nobody answers. */
export async function isKubeApiServerReady(place: Pick<KubeApiServerPlace, 'url' | 'folder'>): Promise<boolean> {
  const ca = await readFile(kubeApiServerCertificatePath(place));
  const status = await new Promise((resolve, reject) => {
    const options = { ca, agent: false, signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) };
    get(`${place.url}/readyz`, options, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    }).once('error', reject);
  });
  return status === 200;
}
