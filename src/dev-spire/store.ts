// What does SPIRE Server keep in its data store, and how do its rows hang together?
import { status as GrpcStatus } from '@grpc/grpc-js';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Agent } from '../spire/gen/spire/api/types/agent_pb.ts';
import type { Bundle } from '../spire/gen/spire/api/types/bundle_pb.ts';
import type { Entry } from '../spire/gen/spire/api/types/entry_pb.ts';
import type { FederationRelationship } from '../spire/gen/spire/api/types/federationrelationship_pb.ts';
import { RpcError } from './rpc-error.ts';
import { Table } from './table.ts';

export interface Store {
  /** By trust domain. The own trust domain has the first row, whose content is elsewhere: it only takes its place. */
  readonly bundles: Table<Bundle>;
  /** By entry id. */
  readonly entries: Table<Entry>;
  /** By trust domain; without bundles, which are in `bundles`. */
  readonly relationships: Table<FederationRelationship>;
  /** By path of the SPIFFE ID. */
  readonly agents: Table<Agent>;
}

export function openStore(ownBundle: Bundle): Store {
  const store: Store = { bundles: new Table(), entries: new Table(), relationships: new Table(), agents: new Table() };
  store.bundles.set(ownBundle.trustDomain, ownBundle);
  return store;
}

/** Each trust domain once, sorted: SPIRE keeps no order of its own, and its SQLite store answers by name. */
export function resolveFederatesWith(store: Store, trustDomains: readonly TrustDomain[]): string[] {
  const missing = trustDomains.find((trustDomain) => !store.bundles.has(trustDomain));
  if (missing !== undefined) throw new Error(`unable to find federated bundle "spiffe://${missing}"`);
  return [...new Set<string>(trustDomains)].sort();
}

/** What happens to the entries that federate with a trust domain whose bundle is deleted. */
export type DeleteMode = 'RESTRICT' | 'DELETE' | 'DISSOCIATE';

export function deleteBundle(store: Store, trustDomain: TrustDomain, mode: DeleteMode): void {
  if (!store.bundles.has(trustDomain)) throw new RpcError(GrpcStatus.NOT_FOUND, 'bundle not found');
  const federated = store.entries.rows().filter((entry) => entry.federatesWith.includes(trustDomain));
  if (federated.length > 0 && mode === 'RESTRICT') {
    throw new RpcError(
      GrpcStatus.FAILED_PRECONDITION,
      `failed to delete federated bundle: datastore-sql: cannot delete bundle; federated with ${federated.length} registration entries`,
    );
  }
  for (const entry of federated) {
    if (mode === 'DELETE') store.entries.delete(entry.id);
    // The revision stays as it is: agents are told of the lost bundle, not of a new entry.
    else entry.federatesWith = entry.federatesWith.filter((other) => other !== trustDomain);
  }
  store.bundles.delete(trustDomain);
}
