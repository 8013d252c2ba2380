// How does a test run a broker that lacks one right, with everything declared that it may be asked for?
import { writtenStatus, type BrokerStatus } from '../../../src/broker/status.ts';
import { join } from 'node:path';
import { serializeBundle } from '../../../src/bundle/bundle-document.ts';
import { parseTrustDomain } from '../../../src/bundle/trust-domain.ts';
import type { RunningBroker } from '../../../src/cli/start-broker.ts';
import { startDevSpire } from '../../../src/dev-spire/dev-spire.ts';
import type { ApiServer } from '../../../src/kubernetes/api-server.ts';
import { ADDED_ANNOTATION, CLUSTER_SPIFFE_IDS } from '../../../src/kubernetes/cluster-spiffeids.ts';
import { CONFIG_MAPS } from '../../../src/kubernetes/core-resources.ts';
import { CLUSTER_FEDERATED_TRUST_DOMAINS } from '../../../src/kubernetes/federated-trust-domains.ts';
import type { ObjectBody, ObjectRef, Resource } from '../../../src/kubernetes/kube-object.ts';
import { LEASES } from '../../../src/kubernetes/lease.ts';
import { PEER_TRUST_DOMAIN } from '../../../src/kubernetes/peer-trust-domain.ts';
import type { Duty, RightRow } from '../../deploy/right-rows.ts';
import { makeRoot } from '../../fakes/fake-ca.ts';
import { Cleanup } from './cleanup.ts';
import { eventually } from './eventually.ts';
import { base64 } from './kubeconfig.ts';
import { tempFolder } from './temp-folder.ts';
import { REFRESH_SECONDS, startInProcess, type Endpoint, type LogLine } from './in-process-broker.ts';
import { NAMESPACE, resource, setRight } from './role-rights.ts';
import { DUTIES, LATER, stopsWithout, WORKS, type Seen } from './broker-duties.ts';

const LEASE = { resource: LEASES, namespace: NAMESPACE, name: 'fedbroker' };
export const EAST = parseTrustDomain('east.test');
export const WAIT = { timeoutMs: 60_000, intervalMs: 25 };
const NOWHERE = 'https://127.0.0.1:1/';
const WEB = { bundleEndpointURL: NOWHERE, bundleEndpointProfile: { type: 'https_web' } };

const SECRETS = resource('', 'v1', 'secrets', 'Secret', true);
const EVENTS = resource('events.k8s.io', 'v1', 'events', 'Event', true);
export const CLUSTER_SPIFFE_ID = { resource: CLUSTER_SPIFFE_IDS, name: 'api' };
/** The names that deploy/rbac/bootstrap.yaml has. */
const WEST_BUNDLE = { resource: CONFIG_MAPS, namespace: NAMESPACE, name: 'west-bundle' };
const SOUTH_BUNDLE = { resource: SECRETS, namespace: NAMESPACE, name: 'north-bundle' };

interface Ground {
  readonly admin: ApiServer;
  readonly kubeconfig: string;
  readonly peers: Readonly<Record<'west' | 'south', Endpoint>>;
}

/** What one broker works on that lacks one right: everything that it may be asked for is declared. */
export class RightsWorld implements AsyncDisposable {
  readonly #ground: Ground;
  readonly #row: RightRow;
  readonly #cleanup = new Cleanup();
  readonly #identity: string;
  #broker: RunningBroker | undefined;
  #lines: readonly LogLine[] = [];

  constructor(ground: Ground, row: RightRow) {
    this.#ground = ground;
    this.#row = row;
    this.#identity = `without-${row.verb}-${row.resource.replaceAll('/', '-')}`;
  }

  /** Resolves when everything was asked for, at the start and later. */
  async start(): Promise<void> {
    const { stops } = this.#row;
    await this.#declare();
    await setRight(this.#ground.admin, this.#row, 'Taken');
    await this.#startBroker();
    await this.untilAll(DUTIES.filter((duty) => !LATER.has(duty) && !stopsWithout(duty, stops)));
    await this.#declareMore();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { admin } = this.#ground;
    await this.#broker?.stop();
    await setRight(this.#ground.admin, this.#row, 'Given');
    await this.#cleanup.run();
    for (const { metadata } of (await admin.list({ resource: PEER_TRUST_DOMAIN })).items) {
      const ref = { resource: PEER_TRUST_DOMAIN, name: metadata.name };
      await admin.delete(ref);
      if (metadata.finalizers !== undefined) await admin.mergePatch(ref, { metadata: { finalizers: null } });
    }
    for (const { metadata } of (await admin.list({ resource: CLUSTER_FEDERATED_TRUST_DOMAINS })).items) {
      await admin.delete({ resource: CLUSTER_FEDERATED_TRUST_DOMAINS, name: metadata.name });
    }
    await admin.delete(WEST_BUNDLE);
    await admin.delete(SOUTH_BUNDLE);
    const nothingAdded = { metadata: { annotations: { [ADDED_ANNOTATION]: null } }, spec: { federatesWith: null } };
    await admin.mergePatch(CLUSTER_SPIFFE_ID, nothingAdded);
  }

  async untilAll(duties: readonly Duty[]): Promise<void> {
    await eventually(
      duties.join(', '),
      async () => {
        const seen = await this.#look();
        const missing = duties.filter((duty) => !WORKS[duty](seen));
        if (missing.length === 0) return true;
        throw new Error(`not so: ${missing.join(', ')}`);
      },
      WAIT,
    );
  }

  async works(duty: Duty): Promise<boolean> {
    return WORKS[duty](await this.#look());
  }

  seesSign(): boolean {
    const { sign } = this.#row;
    if ('log' in sign) {
      const isSign = ({ msg, reason, err }: LogLine) =>
        msg === sign.log && reason === 'KubeForbidden' && err?.message?.includes(this.#grant) === true;
      return this.#lines.some(isSign);
    }
    const { peers, controllerManager } = this.#status();
    if ('status' in sign) return controllerManager?.message.includes(this.#grant) === true;
    return peers.some(({ conditions }) =>
      conditions.some(({ type, status, message }) => {
        return type === sign.condition && status !== 'True' && message.includes(this.#grant);
      }),
    );
  }

  /** Messages that ask for another right than the one that was taken away. */
  otherRefusals(): readonly string[] {
    const { unreadable, peers, controllerManager } = this.#status();
    const messages = [
      controllerManager?.message ?? '',
      ...this.#lines.map(({ msg, err }) => err?.message ?? msg),
      ...unreadable.map(({ message }) => message),
      ...peers.flatMap(({ conditions }) => conditions.map(({ message }) => message)),
    ];
    return messages.filter((message) => message.includes('grant verb') && !message.includes(this.#grant));
  }

  /** And asks for what needs it once more. */
  async giveBack(): Promise<void> {
    await setRight(this.#ground.admin, this.#row, 'Given');
    this.#broker?.refreshAll();
    await this.#create(peerOf('late-again'));
  }

  #status(): BrokerStatus {
    return writtenStatus(this.#broker!.status());
  }

  get #grant(): string {
    return `grant verb "${this.#row.verb}" on resource "${this.#row.resource}"`;
  }

  async #look(): Promise<Seen> {
    const { admin } = this.#ground;
    const [lease, objects, federated, clusterSpiffeId, events] = await Promise.all([
      admin.get(LEASE),
      admin.list({ resource: PEER_TRUST_DOMAIN }),
      admin.list({ resource: CLUSTER_FEDERATED_TRUST_DOMAINS }),
      admin.get(CLUSTER_SPIFFE_ID),
      admin.list({ resource: EVENTS, namespace: 'default' }),
    ]);
    const { holderIdentity = '' } = (lease?.['spec'] ?? {}) as { readonly holderIdentity?: string };
    return {
      leads: holderIdentity.startsWith(`${this.#identity}_`),
      status: this.#status(),
      objects: new Map(objects.items.map((object) => [object.metadata.name, object])),
      federated: federated.items.map(({ metadata }) => metadata.name),
      linked: (clusterSpiffeId?.['spec'] as { readonly federatesWith?: readonly string[] }).federatesWith ?? [],
      eventsAbout: new Set(
        events.items.map(({ regarding }) => (regarding as { readonly uid?: string } | undefined)?.uid),
      ),
    };
  }

  async #create([resource, object]: readonly [Resource, ObjectBody]): Promise<void> {
    await this.#ground.admin.create(resource, object);
  }

  async #declare(): Promise<void> {
    const { west, south } = this.#ground.peers;
    if (this.#row.resource === 'leases' && this.#row.verb === 'create') await this.#ground.admin.delete(LEASE);
    const { namespace, name } = WEST_BUNDLE;
    await this.#create([CONFIG_MAPS, { metadata: { namespace, name }, data: { west: west.document } }]);
    const secret = { namespace, name: SOUTH_BUNDLE.name };
    await this.#create([SECRETS, { metadata: secret, data: { south: base64(south.document) } }]);
    const federatesWith = { clusterSPIFFEIDs: { matchLabels: { federate: 'west' } } };
    const configMap = (key: string) => ({ trustDomainBundle: { configMapRef: { ...nameOf(WEST_BUNDLE), key } } });
    const secretKey = (key: string) => ({ trustDomainBundle: { secretRef: { ...nameOf(SOUTH_BUNDLE), key } } });
    await this.#create(peerOf('west', { bundleEndpointURL: west.url, ...configMap('west'), federatesWith }));
    await this.#create(peerOf('south', { bundleEndpointURL: south.url, ...secretKey('south') }));
    await this.#create(peerOf('west-later', configMap('west-later')));
    await this.#create(peerOf('south-later', secretKey('south-later')));
    for (const name of ['north', 'gone']) await this.#create(peerOf(name, { mode: 'Delegate', ...WEB }));
  }

  async #declareMore(): Promise<void> {
    const { admin } = this.#ground;
    await admin.delete({ resource: PEER_TRUST_DOMAIN, name: 'gone' });
    await this.#create(peerOf('late'));
    await admin.mergePatch(WEST_BUNDLE, { data: { 'west-later': await bundleOf('west-later') } });
    await admin.mergePatch(SOUTH_BUNDLE, { data: { 'south-later': base64(await bundleOf('south-later')) } });
  }

  async #startBroker(): Promise<void> {
    const folder = tempFolder(this.#cleanup, 'east');
    const socketPath = join(folder, 'spire.sock');
    const dev = await startDevSpire({ trustDomain: EAST, socketPath });
    this.#cleanup.add(() => dev.stop());
    const { broker, lines } = await startInProcess({
      'spire-socket': socketPath,
      kubernetes: 'kubeconfig',
      kubeconfig: this.#ground.kubeconfig,
      'kubernetes-namespace': NAMESPACE,
      'controller-manager-config': `${NAMESPACE}/spire-controller-manager`,
      'lease-duration-seconds': '3',
      'replica-identity': this.#identity,
      'refresh-min-seconds': REFRESH_SECONDS,
      'stored-poll-seconds': '1',
    });
    this.#broker = broker;
    this.#lines = lines;
  }
}

/** `<name>.test`. */
function peerOf(name: string, more: Readonly<Record<string, unknown>> = {}): readonly [Resource, ObjectBody] {
  const trustDomain = `${name}.test`;
  const endpointSPIFFEID = `spiffe://${trustDomain}/federation-broker`;
  const spec = {
    trustDomain,
    bundleEndpointURL: NOWHERE,
    bundleEndpointProfile: { type: 'https_spiffe', endpointSPIFFEID },
    ...more,
  };
  return [PEER_TRUST_DOMAIN, { metadata: { name }, spec }];
}

async function bundleOf(name: string): Promise<string> {
  const trustDomain = parseTrustDomain(`${name}.test`);
  const { der } = await makeRoot(trustDomain);
  const hint = { refreshHintSeconds: 300 };
  const bundle = { trustDomain, x509Authorities: [der], jwtAuthorities: [], sequenceNumber: 1n, ...hint };
  return String(serializeBundle(bundle, hint));
}

function nameOf({ namespace, name }: ObjectRef) {
  return { namespace, name };
}
