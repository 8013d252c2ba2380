// Which values do these bytes hold? (X.690 §8, §10: DER alone, as much of it as certificates need)

export interface DerValue {
  /** The identifier octet; tags of more than one octet are refused, certificates have none. */
  readonly tag: number;
  readonly content: Uint8Array;
}

export const DER_TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  sequence: 0x30,
} as const;

/** Not DER, or not the value that belongs here. Never leaves `src/bundle`: `readCertificate` says it in its own words. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

/**
 * The values that stand one after the other, up to the last byte.
 *
 * @throws DerError
 */
export function readDerValues(bytes: Uint8Array): readonly DerValue[] {
  const values: DerValue[] = [];
  let at = 0;
  while (at < bytes.length) {
    const { start, end } = contentRange(bytes, at);
    values.push({ tag: bytes[at] ?? 0, content: bytes.subarray(start, end) });
    at = end;
  }
  return values;
}

/** The content of the one value that these bytes are. */
export function readDer(bytes: Uint8Array, tag: number): Uint8Array {
  const [value, ...others] = readDerValues(bytes);
  if (others.length > 0) throw new DerError('something follows the value');
  return contentOf(value, tag);
}

export function contentOf(value: DerValue | undefined, tag: number): Uint8Array {
  if (value?.tag !== tag) throw new DerError(`tag ${value?.tag ?? 'none'} where ${tag} is expected`);
  return value.content;
}

/** X.690 §11.1: true is all ones. */
export function readBoolean(content: Uint8Array): boolean {
  const [octet] = content;
  if (content.length !== 1 || (octet !== 0 && octet !== 0xff)) throw new DerError('a boolean that is neither');
  return octet === 0xff;
}

/** What is negative or beyond two octets counts nothing that a certificate could have: it is refused. */
export function readSmallInteger(content: Uint8Array): number {
  const [first = 0x80] = content;
  if (first > 0x7f || content.length > 2) throw new DerError('a number that is negative or too large');
  return content.reduce((sum, octet) => sum * 256 + octet, 0);
}

/** Whether bit `index` is set in a list of named bits, of which the ones that end it may be left out (X.690 §11.2). */
export function readNamedBits(content: Uint8Array): (index: number) => boolean {
  const [unused = 8, ...octets] = content;
  const padding = (octets.at(-1) ?? 0) & ((1 << unused) - 1);
  if (unused > 7 || padding !== 0 || (octets.length === 0 && unused !== 0)) throw new DerError('a broken bit string');
  return (index) => ((octets[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0;
}

/** In dotted decimal, for example `2.5.29.15` (X.690 §8.19). */
export function readObjectIdentifier(content: Uint8Array): string {
  const arcs: number[] = [];
  let arc = 0;
  for (const [index, octet] of content.entries()) {
    arc = arc * 128 + (octet & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER / 128) throw new DerError('an object identifier with too large a number');
    if (octet < 0x80) {
      arcs.push(arc);
      arc = 0;
    } else if (index === content.length - 1) throw new DerError('an object identifier cut short');
  }
  const [first, ...rest] = arcs;
  if (first === undefined) throw new DerError('an object identifier without numbers');
  const root = Math.min(Math.floor(first / 40), 2);
  return [root, first - root * 40, ...rest].join('.');
}

/** Texts of X.509 names that are compared byte by byte: anything beyond ASCII is refused, not guessed at. */
export function readAsciiText(content: Uint8Array): string {
  if (content.some((octet) => octet > 0x7f)) throw new DerError('a text that is not ASCII');
  return Buffer.from(content).toString('latin1');
}

function contentRange(bytes: Uint8Array, at: number): { readonly start: number; readonly end: number } {
  const [tag = 0, first = 0xff] = bytes.subarray(at, at + 2);
  if ((tag & 0x1f) === 0x1f) throw new DerError('a tag of more than one octet');
  const lengthOctets = first < 0x80 ? 0 : first & 0x7f;
  const start = at + 2 + lengthOctets;
  const length = lengthOctets === 0 ? first : longLength(bytes.subarray(at + 2, start), lengthOctets);
  const end = start + length;
  if (end > bytes.length) throw new DerError('a value is longer than what holds it');
  return { start, end };
}

/** X.690 §10.1: with as few octets as possible. */
function longLength(octets: Uint8Array, count: number): number {
  if (count > 4 || octets.length < count) throw new DerError('a length that cannot be read');
  const length = octets.reduce((sum, octet) => sum * 256 + octet, 0);
  if (length < 0x80 || octets[0] === 0) throw new DerError('a length that is not written as short as it can be');
  return length;
}
