// Do istiod and Envoy both read what is copied from this root? (Go's crypto/x509 and BoringSSL; OpenSSL, which judged it before, reads more)
import {
  contentOf,
  DER_TAG,
  DerError,
  readDer,
  readDerValues,
  readObjectIdentifier,
  type DerValue,
} from '../bundle/der.ts';
import type { CertificateParts, Extension } from './certificate-parts.ts';
import { encodeObjectIdentifier } from './write-der.ts';

interface PartRule {
  readonly isPortable: (parts: CertificateParts) => boolean;
  /** Completes "the root has …". */
  readonly fault: string;
}

const PART_RULES: readonly PartRule[] = [
  {
    isPortable: ({ validity }) => readDerValues(readDer(validity, DER_TAG.sequence)).every(isTime),
    fault: 'a time that RFC 5280 does not allow',
  },
  {
    isPortable: ({ subject }) => isName(subject),
    fault: 'a subject that is empty, or has text of a kind that is not in use',
  },
  {
    isPortable: ({ publicKey }) => FIXED_KEYS.some((key) => isFixedKey(publicKey, key)) || isRsaKey(publicKey),
    fault: 'a key other than RSA, P-256, P-384, P-521 and Ed25519, or one in an unusual encoding',
  },
  {
    isPortable: ({ extensions }) => extensions.filter(({ id }) => id === EXTENDED_KEY_USAGE).every(hasPurposes),
    fault: 'an extended key usage that is none',
  },
];

const EXTENDED_KEY_USAGE = '2.5.29.37';

/**
 * Completes "the root has …" for the first part that one of them does not read. An istiod that finds a certificate it
 * cannot read in its list does not start, and Envoy refuses the whole list.
 */
export function whyNotPortable(parts: CertificateParts): string | undefined {
  return PART_RULES.find(({ isPortable }) => !holds(() => isPortable(parts)))?.fault;
}

function holds(question: () => boolean): boolean {
  try {
    return question();
  } catch (error) {
    if (error instanceof DerError) return false;
    throw error;
  }
}

const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;

/** RFC 5280 §4.1.2.5: in seconds, in UTC, and a day there is. */
function isTime({ tag, content }: DerValue): boolean {
  const text = Buffer.from(content).toString('latin1');
  const digits = { [UTC_TIME]: `20${text}`, [GENERALIZED_TIME]: text }[tag];
  const iso = digits?.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6.000Z') ?? '';
  const date = new Date(iso);
  return !Number.isNaN(date.getTime()) && date.toISOString() === iso;
}

/** By the tag of a text: what it may hold. Printable strings with `*` and `&` are wide-spread. */
const TEXT_KINDS: ReadonlyMap<number, RegExp> = new Map([
  [0x0c, /^[^\ufffd]*$/u],
  [0x13, /^[A-Za-z0-9 '()*+,./:=?&-]*$/],
  [0x16, /^\p{ASCII}*$/u],
]);

const SET = 0x31;

/** Name := SEQUENCE OF SET OF SEQUENCE { type, value }; may throw DerError. */
export function isName(name: Uint8Array): boolean {
  const sets = readDerValues(readDer(name, DER_TAG.sequence));
  return sets.length > 0 && sets.every((set) => readDerValues(contentOf(set, SET)).every(isAttribute));
}

function isAttribute(attribute: DerValue): boolean {
  const [type, value] = readDerValues(contentOf(attribute, DER_TAG.sequence));
  const allowed = TEXT_KINDS.get(value?.tag ?? 0);
  const text = Buffer.from(value?.content ?? []).toString('utf8');
  return isShortIdentifier(contentOf(type, DER_TAG.objectIdentifier)) && allowed?.test(text) === true;
}

/** Go reads numbers of up to 31 bits, written as short as can be. */
export function isShortIdentifier(content: Uint8Array): boolean {
  const id = readObjectIdentifier(content);
  const isShort = id.split('.').every((number) => Number(number) <= 0x7fff_ffff);
  return isShort && Buffer.from(readDer(encodeObjectIdentifier(id), DER_TAG.objectIdentifier)).equals(content);
}

function hasPurposes({ value }: Extension): boolean {
  const purposes = readDerValues(readDer(value, DER_TAG.sequence));
  return purposes.length > 0 && purposes.every((id) => isShortIdentifier(contentOf(id, DER_TAG.objectIdentifier)));
}

interface FixedKey {
  /** Of the SubjectPublicKeyInfo up to the key itself; points of curves are uncompressed. */
  readonly prefix: Buffer;
  readonly keyBytes: number;
}

/** P-256, P-384, P-521, Ed25519: all keys of a kind have the same beginning (RFC 5480 §2, RFC 8410 §4). */
const FIXED_KEYS: readonly FixedKey[] = [
  { prefix: Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex'), keyBytes: 64 },
  { prefix: Buffer.from('3076301006072a8648ce3d020106052b8104002203620004', 'hex'), keyBytes: 96 },
  { prefix: Buffer.from('30819b301006072a8648ce3d020106052b810400230381860004', 'hex'), keyBytes: 132 },
  { prefix: Buffer.from('302a300506032b6570032100', 'hex'), keyBytes: 32 },
];

function isFixedKey(value: Uint8Array, { prefix, keyBytes }: FixedKey): boolean {
  return value.length === prefix.length + keyBytes && prefix.equals(value.subarray(0, prefix.length));
}

/** rsaEncryption and NULL (RFC 3279 §2.3.1). */
const RSA_ALGORITHM = Buffer.from('06092a864886f70d0101010500', 'hex');
const RSA_EXPONENT_MAX_BYTES = 4;

function isRsaKey(value: Uint8Array): boolean {
  const [algorithm, key] = readDerValues(readDer(value, DER_TAG.sequence));
  if (!RSA_ALGORITHM.equals(contentOf(algorithm, DER_TAG.sequence))) return false;
  const [unusedBits, ...octets] = contentOf(key, DER_TAG.bitString);
  const numbers = readDerValues(readDer(Uint8Array.from(octets), DER_TAG.sequence));
  const [modulus, exponent, ...others] = numbers.map((number) => contentOf(number, DER_TAG.integer));
  if (unusedBits !== 0 || modulus === undefined || exponent === undefined || others.length > 0) return false;
  return isPositive(modulus) && isPositive(exponent) && exponent.length <= RSA_EXPONENT_MAX_BYTES;
}

/** And as short as can be (X.690 §8.3.2). */
function isPositive([first = 0x80, second]: Uint8Array): boolean {
  return first === 0 ? second !== undefined && second >= 0x80 : first < 0x80;
}
