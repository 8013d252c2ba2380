// Is every CA object that a gateway or destination rule names known as in use?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { referencedCas } from '../../src/istio/referenced-cas.ts';
import { fact, FORBIDDEN } from './mesh-samples.ts';

const NOW = new Date('2040-01-01T00:00:00Z');

function referenced(gatewayNames: readonly string[], ruleNames: readonly string[] = []): readonly string[] {
  const server = { tlsMode: 'MUTUAL', port: 443, credentialNames: gatewayNames };
  const gateways = fact([{ namespace: 'edge', name: 'g', servers: [server] }]);
  const rule = {
    namespace: 'shop',
    name: 'r',
    host: 'h',
    credentialNames: ruleNames,
    tlsMode: undefined,
    subjectAltNames: [],
  };
  const found = referencedCas(
    { gateways, destinationRules: fact([rule]), gatewayApi: undefined },
    new Set(['edge', 'edge-2']),
    NOW,
  );
  if (found.state !== 'Known') throw new Error(found.message);
  return [...found.value];
}

describe('referencedCas', () => {
  const rows: readonly (readonly [string, readonly string[]])[] = [
    ['west', ['Secret/edge/west', 'Secret/edge/west-cacert', 'Secret/edge-2/west', 'Secret/edge-2/west-cacert']],
    [
      'kubernetes://west',
      ['Secret/edge/west', 'Secret/edge/west-cacert', 'Secret/edge-2/west', 'Secret/edge-2/west-cacert'],
    ],
    ['kubernetes://far/west-cacert', ['Secret/far/west-cacert', 'Secret/far/west-cacert-cacert']],
    ['kubernetes-gateway://far/west', ['Secret/far/west', 'Secret/far/west-cacert']],
    ['configmap://spire/west-roots', ['ConfigMap/spire/west-roots']],
    ['configmap://west-roots', []],
    ['builtin://', []],
    ['sds://west', []],
  ];
  for (const [name, objects] of rows) {
    it(`reads ${name}`, () => {
      assert.deepEqual(referenced([name]), objects);
      assert.deepEqual(referenced([], [name]), objects);
    });
  }

  it('has what resources of the Gateway API name', () => {
    const caObjects = [
      { kind: 'ConfigMap', namespace: 'spire', name: 'west' },
      { kind: 'Secret', namespace: 'edge', name: 'north' },
    ] as const;
    const gatewayApi = fact([{ namespace: 'edge', name: 'g', caObjects }]);
    const found = referencedCas({ gateways: undefined, destinationRules: undefined, gatewayApi }, new Set(), NOW);
    assert.ok(found.state === 'Known');
    assert.deepEqual([...found.value], ['ConfigMap/spire/west', 'Secret/edge/north', 'Secret/edge/north-cacert']);
  });

  it('is not known when one of the lists is not', () => {
    const gateways = fact([]);
    const known = { gateways, destinationRules: undefined, gatewayApi: undefined };
    for (const which of ['gateways', 'destinationRules', 'gatewayApi'] as const) {
      assert.equal(referencedCas({ ...known, [which]: FORBIDDEN }, new Set(), NOW), FORBIDDEN);
    }
  });

  it('is nothing where Istio’s resources are not served', () => {
    const none = { gateways: undefined, destinationRules: undefined, gatewayApi: undefined };
    assert.deepEqual(referencedCas(none, new Set(['edge']), NOW), { state: 'Known', value: new Set(), at: NOW });
  });
});
