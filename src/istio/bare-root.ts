// May this root stand in mesh config as it is? Istiod and Envoy read every byte of it, not only what an anchor copies.
// (Go's crypto/x509: parser.go; one certificate that it does not read keeps istiod from starting)
import { contentOf, DER_TAG, DerError, readDer, readDerValues, type DerValue } from '../bundle/der.ts';
import { AnchorError } from './anchor-error.ts';
import { certificateParts, type CertificateParts, type Extension } from './certificate-parts.ts';
import { readNameConstraints } from './name-constraints.ts';
import { isName, isShortIdentifier, whyNotPortable } from './portable-parts.ts';
import { isReadableConstraint, isReadableName } from './readable-name.ts';

/** RFC 5280 §4.1.2.2. */
const SERIAL_NUMBER_MAX_BYTES = 20;
const CONTEXT_0 = 0xa0;

interface ExtensionRule {
  readonly name: string;
  /** Go refuses the certificate where it is. */
  readonly mayBeCritical: boolean;
  /** May throw DerError. */
  readonly isReadable: (value: Uint8Array) => boolean;
}

/** By id: those that Go reads. What else there is must not be critical. */
const EXTENSION_RULES: Readonly<Record<string, ExtensionRule>> = {
  '2.5.29.14': { name: 'subject key id', mayBeCritical: false, isReadable: isRead },
  '2.5.29.15': { name: 'key usage', mayBeCritical: true, isReadable: isRead },
  '2.5.29.17': { name: 'subject alternative name', mayBeCritical: true, isReadable: areNames },
  '2.5.29.19': { name: 'basic constraints', mayBeCritical: true, isReadable: hasShortPath },
  '2.5.29.30': { name: 'name constraints', mayBeCritical: true, isReadable: areConstraints },
  '2.5.29.31': { name: 'CRL distribution points', mayBeCritical: true, isReadable: arePoints },
  '2.5.29.32': { name: 'certificate policies', mayBeCritical: true, isReadable: arePolicies },
  '2.5.29.33': { name: 'policy mappings', mayBeCritical: true, isReadable: areMappings },
  '2.5.29.35': { name: 'authority key id', mayBeCritical: false, isReadable: isRead },
  '2.5.29.36': { name: 'policy constraints', mayBeCritical: true, isReadable: areCounts },
  // Judged among the parts that an anchor copies.
  '2.5.29.37': { name: 'extended key usage', mayBeCritical: true, isReadable: isRead },
  '2.5.29.54': { name: 'inhibit any policy', mayBeCritical: true, isReadable: isCount },
  '1.3.6.1.5.5.7.1.1': { name: 'authority information', mayBeCritical: false, isReadable: startWithIdentifiers },
};

/**
 * Completes "the root has …".
 *
 * @throws BundleError `CertificateMalformed`
 */
export function whyNotBare(root: Uint8Array): string | undefined {
  const parts = certificateParts(root);
  const unreadable = parts.extensions.map(extensionFault).find((fault) => fault !== undefined);
  return serialNumberFault(parts) ?? headFault(parts) ?? whyNotPortable(parts) ?? unreadable;
}

/** What no anchor copies. */
function headFault({ signatureAlgorithms: [inner, outer], issuer }: CertificateParts): string | undefined {
  if (!Buffer.from(inner).equals(outer)) return 'two names for the algorithm of its signature';
  return holds(() => isName(issuer)) ? undefined : 'an issuer that is empty, or has text of a kind that is not in use';
}

function serialNumberFault({ serialNumber }: CertificateParts): string | undefined {
  const [first = 0x80] = serialNumber;
  if (first >= 0x80 || serialNumber.every((octet) => octet === 0)) return 'a serial number that is not positive';
  if (serialNumber.length > SERIAL_NUMBER_MAX_BYTES)
    return `a serial number of more than ${SERIAL_NUMBER_MAX_BYTES} bytes`;
  return undefined;
}

function extensionFault({ id, isCritical, value }: Extension): string | undefined {
  const rule = EXTENSION_RULES[id];
  if (rule === undefined) return isCritical ? `the critical extension ${id}, which nobody reads` : undefined;
  if (isCritical && !rule.mayBeCritical) return `the extension ${rule.name} marked critical`;
  return holds(() => rule.isReadable(value)) ? undefined : `an extension ${rule.name} that is none`;
}

function holds(question: () => boolean): boolean {
  try {
    return question();
  } catch (error) {
    if (error instanceof DerError || error instanceof AnchorError) return false;
    throw error;
  }
}

/** `certificateParts` read it already. */
function isRead(): boolean {
  return true;
}

function areNames(value: Uint8Array): boolean {
  const names = readDerValues(readDer(value, DER_TAG.sequence));
  return names.length > 0 && names.every(isReadableName);
}

/** A path length is a number of a chain's certificates. */
function hasShortPath(value: Uint8Array): boolean {
  const length = readDerValues(readDer(value, DER_TAG.sequence)).find(({ tag }) => tag === DER_TAG.integer);
  return length === undefined || isSmall(length.content);
}

function isSmall([first = 0x80, ...others]: Uint8Array): boolean {
  return first < 0x80 && others.length === 0;
}

/** The permitted ones before the excluded ones, and at least one of all. */
function areConstraints(value: Uint8Array): boolean {
  const { permitted, excluded } = readNameConstraints(value);
  const [first, second, ...others] = readDerValues(readDer(value, DER_TAG.sequence)).map(({ tag }) => tag);
  const all = [...permitted, ...excluded];
  const isOrdered = others.length === 0 && (second === undefined || (first ?? 0) < second);
  return (
    isOrdered && all.length > 0 && all.every(({ form, base }) => isReadableConstraint({ tag: form, content: base }))
  );
}

/** DistributionPoint := SEQUENCE { distributionPoint [0] { fullName [0] } OPTIONAL, … }; Go knows no other kind of name. */
function arePoints(value: Uint8Array): boolean {
  return readDerValues(readDer(value, DER_TAG.sequence)).every((point) => {
    const [name] = readDerValues(contentOf(point, DER_TAG.sequence));
    return name?.tag !== CONTEXT_0 || readDerValues(readDer(name.content, CONTEXT_0)).length > 0;
  });
}

/** No policy twice. */
function arePolicies(value: Uint8Array): boolean {
  const policies = readDerValues(readDer(value, DER_TAG.sequence)).map(identifierIn);
  return startWithIdentifiers(value) && new Set(policies.map(String)).size === policies.length;
}

/** SEQUENCE OF SEQUENCE { identifier, identifier }. */
function areMappings(value: Uint8Array): boolean {
  return readDerValues(readDer(value, DER_TAG.sequence)).every((mapping) => {
    const ids = readDerValues(contentOf(mapping, DER_TAG.sequence));
    return ids.length === 2 && ids.every((id) => isShortIdentifier(contentOf(id, DER_TAG.objectIdentifier)));
  });
}

const COUNT_TAGS: ReadonlySet<number> = new Set([0x80, 0x81]);

/** SEQUENCE { [0] INTEGER OPTIONAL, [1] INTEGER OPTIONAL }. */
function areCounts(value: Uint8Array): boolean {
  const counts = readDerValues(readDer(value, DER_TAG.sequence));
  return counts.every(({ tag, content }) => COUNT_TAGS.has(tag) && isSmall(content));
}

function isCount(value: Uint8Array): boolean {
  return isSmall(readDer(value, DER_TAG.integer));
}

/** SEQUENCE OF SEQUENCE { identifier, … }. */
function startWithIdentifiers(value: Uint8Array): boolean {
  return readDerValues(readDer(value, DER_TAG.sequence)).every((each) => isShortIdentifier(identifierIn(each)));
}

function identifierIn(value: DerValue): Uint8Array {
  const [id] = readDerValues(contentOf(value, DER_TAG.sequence));
  return contentOf(id, DER_TAG.objectIdentifier);
}
