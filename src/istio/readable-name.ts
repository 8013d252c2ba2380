// Does Go read this name of a certificate, or this bound of names? (RFC 5280 §4.2.1.6, §4.2.1.10; crypto/x509, parser.go)
import type { DerValue } from '../bundle/der.ts';

type Reads = (text: string) => boolean;

/** Tags of GeneralName; of other kinds Go reads nothing. */
const TAG = { email: 0x81, dns: 0x82, uri: 0x86, ip: 0x87 } as const;

const ASCII = /^\p{ASCII}*$/u;
/** Narrower than Go: a scheme, a host of labels with a port at most, and no octet that an URI must escape. */
const URI =
  /^[a-z][a-z0-9+.-]*:(?:\/\/(?<host>[a-z0-9._-]*)(?::\d*)?(?=\/|\?|$))?(?:[a-z0-9._~:/?@!$&'()*+,;=-]|%[0-9a-f]{2})*$/i;
/** A host, all below it (with a dot in front), or all hosts. */
const HOSTS = /^(?:\.?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)?$/i;

const NAMES: ReadonlyMap<number, Reads> = new Map<number, Reads>([
  [TAG.email, (text) => ASCII.test(text)],
  [TAG.dns, (text) => ASCII.test(text)],
  [TAG.uri, isUri],
  [TAG.ip, ({ length }) => length === 4 || length === 16],
]);

const CONSTRAINTS: ReadonlyMap<number, Reads> = new Map<number, Reads>([
  [TAG.email, (text) => HOSTS.test(text.replace(/^[a-z0-9._+-]+@(?=[a-z0-9])/i, ''))],
  [TAG.dns, (text) => HOSTS.test(text)],
  [TAG.uri, (text) => HOSTS.test(text)],
]);

export function isReadableName(name: DerValue): boolean {
  return isReadBy(NAMES, name);
}

/** A range of addresses is judged where constraints are read. */
export function isReadableConstraint(base: DerValue): boolean {
  return isReadBy(CONSTRAINTS, base);
}

function isReadBy(kinds: ReadonlyMap<number, Reads>, { tag, content }: DerValue): boolean {
  return kinds.get(tag)?.(Buffer.from(content).toString('latin1')) ?? true;
}

function isUri(text: string): boolean {
  const found = URI.exec(text);
  const host = found?.groups?.['host'] ?? '';
  return found !== null && (host === '' || host.split('.').every((label) => label !== ''));
}
