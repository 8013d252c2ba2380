// What bundle does a declaration give for the first contact? (SPIFFE Federation §5.2.2.2: SPIFFE format, PEM as well)
import { parseBundleDocument } from '../bundle/bundle-document.ts';
import { BundleError } from '../bundle/bundle-error.ts';
import type { Bundle } from '../bundle/bundle.ts';
import { readCertificate } from '../bundle/certificate.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { remembered } from '../bundle/remembered.ts';
import type { Peer } from './relationship.ts';

const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----/g;

/**
 * Reads a bundle in SPIFFE format or as PEM certificates.
 *
 * @throws BundleError as for any bundle; `KeyMalformed` when the PEM holds something else than certificates
 */
export function parseBootstrapBundle(bytes: Uint8Array, trustDomain: TrustDomain): Bundle {
  const text = Buffer.from(bytes).toString('latin1');
  if (!text.includes('-----BEGIN ')) return parseBundleDocument(bytes, trustDomain).bundle;
  const x509Authorities = [...text.matchAll(PEM_BLOCK)].map(([, label, base64 = '']) => {
    if (label !== 'CERTIFICATE') {
      throw new BundleError(
        'KeyMalformed',
        `the PEM file holds a "${label ?? ''}" block; it may hold certificates only`,
      );
    }
    return readCertificate(Buffer.from(base64, 'base64')).der;
  });
  if (x509Authorities.length === 0) throw new BundleError('KeyMalformed', 'the PEM file holds no whole certificate');
  return { trustDomain, x509Authorities, jwtAuthorities: [], sequenceNumber: undefined, refreshHintSeconds: undefined };
}

/** What was held when the peer was quarantined; it was read once already, when the declaration was. */
export const lastGoodBundleOf = remembered(
  ({ lastGoodBundle, trustDomain }: Pick<Peer, 'lastGoodBundle' | 'trustDomain'>): Bundle | undefined =>
    lastGoodBundle === undefined ? undefined : parseBootstrapBundle(Buffer.from(lastGoodBundle), trustDomain),
);
