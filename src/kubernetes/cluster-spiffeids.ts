// Which ClusterSPIFFEIDs are there, and how is a peer written into one? (spire.spiffe.io/v1alpha1)
import type { ClusterSpiffeId, ClusterSpiffeIds, Report } from '../federation/ports.ts';
import type { KubeObject, Resource } from './kube-object.ts';
import { fieldsOf, textOf, textsOf } from './object-fields.ts';
import { watchResource, type ResourceParts } from './watch-resource.ts';

export const CLUSTER_SPIFFE_IDS: Resource = {
  group: 'spire.spiffe.io',
  version: 'v1alpha1',
  plural: 'clusterspiffeids',
  kind: 'ClusterSPIFFEID',
  namespaced: false,
};

/** Names the trust domains of `spec.federatesWith` that a broker added, with commas between: those it may take away. */
export const ADDED_ANNOTATION = 'fedbroker.dev/federates-with';

export class ClusterSpiffeIdResources implements ClusterSpiffeIds {
  readonly #parts: ResourceParts;

  constructor(parts: ResourceParts) {
    this.#parts = parts;
  }

  watch(report: Report<readonly ClusterSpiffeId[]>, signal: AbortSignal): Promise<void> {
    return watchResource(CLUSTER_SPIFFE_IDS, clusterSpiffeIdOf, report, this.#parts, signal);
  }

  /**
   * One patch for list and record. With its resourceVersion, which makes the API server refuse it (`KubeConflict`) when
   * somebody else wrote meanwhile: the list can only be replaced as a whole.
   */
  async updateFederatesWith(
    { name, uid, resourceVersion }: ClusterSpiffeId,
    { federatesWith, addedByBroker }: Pick<ClusterSpiffeId, 'federatesWith' | 'addedByBroker'>,
    signal?: AbortSignal,
  ): Promise<ClusterSpiffeId> {
    const record = addedByBroker.length === 0 ? null : addedByBroker.join(',');
    const patch = {
      metadata: { uid, resourceVersion, annotations: { [ADDED_ANNOTATION]: record } },
      spec: { federatesWith: federatesWith.length === 0 ? null : federatesWith },
    };
    const ref = { resource: CLUSTER_SPIFFE_IDS, name };
    return clusterSpiffeIdOf(await this.#parts.api.mergePatch(ref, patch, { signal }));
  }
}

function clusterSpiffeIdOf({ metadata, ...object }: KubeObject): ClusterSpiffeId {
  const { name, uid = '', resourceVersion = '', labels = {}, annotations = {} } = metadata;
  const { federatesWith, className } = fieldsOf(object['spec']);
  const added = annotations[ADDED_ANNOTATION] ?? '';
  return {
    name,
    uid,
    resourceVersion,
    labels,
    federatesWith: textsOf(federatesWith),
    addedByBroker: added.split(',').filter((each) => each !== ''),
    className: textOf(className),
  };
}
