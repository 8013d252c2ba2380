// How does a ConfigMap or Secret of the mesh look on the API, and who wrote into it? (core v1; FieldsV1 of metav1)
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { MeshObject, MeshObjectContent, MeshObjectRef } from '../federation/mesh-objects.ts';
import { FIELD_MANAGER } from './api-server.ts';
import type { Over } from './apply-over.ts';
import { CONFIG_MAPS, SECRETS } from './core-resources.ts';
import type { KubeObject, ObjectBody, ObjectRef, Resource } from './kube-object.ts';
import { brokerOf, isManagedByUs, ownMarks } from './managed-by.ts';
import { fieldsOf, textOf } from './object-fields.ts';

type Kind = MeshObjectRef['kind'];

const RESOURCES: Readonly<Record<Kind, Resource>> = { ConfigMap: CONFIG_MAPS, Secret: SECRETS };

export function resourceOf(kind: Kind): Resource {
  return RESOURCES[kind];
}

export function objectRefOf({ kind, namespace, name }: MeshObjectRef): ObjectRef {
  return { resource: RESOURCES[kind], namespace, name };
}

/** A key whose value is no text is left out. */
export function meshObjectOf(kind: Kind, { metadata, ...object }: KubeObject, own: TrustDomain): MeshObject {
  const { name, namespace = '', uid = '', resourceVersion = '', annotations = {}, managedFields = [] } = metadata;
  const data = Object.entries(fieldsOf(object['data'])).flatMap(([key, value]): [string, string][] =>
    typeof value === 'string' ? [[key, kind === 'Secret' ? decoded(value) : value]] : [],
  );
  const ours = isManagedByUs(metadata, own);
  return {
    kind,
    namespace,
    name,
    uid,
    resourceVersion,
    ours,
    brokerOf: brokerOf(metadata),
    data: Object.fromEntries(data),
    annotations,
    otherManagers: otherManagersOf(managedFields, ours),
  };
}

/** What is applied: our marks, the data and the annotations, and nothing else, so that nothing else is ours. */
export function bodyOf(
  { kind, namespace, name }: MeshObjectRef,
  { data, annotations }: MeshObjectContent,
  { over, own }: { readonly over: Over; readonly own: TrustDomain },
): ObjectBody {
  const marks = ownMarks(own);
  return {
    metadata: {
      name,
      namespace,
      ...over,
      labels: marks.labels,
      annotations: { ...annotations, ...marks.annotations },
    },
    data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, storedText(kind, text)])),
  };
}

/** As `data` has it. Not `stringData`: the API server does not take away what an earlier apply said there. */
export function storedText(kind: Kind, text: string): string {
  return kind === 'Secret' ? Buffer.from(text).toString('base64') : text;
}

function decoded(base64: string): string {
  return Buffer.from(base64, 'base64').toString();
}

/**
 * An object that we made is only applied. What was written there under our name in another way has an owner of its own
 * for the API server, and applying over it is a conflict.
 */
function otherManagersOf(managedFields: readonly unknown[], ours: boolean): readonly string[] {
  const entries = managedFields.map(fieldsOf);
  const writers = entries.filter(({ fieldsV1 }) => 'f:data' in fieldsOf(fieldsV1));
  const others = writers.filter(
    ({ manager, operation }) => manager !== FIELD_MANAGER || (ours && operation !== 'Apply'),
  );
  return [...new Set(others.flatMap(({ manager }) => textOf(manager) ?? []))].sort();
}
