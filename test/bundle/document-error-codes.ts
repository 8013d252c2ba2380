// For which codes of errors can a document be refused? All but those of names and of SVIDs.
import { BUNDLE_ERROR_CODES } from '../../src/bundle/bundle-error.ts';

const NOT_OF_DOCUMENTS: ReadonlySet<string> = new Set([
  'TrustDomainInvalid',
  'SpiffeIdInvalid',
  'SvidInvalid',
  'SvidExpired',
  'SvidUntrusted',
]);

export const DOCUMENT_ERROR_CODES = BUNDLE_ERROR_CODES.filter((code) => !NOT_OF_DOCUMENTS.has(code));
