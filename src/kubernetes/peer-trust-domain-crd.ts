// Which CustomResourceDefinition does the broker's schema amount to? (apiextensions.k8s.io/v1)
import { peerSpec } from '../federation/peer-declaration.ts';
import { peerHolding } from './peer-holding.ts';
import { PEER_TRUST_DOMAIN, peerTrustDomainStatus } from './peer-trust-domain.ts';
import { RESOURCE_RULES, type ResourceRule } from './peer-trust-domain-rules.ts';
import { structuralSchema, type StructuralSchema } from './structural-schema.ts';

const { group, version, kind, plural, singular, shortName, category } = PEER_TRUST_DOMAIN;

const conditionPath = (field: string) => `.status.conditions[?(@.type=="Ready")].${field}`;

const wholeStatus = peerTrustDomainStatus
  .extend({ holding: peerHolding.optional() })
  .describe(peerTrustDomainStatus.description ?? '');

/** What `kubectl get ptd` shows; with priority 1 only `-o wide`. */
const PRINTER_COLUMNS = [
  { name: 'Trust domain', type: 'string', jsonPath: '.spec.trustDomain' },
  { name: 'Profile', type: 'string', jsonPath: '.spec.bundleEndpointProfile.type' },
  { name: 'Ready', type: 'string', jsonPath: conditionPath('status') },
  { name: 'Reason', type: 'string', jsonPath: conditionPath('reason') },
  { name: 'Sequence', type: 'string', jsonPath: '.status.bundle.sequence' },
  {
    name: 'Last fetch',
    type: 'date',
    jsonPath: '.status.lastFetch.at',
    description: 'How long ago the bundle was last fetched, with or without success.',
  },
  { name: 'URL', type: 'string', jsonPath: '.spec.bundleEndpointURL', priority: 1 },
  { name: 'Message', type: 'string', jsonPath: conditionPath('message'), priority: 1 },
] as const;

/** The declaration's schema as Kubernetes takes it, with its rules, and that of its status. */
export function peerTrustDomainSchema(): StructuralSchema {
  const root: StructuralSchema = {
    description:
      `${kind} declares a foreign trust domain (SPIFFE Federation §5). The broker beside spire-server fetches ` +
      'its bundle, judges it, stores it in SPIRE and lets the chosen workloads meet it.',
    type: 'object',
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string', description: `${group}/${version}` },
      kind: { type: 'string', description: kind },
      metadata: { type: 'object' },
      spec: structuralSchema(peerSpec('Kubernetes')),
      status: structuralSchema(wholeStatus),
    },
  };
  return RESOURCE_RULES.reduce(withRule, root);
}

/** The definition as it is installed. */
export function peerTrustDomainDefinition() {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Cluster',
      names: { kind, listKind: `${kind}List`, plural, singular, shortNames: [shortName], categories: [category] },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: PRINTER_COLUMNS,
          schema: { openAPIV3Schema: peerTrustDomainSchema() },
        },
      ],
    },
  };
}

/** @throws Error when the rule's field is not in the schema */
function withRule(root: StructuralSchema, { at, ...validation }: ResourceRule): StructuralSchema {
  return changedAt(root, at.replaceAll('[]', '.[]').split('.'), (schema) => {
    const before = (schema['x-kubernetes-validations'] ?? []) as readonly object[];
    return { ...schema, 'x-kubernetes-validations': [...before, validation] };
  });
}

function changedAt(
  schema: StructuralSchema,
  [step, ...deeper]: readonly string[],
  change: (schema: StructuralSchema) => StructuralSchema,
): StructuralSchema {
  if (step === undefined) return change(schema);
  const child = step === '[]' ? schema.items : schema.properties?.[step];
  if (child === undefined) throw new Error(`the schema has no field "${step}" for a rule`);
  const changed = changedAt(child, deeper, change);
  return step === '[]'
    ? { ...schema, items: changed }
    : { ...schema, properties: { ...schema.properties, [step]: changed } };
}
