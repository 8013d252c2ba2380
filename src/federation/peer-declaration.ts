// Is this document a valid PeerTrustDomain, and which peer does it declare? (API fedbroker.dev/v1alpha1)
import * as z from 'zod';
import { parseTrustDomain, TRUST_DOMAIN_MAX_BYTES } from '../bundle/trust-domain.ts';
import { describeIssue, faultsOf, section, textReadBy, type DeclarationFault } from './declaration-fault.ts';
import type { DeclarationPlace } from './declaration-place.ts';
import { bootstrapField, objectName } from './declared-bootstrap.ts';
import { bundleEndpointProfile, bundleEndpointUrl, webPki } from './declared-endpoint.ts';
import { federatesWithField } from './declared-links.ts';
import { meshField } from './declared-mesh.ts';
import { parseDurationSeconds } from './duration.ts';
import type { Peer } from './relationship.ts';

/** What every declaration calls itself. */
export const PEER_API = { group: 'fedbroker.dev', version: 'v1alpha1', kind: 'PeerTrustDomain' } as const;

export type PeerDeclaration =
  { readonly ok: true; readonly peer: Peer } | { readonly ok: false; readonly faults: readonly DeclarationFault[] };

/**
 * Reads one document, already decoded from YAML or JSON. Every fault is reported, not only the first; a field that is
 * not known, or that the place cannot honour, is a fault too. A path in `trustDomainBundle.file` is left as it was
 * written.
 */
export function parsePeerDeclaration(document: unknown, place: DeclarationPlace): PeerDeclaration {
  const result = DOCUMENT_SCHEMAS[place].safeParse(document, { error: describeIssue });
  if (!result.success) return { ok: false, faults: result.error.issues.flatMap(faultsOf) };
  const { metadata, spec } = result.data;
  return { ok: true, peer: { name: metadata.name, ...spec } };
}

/** Accepted and not looked at, so that the output of `kubectl get -o yaml` can be used as it is. */
const setByApiServer = z.unknown().optional();

const metadata = section({
  name: objectName,
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  creationTimestamp: setByApiServer,
  deletionGracePeriodSeconds: setByApiServer,
  deletionTimestamp: setByApiServer,
  finalizers: setByApiServer,
  generateName: setByApiServer,
  generation: setByApiServer,
  managedFields: setByApiServer,
  ownerReferences: setByApiServer,
  resourceVersion: setByApiServer,
  uid: setByApiServer,
});

const policy = section({
  onEmptyBundle: z
    .enum(['Hold', 'Revoke'])
    .default('Hold')
    .describe(
      'An authenticated bundle without keys withdraws the trust domain (Trust Domain and Bundle §4.1.3). ' +
        'Hold: keep the last good one and report. Revoke: take the peer’s trust away.',
    ),
  onDisjointRoots: z
    .enum(['Accept', 'Hold'])
    .default('Accept')
    .describe('A bundle that shares no root with the held one: accept it, or hold it until acceptDigest names it.'),
  staleAfter: textReadBy((text) => {
    const seconds = parseDurationSeconds(text);
    if (seconds === undefined) throw new Error(`"${text}" is not a duration; write it like "30s", "5m" or "1h"`);
    return seconds;
  }, 32)
    .prefault('1h')
    .describe(
      'The peer is reported as stale after this long without a successful fetch: hours, minutes and seconds like "1h30m".',
    ),
  acceptDigest: z
    .string()
    .regex(/^[0-9a-fA-F]{64}$/, { error: 'must be the SHA-256 of the bundle to accept: 64 hexadecimal digits' })
    .toLowerCase()
    .optional()
    .describe(
      'SHA-256 of one bundle, 64 hexadecimal digits: this content is accepted whatever held it or rolled it back. ' +
        'The condition BundleVerified names the digest.',
    ),
}).describe('How fetched bundles are judged.');

// A boolean as of CronJobs and Jobs, so that `suspend: true` means what it means there; Revoke is the one thing more.
const SUSPEND = new Map<unknown, Peer['suspend']>([
  [false, 'Active'],
  [true, 'Paused'],
  ['Revoke', 'Revoke'],
]);

function specFields(place: DeclarationPlace) {
  return section({
    trustDomain: textReadBy(parseTrustDomain, TRUST_DOMAIN_MAX_BYTES).describe(
      'Name of the foreign trust domain, without "spiffe://" (SPIFFE-ID §2.1). Cannot be changed: delete the object and create another.',
    ),
    bundleEndpointURL: bundleEndpointUrl,
    bundleEndpointProfile,
    webPKI: webPki.optional(),
    trustDomainBundle: bootstrapField(place).optional(),
    mode: z
      .enum(['Own', 'Delegate'])
      .default('Own')
      .describe(
        'Own: the broker fetches the bundle and writes it to SPIRE. Delegate: SPIRE fetches, the broker watches.',
      ),
    federatesWith: federatesWithField(place).optional(),
    istio: meshField.optional(),
    policy: policy.prefault({}),
    suspend: z
      .literal([false, true, 'Revoke'])
      .default(false)
      .describe(
        'true: nothing of this peer is fetched or changed. Revoke: its trust is taken away at once, links included; ' +
          'the declaration stays.',
      ),
  });
}

type SpecFields = z.output<ReturnType<typeof specFields>>;

/** `spec` of a declaration in this place. */
export function peerSpec(place: DeclarationPlace) {
  return (
    specFields(place)
      // The one rule across fields looks at whatever was readable, so that it is reported together with other faults.
      .refine(webPkiFits, {
        path: ['webPKI'],
        when: ({ value }) => typeof value === 'object' && value !== null,
        error:
          'belongs to https_web with mode Own only: https_spiffe trusts the peer’s own roots, and SPIRE’s own poller ' +
          '(mode Delegate) trusts public roots',
      })
      .transform(toPeerFields)
      .describe('The declared peer.')
  );
}

function webPkiFits({ webPKI, bundleEndpointProfile, mode }: Partial<SpecFields>): boolean {
  return webPKI === undefined || (bundleEndpointProfile?.type !== 'https_spiffe' && mode !== 'Delegate');
}

function toPeerFields(fields: SpecFields): Omit<Peer, 'name'> {
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
    clusterSpiffeIds: fields.federatesWith?.clusterSPIFFEIDs,
    mesh: fields.istio,
    policy: { ...policyFields, staleAfterSeconds: staleAfter },
    suspend: SUSPEND.get(fields.suspend) ?? 'Active',
    acceptDigest,
  };
}

function documentSchema(place: DeclarationPlace) {
  return section({
    apiVersion: z.literal(`${PEER_API.group}/${PEER_API.version}`),
    kind: z.literal(PEER_API.kind),
    metadata,
    spec: peerSpec(place),
    status: z.unknown().optional(),
  });
}

const DOCUMENT_SCHEMAS = { File: documentSchema('File'), Kubernetes: documentSchema('Kubernetes') } as const;
