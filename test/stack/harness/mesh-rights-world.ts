// How does a test run a broker beside a mesh that lacks one right there, with all declared that it may be asked for?
import { join } from 'node:path';
import { writtenStatus } from '../../../src/broker/status.ts';
import { parseTrustDomain } from '../../../src/bundle/trust-domain.ts';
import type { RunningBroker } from '../../../src/cli/start-broker.ts';
import { startDevSpire } from '../../../src/dev-spire/dev-spire.ts';
import type { ApiServer } from '../../../src/kubernetes/api-server.ts';
import { CONFIG_MAPS } from '../../../src/kubernetes/core-resources.ts';
import type { ObjectRef } from '../../../src/kubernetes/kube-object.ts';
import { PEER_TRUST_DOMAIN } from '../../../src/kubernetes/peer-trust-domain.ts';
import { DEPLOYMENTS } from '../../../src/kubernetes/workload-object.ts';
import type { KeepingRow, MeshDuty } from '../../deploy/mesh-right-rows.ts';
import { Cleanup } from './cleanup.ts';
import { eventually } from './eventually.ts';
import { startInProcess, type Endpoint } from './in-process-broker.ts';
import type { KubeApiServer } from './kube-api-server.ts';
import { NAMESPACE, setRight } from './role-rights.ts';
import { tempFolder } from './temp-folder.ts';

/** Of the overlay "deployment", which deploy/rbac/istio is for as it is. */
export const BROKER_ACCOUNT = { namespace: NAMESPACE, name: 'spire-federation-broker' };
export const BASE = { resource: CONFIG_MAPS, namespace: 'istio-system', name: 'istio' } satisfies ObjectRef;
export const BASE_MESH = 'trustDomain: east.test\n';

const EAST = parseTrustDomain('east.test');
const OURS: ObjectRef = { resource: CONFIG_MAPS, namespace: 'istio-system', name: 'istio-federation' };
/** The name that deploy/rbac/istio/gateway-cas.yaml has. */
const CA_OBJECT: ObjectRef = { resource: CONFIG_MAPS, namespace: NAMESPACE, name: 'west-roots' };
const PEER: ObjectRef = { resource: PEER_TRUST_DOMAIN, name: 'west' };
const WAIT = { timeoutMs: 30_000, intervalMs: 50 };
const FOREVER = '300';

/** Its own ConfigMap is `OURS`, and it goes where that is the question. */
const FIRST_REVISION = 'default';
/** Stays, with rights of its own: see `MORE_RIGHTS`. */
const OTHER_REVISION = 'next';

const DELETED = 'a CA object that nobody asks for is deleted';

const CLEANED_UP = 'the ConfigMap of a revision that is gone is deleted';
const LAST_DUTIES: ReadonlySet<MeshDuty> = new Set([DELETED, CLEANED_UP]);

const MESH_DUTIES: readonly MeshDuty[] = [
  'mesh config follows the peers',
  'what istiod’s own mesh config sets is known',
  'the CA objects of gateways follow the peers',
  DELETED,
];

const AT_ONCE = {
  'istio-list-interval-seconds': '0',
  'istio-root-interval-seconds': '0',
  'istio-survey-seconds': '5',
  'istio-vanished-revision-seconds': '10',
};

/** As deploy/rbac/istio/shared-mesh-config.yaml has them for the first revision. */
export const MORE_RIGHTS: readonly object[] = [
  {
    apiGroups: [''],
    resources: ['configmaps'],
    resourceNames: [`${OURS.name}-${OTHER_REVISION}`, `${BASE.name}-${OTHER_REVISION}`],
    verbs: ['get', 'list', 'watch', 'create', 'patch'],
  },
];

interface MeshGround {
  readonly kube: KubeApiServer;
  readonly admin: ApiServer;
  readonly kubeconfig: string;
  readonly west: Endpoint;
  readonly istio: 'shared-config' | 'patch-base';
}

/** What one broker keeps in the mesh while it lacks one right. */
export class MeshRightsWorld implements AsyncDisposable {
  readonly #ground: MeshGround;
  readonly #row: KeepingRow;
  readonly #cleanup = new Cleanup();
  #broker: RunningBroker | undefined;

  constructor(ground: MeshGround, row: KeepingRow) {
    this.#ground = ground;
    this.#row = row;
  }

  /** Resolves when all that still works was done. */
  async start(): Promise<void> {
    const { admin, kubeconfig, west, istio } = this.#ground;
    await admin.create(PEER_TRUST_DOMAIN, {
      metadata: { name: PEER.name },
      spec: {
        trustDomain: west.trustDomain,
        bundleEndpointURL: west.url,
        bundleEndpointProfile: {
          type: 'https_spiffe',
          endpointSPIFFEID: `spiffe://${west.trustDomain}/federation-broker`,
        },
        trustDomainBundle: { inline: west.document },
        istio: { anchors: 'Constrained', gatewayCAs: [{ configMap: { name: CA_OBJECT.name } }] },
      },
    });
    await setRight(admin, this.#row, 'Taken', BROKER_ACCOUNT);
    const socketPath = join(tempFolder(this.#cleanup, 'east'), 'spire.sock');
    const dev = await startDevSpire({ trustDomain: EAST, socketPath });
    this.#cleanup.add(() => dev.stop());
    const isCleaning = this.#row.stops === CLEANED_UP;
    if (isCleaning) for (const revision of [FIRST_REVISION, OTHER_REVISION]) await this.#createIstiod(revision);
    const { broker } = await startInProcess({
      ...{ 'spire-socket': socketPath, kubernetes: 'kubeconfig', kubeconfig, 'kubernetes-namespace': NAMESPACE },
      ...{ 'lease-duration-seconds': '3', 'refresh-min-seconds': FOREVER, 'stored-poll-seconds': '1' },
      ...{ istio, ...AT_ONCE, 'istio-revisions': isCleaning ? 'discovered' : FIRST_REVISION },
    });
    this.#broker = broker;
    await this.untilAll(MESH_DUTIES.filter((duty) => duty !== this.#row.stops && !LAST_DUTIES.has(duty)));
    if (isCleaning) await admin.delete(istiodOf(FIRST_REVISION));
    if (this.#row.stops === DELETED) await admin.mergePatch(PEER, { spec: { istio: { gatewayCAs: null } } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { admin } = this.#ground;
    await this.#broker?.stop();
    await setRight(admin, this.#row, 'Given', BROKER_ACCOUNT);
    await this.#cleanup.run();
    await admin.delete(PEER);
    await admin.mergePatch(PEER, { metadata: { finalizers: null } });
    const other = { ...OURS, name: `${OURS.name}-${OTHER_REVISION}` };
    const istiods = [FIRST_REVISION, OTHER_REVISION].map(istiodOf);
    for (const object of [OURS, other, CA_OBJECT, ...istiods]) await admin.delete(object);
    await admin.mergePatch(BASE, { metadata: { annotations: null }, data: { mesh: BASE_MESH } });
  }

  /** A watch that fails leaves what the list said; what others change after that is not undone. */
  async changeByOthers(): Promise<void> {
    const { kube, admin } = this.#ground;
    // What others changed is no longer ours to delete.
    if (this.#row.stops === CLEANED_UP) return;
    for (const ref of [this.#meshConfig, CA_OBJECT]) {
      const object = await admin.get(ref);
      if (object === undefined) continue;
      const data = Object.keys(object['data'] ?? {}).map((key) => [key, BASE_MESH]);
      const patch = JSON.stringify({ data: Object.fromEntries(data) as object });
      const place = [ref.resource.plural, ref.name, `--namespace=${ref.namespace ?? ''}`];
      await kube.kubectl(['patch', ...place, '--type=merge', '--field-manager=kubectl-edit', '-p', patch]);
    }
  }

  async untilAll(duties: readonly MeshDuty[]): Promise<void> {
    for (const duty of duties) await eventually(duty, () => this.works(duty), WAIT);
  }

  /** The condition asks for the right, and for no other. */
  seesSign(): boolean {
    const grants = this.#message.match(/grant verb "\w+" on resource "\w+"/g) ?? [];
    return grants.length > 0 && grants.every((grant) => grant === this.#grant);
  }

  async works(duty: MeshDuty): Promise<boolean> {
    const { admin } = this.#ground;
    switch (duty) {
      case 'mesh config follows the peers':
        return (await dataOf(admin, this.#meshConfig)).includes('west.test');
      case CLEANED_UP:
        return (await admin.get(OURS)) === undefined;
      case 'what istiod’s own mesh config sets is known':
        return this.#message !== '' && !this.#message.includes('BaseUnreadable');
      case 'the CA objects of gateways follow the peers':
        return (await dataOf(admin, CA_OBJECT)).includes('BEGIN CERTIFICATE');
      case 'a CA object that nobody asks for is deleted':
        return (await admin.get(CA_OBJECT)) === undefined;
    }
  }

  async #createIstiod(revision: string): Promise<void> {
    const { name, namespace } = istiodOf(revision);
    const labels = { app: 'istiod', 'istio.io/rev': revision };
    const containers = [{ name: 'discovery', image: 'istio/pilot' }];
    await this.#ground.admin.create(DEPLOYMENTS, {
      metadata: { name, namespace, labels },
      spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
    });
  }

  giveBack(): Promise<void> {
    return setRight(this.#ground.admin, this.#row, 'Given', BROKER_ACCOUNT);
  }

  get #meshConfig(): ObjectRef {
    return this.#ground.istio === 'patch-base' ? BASE : OURS;
  }

  get #grant(): string {
    return `grant verb "${this.#row.verb}" on resource "${this.#row.resource}"`;
  }

  get #message(): string {
    const [peer] = writtenStatus(this.#broker!.status()).peers;
    return peer?.conditions.find(({ type }) => type === this.#row.sign.condition)?.message ?? '';
  }
}

function istiodOf(revision: string) {
  return { resource: DEPLOYMENTS, namespace: BASE.namespace, name: `istiod-${revision}` } satisfies ObjectRef;
}

async function dataOf(admin: ApiServer, ref: ObjectRef): Promise<string> {
  return JSON.stringify((await admin.get(ref))?.['data'] ?? {});
}
