// Where does a real kube-apiserver of a test keep its objects, and what when that crashes, hangs or forgets?
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { etcdArguments, isEtcdReady } from '../../../src/cli/demo/control-plane.ts';
import { programPath } from '../parts.ts';
import { type Child, startChild } from './child-process.ts';
import type { Cleanup } from './cleanup.ts';
import { freePort } from './free-ports.ts';

export interface Etcd {
  /** Where clients connect, on 127.0.0.1, without TLS. */
  readonly url: string;
  readonly logPath: string;
  readonly pid: () => number;
  log(): string;
  /** Forgets everything but the present: whoever asks for an older resourceVersion is answered with 410. */
  compact(): Promise<void>;
  /** As a crash would end it. */
  kill(): Promise<void>;
  /** Starts it again with the same data and ports, after ending it politely if it runs. */
  restart(): Promise<void>;
  /** SIGSTOP or SIGCONT: it hangs, it goes on. */
  signal(signal: NodeJS.Signals): void;
}

const REQUEST_TIMEOUT_MS = 10_000;

/** One member, with its data and log in `folder`. Resolves when it is healthy. */
export async function startEtcd(cleanup: Cleanup, folder: string): Promise<Etcd> {
  const url = `http://127.0.0.1:${await freePort()}`;
  const peerUrl = `http://127.0.0.1:${await freePort()}`;
  const dataFolder = join(folder, 'etcd-data');
  mkdirSync(dataFolder, { mode: 0o700 });
  const start = (): Promise<Child> =>
    startChild(cleanup, {
      name: 'etcd',
      program: programPath('etcd', 'etcd'),
      args: etcdArguments({ url, peerUrl, dataFolder }),
      logPath: join(folder, 'etcd.log'),
      isReady: () => isEtcdReady(url),
    });
  let child = await start();
  return {
    url,
    logPath: child.logPath,
    pid: () => child.pid,
    log: () => child.log(),
    compact: () => compact(url),
    kill: () => child.kill(),
    restart: async () => {
      await child.end();
      child = await start();
    },
    signal: (signal) => {
      child.signal(signal);
    },
  };
}

async function compact(url: string): Promise<void> {
  const any = Buffer.from('/').toString('base64');
  const { header } = (await post(`${url}/v3/kv/range`, { key: any })) as { readonly header: { revision: string } };
  await post(`${url}/v3/kv/compaction`, { revision: header.revision, physical: true });
}

/** etcd's gRPC API as JSON. */
async function post(url: string, body: object): Promise<unknown> {
  const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body), signal });
  if (!answer.ok) throw new Error(`etcd answered ${url} with ${answer.status}: ${await answer.text()}`);
  return answer.json();
}
