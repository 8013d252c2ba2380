// What does a log line look like, and what may never be in one? JSON lines by pino; fingerprints only, no PEM, key or token.
import pino, { type Logger } from 'pino';

export type { Logger } from 'pino';

export interface LogOptions {
  readonly level: string;
  readonly format: 'json' | 'text';
  /** Takes one line with its line break. */
  readonly write: (line: string) => void;
  /** Of the line's time; for tests. */
  readonly now?: () => Date;
}

const REDACTED = '[redacted]';

/** By name, whatever the value: `caPem`, `privateKey`, `key`, `token`, `authorization`, … but not `keyId`. */
const SECRET_NAME_PATTERN = /(pem|key|token|secret|password|authorization|credential|cookie)s?$/i;

/** By content, wherever it stands: PEM blocks and compact JWTs. Line breaks are escaped in JSON. */
const PEM_PATTERN = /-----BEGIN [^-]+-----(?:(?!-----END)[^"])*(?:-----END [^-]+-----)?/g;
const JWT_PATTERN = /\beyJ[\w-]+\.eyJ[\w-]+\.[\w-]*/g;

/** Deeper values of an object are not logged. */
const MAX_DEPTH = 6;
const MAX_CAUSES = 8;

/**
 * Fields have the same name on every line: `peer` (its declaration's name), `trustDomain`, `reason` (the code that status
 * and metrics show too), `sequence`, `fingerprint`, `err`.
 *
 * Writes synchronously: nothing is lost when the process ends. No worker threads, so that the program stays one file.
 */
export function createLogger({ level, format, write, now = () => new Date() }: LogOptions): Logger {
  const options: pino.LoggerOptions = {
    level,
    base: null,
    timestamp: () => `,"time":"${now().toISOString()}"`,
    formatters: {
      level: (label) => ({ level: label }),
      log: redactedFields,
      bindings: redactedFields,
    },
    serializers: { err: (error: unknown) => error },
  };
  const asText = format === 'text' ? textLine : (line: string) => line;
  return pino(options, {
    write(line: string) {
      write(asText(line.replace(PEM_PATTERN, REDACTED).replace(JWT_PATTERN, REDACTED)));
    },
  });
}

/** An error as its code, message and causes; the stack only of errors without a code, which are faults of this program. */
export function describeError(error: unknown): Record<string, unknown> {
  const chain: Record<string, unknown>[] = [];
  for (let cause = error; cause !== undefined && cause !== null && chain.length < MAX_CAUSES;) {
    if (!(cause instanceof Error)) {
      chain.push({ message: typeof cause === 'string' ? cause : `a thrown ${typeof cause}` });
      break;
    }
    const { code } = cause as { readonly code?: unknown };
    const hasCode = typeof code === 'string' || typeof code === 'number';
    chain.push({
      type: cause.name,
      ...(hasCode && { code }),
      message: cause.message,
      ...(!hasCode && chain.length === 0 && { stack: cause.stack }),
    });
    cause = cause.cause;
  }
  const [first = {}, ...causes] = chain;
  return causes.length === 0 ? first : { ...first, causes };
}

function redactedFields(fields: object): Record<string, unknown> {
  return redactedObject(fields, 0);
}

function redactedObject(fields: object, depth: number): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      SECRET_NAME_PATTERN.test(name) ? REDACTED : loggable(value, depth + 1),
    ]),
  );
}

/** JSON has no word for a bigint, and bytes are keys or certificates. */
function loggable(value: unknown, depth: number): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Error) return describeError(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof URL) return value.href;
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth >= MAX_DEPTH) return '[…]';
  if (Array.isArray(value)) return value.map((item) => loggable(item, depth + 1));
  if (value instanceof Map) return loggable([...value], depth);
  if (value instanceof Set) return loggable([...value], depth);
  return redactedObject(value, depth);
}

/** `2030-01-01T00:00:00.000Z INFO  bundle stored peer=west sequence=7` */
function textLine(json: string): string {
  const { level, time, msg = '', ...fields } = JSON.parse(json) as Record<string, unknown>;
  const written = Object.entries(fields).map(([name, value]) => `${name}=${plainValue(value)}`);
  return `${[String(time), String(level).toUpperCase().padEnd(5), String(msg), ...written].join(' ').trimEnd()}\n`;
}

function plainValue(value: unknown): string {
  return typeof value === 'string' && /^[^\s"]+$/.test(value) ? value : JSON.stringify(value);
}
