// What does spire-controller-manager do to SPIRE beside us? A stand-in for version 0.6: every round it makes entries and
// relationships what the API server declares, deletes all others, and writes a changed declaration's bundle over SPIRE's.
import { setTimeout as pause } from 'node:timers/promises';
import { BUNDLE_DOCUMENT_LIMITS, parseBundleDocument } from '../../src/bundle/bundle-document.ts';
import { parseTrustDomain, type TrustDomain } from '../../src/bundle/trust-domain.ts';
import { looksAtClass } from '../../src/federation/controller-manager.ts';
import type { ControllerManager, FederationRelationship } from '../../src/federation/ports.ts';
import type { ApiServer } from '../../src/kubernetes/api-server.ts';
import { CLUSTER_SPIFFE_IDS } from '../../src/kubernetes/cluster-spiffeids.ts';
import { CLUSTER_FEDERATED_TRUST_DOMAINS } from '../../src/kubernetes/federated-trust-domains.ts';
import type { KubeObject, Resource } from '../../src/kubernetes/kube-object.ts';
import { parseSpiffeId } from '../../src/bundle/spiffe-id.ts';
import { openChannel } from '../../src/spire/channel.ts';
import { Entry as EntryService } from '../../src/spire/gen/spire/api/server/entry/v1/entry_pb.ts';
import { unaryClient } from '../../src/spire/grpc-service.ts';
import { openSpireServer } from '../../src/spire/spire-server.ts';

export interface FakeControllerManagerOptions {
  /** Of the SPIRE Server beside it. */
  readonly socketPath: string;
  readonly trustDomain: TrustDomain;
  readonly api: ApiServer;
  readonly settings: ControllerManager;
  /** Every ClusterSPIFFEID selects all of them. */
  readonly pods: readonly string[];
  /** `gcInterval`, by default 10,000 in the real one. */
  readonly intervalMs: number;
}

export interface FakeControllerManager {
  /** Rounds that ended, whether all of it worked or not. */
  readonly rounds: number;
  /** What it did: `create entry …`, `update entry …`, `delete relationship …`; in order. */
  readonly writes: readonly string[];
  /** What SPIRE or the API server refused. */
  readonly failures: readonly string[];
  stop(): Promise<void>;
}

interface Declared {
  readonly path: string;
  readonly pod: string;
  readonly federatesWith: readonly string[];
}

const DEADLINE = { deadlineMs: 5_000 };

export function startFakeControllerManager(options: FakeControllerManagerOptions): FakeControllerManager {
  const { socketPath, trustDomain, api, settings, intervalMs } = options;
  const spire = openSpireServer({ socketPath, trustDomain });
  const channel = openChannel(socketPath);
  const entries = unaryClient(EntryService, channel);
  const writes: string[] = [];
  const failures: string[] = [];
  const stopping = new AbortController();
  let rounds = 0;
  let created = 0;

  async function declared(resource: Resource): Promise<readonly (KubeObject & { readonly spec: Spec })[]> {
    const { items } = await api.list({ resource });
    const specs = items as readonly (KubeObject & { readonly spec: Spec })[];
    return specs.filter(({ spec: { className } }) => looksAtClass(settings, className === '' ? undefined : className));
  }

  async function reconcileRelationships(): Promise<void> {
    const current = new Map((await spire.listFederationRelationships()).map((each) => [each.trustDomain, each]));
    const wanted = new Map((await declared(CLUSTER_FEDERATED_TRUST_DOMAINS)).map(relationshipOf));
    for (const name of current.keys()) {
      if (wanted.has(name)) continue;
      writes.push(`delete relationship ${name}`);
      await spire.deleteFederationRelationship(name);
    }
    for (const [name, { relationship, bundleText }] of wanted) {
      const before = current.get(name);
      if (before !== undefined && JSON.stringify(before) === JSON.stringify(relationship)) continue;
      const bundle =
        bundleText === undefined
          ? undefined
          : parseBundleDocument(Buffer.from(bundleText), name, BUNDLE_DOCUMENT_LIMITS).bundle;
      writes.push(`${before === undefined ? 'create' : 'update'} relationship ${name}`);
      if (before === undefined) await spire.createFederationRelationship(relationship, bundle);
      else {
        await spire.updateFederationRelationship(relationship);
        if (bundle !== undefined) await spire.setFederatedBundles([bundle]);
      }
    }
  }

  async function reconcileEntries(): Promise<void> {
    const { entries: all } = await entries.listEntries({}, DEADLINE);
    const prefix = settings.entryIdPrefix;
    const current = all.filter(({ id }) => prefix === undefined || id.startsWith(prefix));
    const wanted = new Map<string, Declared>();
    for (const { metadata, spec } of await declared(CLUSTER_SPIFFE_IDS)) {
      for (const pod of options.pods) {
        const path = `/${metadata.name}/${pod}`;
        wanted.set(path, { path, pod, federatesWith: spec.federatesWith ?? [] });
      }
    }
    const orphans = current.filter(({ spiffeId }) => !wanted.has(spiffeId?.path ?? ''));
    if (orphans.length > 0) {
      writes.push(...orphans.map(({ id }) => `delete entry ${id}`));
      await entries.batchDeleteEntry({ ids: orphans.map(({ id }) => id) }, DEADLINE);
    }
    for (const entry of wanted.values()) {
      const before = current.find(({ spiffeId }) => spiffeId?.path === entry.path);
      if (before === undefined) await createEntry(entry);
      else if ([...before.federatesWith].sort().join() !== [...entry.federatesWith].sort().join()) {
        await updateEntry(before.id, entry);
      }
    }
  }

  function messageOf({ path, pod, federatesWith }: Declared) {
    return {
      spiffeId: { trustDomain, path },
      parentId: { trustDomain, path: '/node' },
      selectors: [{ type: 'k8s', value: `pod-uid:${pod}` }],
      federatesWith: [...federatesWith],
    };
  }

  async function createEntry(entry: Declared): Promise<void> {
    const id = settings.entryIdPrefix === undefined ? '' : `${settings.entryIdPrefix}${++created}-${rounds}`;
    const { results } = await entries.batchCreateEntry({ entries: [{ id, ...messageOf(entry) }] }, DEADLINE);
    note(`create entry ${entry.path}`, results[0]?.status);
  }

  /** Without a mask: whatever somebody else wrote is gone. */
  async function updateEntry(id: string, entry: Declared): Promise<void> {
    const { results } = await entries.batchUpdateEntry({ entries: [{ id, ...messageOf(entry) }] }, DEADLINE);
    note(`update entry ${entry.path}`, results[0]?.status);
  }

  function note(write: string, status: { readonly code: number; readonly message: string } | undefined): void {
    if (status?.code === 0) writes.push(write);
    else failures.push(`${write}: ${status?.message ?? 'no answer'}`);
  }

  async function round(): Promise<void> {
    const { reconciles } = settings;
    const tasks = [
      ...(reconciles.clusterFederatedTrustDomains ? [reconcileRelationships] : []),
      ...(reconciles.clusterSpiffeIds ? [reconcileEntries] : []),
    ];
    for (const task of tasks) {
      await task().catch((error: unknown) => failures.push(String(error)));
    }
    rounds += 1;
  }

  const running = (async () => {
    while (!stopping.signal.aborted) {
      await round();
      await pause(intervalMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  })();

  return {
    get rounds() {
      return rounds;
    },
    writes,
    failures,
    async stop() {
      stopping.abort();
      await running;
      spire.close();
      channel.close();
    },
  };
}

interface Spec {
  readonly className?: string;
  readonly federatesWith?: readonly string[];
  readonly trustDomain: string;
  readonly bundleEndpointURL: string;
  readonly bundleEndpointProfile: { readonly type: string; readonly endpointSPIFFEID?: string };
  readonly trustDomainBundle?: string;
}

interface DeclaredRelationship {
  readonly relationship: FederationRelationship;
  readonly bundleText: string | undefined;
}

function relationshipOf({ spec }: { readonly spec: Spec }): readonly [TrustDomain, DeclaredRelationship] {
  const { endpointSPIFFEID } = spec.bundleEndpointProfile;
  const trustDomain = parseTrustDomain(spec.trustDomain);
  const relationship: FederationRelationship = {
    trustDomain,
    bundleEndpointUrl: spec.bundleEndpointURL,
    profile:
      endpointSPIFFEID === undefined
        ? { type: 'https_web' }
        : { type: 'https_spiffe', endpointSpiffeId: parseSpiffeId(endpointSPIFFEID) },
  };
  return [trustDomain, { relationship, bundleText: spec.trustDomainBundle }];
}
