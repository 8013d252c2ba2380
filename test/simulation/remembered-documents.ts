// How are the same few documents read in thousands of worlds? Once: a quarter of the time went into reading certificates.
import {
  parseBundleDocument as parse,
  type BundleDocumentLimits,
  type ParsedBundleDocument,
} from '../../src/bundle/bundle-document.ts';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';

const documents = new WeakMap<Uint8Array, Map<TrustDomain, ParsedBundleDocument>>();

/** As the product's, for documents of the pool; the limits are the same everywhere. */
export function parseBundleDocument(
  bytes: Uint8Array,
  trustDomain: TrustDomain,
  limits: BundleDocumentLimits,
): ParsedBundleDocument {
  const known = documents.get(bytes) ?? new Map<TrustDomain, ParsedBundleDocument>();
  const document = known.get(trustDomain) ?? parse(bytes, trustDomain, limits);
  documents.set(bytes, known.set(trustDomain, document));
  return document;
}
