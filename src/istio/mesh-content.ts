// What of mesh config is ours, and how is it written? (MeshConfig caCertificates; istiod's order measured on 1.29.6)
import { parseDocument } from 'yaml';
import { fingerprint } from '../bundle/bundle.ts';
import { readCertificate, toPem } from '../bundle/certificate.ts';
import { parseTrustDomain, type TrustDomain } from '../bundle/trust-domain.ts';

/** The key of the ConfigMap that istiod reads. */
export const MESH_KEY = 'mesh';

/** What a mesh accepts of others. A set of names and a set of certificates: the order does not count. */
export interface MeshContent {
  readonly trustDomains: readonly TrustDomain[];
  /** DER. */
  readonly anchors: readonly Uint8Array[];
}

export interface ParsedMeshContent {
  /** As much of it as could be read. */
  readonly content: MeshContent;
  /** The text is byte for byte what we would write for the content. */
  readonly isOurs: boolean;
}

const EMPTY_TEXT = 'caCertificates: []\n';

/**
 * Names stand in one entry of their own: istiod keeps the order written and drains every listener at a change of it, so
 * certificates must be able to come and go beside them. Written by hand, so that no library's next version changes a
 * byte; names in quotes, for istiod reads YAML 1.1, where `on` and `1_0` are no texts.
 */
export function serializeMeshContent(content: MeshContent): string {
  const { trustDomains, anchors } = canonicalMeshContent(content);
  const lines = [
    ...(trustDomains.length === 0 ? [] : ['  - trustDomains:', ...trustDomains.map((name) => `      - "${name}"`)]),
    ...anchors.map((der) => `  - pem: |\n${indented(toPem(der))}`),
  ];
  return lines.length === 0 ? EMPTY_TEXT : `caCertificates:\n${lines.join('\n')}\n`;
}

/** Each name and certificate once: names by code unit, certificates by fingerprint. */
export function canonicalMeshContent({ trustDomains, anchors }: MeshContent): MeshContent {
  const byFingerprint = new Map(anchors.map((der) => [fingerprint(der), der]));
  return {
    trustDomains: [...new Set(trustDomains)].sort(),
    anchors: [...byFingerprint.keys()].sort().map((key) => byFingerprint.get(key) ?? new Uint8Array()),
  };
}

/** Never fails: what others wrote there is passed over where it is no name and no certificate. */
export function parseMeshContent(text: string): ParsedMeshContent {
  const entries = readEntries(text);
  const content = canonicalMeshContent({
    trustDomains: entries.flatMap(({ trustDomains }) =>
      Array.isArray(trustDomains) ? trustDomains.flatMap(nameIn) : [],
    ),
    anchors: entries.flatMap(({ pem }) => (typeof pem === 'string' ? certificatesIn(pem) : [])),
  });
  return { content, isOurs: serializeMeshContent(content) === text };
}

export function sameMeshContent(one: MeshContent, other: MeshContent): boolean {
  return serializeMeshContent(one) === serializeMeshContent(other);
}

/** Every block of a PEM text that is a certificate. */
export function certificatesIn(pem: string): Uint8Array[] {
  const blocks = pem.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g);
  return [...blocks].flatMap(([, base64 = '']) => {
    const der = new Uint8Array(Buffer.from(base64, 'base64'));
    return isCertificate(der) ? [der] : [];
  });
}

type Fields = Readonly<Record<string, unknown>>;

function readEntries(text: string): readonly Fields[] {
  const document = parseDocument(text, { uniqueKeys: false, logLevel: 'silent' });
  if (document.errors.length > 0) return [];
  const mesh: unknown = document.toJS({ maxAliasCount: 100 });
  // Others may have written the field by its other name; protobuf takes one or the other.
  const entries = isFields(mesh) ? (mesh['caCertificates'] ?? mesh['ca_certificates']) : undefined;
  return Array.isArray(entries) ? entries.filter(isFields) : [];
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function nameIn(value: unknown): TrustDomain[] {
  try {
    return typeof value === 'string' ? [parseTrustDomain(value)] : [];
  } catch {
    return [];
  }
}

function isCertificate(der: Uint8Array): boolean {
  try {
    return readCertificate(der).der.length > 0;
  } catch {
    return false;
  }
}

function indented(text: string): string {
  return text.trimEnd().replaceAll(/^/gm, '      ');
}
