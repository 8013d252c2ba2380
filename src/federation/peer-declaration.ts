// Is this document a valid PeerTrustDomain, and which peer does it declare? (API fedbroker.dev/v1alpha1)
import { z } from 'zod';
import { parseSpiffeId } from '../bundle/spiffe-id.ts';
import { parseTrustDomain } from '../bundle/trust-domain.ts';
import { describeIssue, faultsOf, section, textReadBy, type DeclarationFault } from './declaration-fault.ts';
import { parseDurationSeconds } from './duration.ts';
import type { Selector } from './ports.ts';
import type { BundleEndpointProfile, EntrySelector, Peer } from './relationship.ts';

export type PeerDeclaration =
  { readonly ok: true; readonly peer: Peer } | { readonly ok: false; readonly faults: readonly DeclarationFault[] };

/**
 * Reads one document, already decoded from YAML or JSON. Every fault is reported, not only the first; a field that is
 * not known is a fault too. A path in `trustDomainBundle.file` is left as it was written.
 */
export function parsePeerDeclaration(document: unknown): PeerDeclaration {
  const result = documentSchema.safeParse(document, { error: describeIssue });
  if (!result.success) return { ok: false, faults: result.error.issues.flatMap(faultsOf) };
  const { metadata, spec } = result.data;
  return { ok: true, peer: { name: metadata.name, ...spec } };
}

/** A field of the API that this broker cannot honour: refused, so that nobody believes it is in force. */
function unsupported(message: string) {
  return z.never({ error: () => message }).optional();
}

const NEEDS_KUBERNETES = 'needs the Kubernetes source, which this broker does not have';

/** Accepted and not looked at, so that the output of `kubectl get -o yaml` can be used as it is. */
const setByApiServer = z.unknown().optional();

const metadata = section({
  name: z
    .string()
    .max(253)
    .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/, {
      error: 'must be a DNS-1123 name: lower-case letters, digits, dashes and dots, at most 253 characters',
    }),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  creationTimestamp: setByApiServer,
  finalizers: setByApiServer,
  generation: setByApiServer,
  managedFields: setByApiServer,
  ownerReferences: setByApiServer,
  resourceVersion: setByApiServer,
  uid: setByApiServer,
});

const bundleEndpointUrl = z.string().superRefine((text, context) => {
  const message = urlFault(text);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

function urlFault(text: string): string | undefined {
  if (!URL.canParse(text) || /\s/.test(text)) return 'is not a URL; write it like "https://bundle.west.example/"';
  const url = new URL(text);
  if (url.protocol !== 'https:') return `must be an https URL, not ${url.protocol.slice(0, -1)}`;
  if (url.username !== '' || url.password !== '') return 'must not contain a user name or password';
  if (url.hash !== '') return 'must not have a fragment';
  return undefined;
}

const profile = section({
  type: z.enum(['https_web', 'https_spiffe']),
  endpointSPIFFEID: textReadBy(parseSpiffeId).optional(),
}).transform(({ type, endpointSPIFFEID }, context): BundleEndpointProfile => {
  const fault = (message: string) => {
    context.addIssue({ code: 'custom', path: ['endpointSPIFFEID'], message });
    return z.NEVER;
  };
  if (type === 'https_spiffe') {
    if (endpointSPIFFEID === undefined) return fault('is required with https_spiffe: whose SVID the endpoint presents');
    return { type, endpointSpiffeId: endpointSPIFFEID };
  }
  if (endpointSPIFFEID !== undefined) return fault('belongs to https_spiffe only; an https_web endpoint has no SVID');
  return { type };
});

const bootstrap = section({
  inline: z
    .string({ error: 'must be the bundle document as text: put it in quotes or use a block scalar ("|")' })
    .min(1)
    .optional(),
  file: z.string().min(1).optional(),
  configMapRef: unsupported(NEEDS_KUBERNETES),
  secretRef: unsupported(NEEDS_KUBERNETES),
}).transform(({ inline, file }, context): NonNullable<Peer['bootstrap']> => {
  if (inline !== undefined && file === undefined) return { type: 'inline', text: inline };
  if (file !== undefined && inline === undefined) return { type: 'file', path: file };
  context.addIssue({ code: 'custom', message: 'needs exactly one of "inline" and "file"' });
  return z.NEVER;
});

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
});

const selector = textReadBy((text): Selector => {
  const colon = text.indexOf(':');
  if (colon < 1 || colon === text.length - 1) {
    throw new Error(`"${text}" is not a selector; write type and value like "unix:uid:0"`);
  }
  return { type: text.slice(0, colon), value: text.slice(colon + 1) };
});

const entrySelector = section({
  spiffeID: spiffeIdPattern.optional(),
  parentID: spiffeIdPattern.optional(),
  selectors: z.array(selector).min(1).optional(),
  hint: z.string().min(1).optional(),
}).transform(({ spiffeID, parentID, selectors = [], hint }, context): EntrySelector => {
  if (spiffeID === undefined && parentID === undefined && selectors.length === 0 && hint === undefined) {
    const message =
      'needs at least one of spiffeID, parentID, selectors and hint; every entry is spiffeID "spiffe://…/**"';
    context.addIssue({ code: 'custom', message });
  }
  return { spiffeIdPattern: spiffeID, parentIdPattern: parentID, selectors, hint };
});

const federatesWith = section({
  entries: z.array(entrySelector).min(1),
  scope: z.enum(['Additive', 'Exact']).default('Additive'),
  clusterSPIFFEIDs: unsupported(`${NEEDS_KUBERNETES}; choose registration entries under "entries"`),
});

const istio = section({
  anchors: z.literal('None', {
    error: (issue) =>
      `${issue.input === undefined ? 'is missing' : 'needs the Istio adapter, which this broker does not have'}; only None is possible`,
  }),
  acknowledgeRisk: z.boolean().optional(),
});

const policy = section({
  onEmptyBundle: z.enum(['Hold', 'Revoke']).default('Hold'),
  onDisjointRoots: z.enum(['Accept', 'Hold']).default('Accept'),
  staleAfter: textReadBy((text) => {
    const seconds = parseDurationSeconds(text);
    if (seconds === undefined) throw new Error(`"${text}" is not a duration; write it like "30s", "5m" or "1h"`);
    return seconds;
  }).prefault('1h'),
  acceptDigest: z
    .string()
    .regex(/^[0-9a-fA-F]{64}$/, { error: 'must be the SHA-256 of the bundle to accept: 64 hexadecimal digits' })
    .toLowerCase()
    .optional(),
});

const SUSPEND = new Map<unknown, Peer['suspend']>([
  [false, 'Active'],
  [true, 'Paused'],
  ['Revoke', 'Revoke'],
]);

const spec = section({
  trustDomain: textReadBy(parseTrustDomain),
  bundleEndpointURL: bundleEndpointUrl,
  bundleEndpointProfile: profile,
  webPKI: section({
    caBundle: z.string().regex(/-----BEGIN CERTIFICATE-----/, { error: 'must hold certificates as PEM' }),
  }).optional(),
  trustDomainBundle: bootstrap.optional(),
  mode: z.enum(['Own', 'Delegate']).default('Own'),
  federatesWith: federatesWith.optional(),
  istio: istio.optional(),
  policy: policy.prefault({}),
  suspend: z.literal([false, true, 'Revoke']).default(false),
});

/** The one rule across fields looks at whatever was readable, so that it is reported together with other faults. */
const peerFields = spec
  .refine(webPkiFits, {
    path: ['webPKI'],
    when: ({ value }) => typeof value === 'object' && value !== null,
    error:
      'belongs to https_web with mode Own only: https_spiffe trusts the peer’s own roots, and SPIRE’s own poller ' +
      '(mode Delegate) trusts public roots',
  })
  .transform((fields): Omit<Peer, 'name'> => {
    const { acceptDigest, staleAfter, ...policyFields } = fields.policy;
    return {
      trustDomain: fields.trustDomain,
      bundleEndpointUrl: fields.bundleEndpointURL,
      profile: fields.bundleEndpointProfile,
      webCaPem: fields.webPKI?.caBundle,
      bootstrap: fields.trustDomainBundle,
      mode: fields.mode,
      entrySelectors: fields.federatesWith?.entries ?? [],
      entryScope: fields.federatesWith?.scope ?? 'Additive',
      policy: { ...policyFields, staleAfterSeconds: staleAfter },
      suspend: SUSPEND.get(fields.suspend) ?? 'Active',
      acceptDigest,
    };
  });

function webPkiFits({ webPKI, bundleEndpointProfile, mode }: Partial<z.output<typeof spec>>): boolean {
  return webPKI === undefined || (bundleEndpointProfile?.type !== 'https_spiffe' && mode !== 'Delegate');
}

const documentSchema = section({
  apiVersion: z.literal('fedbroker.dev/v1alpha1'),
  kind: z.literal('PeerTrustDomain'),
  metadata,
  spec: peerFields,
  status: z.unknown().optional(),
});
