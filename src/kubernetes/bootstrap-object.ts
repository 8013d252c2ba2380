// What does the ConfigMap or Secret hold that a declaration names for the first contact? One object, by its name.
import type { BootstrapSource } from '../federation/relationship.ts';
import type { ApiServer } from './api-server.ts';
import { CONFIG_MAPS, SECRETS } from './core-resources.ts';
import { KubeError } from './kube-error.ts';
import { describeTarget, type KubeObject, type ObjectRef, type Resource } from './kube-object.ts';
import { fieldsOf } from './object-fields.ts';

/** The sources that are objects of the API. */
export type ObjectSource = Extract<BootstrapSource, { readonly type: 'configMap' | 'secret' }>;

const RESOURCES: Readonly<Record<ObjectSource['type'], Resource>> = {
  configMap: CONFIG_MAPS,
  secret: SECRETS,
};

/** As of a bundle that is written into the declaration itself. */
const MAX_BYTES = 1024 * 1024;

const BASE64 = /^[A-Za-z0-9+/\s]*=*\s*$/;

export function bootstrapRef({ type, namespace, name }: ObjectSource): ObjectRef {
  return { resource: RESOURCES[type], namespace, name };
}

/** @throws KubeError which names what to create or to grant, and nothing of the content */
export async function readBootstrapObject(
  api: Pick<ApiServer, 'get'>,
  source: ObjectSource,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const ref = bootstrapRef(source);
  const object = await api.get(ref, { signal });
  if (object === undefined) {
    throw new KubeError(
      'KubeNotFound',
      `${describeTarget(ref)} does not exist; create it with the bundle under "${source.key}"`,
    );
  }
  return bootstrapBytes(object, source);
}

/** The key's content. @throws KubeError */
export function bootstrapBytes(object: KubeObject, source: ObjectSource): Uint8Array {
  const target = describeTarget(bootstrapRef(source));
  const bytes = source.type === 'secret' ? decoded(object['data'], source.key) : textOrBinary(object, source.key);
  if (bytes === undefined) {
    const keys = Object.keys({ ...fieldsOf(object['data']), ...fieldsOf(object['binaryData']) }).join(', ');
    throw new KubeError('KubeNotFound', `${target} has no key "${source.key}"; its keys are: ${keys || 'none'}`);
  }
  if (bytes.length > MAX_BYTES) {
    const size = `is larger than ${MAX_BYTES} bytes`;
    throw new KubeError('KubeInvalid', `${target}: the content of "${source.key}" ${size}; put only the bundle there`);
  }
  return bytes;
}

function textOrBinary(object: KubeObject, key: string): Uint8Array | undefined {
  const text = fieldsOf(object['data'])[key];
  return typeof text === 'string' ? Buffer.from(text) : decoded(object['binaryData'], key);
}

function decoded(data: unknown, key: string): Uint8Array | undefined {
  const value = fieldsOf(data)[key];
  return typeof value === 'string' && BASE64.test(value) ? Buffer.from(value, 'base64') : undefined;
}
