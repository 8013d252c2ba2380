// What do the extensions of a certificate say? (RFC 5280 §4.2; Node tells neither key usage nor basic constraints)
import {
  contentOf,
  DER_TAG,
  DerError,
  readAsciiText,
  readBoolean,
  readDer,
  readDerValues,
  readNamedBits,
  readObjectIdentifier,
  readSmallInteger,
  type DerValue,
} from './der.ts';

export interface CertificateExtensions {
  /** basicConstraints cA. Node's own answer mixes in the key usage. */
  readonly isCa: boolean;
  /** How many CA certificates may stand between this one and a leaf; undefined: any number. */
  readonly pathLength: number | undefined;
  /** Undefined when there is no keyUsage extension: then every use is allowed (RFC 5280 §4.2.1.3). */
  readonly keyUsage:
    { readonly keyCertSign: boolean; readonly cRLSign: boolean; readonly digitalSignature: boolean } | undefined;
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  /** Lower-case hex. */
  readonly subjectKeyId: string | undefined;
  readonly authorityKeyId: string | undefined;
  /** Object identifiers of critical extensions that are none of these: nothing may be built on such a certificate. */
  readonly unreadCritical: readonly string[];
}

const EXTENSION = {
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
} as const;

const READ: ReadonlySet<string> = new Set(Object.values(EXTENSION));
/** Of nearly every certificate, so it is one list for all. */
const NONE: readonly string[] = [];

/** Of the context-specific tags in a certificate, those that are looked at. */
const TAG = { extensions: 0xa3, keyIdentifier: 0x80, dnsName: 0x82, uri: 0x86 } as const;

/** Positions in the list of named bits. */
const KEY_USAGE_BIT = { digitalSignature: 0, keyCertSign: 5, cRLSign: 6 } as const;

/**
 * Reads the extensions that decide about trust. Others are passed over; the critical ones among them are named.
 *
 * @param body The values of the TBSCertificate.
 * @throws DerError
 */
export function readExtensionsOf(body: readonly DerValue[]): CertificateExtensions {
  const extensions = extensionsOf(body);
  const read = <T>(id: string, reader: (value: Uint8Array) => T): T | undefined => {
    const extension = extensions.get(id);
    return extension === undefined ? undefined : reader(extension.value);
  };
  const unread = [...extensions].filter(([id, { isCritical }]) => isCritical && !READ.has(id)).map(([id]) => id);
  const names = read(EXTENSION.subjectAltName, (value) => readDerValues(readDer(value, DER_TAG.sequence))) ?? [];
  return {
    ...(read(EXTENSION.basicConstraints, readBasicConstraints) ?? { isCa: false, pathLength: undefined }),
    keyUsage: read(EXTENSION.keyUsage, readKeyUsage),
    uriSans: textsOf(names, TAG.uri),
    dnsSans: textsOf(names, TAG.dnsName),
    subjectKeyId: read(EXTENSION.subjectKeyId, (value) => hex(readDer(value, DER_TAG.octetString))),
    authorityKeyId: read(EXTENSION.authorityKeyId, readAuthorityKeyId),
    unreadCritical: unread.length === 0 ? NONE : unread,
  };
}

interface Extension {
  readonly isCritical: boolean;
  readonly value: Uint8Array;
}

/** Extension := SEQUENCE { extnID, critical DEFAULT FALSE, extnValue }. None may be there twice (RFC 5280 §4.2). */
function extensionsOf(body: readonly DerValue[]): ReadonlyMap<string, Extension> {
  const list = body.find(({ tag }) => tag === TAG.extensions);
  const extensions = new Map<string, Extension>();
  if (list === undefined) return extensions;
  for (const extension of readDerValues(readDer(list.content, DER_TAG.sequence))) {
    const parts = readDerValues(contentOf(extension, DER_TAG.sequence));
    const id = readObjectIdentifier(contentOf(parts[0], DER_TAG.objectIdentifier));
    if (extensions.has(id)) throw new DerError(`extension ${id} is there twice`);
    const isCritical = parts[1]?.tag === DER_TAG.boolean && readBoolean(parts[1].content);
    extensions.set(id, { isCritical, value: contentOf(parts.at(-1), DER_TAG.octetString) });
  }
  return extensions;
}

/** BasicConstraints := SEQUENCE { cA DEFAULT FALSE, pathLenConstraint OPTIONAL }. */
function readBasicConstraints(value: Uint8Array): Pick<CertificateExtensions, 'isCa' | 'pathLength'> {
  const values = readDerValues(readDer(value, DER_TAG.sequence));
  const [first] = values;
  const hasCa = first?.tag === DER_TAG.boolean;
  const [pathLength, ...others] = hasCa ? values.slice(1) : values;
  if (others.length > 0 || (pathLength !== undefined && pathLength.tag !== DER_TAG.integer)) {
    throw new DerError('basic constraints that are none');
  }
  return {
    isCa: hasCa && readBoolean(first.content),
    pathLength: pathLength === undefined ? undefined : readSmallInteger(pathLength.content),
  };
}

function readKeyUsage(value: Uint8Array): NonNullable<CertificateExtensions['keyUsage']> {
  const allows = readNamedBits(readDer(value, DER_TAG.bitString));
  return {
    keyCertSign: allows(KEY_USAGE_BIT.keyCertSign),
    cRLSign: allows(KEY_USAGE_BIT.cRLSign),
    digitalSignature: allows(KEY_USAGE_BIT.digitalSignature),
  };
}

function readAuthorityKeyId(value: Uint8Array): string | undefined {
  const keyId = readDerValues(readDer(value, DER_TAG.sequence)).find(({ tag }) => tag === TAG.keyIdentifier);
  return keyId === undefined ? undefined : hex(keyId.content);
}

function textsOf(names: readonly DerValue[], tag: number): readonly string[] {
  return names.filter((name) => name.tag === tag).map(({ content }) => readAsciiText(content));
}

function hex(content: Uint8Array): string {
  return Buffer.from(content).toString('hex');
}
