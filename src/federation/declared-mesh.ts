// What does a declaration say about Istio? (`spec.istio`)
import * as z from 'zod';
import { objectName } from './declared-bootstrap.ts';
import { section } from './declaration-fault.ts';
import type { GatewayCa, MeshAcceptance } from './relationship.ts';

const MAX_GATEWAY_CAS = 8;

const gatewayCa = section({
  configMap: section({ name: objectName.describe('In the namespace of the broker; its key is ca.crt.') })
    .describe('For Istio 1.28 and later: `configmap://NAMESPACE/NAME` in any Gateway or DestinationRule.')
    .optional(),
  secret: section({
    namespace: objectName.describe('Of the gateway.'),
    credentialName: objectName.describe('As the Gateway names it; the name of the Secret is this and "-cacert".'),
  })
    .describe('For a Gateway with this credentialName.')
    .optional(),
})
  .transform(({ configMap, secret }, context): GatewayCa => {
    if (configMap !== undefined && secret === undefined) return { type: 'ConfigMap', ...configMap };
    if (secret !== undefined && configMap === undefined) return { type: 'Secret', ...secret };
    context.addIssue({ code: 'custom', message: 'needs exactly one of configMap, secret' });
    return z.NEVER;
  })
  .describe('One object.');

export const meshField = section({
  anchors: z
    .enum(['SpireSds', 'Constrained', 'Flat', 'None'])
    .describe(
      'Where the mesh gets the peer’s roots. SpireSds: from the SPIRE agent, each for its own trust domain. ' +
        'Constrained: in mesh config, with name constraints. Flat: in mesh config as they are. None: not at all.',
    ),
  acknowledgeRisk: z
    .boolean()
    .default(false)
    .describe('Must be true with Flat: there the peer’s CA can vouch for any name, ours included.'),
  urgent: z
    .boolean()
    .default(false)
    .describe(
      'true: the trust domain is put on the mesh’s list at once. false: together with other changes of the list, ' +
        'since each one makes every proxy drain its connections.',
    ),
  gatewayCAs: z
    .array(gatewayCa)
    .max(MAX_GATEWAY_CAS)
    .default([])
    .describe('Objects for gateways at the edge, each with the roots of this one peer.'),
})
  .refine(({ anchors, acknowledgeRisk }) => anchors !== 'Flat' || acknowledgeRisk, {
    path: ['acknowledgeRisk'],
    error: 'must be true with Flat: the peer’s CA could then vouch for any name, ours included',
  })
  .transform(({ anchors, urgent, gatewayCAs: gatewayCas }): MeshAcceptance => ({ anchors, urgent, gatewayCas }))
  .describe('What the mesh of our trust domain accepts of the peer. Default: nothing is changed there.');
