// At which roots do the certificates end that istiod issues? (the ConfigMap istio-ca-root-cert, which istiod keeps in each
// namespace)
import { known, type Fact } from '../federation/facts.ts';
import type { MeshObject, MeshObjectRef } from '../federation/mesh-objects.ts';
import { certificatesIn } from './mesh-content.ts';

const NAME = 'istio-ca-root-cert';
const KEY = 'root-cert.pem';

export function meshRootsRef(istioNamespace: string): MeshObjectRef {
  return { kind: 'ConfigMap', namespace: istioNamespace, name: NAME };
}

/** DER. None without the object: then no istiod issues certificates from there. */
export function meshRootsOf(object: Fact<MeshObject | undefined>): Fact<readonly Uint8Array[]> {
  if (object.state === 'Unreadable') return object;
  return known(certificatesIn(object.value?.data[KEY] ?? ''), object.at);
}
