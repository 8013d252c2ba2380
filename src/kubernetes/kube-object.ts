// How is an object named and addressed on the Kubernetes API? (API Concepts: resource URIs)

/** What a URI needs of a resource, and what an operator needs to grant it. */
export interface Resource {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

/** What is written: the API server is told `apiVersion` and `kind` from the resource. */
export interface ObjectBody {
  readonly metadata: ObjectMeta;
  readonly [field: string]: unknown;
}

/** Any object, as JSON. */
export interface KubeObject extends ObjectBody {
  readonly apiVersion: string;
  readonly kind: string;
}

/**
 * An apply with it creates the object, and is a `KubeConflict` where one is there already, whoever's it is: etcd's first
 * revision is that of an empty store. (measured on Kubernetes 1.36)
 */
export const VERSION_OF_NO_OBJECT = '1';

/** The part of metav1.ObjectMeta that is used. Times are RFC 3339 text. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  /** Opaque: compared for equality, never for order. */
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly unknown[];
  readonly managedFields?: readonly unknown[];
}

/** One object of the API. */
export interface ObjectRef {
  readonly resource: Resource;
  readonly name: string;
  /** Absent for what belongs to no namespace. */
  readonly namespace?: string | undefined;
}

/** Some objects of the API. */
export interface Selection {
  readonly resource: Resource;
  /** Absent: of all namespaces. */
  readonly namespace?: string | undefined;
  /** For example `metadata.name=roots`: a Role that names the object suffices then. */
  readonly fieldSelector?: string | undefined;
  readonly labelSelector?: string | undefined;
}

/** `v1`, `fedbroker.dev/v1alpha1`. */
export function apiVersionOf({ group, version }: Resource): string {
  return group === '' ? version : `${group}/${version}`;
}

/** `configmaps`, `leases.coordination.k8s.io`: as `kubectl` and Roles name it. */
export function resourceName({ group, plural }: Resource): string {
  return group === '' ? plural : `${plural}.${group}`;
}

/** `leases.coordination.k8s.io "broker" in namespace "spire"`. */
export function describeTarget({ resource, namespace, name }: ObjectRef | (Selection & { name?: undefined })): string {
  const named = name === undefined ? resourceName(resource) : `${resourceName(resource)} "${name}"`;
  return namespace === undefined ? named : `${named} in namespace "${namespace}"`;
}

export function collectionPath({ resource, namespace }: Pick<Selection, 'resource' | 'namespace'>): string {
  const { group, version, plural } = resource;
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  return namespace === undefined
    ? `${root}/${plural}`
    : `${root}/namespaces/${encodeURIComponent(namespace)}/${plural}`;
}

export function objectPath(ref: ObjectRef, subresource?: 'status'): string {
  const path = `${collectionPath(ref)}/${encodeURIComponent(ref.name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}
