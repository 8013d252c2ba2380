// What exactly does the API server answer, byte for byte?
import { readFileSync } from 'node:fs';
import { request, type RequestOptions } from 'node:https';
import type { KubeCredentials } from '../../../src/cli/demo/kubeconfig-text.ts';
import type { Kubeconfig } from './kubeconfig.ts';

export interface KubeRequest {
  /** Default GET. */
  readonly method?: string;
  /** With its query. */
  readonly path: string;
  /** Default `application/json`. */
  readonly contentType?: string;
  /** Text as it is, anything else as JSON. */
  readonly body?: string | object;
  /** Default 30,000. */
  readonly timeoutMs?: number;
}

export interface KubeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
}

/** One request on one connection, as the user of the kubeconfig; resolves when the whole answer is there. */
export function kubeRequest(kubeconfigPath: string, { path, body, ...options }: KubeRequest): Promise<KubeAnswer> {
  const config = JSON.parse(readFileSync(kubeconfigPath, 'utf8')) as Kubeconfig;
  const { server, 'certificate-authority-data': ca } = config.clusters[0].cluster;
  const { authorization, ...identity } = credentials(config.users[0].user);
  const text = typeof body === 'object' ? JSON.stringify(body) : body;
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, server), {
      method: options.method ?? 'GET',
      headers: {
        accept: 'application/json',
        ...(text === undefined ? {} : contentHeaders(text, options.contentType)),
        ...(authorization === undefined ? {} : { authorization }),
      },
      ca: fromBase64(ca),
      ...identity,
      agent: false,
      signal: AbortSignal.timeout(options.timeoutMs ?? 30_000),
    });
    sent.once('error', reject);
    sent.once('response', (answer) => {
      let received = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => (received += chunk));
      answer.once('error', reject);
      answer.once('end', () => {
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: received });
      });
    });
    sent.end(text);
  });
}

/** Without its length, Node sends the body of a DELETE in a way that no server reads. */
function contentHeaders(text: string, contentType = 'application/json'): Readonly<Record<string, string | number>> {
  return { 'content-type': contentType, 'content-length': Buffer.byteLength(text) };
}

function credentials(user: KubeCredentials): Pick<RequestOptions, 'cert' | 'key'> & { authorization?: string } {
  if ('client-certificate-data' in user)
    return { cert: fromBase64(user['client-certificate-data']), key: fromBase64(user['client-key-data']) };
  const token = 'token' in user ? user.token : readFileSync(user.tokenFile, 'utf8');
  return { authorization: `Bearer ${token}` };
}

function fromBase64(text: string): string {
  return Buffer.from(text, 'base64').toString('utf8');
}
