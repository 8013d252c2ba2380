// Which small custom resource do the tests of the API server itself use?

export const BEACONS_PATH = '/apis/stack.test/v1/beacons';

/** Cluster-scoped, with a status, a pattern, a bound and a rule in CEL. */
export const BEACON_DEFINITION = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'beacons.stack.test' },
  spec: {
    group: 'stack.test',
    scope: 'Cluster',
    names: { plural: 'beacons', singular: 'beacon', kind: 'Beacon', listKind: 'BeaconList', shortNames: ['bcn'] },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        additionalPrinterColumns: [{ name: 'Colour', type: 'string', jsonPath: '.spec.colour' }],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            required: ['spec'],
            properties: {
              spec: {
                type: 'object',
                required: ['colour'],
                properties: {
                  colour: {
                    type: 'string',
                    pattern: '^[a-z]+$',
                    'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'colour cannot be changed' }],
                  },
                  height: { type: 'integer', minimum: 1 },
                },
              },
              status: { type: 'object', properties: { lit: { type: 'boolean' } } },
            },
          },
        },
      },
    ],
  },
};

export interface Beacon {
  readonly metadata: { readonly name: string; readonly resourceVersion: string; readonly uid: string };
  readonly spec: { readonly colour: string; readonly height?: number };
  readonly status?: { readonly lit?: boolean };
}

/** As an author writes it. */
export function beacon(name: string, spec: object): object {
  return { apiVersion: 'stack.test/v1', kind: 'Beacon', metadata: { name }, spec };
}
