// Why did the Kubernetes API server not do what it was asked? (HTTP status, then `reason` of metav1.Status)
import type { CodedError } from '../federation/ports.ts';
import type { Resource } from './kube-object.ts';
import { resourceName } from './kube-object.ts';

/** Closed set of reasons; each is also a condition's reason, a metric's label and the CLI's line. */
export const KUBE_ERROR_CODES = [
  'KubeConfigInvalid',
  'KubeUnreachable',
  'KubeTlsFailed',
  'KubeConnectionLost',
  'KubeDeadlineExceeded',
  'KubeCancelled',
  'KubeUnauthorized',
  'KubeForbidden',
  'KubeNotFound',
  'KubeResourceUnknown',
  'KubeAlreadyExists',
  'KubeConflict',
  'KubeApplyConflict',
  'KubeGone',
  'KubeInvalid',
  'KubeThrottled',
  'KubeServerError',
  'KubeAnswerInvalid',
] as const;

export type KubeErrorCode = (typeof KUBE_ERROR_CODES)[number];

/** The one error of `src/kubernetes`. Neither its message nor its cause carries what was sent or a credential. */
export class KubeError extends Error implements CodedError {
  override readonly name = 'KubeError';
  readonly code: KubeErrorCode;

  constructor(code: KubeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Whether `error` is a `KubeError` with this code. */
export function isKubeError(error: unknown, code: KubeErrorCode): error is KubeError {
  return error instanceof KubeError && error.code === code;
}

export const VERBS = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'] as const;

/** What was asked, in the words of a Role. */
export interface Attempt {
  readonly verb: (typeof VERBS)[number];
  readonly resource: Resource;
  /** For example `leases.coordination.k8s.io "broker" in namespace "spire"`. */
  readonly target: string;
  readonly subresource?: 'status' | undefined;
}

export function describeAttempt({ verb, target, subresource }: Attempt): string {
  return subresource === undefined ? `${verb} ${target}` : `${verb} ${subresource} of ${target}`;
}

/** The part of metav1.Status that is read. */
export interface Status {
  readonly code: number;
  /** Absent when the answer was no Status at all: something between us and the API server, or a path it does not serve. */
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
  readonly causes?: readonly { readonly reason?: string; readonly message?: string; readonly field?: string }[];
}

interface Reading {
  readonly code: KubeErrorCode;
  /** From the first to the last HTTP status. */
  readonly statuses: readonly [first: number, last: number];
  /** Undefined: any. */
  readonly when?: (status: Status) => boolean;
  readonly advice: (attempt: Attempt, status: Status) => string;
}

/** Read from the top; the first row that fits decides. */
const READINGS: readonly Reading[] = [
  {
    code: 'KubeUnauthorized',
    statuses: [401, 401],
    advice: () =>
      'the API server does not accept our credentials; check that the token is not expired or, with a kubeconfig, its user',
  },
  {
    code: 'KubeForbidden',
    statuses: [403, 403],
    advice: (attempt, { message }) =>
      `this is not allowed to us; grant verb "${deniedVerb(message) ?? attempt.verb}" on resource "${grantOf(attempt)}"`,
  },
  {
    code: 'KubeNotFound',
    statuses: [404, 404],
    when: ({ reason, message }) =>
      reason === 'NotFound' && message?.includes('could not find the requested resource') !== true,
    advice: () => 'there is no such object',
  },
  {
    code: 'KubeResourceUnknown',
    statuses: [404, 404],
    advice: ({ resource }) => `the API server does not serve ${resourceName(resource)}; install its CRD`,
  },
  {
    code: 'KubeApplyConflict',
    statuses: [409, 409],
    when: ({ causes }) => causes?.some(({ reason }) => reason === 'FieldManagerConflict') ?? false,
    advice: () =>
      'another field manager owns what would be changed, and it is not taken by force; remove these fields there or from ours',
  },
  {
    code: 'KubeAlreadyExists',
    statuses: [409, 409],
    when: ({ reason }) => reason === 'AlreadyExists',
    advice: () => 'it is there already',
  },
  {
    code: 'KubeConflict',
    statuses: [409, 409],
    advice: () => 'it was changed by somebody else meanwhile; it is read and tried again',
  },
  {
    code: 'KubeGone',
    statuses: [410, 410],
    advice: () => 'the API server no longer has this resourceVersion; everything is listed again',
  },
  {
    code: 'KubeThrottled',
    statuses: [429, 429],
    advice: () => 'the API server limits its load; it is tried again later',
  },
  {
    code: 'KubeServerError',
    statuses: [500, 599],
    advice: () => 'the API server failed; check its log and its etcd. It is tried again',
  },
  {
    code: 'KubeInvalid',
    statuses: [400, 499],
    advice: () => 'the API server refuses this input',
  },
];

/** A redirect, or a status that does not exist. */
const NO_API_SERVER: Pick<Reading, 'code' | 'advice'> = {
  code: 'KubeAnswerInvalid',
  advice: () => 'this is no answer of an API server; check the address and what lies between',
};

/** The API server repeats parts of what was sent in some texts; this much is enough to find it in its log. */
const MAX_TEXT_CHARACTERS = 500;
const MAX_CAUSES = 5;

/** Reads an answer that is no success. */
export function kubeErrorOfStatus(attempt: Attempt, status: Status): KubeError {
  const fits = ({ statuses: [first, last], when }: Reading) =>
    status.code >= first && status.code <= last && (when?.(status) ?? true);
  const { code, advice } = READINGS.find(fits) ?? NO_API_SERVER;
  return new KubeError(code, `${describeAttempt(attempt)}: ${advice(attempt, status)} (${words(attempt, status)})`);
}

/** Answers that say nothing of what was sent. */
const TELLS_NO_CONTENT: ReadonlySet<number> = new Set([401, 403, 404, 409, 410, 429]);

/** The API server's validation messages quote values, so of a Secret often only the reason is told. */
function words({ resource }: Attempt, { code, reason, message, causes = [] }: Status): string {
  const head = reason === undefined ? `HTTP ${code}` : `HTTP ${code} ${quote(reason, 60)}`;
  const mayQuoteSecret = resource.group === '' && resource.plural === 'secrets' && !TELLS_NO_CONTENT.has(code);
  if (message === undefined || mayQuoteSecret) return head;
  const conflicts = causes.filter((cause) => cause.reason === 'FieldManagerConflict').slice(0, MAX_CAUSES);
  const owners = conflicts.map(({ message: text = '', field = '' }) => `${quote(text, 120)} at ${quote(field, 120)}`);
  return [`${head}: ${quote(message, MAX_TEXT_CHARACTERS)}`, ...owners].join('; ');
}

function quote(text: string, maxCharacters: number): string {
  return JSON.stringify(text.length > maxCharacters ? `${text.slice(0, maxCharacters)}…` : text);
}

/** Server-side apply of what is not there yet is also a "create": the API server's text names the verb that is missing. */
function deniedVerb(message = ''): string | undefined {
  return VERBS.find((verb) => message.includes(` cannot ${verb} resource `));
}

/** As a Role has it: `leases`, `peertrustdomains/status`, with its group. */
function grantOf({ resource, subresource }: Attempt): string {
  const plural = subresource === undefined ? resource.plural : `${resource.plural}/${subresource}`;
  return resource.group === '' ? plural : `${plural}" in API group "${resource.group}`;
}

/** The answer came, but cannot be what the API promises. */
export function answerInvalid(attempt: Attempt, fault: string): KubeError {
  return new KubeError(
    'KubeAnswerInvalid',
    `${describeAttempt(attempt)}: the API server's answer cannot be used: ${fault}`,
  );
}

interface ConnectionReading {
  /** Codes of Node or OpenSSL. */
  readonly says: RegExp;
  readonly code: KubeErrorCode;
  readonly advice: string;
}

const CONNECTION_READINGS: readonly ConnectionReading[] = [
  {
    says: /^(ENOTFOUND|EAI_\w+)$/,
    code: 'KubeUnreachable',
    advice: 'the name of the API server cannot be resolved; check its address and DNS',
  },
  {
    says: /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|EACCES|ETIMEDOUT)$/,
    code: 'KubeUnreachable',
    advice: 'no connection to the API server; check that it runs and that the network lets us through',
  },
  {
    says: /^(ECONNRESET|EPIPE|ERR_STREAM_PREMATURE_CLOSE|HPE_\w+)$/,
    code: 'KubeConnectionLost',
    advice: 'the connection to the API server was cut; it is tried again',
  },
  {
    says: /^(CERT_\w+|UNABLE_TO_\w+|SELF_SIGNED_\w+|DEPTH_ZERO_\w+|HOSTNAME_MISMATCH|EPROTO|ERR_(SSL|TLS)_\w+)$/,
    code: 'KubeTlsFailed',
    advice: "the API server's identity cannot be verified; check the cluster's CA and the server name",
  },
];

/** Reads a failure of the connection: `cause` is Node's own error, which knows addresses but nothing that was sent. */
export function kubeErrorOfConnection(what: string, cause: unknown): KubeError {
  if (cause instanceof KubeError) return cause;
  const codes = codesOf(cause);
  for (const code of codes) {
    const reading = CONNECTION_READINGS.find(({ says }) => says.test(code));
    if (reading !== undefined) return new KubeError(reading.code, `${what}: ${reading.advice} (${code})`, { cause });
  }
  return new KubeError('KubeConnectionLost', `${what}: the connection failed (${codes[0] ?? 'no code'})`, { cause });
}

/** Attempts at several addresses come as one error. */
function codesOf(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return [];
  const { code, errors } = error as { readonly code?: unknown; readonly errors?: unknown };
  return [...(typeof code === 'string' ? [code] : []), ...(Array.isArray(errors) ? errors.flatMap(codesOf) : [])];
}
