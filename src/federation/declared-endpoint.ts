// Where is a declared peer's bundle endpoint, and how does it prove who it is? (SPIFFE Federation §5.1 and §5.2)
import * as z from 'zod';
import { parseSpiffeId, SPIFFE_ID_MAX_BYTES } from '../bundle/spiffe-id.ts';
import { section, textReadBy } from './declaration-fault.ts';
import type { BundleEndpointProfile } from './relationship.ts';

export const bundleEndpointUrl = z
  .string()
  .max(2048)
  .superRefine((text, context) => {
    const message = urlFault(text);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  })
  .describe(
    'Where the peer serves its bundle: an https URL without user name, password and fragment (Federation §5.1, §5.2).',
  );

/**
 * RFC 3986 with a host of letters, digits and dashes or an IPv6 address. Readers that follow the WHATWG mend what is
 * written otherwise, each to another address. Without look-arounds, so that the API server can read it too.
 */
export const URL_FORM =
  /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^\s\\/?#@]*@)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?([\/?#]([^\s\\%]|%[0-9A-Fa-f]{2})*)?$/;

function urlFault(text: string): string | undefined {
  if (!URL_FORM.test(text) || !URL.canParse(text)) return 'is not a URL; write it like "https://bundle.west.example/"';
  const { protocol } = new URL(text);
  if (protocol !== 'https:') return `must be an https URL, not ${protocol.slice(0, -1)}`;
  if (/^[^/]*\/\/[^/?#]*@/.test(text)) return 'must not contain a user name or password';
  if (text.includes('#')) return 'must not have a fragment';
  return undefined;
}

export const bundleEndpointProfile = section({
  type: z
    .enum(['https_web', 'https_spiffe'])
    .describe(
      'https_web: the endpoint has a certificate of a web CA (Federation §5.2.1). https_spiffe: it presents an SVID, ' +
        'verified against the latest accepted bundle (§5.2.2). Never inferred, and there is no fallback.',
    ),
  endpointSPIFFEID: textReadBy(parseSpiffeId, SPIFFE_ID_MAX_BYTES)
    .optional()
    .describe('The one SPIFFE ID the endpoint may present. Required with https_spiffe, refused with https_web.'),
})
  .transform(({ type, endpointSPIFFEID }, context): BundleEndpointProfile => {
    const fault = (message: string) => {
      context.addIssue({ code: 'custom', path: ['endpointSPIFFEID'], message });
      return z.NEVER;
    };
    if (type === 'https_spiffe') {
      if (endpointSPIFFEID === undefined) {
        return fault('is required with https_spiffe: whose SVID the endpoint presents');
      }
      return { type, endpointSpiffeId: endpointSPIFFEID };
    }
    if (endpointSPIFFEID !== undefined) return fault('belongs to https_spiffe only; an https_web endpoint has no SVID');
    return { type };
  })
  .describe('How the endpoint proves its identity (Federation §5.2).');

export const webPki = section({
  caBundle: z
    .string()
    .max(1024 * 1024)
    .regex(/-----BEGIN CERTIFICATE-----/, { error: 'must hold certificates as PEM' })
    .describe('Root certificates as PEM; the endpoint is verified by these instead of the public ones.'),
}).describe(
  'Private roots for an https_web endpoint that the broker fetches itself (mode Own). ' +
    'An extension: Federation §5.2.1.4 asks for public roots. Default: public roots.',
);
