// Which ClusterFederatedTrustDomains are there, and how is one of ours written? (spire.spiffe.io/v1alpha1)
import { serializeBundle } from '../bundle/bundle-document.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { parseSpiffeId } from '../bundle/spiffe-id.ts';
import type {
  ClusterFederatedTrustDomain,
  ClusterFederatedTrustDomains,
  FederatedTrustDomainDeclaration,
  Report,
} from '../federation/ports.ts';
import type { BundleEndpointProfile } from '../federation/relationship.ts';
import { applyOver, type Over } from './apply-over.ts';
import { isKubeError } from './kube-error.ts';
import type { KubeObject, ObjectBody, Resource } from './kube-object.ts';
import { brokerOf, isManagedByUs, ownMarks } from './managed-by.ts';
import { fieldsOf, textOf } from './object-fields.ts';
import { watchResource, type ResourceParts } from './watch-resource.ts';

export const CLUSTER_FEDERATED_TRUST_DOMAINS: Resource = {
  group: 'spire.spiffe.io',
  version: 'v1alpha1',
  plural: 'clusterfederatedtrustdomains',
  kind: 'ClusterFederatedTrustDomain',
  namespaced: false,
};

/** What is written where a bundle has no hint of its own; SPIRE then asks as often as it does by default. */
const DEFAULT_REFRESH_HINT_SECONDS = 300;

export interface FederatedTrustDomainParts extends ResourceParts {
  /** What we make says that it is of the broker of this one. */
  readonly ownTrustDomain: TrustDomain;
}

export class FederatedTrustDomainResources implements ClusterFederatedTrustDomains {
  readonly #parts: FederatedTrustDomainParts;

  constructor(parts: FederatedTrustDomainParts) {
    this.#parts = parts;
  }

  watch(report: Report<readonly ClusterFederatedTrustDomain[]>, signal: AbortSignal): Promise<void> {
    return watchResource(CLUSTER_FEDERATED_TRUST_DOMAINS, this.#read, report, this.#parts, signal);
  }

  /**
   * By server-side apply: the bundle is dropped when it is no longer given. `KubeAlreadyExists` where the object is not
   * ours, `KubeApplyConflict` where somebody else says something else in it.
   */
  async apply(
    declaration: FederatedTrustDomainDeclaration,
    signal?: AbortSignal,
  ): Promise<ClusterFederatedTrustDomain> {
    const { api, ownTrustDomain } = this.#parts;
    const resource = CLUSTER_FEDERATED_TRUST_DOMAINS;
    const { name } = declaration;
    const applied = await applyOver({
      ...{ ref: { resource, name }, own: ownTrustDomain },
      // The broker may list them anyway.
      look: async () => (await api.list({ resource, fieldSelector: `metadata.name=${name}` }, { signal })).items[0],
      apply: (over) => api.apply(resource, bodyOf(declaration, ownTrustDomain, over), { signal }),
    });
    return this.#read(applied);
  }

  async delete({ name, uid }: Pick<ClusterFederatedTrustDomain, 'name' | 'uid'>, signal?: AbortSignal): Promise<void> {
    const ref = { resource: CLUSTER_FEDERATED_TRUST_DOMAINS, name, uid };
    try {
      await this.#parts.api.delete(ref, { signal });
    } catch (error) {
      // Another object has taken its name; ours is gone.
      if (!isKubeError(error, 'KubeConflict')) throw error;
    }
  }

  #read = (object: KubeObject): ClusterFederatedTrustDomain =>
    federatedTrustDomainOf(object, this.#parts.ownTrustDomain);
}

function bodyOf(
  { name, relationship, className, bootstrap }: FederatedTrustDomainDeclaration,
  own: TrustDomain,
  over: Over,
): ObjectBody {
  const { trustDomain, bundleEndpointUrl, profile } = relationship;
  return {
    metadata: { name, ...over, ...ownMarks(own) },
    spec: {
      trustDomain,
      bundleEndpointURL: bundleEndpointUrl,
      bundleEndpointProfile:
        profile.type === 'https_web'
          ? { type: profile.type }
          : { type: profile.type, endpointSPIFFEID: profile.endpointSpiffeId },
      ...(className !== undefined && { className }),
      ...(bootstrap !== undefined && {
        trustDomainBundle: serializeBundle(bootstrap, {
          refreshHintSeconds: bootstrap.refreshHintSeconds ?? DEFAULT_REFRESH_HINT_SECONDS,
        }).toString(),
      }),
    },
  };
}

function federatedTrustDomainOf({ metadata, ...object }: KubeObject, own: TrustDomain): ClusterFederatedTrustDomain {
  const { name, uid = '' } = metadata;
  const spec = fieldsOf(object['spec']);
  return {
    name,
    uid,
    trustDomain: textOf(spec['trustDomain']) ?? '',
    bundleEndpointUrl: textOf(spec['bundleEndpointURL']) ?? '',
    profile: profileOf(fieldsOf(spec['bundleEndpointProfile'])),
    className: textOf(spec['className']),
    carriesBundle: textOf(spec['trustDomainBundle']) !== undefined,
    ours: isManagedByUs(metadata, own),
    brokerOf: brokerOf(metadata),
  };
}

function profileOf({ type, endpointSPIFFEID }: Readonly<Record<string, unknown>>): BundleEndpointProfile | undefined {
  if (type === 'https_web') return { type };
  if (type !== 'https_spiffe' || typeof endpointSPIFFEID !== 'string') return undefined;
  try {
    return { type, endpointSpiffeId: parseSpiffeId(endpointSPIFFEID) };
  } catch {
    return undefined;
  }
}
