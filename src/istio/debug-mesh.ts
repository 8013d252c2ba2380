// Which anchors does this istiod hold after its merge? One GET of its /debug/mesh, bounded in time and size. (MeshConfig
// as proto JSON)
import { request as httpRequest, type IncomingMessage } from 'node:http';
import * as z from 'zod';
import type { Clock } from '../federation/clock.ts';
import type { MergedAnchors, MergedMesh } from '../federation/mesh-ports.ts';
import { IstiodError, type IstiodErrorCode } from './istiod-error.ts';

export interface DebugMeshOptions {
  /** For example `http://istiod.istio-system:15014`: istiod's debug port speaks no TLS. */
  readonly url: string;
  readonly clock: Clock;
  /**
   * A service account's token for the audience `istio-ca`, read anew for every request. Without it istiod answers only
   * callers on its own host, and with it those of its own namespace and of `DEBUG_ENDPOINT_AUTH_ALLOWED_NAMESPACES`.
   */
  readonly readToken?: () => Promise<string>;
  /** Of the whole answer. Default 5 s. */
  readonly timeoutMs?: number;
  /** Default 4 MiB: each of its sources is a ConfigMap, of at most 1 MiB. */
  readonly maxBytes?: number;
}

const PATH = '/debug/mesh';
const TIMEOUT_MS = 5_000;
const MAX_BYTES = 4 * 1024 * 1024;

const MESH_CONFIG = z.object({
  caCertificates: z
    .array(z.object({ pem: z.string().nullish(), trustDomains: z.array(z.string()).nullish() }))
    .nullish(),
});

const REFUSALS: ReadonlyMap<number, readonly [code: IstiodErrorCode, advice: string]> = new Map([
  [
    401,
    ['IstiodCallerRefused', 'istiod does not know us; give a token of a service account for the audience istio-ca'],
  ],
  [
    403,
    [
      'IstiodCallerRefused',
      'istiod shows this to its own namespace only; name ours in its DEBUG_ENDPOINT_AUTH_ALLOWED_NAMESPACES',
    ],
  ],
  [404, ['IstiodDebugMissing', 'nothing is there; is it istiod, with ENABLE_DEBUG_ON_HTTP left on?']],
]);

/** A connection for each request. */
export function createDebugMesh(options: DebugMeshOptions): MergedMesh {
  const { clock, timeoutMs = TIMEOUT_MS, maxBytes = MAX_BYTES, readToken } = options;
  const url = new URL(PATH, options.url);
  return {
    async read(signal) {
      const stop = new AbortController();
      const cancel = () => {
        stop.abort();
      };
      const cancelTimer = clock.after(timeoutMs, cancel);
      signal?.addEventListener('abort', cancel);
      try {
        if (signal?.aborted === true) cancel();
        const token = await readToken?.().catch((cause: unknown) => {
          throw failed('IstiodTokenUnreadable', url, 'our own token cannot be read', cause);
        });
        const response = await get(url, token, stop.signal);
        return anchorsIn(url, await readAnswer(url, response, maxBytes));
      } catch (error) {
        if (error instanceof IstiodError) throw error;
        if (signal?.aborted === true) throw failed('IstiodCancelled', url, 'cancelled', error);
        if (stop.signal.aborted) {
          throw failed('IstiodDeadlineExceeded', url, `no whole answer within ${timeoutMs} ms`, error);
        }
        throw failed('IstiodUnreachable', url, 'istiod does not answer; check the address and the network', error);
      } finally {
        cancelTimer();
        signal?.removeEventListener('abort', cancel);
      }
    },
  };
}

function failed(code: IstiodErrorCode, url: URL, text: string, cause?: unknown): IstiodError {
  const reason = cause === undefined ? '' : ` (${reasonOf(cause)})`;
  return new IstiodError(code, `${url.origin}${url.pathname}: ${text}${reason}`, { cause });
}

function reasonOf(cause: unknown): string {
  const { code, message } = cause as { readonly code?: string; readonly message?: string };
  return code ?? message ?? 'no reason given';
}

function get(url: URL, token: string | undefined, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = {
      accept: 'application/json',
      'user-agent': 'spire-federation-broker',
      ...(token !== undefined && { authorization: `Bearer ${token.trim()}` }),
    };
    const call = httpRequest(url, { agent: false, signal, headers });
    call.on('response', resolve);
    call.on('error', reject);
    call.end();
  });
}

async function readAnswer(url: URL, response: IncomingMessage, maxBytes: number): Promise<string> {
  try {
    const { statusCode = 0 } = response;
    const [code, advice] = REFUSALS.get(statusCode) ?? ['IstiodStatusUnexpected', 'istiod answers 200'];
    if (statusCode !== 200) throw failed(code, url, `status ${statusCode}: ${advice}`);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw failed('IstiodAnswerTooLarge', url, `the answer has more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  } finally {
    response.destroy();
  }
}

function anchorsIn(url: URL, text: string): MergedAnchors {
  const invalid = (fault: string) => failed('IstiodAnswerInvalid', url, `the answer cannot be used: ${fault}`);
  const { caCertificates } = parseMeshConfig(text, invalid);
  const entries = caCertificates ?? [];
  return {
    trustDomains: entries.flatMap(({ trustDomains }) => trustDomains ?? []),
    pems: entries.flatMap(({ pem }) => (pem == null || pem === '' ? [] : [pem])),
  };
}

function parseMeshConfig(text: string, invalid: (fault: string) => IstiodError): z.infer<typeof MESH_CONFIG> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw invalid('it is not JSON');
  }
  const { success, data, error } = MESH_CONFIG.safeParse(json);
  if (success) return data;
  const [issue] = error.issues;
  throw invalid(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'it is not a mesh config'}`);
}
