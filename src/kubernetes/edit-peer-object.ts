// How is one PeerTrustDomain object changed by a command? A merge patch of its annotations and of spec.suspend, only
// over the version that was looked at.
import {
  DeclarationEditError,
  type DeclarationEdit,
  type DeclarationStore,
  type WrittenDeclaration,
} from '../federation/declaration-edit.ts';
import type { ApiServer } from './api-server.ts';
import { KubeError } from './kube-error.ts';
import type { KubeObject } from './kube-object.ts';
import { fieldsOf } from './object-fields.ts';
import { PEER_TRUST_DOMAIN } from './peer-trust-domain.ts';

export function peerObjectStore(api: Pick<ApiServer, 'list' | 'mergePatch'>): DeclarationStore {
  /** Of what was found. */
  const versions = new WeakMap<WrittenDeclaration, string | undefined>();
  return {
    async find(wanted, signal) {
      const { items } = await api.list({ resource: PEER_TRUST_DOMAIN }, { signal });
      const found = [...items].flatMap((object): WrittenDeclaration[] => {
        const written = writtenIn(object);
        if (written === undefined || (written.name !== wanted && written.trustDomain !== wanted)) return [];
        versions.set(written, object.metadata.resourceVersion);
        return [written];
      });
      return found;
    },
    async edit(declaration, edit, signal) {
      const ref = { resource: PEER_TRUST_DOMAIN, name: declaration.name };
      try {
        await api.mergePatch(ref, patchOf(edit, versions.get(declaration)), { signal });
      } catch (error) {
        if (!(error instanceof KubeError) || error.code !== 'KubeConflict') throw error;
        const message = `the declaration of ${declaration.name} was changed meanwhile; nothing was written, try again`;
        throw new DeclarationEditError('DeclarationChanged', message, { cause: error });
      }
      return `PeerTrustDomain ${declaration.name}`;
    },
  };
}

function writtenIn(object: KubeObject): WrittenDeclaration | undefined {
  const { trustDomain, suspend } = fieldsOf(object['spec']);
  const { name, annotations = {} } = object.metadata;
  return typeof trustDomain === 'string' ? { name, trustDomain, annotations, suspend } : undefined;
}

function patchOf({ annotations, suspend }: DeclarationEdit, resourceVersion: string | undefined) {
  const values = Object.entries(annotations).map(([name, value]) => [name, value ?? null] as const);
  return {
    metadata: { annotations: Object.fromEntries(values), ...(resourceVersion !== undefined && { resourceVersion }) },
    ...(suspend !== undefined && { spec: { suspend } }),
  };
}
