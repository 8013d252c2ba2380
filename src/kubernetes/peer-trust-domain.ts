// What is the custom resource called, and what does its status say? (Kubernetes API conventions: status, conditions)
import * as z from 'zod';
import { PEER_API } from '../federation/peer-api.ts';
import { ANNOTATIONS } from './annotations.ts';

export const PEER_TRUST_DOMAIN = {
  ...PEER_API,
  plural: 'peertrustdomains',
  singular: 'peertrustdomain',
  shortName: 'ptd',
  /** `kubectl get federation` lists it. */
  category: 'federation',
  namespaced: false,
} as const;

const time = z.iso.datetime();

/** metav1.Condition, with its limits. */
const condition = z
  .object({
    type: z
      .string()
      .max(316)
      .regex(/^[A-Z][A-Za-z]*$/)
      .describe(
        'The step of the flow; Ready is the conjunction of all others but HoldsOurAuthorities, which is about what the peer has of us.',
      ),
    status: z.enum(['True', 'False', 'Unknown']).describe('Whether the step is done; Unknown: nobody could look yet.'),
    observedGeneration: z.int().min(0).optional().describe('metadata.generation that this condition is about.'),
    lastTransitionTime: time.describe('When status changed last.'),
    reason: z
      .string()
      .min(1)
      .max(1024)
      .regex(/^[A-Za-z][A-Za-z0-9_]*$/)
      .describe('A rule’s id or an error’s code, in CamelCase.'),
    message: z.string().max(32768).describe('For people: what is the case and what to try.'),
  })
  .describe('One step of the flow.');

const root = z
  .object({
    fingerprint: z.string().describe('SHA-256 of the certificate, hexadecimal.'),
    subject: z.string().describe('Subject of the certificate (RFC 4514).'),
    notAfter: time.describe('End of its validity.'),
  })
  .describe('An X.509 authority.');

const bundle = z
  .object({
    digest: z.string().describe('SHA-256 over the bundle’s authorities, hexadecimal; as in spec.policy.acceptDigest.'),
    sequence: z
      .string()
      .optional()
      .describe('spiffe_sequence in decimal digits: it has 64 bits. Absent when the peer gives none.'),
    refreshHintSeconds: z.int().min(0).optional().describe('spiffe_refresh_hint in seconds, as the peer gives it.'),
    roots: z.array(root).describe('X.509 authorities.'),
    jwtKeyIds: z.array(z.string().describe('The key’s kid.')).describe('Key IDs of the JWT authorities.'),
  })
  .describe('The bundle that SPIRE Server holds of this trust domain.');

const lastFetch = z
  .object({
    at: time.describe('When it ended.'),
    result: z.string().describe('Fetched, or the error’s code.'),
  })
  .describe('The latest attempt to fetch the bundle.');

const evidence = z
  .object({
    verdict: z.enum(['held', 'refused']).describe('held: an operator should look; refused: it breaks a rule.'),
    reason: z.string().describe('The rule’s id or the error’s code.'),
    digest: z.string().optional().describe('As spec.policy.acceptDigest. Absent when what came was no bundle.'),
    sequence: z.string().optional().describe('spiffe_sequence in decimal digits.'),
    url: z.string().optional().describe('Who answered, after redirects.'),
    endpointCertificates: z
      .array(z.string().describe('SHA-256 of the certificate, hexadecimal.'))
      .optional()
      .describe('With which certificates the endpoint proved who it is, leaf first.'),
    rootFingerprints: z
      .array(z.string().describe('SHA-256 of the certificate, hexadecimal.'))
      .optional()
      .describe('Its X.509 authorities.'),
    firstSeen: time.describe('When it was fetched first.'),
    lastSeen: time.describe('When it was fetched last.'),
  })
  .describe('Content that was not accepted.');

const audit = z
  .object({
    record: z.int().min(1).describe('Its number.'),
    hash: z.string().describe('Its hash, hexadecimal: "fedbroker audit verify --head" finds it.'),
  })
  .describe('The newest record about this peer in the audit file of the broker that writes this status.');

/** `status` as the leader writes it; what a peer holds of us is told by whichever replica it asked. */
export const peerTrustDomainStatus = z
  .object({
    observedGeneration: z.int().min(0).optional().describe('metadata.generation of the declaration in force.'),
    conditions: z
      .array(condition)
      .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })
      .optional()
      .describe('Where the peer is in the flow, one condition a step, and whether it holds what signs for us.'),
    bundle: bundle.optional(),
    evidence: z
      .array(evidence)
      .optional()
      .describe('What was held or refused, newest first; "fedbroker inspect" shows it beside what is trusted.'),
    lastFetch: lastFetch.optional(),
    lastAccepted: time.optional().describe('When a fetched bundle was last accepted, new or unchanged.'),
    nextFetch: time.optional().describe('When the bundle is fetched next.'),
    entriesFederated: z
      .int()
      .min(0)
      .optional()
      .describe('How many registration entries name the peer in federates_with.'),
    audit: audit.optional(),
    lastHandledRefresh: z
      .string()
      .optional()
      .describe(`Value of the annotation ${ANNOTATIONS.refresh} that the bundle was last fetched for.`),
    lastHandledRebootstrap: z
      .string()
      .optional()
      .describe(`Value of the annotation ${ANNOTATIONS.rebootstrap} that spec.trustDomainBundle was last stored for.`),
    writer: z.string().optional().describe('The broker that wrote this status: the leader’s identity.'),
  })
  .describe('What is true now, as the leading broker sees it.');

export type PeerTrustDomainStatus = z.output<typeof peerTrustDomainStatus>;
