// What does istiod's own ConfigMap say that matters to ours? It wins field by field, and may be out of our sight.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { SharedMeshConfig } from './mesh-facts.ts';
import { MESH_KEY } from './mesh-content.ts';
import { mergeMesh } from './mesh-merge.ts';
import type { MeshVerdict, MeshWarning } from './mesh-verdict.ts';

/** One per revision that reads the object which is written. */
export type BaseFacts = readonly SharedMeshConfig['base'][];

/** Undefined where it is not there or cannot be read. */
export function baseTexts(bases: BaseFacts): readonly (string | undefined)[] {
  return bases.map((base) => (base?.state === 'Known' ? base.value?.data[MESH_KEY] : undefined));
}

export function aliasesOf(bases: BaseFacts): ReadonlySet<string> {
  return new Set(baseTexts(bases).flatMap((base) => mergeMesh({ shared: undefined, base }).trustDomainAliases));
}

export function hidesOurs(bases: BaseFacts): boolean {
  return baseTexts(bases).some((base) => mergeMesh({ shared: undefined, base }).caCertificatesOf === 'Base');
}

export function isAlias(trustDomain: TrustDomain): MeshVerdict {
  const message = `mesh config has ${trustDomain} among its trustDomainAliases: there its identities are ours, name by name. Take it out of trustDomainAliases first`;
  return { code: 'TrustDomainIsAlias', message };
}

export function baseWarnings(bases: BaseFacts): MeshWarning[] {
  return bases.flatMap((base) =>
    base?.state === 'Unreadable'
      ? [
          {
            code: 'BaseUnreadable',
            message: `whether istiod's own ConfigMap hides ours cannot be seen: ${base.message}`,
          },
        ]
      : [],
  );
}
