// Which of our workloads may meet a declared peer? (`federatesWith`; SPIRE's registration entries, ClusterSPIFFEIDs)
import * as z from 'zod';
import { parseSpiffeId, SPIFFE_ID_MAX_BYTES } from '../bundle/spiffe-id.ts';
import { section, textReadBy } from './declaration-fault.ts';
import { offeredBy, type DeclarationPlace } from './declaration-place.ts';
import { labelSelector } from './declared-labels.ts';
import type { Selector } from './ports.ts';
import type { EntrySelector } from './relationship.ts';

const spiffeIdPattern = textReadBy((text) => {
  const [scheme = '', empty = '', trustDomain = '', ...segments] = text.split('/');
  const literal = segments.map((segment) => (segment === '*' || segment === '**' ? 'any' : segment));
  try {
    parseSpiffeId([scheme, empty, trustDomain, ...literal].join('/'));
  } catch (error) {
    const form = 'spiffe://east.example/ns/*/api, where "*" stands for one path segment and "**" for any number';
    throw new Error(`"${text}" is not a SPIFFE ID pattern; write it like ${form}`, { cause: error });
  }
  return text;
}, SPIFFE_ID_MAX_BYTES);

const selector = textReadBy((text): Selector => {
  const colon = text.indexOf(':');
  if (colon < 1 || colon === text.length - 1) {
    throw new Error(`"${text}" is not a selector; write type and value like "unix:uid:0"`);
  }
  return { type: text.slice(0, colon), value: text.slice(colon + 1) };
}, 1024).describe('Type and value as in SPIRE, like "unix:uid:0".');

const entrySelector = section({
  spiffeID: spiffeIdPattern
    .optional()
    .describe('The entry’s SPIFFE ID. "*" stands for one path segment, "**" for any number of them.'),
  parentID: spiffeIdPattern.optional().describe('The entry’s parent ID, with "*" and "**" as in spiffeID.'),
  selectors: z.array(selector).min(1).max(32).optional().describe('All of these must be among the entry’s selectors.'),
  hint: z.string().min(1).max(1024).optional().describe('The entry’s hint, exactly.'),
})
  .transform(({ spiffeID, parentID, selectors = [], hint }, context): EntrySelector => {
    if (spiffeID === undefined && parentID === undefined && selectors.length === 0 && hint === undefined) {
      const message =
        'needs at least one of spiffeID, parentID, selectors and hint; every entry is spiffeID "spiffe://…/**"';
      context.addIssue({ code: 'custom', message });
    }
    return { spiffeIdPattern: spiffeID, parentIdPattern: parentID, selectors, hint };
  })
  .describe('Registration entries that meet every criterion given here; at least one is needed.');

/** `federatesWith`: at least one way of choosing. */
export function federatesWithField(place: DeclarationPlace) {
  return section({
    entries: z
      .array(entrySelector)
      .min(1)
      .max(128)
      .optional()
      .describe('Registration entries that may meet the peer: those any of these selectors matches.'),
    scope: z
      .enum(['Additive', 'Exact'])
      .default('Additive')
      .describe('Additive: entries that no selector matches are left alone. Exact: the peer is taken from them.'),
    clusterSPIFFEIDs: offeredBy(
      place,
      'clusterSPIFFEIDs',
      labelSelector.describe(
        'ClusterSPIFFEIDs of spire-controller-manager that may meet the peer, by their labels. The entries it makes ' +
          'of them follow.',
      ),
    ),
  })
    .superRefine(({ entries, clusterSPIFFEIDs }, context) => {
      if (entries !== undefined || clusterSPIFFEIDs !== undefined) return;
      const message = place === 'File' ? 'needs entries' : 'needs entries or clusterSPIFFEIDs';
      context.addIssue({ code: 'custom', message });
    })
    .describe('Which of our workloads may meet the peer (federates_with of their entries). Default: none.');
}
