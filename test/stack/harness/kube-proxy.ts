// How is a broker killed right after one of its writes to the API server? A proxy before it that keeps back an answer.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, createServer, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { makeCertificate } from '../../fakes/fake-ca.ts';
import type { Cleanup } from './cleanup.ts';
import type { KubeApiServer } from './kube-api-server.ts';
import { type Kubeconfig, writeKubeconfig } from './kubeconfig.ts';

/** What the broker writes to a PeerTrustDomain. */
export type PeerWrite = 'AddFinalizer' | 'RemoveFinalizer' | 'Status';

/** A request that would change something, whatever the API server answered. */
export interface ChangeAsked {
  /** Who asked, by the kubeconfig. */
  readonly who: string;
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  readonly statusCode: number;
}

export interface KubeProxy {
  /** Of one who is to go through the proxy; the API server sees the user who may do everything. */
  kubeconfigOf(who: string): string;
  /** Every request to change something, in the order of the answers. */
  readonly changesAsked: readonly ChangeAsked[];
  /** The writes to PeerTrustDomains that the API server has done, in order. */
  readonly writes: readonly PeerWrite[];
  /** Once the API server has done such a write, `then` is called, and the answer is never given. */
  loseAnswer(after: PeerWrite, then: () => void): void;
}

/** Not passed on: they are about who speaks to the proxy. */
const OF_THE_CONNECTION: ReadonlySet<string> = new Set(['authorization', 'connection', 'host']);

const BEARER = 'Bearer ';

/** The token of a kubeconfig is the name of who has it: the proxy takes whoever comes. */
export async function startKubeProxy(cleanup: Cleanup, kube: KubeApiServer): Promise<KubeProxy> {
  const { key, cert } = adminOf(kube);
  const agent = new Agent({ keepAlive: true, key, cert, ca: kube.caPem });
  const leaf = await makeCertificate({ ipAddresses: ['127.0.0.1'], dnsNames: ['localhost'] });
  const writes: PeerWrite[] = [];
  const changesAsked: ChangeAsked[] = [];
  let lose: { readonly after: PeerWrite; readonly then: () => void } | undefined;

  /** Whether the answer may be given. */
  const note = (write: PeerWrite): boolean => {
    writes.push(write);
    if (lose?.after !== write) return true;
    lose.then();
    lose = undefined;
    return false;
  };
  const pass = async (asked: IncomingMessage, answer: ServerResponse): Promise<void> => {
    const body = await bytesOf(asked);
    const headers = Object.entries(asked.headers).filter(([name]) => !OF_THE_CONNECTION.has(name));
    const options = { agent, method: asked.method, headers: Object.fromEntries(headers) };
    const call = httpsRequest(`${kube.url}${asked.url ?? ''}`, options);
    answer.on('close', () => call.destroy());
    call.end(body);
    const [given] = (await once(call, 'response')) as [IncomingMessage];
    const { method = '', url = '' } = asked;
    if (method !== 'GET') {
      const who = (asked.headers.authorization ?? '').slice(BEARER.length);
      changesAsked.push({ who, method, path: url.replace(/\?.*/, ''), statusCode: given.statusCode ?? 0 });
    }
    const write = given.statusCode === 200 ? writeOf(asked, body) : undefined;
    if (write !== undefined && !note(write)) return;
    answer.writeHead(given.statusCode ?? 500, given.headers);
    // A watch has its head long before its first event.
    answer.flushHeaders();
    given.on('error', () => answer.destroy());
    given.pipe(answer);
  };
  const server = createServer({ key: leaf.keyPem, cert: leaf.pem }, (asked, answer) => {
    pass(asked, answer).catch(() => answer.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup.add(() => {
    server.closeAllConnections();
    server.close();
    agent.destroy();
  });
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    kubeconfigOf: (who) => writeKubeconfig(join(kube.folder, `kubeconfig-of-${who}`), url, leaf.pem, { token: who }),
    writes,
    changesAsked,
    loseAnswer(after, then) {
      lose = { after, then };
    },
  };
}

function adminOf({ kubeconfigPath }: KubeApiServer): { readonly key: Buffer; readonly cert: Buffer } {
  const { users } = JSON.parse(readFileSync(kubeconfigPath, 'utf8')) as Kubeconfig;
  const [{ user }] = users;
  if (!('client-key-data' in user)) throw new Error('the user who may do everything has a certificate');
  const { 'client-key-data': key, 'client-certificate-data': cert } = user;
  return { key: Buffer.from(key, 'base64'), cert: Buffer.from(cert, 'base64') };
}

async function bytesOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function writeOf({ method, url = '' }: IncomingMessage, body: Buffer): PeerWrite | undefined {
  const [, subresource] = /\/peertrustdomains\/[^/?]+(\/status)?(?:\?|$)/.exec(url) ?? ['', 'other'];
  if (method !== 'PATCH' || subresource === 'other') return undefined;
  if (subresource === '/status') return 'Status';
  const operations = JSON.parse(body.toString()) as readonly { readonly op: string }[];
  return operations.some(({ op }) => op === 'remove') ? 'RemoveFinalizer' : 'AddFinalizer';
}
