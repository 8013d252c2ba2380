// What document does this bundle endpoint serve? One GET, bounded in time, size and redirects. (SPIFFE Federation §5)
import type { OutgoingHttpHeaders } from 'node:http';
import type { Clock } from '../federation/clock.ts';
import type { BundleAnswer, BundleRequest, BundleSource } from '../federation/ports.ts';
import type { TlsIdentity } from './bundle-listener.ts';
import { EndpointError, endpointErrorOf } from './endpoint-error.ts';
import { EndpointRequests, type EndpointResponse } from './endpoint-requests.ts';
import type { FetchLimits } from './fetch-limits.ts';
import { identityFailure, identityFailureCode } from './identity-failure.ts';
import { withPinnedRoots } from './pinned-roots.ts';
import { presentedCertificate } from './presented-certificate.ts';
import { readBody } from './read-body.ts';

const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** What we prove ourselves with to an endpoint that asks who we are; undefined: we stay anonymous. */
type ClientIdentity = () => Promise<TlsIdentity | undefined>;

export interface BundleSourceParts {
  readonly limits: FetchLimits;
  readonly clock: Clock;
  /** Default: always anonymous. */
  readonly clientIdentity?: ClientIdentity;
}

/** Every answer comes on a connection of its own, from an endpoint that proved its identity on it. */
export function createBundleSource({ limits, clock, clientIdentity }: BundleSourceParts): BundleSource {
  const endpoints = new EndpointRequests(clock);
  return {
    fetch: async (request, signal) =>
      fetchBundle(request, { endpoints, limits, identity: await clientIdentity?.(), signal }),
  };
}

interface FetchParts {
  readonly endpoints: EndpointRequests;
  readonly limits: FetchLimits;
  readonly identity: TlsIdentity | undefined;
  readonly signal: AbortSignal | undefined;
}

async function fetchBundle(request: BundleRequest, parts: FetchParts): Promise<BundleAnswer> {
  const { limits, identity, signal } = parts;
  const deadline = AbortSignal.timeout(limits.totalTimeoutMs + (request.waitSeconds ?? 0) * 1000);
  const stop = signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
  const declared = endpointUrl(request.url, 'UrlInvalid');
  let url = declared;
  try {
    const provable = await withPinnedRoots(request, limits, stop);
    // Redirects start anew from the configured URL at every fetch and are never remembered (§5.2.1.4).
    for (let redirects = 0; redirects <= limits.maxRedirects; redirects++) {
      // Whoever it redirects to was not declared, and need not know who asks.
      const shown = url.origin === declared.origin ? identity : undefined;
      const answer = await get(url, provable, { ...parts, identity: shown, signal: stop });
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
async function get(
  url: URL,
  request: BundleRequest,
  { endpoints, limits, identity, signal }: FetchParts & { readonly signal: AbortSignal },
): Promise<BundleAnswer | URL> {
  const { connectTimeoutMs } = limits;
  const headers = headersOf(request);
  const shown = await endpoints.send({ url, trust: request.trust, identity, headers, connectTimeoutMs, signal });
  try {
    return await readAnswer(shown, url, request, limits);
  } finally {
    shown.response.destroy();
  }
}

function headersOf({ appliedEtag, waitSeconds }: BundleRequest): OutgoingHttpHeaders {
  return {
    accept: 'application/json',
    'accept-encoding': 'gzip, identity',
    'user-agent': 'spire-federation-broker',
    ...(appliedEtag !== undefined && { 'if-none-match': appliedEtag }),
    ...(waitSeconds !== undefined && { prefer: `wait=${waitSeconds}` }),
  };
}

async function readAnswer(
  { response, fingerprints }: EndpointResponse,
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
  const endpoint = { url: withoutQuery(url), certificates: fingerprints };
  const body = await readBody(response, url, limits.maxBodyBytes);
  return { kind: 'Document', waitApplied, body, etag: headers.etag, endpoint };
}

/** RFC 7240 §3: names of applied preferences, each perhaps with a value. */
function preferenceApplied(header: string | string[] | undefined): boolean {
  return [header ?? []].flat().some((value) => value.split(',').some((name) => /^\s*wait\s*(=|$)/i.test(name)));
}
