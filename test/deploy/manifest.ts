// Which objects do manifests declare, and what may those of RBAC do?
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { ROOT } from './dockerfile.ts';

/** As far as these tests look. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly annotations?: Record<string, string>;
  };
  readonly rules?: readonly PolicyRule[];
  readonly roleRef?: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly { readonly kind: string; readonly name: string; readonly namespace?: string }[];
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly selector?: object;
    readonly replicas?: number;
    readonly template?: { readonly spec: PodSpec };
  };
}

export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

export interface PodSpec {
  readonly serviceAccountName?: string;
  readonly enableServiceLinks?: boolean;
  readonly securityContext?: object;
  readonly containers: readonly Container[];
  readonly volumes?: readonly { readonly name: string; readonly hostPath?: { readonly path: string } }[];
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[];
  readonly readinessProbe?: object;
  readonly livenessProbe: { readonly httpGet: { readonly path: string; readonly port: string } };
  readonly securityContext: object;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
}

/** The roles of every broker, those beside spire-controller-manager, and those for Istio. */
export const RIGHTS = {
  required: ['peers', 'events', 'lease'].map((adapter) => `deploy/rbac/${adapter}.yaml`),
  controllerManager: ['cluster-spiffeids', 'federated-trust-domains', 'configuration', 'workloads'].map(
    (adapter) => `deploy/rbac/controller-manager/${adapter}.yaml`,
  ),
  istio: ['shared-mesh-config', 'survey', 'gateway-api', 'istiod'].map(
    (adapter) => `deploy/rbac/istio/${adapter}.yaml`,
  ),
  someForIstio: ['patch-base', 'gateway-cas', 'spire-agent', 'vanished-revisions'].map(
    (adapter) => `deploy/rbac/istio/${adapter}.yaml`,
  ),
} as const;
/** Of an installation as it comes. */
export const ALL_RIGHTS: readonly string[] = [...RIGHTS.required, ...RIGHTS.controllerManager];

export function parseManifests(text: string): readonly Manifest[] {
  return parseAllDocuments(text).flatMap((document) => {
    assert.deepEqual(document.errors, []);
    const manifest = document.toJS() as Manifest | null;
    return manifest === null ? [] : [manifest];
  });
}

/** Of files of the project, by their paths in it. */
export function readManifests(...paths: readonly string[]): readonly Manifest[] {
  return paths.flatMap((path) => parseManifests(readFileSync(join(ROOT, path), 'utf8')));
}

/** The only object of this kind and, where it is given, this name. */
export function oneOf(manifests: readonly Manifest[], kind: string, name?: string): Manifest {
  const found = manifests.filter(
    (manifest) => manifest.kind === kind && (name === undefined || manifest.metadata.name === name),
  );
  assert.equal(found.length, 1, `${kind} ${name ?? ''}: found ${found.length}`);
  return found[0]!;
}

/** What each role allows, by its name; the same text for the same rights, however they are written. */
export function rightsOf(manifests: readonly Manifest[]): Readonly<Record<string, string>> {
  const roles = manifests.filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole');
  const named = roles.map(({ kind, metadata, rules = [] }) => [
    `${kind} ${metadata.name}`,
    rules
      .map(
        ({ apiGroups, resources, resourceNames, verbs }) =>
          `${resources.join('+')}.${apiGroups.join('+')}(${resourceNames?.join('+') ?? '*'}): ${[...verbs].sort().join(' ')}`,
      )
      .sort()
      .join('; '),
  ]);
  return Object.fromEntries(named) as Record<string, string>;
}

/** The container of the broker. */
export function brokerContainer(manifest: Manifest): Container {
  const found = manifest.spec?.template?.spec.containers.find(({ name }) => name === 'fedbroker');
  assert.ok(found, `${manifest.kind} ${manifest.metadata.name} does not run the broker`);
  return found;
}
