// May this root stand in mesh config as it is? Istiod and Envoy read every byte of it, not only what an anchor copies.
// (Go's crypto/x509: parser.go; one certificate that it does not read keeps istiod from starting)
import { contentOf, DER_TAG, DerError, readDer, readDerValues } from '../bundle/der.ts';
import { AnchorError } from './anchor-error.ts';
import { certificateParts, type CertificateParts, type Extension } from './certificate-parts.ts';
import { readNameConstraints } from './name-constraints.ts';
import { isShortIdentifier, whyNotPortable } from './portable-parts.ts';
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
  '2.5.29.32': { name: 'certificate policies', mayBeCritical: true, isReadable: startWithIdentifiers },
  '2.5.29.35': { name: 'authority key id', mayBeCritical: false, isReadable: isRead },
  // Judged among the parts that an anchor copies.
  '2.5.29.37': { name: 'extended key usage', mayBeCritical: true, isReadable: isRead },
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
  return serialNumberFault(parts) ?? whyNotPortable(parts) ?? unreadable;
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
  return length === undefined || (length.content.length === 1 && (length.content[0] ?? 0x80) < 0x80);
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

/** SEQUENCE OF SEQUENCE { identifier, … }. */
function startWithIdentifiers(value: Uint8Array): boolean {
  return readDerValues(readDer(value, DER_TAG.sequence)).every((each) => {
    const [id] = readDerValues(contentOf(each, DER_TAG.sequence));
    return isShortIdentifier(contentOf(id, DER_TAG.objectIdentifier));
  });
}
