// Is this document a valid PeerTrustDomain, and which peer does it declare? (API fedbroker.dev/v1alpha1)
import * as z from 'zod';
import { parseTrustDomain, TRUST_DOMAIN_MAX_BYTES } from '../bundle/trust-domain.ts';
import { describeIssue, faultsOf, section, textReadBy, type DeclarationFault } from './declaration-fault.ts';
import type { DeclarationPlace } from './declaration-place.ts';
import { bootstrapField, objectName } from './declared-bootstrap.ts';
import { bundleEndpointProfile, bundleEndpointUrl, webPki } from './declared-endpoint.ts';
import { federatesWithField } from './declared-links.ts';
import { meshField } from './declared-mesh.ts';
import { policyField, policyOf } from './declared-policy.ts';
import { readPeerAnnotations, type Annotations, type AnnotationFault } from './peer-annotations.ts';
import { PEER_API } from './peer-api.ts';
import type { Peer } from './relationship.ts';

export type PeerDeclaration =
  | {
      readonly ok: true;
      readonly peer: Peer;
      /** Annotations that are not looked at, and why. None in a file: there they are faults of the declaration. */
      readonly annotationFaults: readonly AnnotationFault[];
    }
  | { readonly ok: false; readonly faults: readonly DeclarationFault[] };

/**
 * Reads one document, already decoded from YAML or JSON. Every fault is reported, not only the first; a field that is
 * not known, or that the place cannot honour, is a fault too. A path in `trustDomainBundle.file` is left as it was
 * written.
 */
export function parsePeerDeclaration(document: unknown, place: DeclarationPlace): PeerDeclaration {
  const result = DOCUMENT_SCHEMAS[place].safeParse(document, { error: describeIssue });
  if (!result.success) return { ok: false, faults: result.error.issues.flatMap(faultsOf) };
  const { metadata, spec } = result.data;
  const { peer, annotationFaults } = withRequests({ name: metadata.name, ...spec }, metadata.annotations ?? {});
  if (place === 'Kubernetes' || annotationFaults.length === 0) return { ok: true, peer, annotationFaults };
  const faults = annotationFaults.map(({ annotation, message }) => ({
    path: ['metadata', 'annotations', annotation],
    message,
  }));
  return { ok: false, faults };
}

function withRequests(declared: DeclaredPeer, annotations: Annotations) {
  const { faults, quarantineReason, ...requests } = readPeerAnnotations(annotations, declared.trustDomain);
  const isQuarantined = quarantineReason !== undefined && declared.suspend === 'Revoke';
  const peer: Peer = {
    // New fields before the spread: V8 gives each object a shape of its own, of 0.5 KB, when they come after it.
    quarantine: isQuarantined ? { reason: quarantineReason } : undefined,
    ...declared,
    ...requests,
    acceptDigest: requests.acceptDigest ?? declared.acceptDigest,
  };
  return { peer, annotationFaults: faults };
}

/** What the spec alone says. */
type DeclaredPeer = Omit<Peer, 'rejectDigests' | 'quarantine' | 'lastGoodBundle'>;

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
    policy: policyField.prefault({}),
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
      // The rule about webPKI looks at whatever was readable, so that it is reported together with other faults.
      .refine(webPkiFits, {
        path: ['webPKI'],
        when: ({ value }) => typeof value === 'object' && value !== null,
        error:
          'belongs to https_web with mode Own only: https_spiffe trusts the peer’s own roots, and SPIRE’s own poller ' +
          '(mode Delegate) trusts public roots',
      })
      .superRefine((fields, context) => {
        for (const { field, isAsked, error } of OF_MODE_OWN) {
          if (fields.mode !== 'Delegate' || !isAsked(fields)) continue;
          context.addIssue({ code: 'custom', path: ['policy', field], message: error });
        }
      })
      .transform(toPeerFields)
      .describe('The declared peer.')
  );
}

/** What SPIRE's own poller cannot honour. */
const OF_MODE_OWN = [
  {
    field: 'pin',
    isAsked: ({ policy }: SpecFields) => (policy.pin ?? []).length > 0,
    error: 'belongs to mode Own only: SPIRE’s own poller (mode Delegate) knows no pins',
  },
  {
    field: 'onExpired',
    isAsked: ({ policy }: SpecFields) => policy.onExpired === 'Cut',
    error: 'Cut belongs to mode Own only: with Delegate nobody but SPIRE knows when the peer answered last',
  },
] as const;

function webPkiFits({ webPKI, bundleEndpointProfile, mode }: Partial<SpecFields>): boolean {
  return webPKI === undefined || (bundleEndpointProfile?.type !== 'https_spiffe' && mode !== 'Delegate');
}

function toPeerFields(fields: SpecFields): Omit<DeclaredPeer, 'name'> {
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
    ...policyOf(fields.policy),
    suspend: SUSPEND.get(fields.suspend) ?? 'Active',
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
