// What does the CA object of a gateway say? (istio.md §1.7: key `ca.crt`; one peer an object, which keeps peers apart)
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { toPem } from '../bundle/certificate.ts';
import type { MeshObject, MeshObjectContent, MeshObjectRef } from '../federation/mesh-objects.ts';
import type { GatewayCa } from '../federation/relationship.ts';
import { canonicalMeshContent, certificatesIn, MESH_KEY } from './mesh-content.ts';
import { RECORD_ANNOTATION, recordedOwners, recordOf } from './published.ts';

/** Istiod finds it in a ConfigMap, and in a Secret whose name ends with `-cacert`. */
export const CA_KEY = 'ca.crt';

/** ConfigMaps are in the namespace of the broker: `configmap://` finds them from any other. */
export function refOf(gatewayCa: GatewayCa, brokerNamespace: string): MeshObjectRef {
  return gatewayCa.type === 'ConfigMap'
    ? { kind: 'ConfigMap', namespace: brokerNamespace, name: gatewayCa.name }
    : { kind: 'Secret', namespace: gatewayCa.namespace, name: `${gatewayCa.credentialName}-cacert` };
}

/** `ders` has at least one. */
export function gatewayCaContent(trustDomain: TrustDomain, ders: readonly Uint8Array[]): MeshObjectContent {
  const { anchors } = canonicalMeshContent({ trustDomains: [], anchors: ders });
  return {
    data: { [CA_KEY]: anchors.map(toPem).join('') },
    annotations: { [RECORD_ANNOTATION]: recordOf({ listed: new Set(), anchors: new Map([[trustDomain, anchors]]) }) },
  };
}

export function certificatesOf({ data }: MeshObjectContent): readonly Uint8Array[] {
  return certificatesIn(data[CA_KEY] ?? '');
}

/** Whose it is; undefined where the record is gone. */
export function ownerOf({ annotations }: MeshObjectContent): TrustDomain | undefined {
  return recordedOwners(annotations[RECORD_ANNOTATION])[0];
}

/** An object of ours that is no mesh config: it has CAs of one peer, and a record that says whose. */
export function isGatewayCa(object: MeshObjectContent & Pick<MeshObject, 'ours'>): boolean {
  return object.ours && CA_KEY in object.data && !(MESH_KEY in object.data) && ownerOf(object) !== undefined;
}

/** It says what its record says, as we write it. */
export function isGatewayCaAsRecorded(content: MeshObjectContent): boolean {
  const owner = ownerOf(content);
  const ders = certificatesOf(content);
  return owner !== undefined && ders.length > 0 && sameGatewayCa(content, gatewayCaContent(owner, ders));
}

/** Other annotations are nobody's matter. */
export function sameGatewayCa(found: MeshObjectContent, wanted: MeshObjectContent): boolean {
  return (
    Object.keys(found.data).length === 1 &&
    found.data[CA_KEY] === wanted.data[CA_KEY] &&
    found.annotations[RECORD_ANNOTATION] === wanted.annotations[RECORD_ANNOTATION]
  );
}
