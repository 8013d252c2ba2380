// What document does this bundle endpoint serve? One GET, bounded in time, size and redirects. (SPIFFE Federation §5)
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { PeerCertificate } from 'node:tls';
import { fingerprint } from '../bundle/bundle.ts';
import type { BundleAnswer, BundleRequest, BundleSource } from '../federation/ports.ts';
import type { TlsIdentity } from './bundle-listener.ts';
import { EndpointError, endpointErrorOf } from './endpoint-error.ts';
import { certificateChain } from './certificate-chain.ts';
import { endpointTlsOptions } from './endpoint-tls.ts';
import { identityFailure, identityFailureCode } from './identity-failure.ts';
import { withPinnedRoots } from './pinned-roots.ts';
import { presentedCertificate } from './presented-certificate.ts';
import { readBody } from './read-body.ts';

export interface FetchLimits {
  /** Until TLS is up. */
  readonly connectTimeoutMs: number;
  /** Of the whole fetch, redirects included; the wait that was asked for comes on top. */
  readonly totalTimeoutMs: number;
  /** Counted after decoding. */
  readonly maxBodyBytes: number;
  readonly maxRedirects: number;
}

const MAX_HEADER_BYTES = 8192;
/** Their fingerprints are evidence for people. */
const MAX_SHOWN_CERTIFICATES = 8;
const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** A peer that vanished without a word is noticed while we wait for its answer. */
const KEEP_ALIVE_PROBE_MS = 30_000;

/** What we prove ourselves with to an endpoint that asks who we are; undefined: we stay anonymous. */
type ClientIdentity = () => Promise<TlsIdentity | undefined>;

/** A connection for each request, never a resumed session: every answer comes from an endpoint that was verified for it. */
export function createBundleSource(
  limits: FetchLimits,
  clientIdentity: ClientIdentity = () => Promise.resolve(undefined),
): BundleSource {
  return {
    fetch: async (request, signal) =>
      fetchBundle(await withPinnedRoots(request, limits, signal), { limits, identity: await clientIdentity(), signal }),
  };
}

interface FetchParts {
  readonly limits: FetchLimits;
  readonly identity: TlsIdentity | undefined;
  readonly signal: AbortSignal | undefined;
}

async function fetchBundle(request: BundleRequest, { limits, identity, signal }: FetchParts): Promise<BundleAnswer> {
  const deadline = AbortSignal.timeout(limits.totalTimeoutMs + (request.waitSeconds ?? 0) * 1000);
  const stop = signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
  const declared = endpointUrl(request.url, 'UrlInvalid');
  let url = declared;
  try {
    // Redirects start anew from the configured URL at every fetch and are never remembered (§5.2.1.4).
    for (let redirects = 0; redirects <= limits.maxRedirects; redirects++) {
      // Whoever it redirects to was not declared, and need not know who asks.
      const shown = url.origin === declared.origin ? identity : undefined;
      const answer = await get(url, request, { limits, identity: shown, signal: stop });
      if (!(answer instanceof URL)) return answer;
      url = answer;
    }
  } catch (error) {
    if (signal?.aborted === true) throw new EndpointError('Cancelled', `${request.url}: cancelled`, { cause: error });
    if (deadline.aborted) {
      const seconds = limits.totalTimeoutMs / 1000;
      throw new EndpointError('DeadlineExceeded', `${request.url}: no whole answer within ${seconds} s`, {
        cause: error,
      });
    }
    if (error instanceof EndpointError || identityFailureCode(error) === undefined)
      throw endpointErrorOf(url.href, error);
    throw identityFailure(url.href, error, request.trust, await presentedCertificate(url, stop));
  }
  throw new EndpointError('TooManyRedirects', `${request.url}: more than ${limits.maxRedirects} redirects`);
}

/** @throws EndpointError with the given code */
function endpointUrl(text: string, code: 'UrlInvalid' | 'RedirectRefused', base?: URL): URL {
  const url = URL.canParse(text, base?.href) ? new URL(text, base?.href) : undefined;
  const fault =
    url === undefined
      ? 'this is not a URL'
      : url.protocol !== 'https:'
        ? `only https is allowed, not ${url.protocol.slice(0, -1)}`
        : url.username !== '' || url.password !== ''
          ? 'a user name or password is not allowed'
          : undefined;
  if (url === undefined || fault !== undefined) {
    // What follows the path may be a secret of whoever wrote the redirect.
    const shown = url === undefined ? text.slice(0, 200) : withoutQuery(url);
    throw new EndpointError(code, `${base === undefined ? '' : `${base.href}: redirect to `}${shown}: ${fault ?? ''}`);
  }
  return url;
}

function withoutQuery({ protocol, host, pathname }: URL): string {
  return `${protocol}//${host}${pathname}`;
}

/** The answer, or where it redirects to. */
async function get(url: URL, request: BundleRequest, parts: FetchParts): Promise<BundleAnswer | URL> {
  const opened = await open(url, request, parts);
  try {
    return await readAnswer(opened, url, request, parts.limits);
  } finally {
    opened.response.destroy();
  }
}

interface Opened {
  readonly response: IncomingMessage;
  /** By which the endpoint proved its identity. */
  readonly certificate: PeerCertificate | undefined;
}

function open(url: URL, request: BundleRequest, { limits, identity, signal }: FetchParts): Promise<Opened> {
  return new Promise((resolve, reject) => {
    const { checkServerIdentity, ...tls } = endpointTlsOptions(request.trust);
    let certificate: PeerCertificate | undefined;
    const call = httpsRequest(url, {
      ...tls,
      // Node hands the whole chain over here; asking the connection for it again costs as much as the handshake's own.
      checkServerIdentity: (host, shown) => {
        certificate = shown;
        return checkServerIdentity(host, shown);
      },
      ...(identity !== undefined && { key: identity.keyPem, cert: identity.chainPem }),
      agent: false,
      ...(signal !== undefined && { signal }),
      maxHeaderSize: MAX_HEADER_BYTES,
      headers: {
        accept: 'application/json',
        'accept-encoding': 'gzip, identity',
        'user-agent': 'spire-federation-broker',
        ...(request.appliedEtag !== undefined && { 'if-none-match': request.appliedEtag }),
        ...(request.waitSeconds !== undefined && { prefer: `wait=${request.waitSeconds}` }),
      },
    });
    const connecting = setTimeout(() => {
      call.destroy(
        new EndpointError('ConnectTimeout', `${url.href}: no TLS connection within ${limits.connectTimeoutMs} ms`),
      );
    }, limits.connectTimeoutMs);
    call.on('socket', (socket) => {
      socket.setKeepAlive(true, KEEP_ALIVE_PROBE_MS);
      socket.once('secureConnect', () => {
        clearTimeout(connecting);
      });
    });
    call.on('response', (response) => {
      resolve({ response, certificate });
    });
    call.on('error', (error) => {
      clearTimeout(connecting);
      reject(error);
    });
    call.end();
  });
}

async function readAnswer(
  { response, certificate }: Opened,
  url: URL,
  request: BundleRequest,
  limits: FetchLimits,
): Promise<BundleAnswer | URL> {
  const { statusCode = 0, headers } = response;
  if (REDIRECT_STATUSES.has(statusCode) && headers.location !== undefined) {
    return endpointUrl(headers.location, 'RedirectRefused', url);
  }
  const waitApplied = preferenceApplied(headers['preference-applied']);
  if (statusCode === 304 && request.appliedEtag !== undefined) return { kind: 'NotModified', waitApplied };
  if (statusCode !== 200) {
    throw new EndpointError('StatusUnexpected', `${url.href}: status ${statusCode}; a bundle endpoint answers 200`);
  }
  if (/^\s*(text\/html|application\/xhtml)/i.test(headers['content-type'] ?? '')) {
    throw new EndpointError('ContentIsHtml', `${url.href}: the answer is a web page; is a proxy or login in between?`);
  }
  const endpoint = {
    url: withoutQuery(url),
    certificates: certificateChain(certificate, MAX_SHOWN_CERTIFICATES).map(fingerprint),
  };
  const body = await readBody(response, url, limits.maxBodyBytes);
  return { kind: 'Document', waitApplied, body, etag: headers.etag, endpoint };
}

/** RFC 7240 §3: names of applied preferences, each perhaps with a value. */
function preferenceApplied(header: string | string[] | undefined): boolean {
  return [header ?? []].flat().some((value) => value.split(',').some((name) => /^\s*wait\s*(=|$)/i.test(name)));
}
