// Is the committed CustomResourceDefinition what the schema says, and one that an API server takes?
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import * as z from 'zod';
import { parsePeerDeclaration } from '../../src/federation/peer-declaration.ts';
import { peerTrustDomainDefinition, peerTrustDomainSchema } from '../../src/kubernetes/peer-trust-domain-crd.ts';
import { peerTrustDomainStatus, type PeerTrustDomainStatus } from '../../src/kubernetes/peer-trust-domain.ts';
import { structuralSchema, type StructuralSchema } from '../../src/kubernetes/structural-schema.ts';
import { GOOD_DECLARATIONS } from './declaration-vectors.ts';

const ROOT = join(import.meta.dirname, '../..');
const definition = peerTrustDomainDefinition();
const [version] = definition.spec.versions;
const root = peerTrustDomainSchema();

interface Field {
  readonly path: string;
  readonly schema: StructuralSchema;
}

/** Every field below, list items as `[]` and values of maps as `{}`. */
function fieldsBelow(schema: StructuralSchema, path: string): Field[] {
  const children: [string, StructuralSchema | undefined][] = [
    ...Object.entries(schema.properties ?? {}).map(([name, child]): [string, StructuralSchema] => [`.${name}`, child]),
    ['[]', schema.items],
    ['{}', schema.additionalProperties],
  ];
  return children.flatMap(([step, child]) =>
    child === undefined ? [] : [{ path: path + step, schema: child }, ...fieldsBelow(child, path + step)],
  );
}

const specFields = fieldsBelow(root.properties!['spec']!, 'spec');
const allFields = fieldsBelow(root, '');

function pathsOf(fields: readonly Field[], isWanted: (schema: StructuralSchema) => boolean): string[] {
  return fields.filter(({ schema }) => isWanted(schema)).map(({ path }) => path);
}

describe('the committed definition', () => {
  it('is what "npm run crd" writes', () => {
    const committed: unknown = parse(
      readFileSync(join(ROOT, 'deploy/crd/peertrustdomains.fedbroker.dev.yaml'), 'utf8'),
    );
    assert.deepEqual(committed, JSON.parse(JSON.stringify(definition)));
  });
});

describe('the definition', () => {
  it('describes every field but those of Kubernetes', () => {
    const undescribed = pathsOf(allFields, ({ description }) => (description ?? '').length < 8);
    assert.deepEqual(undescribed, ['.metadata']);
  });

  it('is structural: each field has a type, and only "suspend" takes several', () => {
    assert.deepEqual(
      pathsOf(allFields, ({ type }) => type === undefined),
      ['.spec.suspend'],
    );
    assert.equal(root.properties!['spec']!.properties!['suspend']!['x-kubernetes-preserve-unknown-fields'], true);
    assert.deepEqual(
      pathsOf(allFields, (schema) => schema.properties !== undefined && schema.additionalProperties !== undefined),
      [],
    );
  });

  it('bounds every text, list and map of the spec, as the cost of rules is estimated by their sizes', () => {
    const limits = {
      string: ['maxLength', 'enum', 'pattern'],
      array: ['maxItems'],
      object: ['maxProperties', 'properties'],
    };
    const unbounded = pathsOf(specFields, (schema) => {
      const names: readonly string[] =
        schema.type !== undefined && schema.type in limits
          ? limits[schema.type as keyof typeof limits]
          : ['type', 'enum'];
      return !names.some((name) => name in schema);
    });
    assert.deepEqual(unbounded, []);
  });

  it('has no field for the file of a declaration in a file', () => {
    const sources = Object.keys(root.properties!['spec']!.properties!['trustDomainBundle']!.properties!);
    assert.deepEqual(sources, ['inline', 'configMapRef', 'secretRef']);
  });

  it('fills in the same defaults as the broker', () => {
    const filled = Object.fromEntries(
      specFields.flatMap(({ path, schema }) => ('default' in schema ? [[path, schema.default]] : [])),
    );
    assert.deepEqual(filled, {
      'spec.mode': 'Own',
      'spec.federatesWith.scope': 'Additive',
      'spec.istio.acknowledgeRisk': false,
      'spec.istio.urgent': false,
      'spec.policy': {},
      'spec.policy.onEmptyBundle': 'Hold',
      'spec.policy.onDisjointRoots': 'Accept',
      'spec.policy.onLargeChange': 'Accept',
      'spec.policy.largeChange': {},
      'spec.policy.largeChange.added': 5,
      'spec.policy.largeChange.removed': 5,
      'spec.policy.onSequenceReuse': 'Accept',
      'spec.policy.staleAfter': '1h',
      'spec.policy.onExpired': 'Keep',
      'spec.policy.requireConsent': false,
      'spec.suspend': false,
    });
    const [{ document }] = GOOD_DECLARATIONS as [(typeof GOOD_DECLARATIONS)[0]];
    const filledPolicy = {
      onEmptyBundle: 'Hold',
      onDisjointRoots: 'Accept',
      onLargeChange: 'Accept',
      largeChange: { added: 5, removed: 5 },
      onSequenceReuse: 'Accept',
      staleAfter: '1h',
      onExpired: 'Keep',
      requireConsent: false,
    };
    const written = {
      mode: 'Own',
      policy: filledPolicy,
      suspend: false,
    };
    assert.deepEqual(
      parsePeerDeclaration({ ...document, spec: { ...document.spec, ...written } }, 'Kubernetes'),
      parsePeerDeclaration(document, 'Kubernetes'),
    );
  });

  it('gives every rule a message of one line', () => {
    for (const { path, schema } of allFields) {
      for (const { message } of (schema['x-kubernetes-validations'] ?? []) as { message: string }[]) {
        assert.match(message, /^[a-zA-Z][^\n]{10,}[^.\n]$/, path);
      }
    }
  });

  it('has no rule at the URL itself: the answer would repeat a password in it', () => {
    assert.deepEqual(
      pathsOf(allFields, (schema) => 'x-kubernetes-validations' in schema).filter((path) => path.endsWith('URL')),
      [],
    );
  });

  it('shows in a list where a peer stands', () => {
    const columns = version!.additionalPrinterColumns;
    assert.deepEqual(
      columns.filter((column) => !('priority' in column)).map(({ name }) => name),
      ['Trust domain', 'Profile', 'Ready', 'Reason', 'Sequence', 'Last fetch'],
    );
    for (const { name, jsonPath } of columns) {
      const [path = ''] = jsonPath.split('[');
      assert.ok(
        allFields.some((field) => field.path === path),
        `${name}: no field ${path}`,
      );
    }
  });
});

describe('the status', () => {
  const status: PeerTrustDomainStatus = {
    observedGeneration: 2,
    conditions: [
      {
        type: 'Ready',
        status: 'True',
        observedGeneration: 2,
        lastTransitionTime: '2040-01-01T00:00:00Z',
        reason: 'Ready',
        message: 'federation works',
      },
    ],
    bundle: {
      digest: 'ab'.repeat(32),
      sequence: '18446744073709551615',
      refreshHintSeconds: 300,
      roots: [{ fingerprint: 'cd'.repeat(32), subject: 'O=West', notAfter: '2040-01-01T00:00:00Z' }],
      jwtKeyIds: ['key-1'],
    },
    lastFetch: { at: '2040-01-01T00:00:00Z', result: 'Fetched' },
    lastAccepted: '2040-01-01T00:00:00Z',
    nextFetch: '2040-01-01T00:05:00Z',
    entriesFederated: 3,
    writer: 'fedbroker-0',
  };

  it('holds what the broker knows of a peer, sequence numbers of 64 bits included', () => {
    assert.deepEqual(peerTrustDomainStatus.parse(status), status);
  });

  it('may be empty, but a condition may not lack its reason', () => {
    assert.ok(peerTrustDomainStatus.safeParse({}).success);
    const conditions = status.conditions?.map((condition) => ({ ...condition, reason: undefined }));
    assert.ok(!peerTrustDomainStatus.safeParse({ conditions }).success);
  });
});

describe('a structural schema', () => {
  it('loses nothing silently: what it cannot say is an error', () => {
    assert.throws(() => structuralSchema(z.object({ a: z.string().or(z.number()) })), /no structural form.*anyOf/);
  });

  it('leaves out limits of JavaScript’s numbers and the pattern of a time', () => {
    const { properties } = structuralSchema(z.object({ count: z.int(), at: z.iso.datetime() }));
    assert.deepEqual(properties!['at'], { type: 'string', format: 'date-time' });
    assert.deepEqual(properties!['count'], { type: 'integer', format: 'int64' });
  });
});
