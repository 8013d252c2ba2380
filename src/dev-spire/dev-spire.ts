// How is a SPIRE Server started inside this process? (in memory, real gRPC API over a Unix socket; demo and tests)
import { status as GrpcStatus } from '@grpc/grpc-js';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { Health, HealthCheckResponse_ServingStatus } from '../spire/gen/grpc/health/v1/health_pb.ts';
import { Agent } from '../spire/gen/spire/api/server/agent/v1/agent_pb.ts';
import { Bundle } from '../spire/gen/spire/api/server/bundle/v1/bundle_pb.ts';
import { Entry } from '../spire/gen/spire/api/server/entry/v1/entry_pb.ts';
import { LocalAuthority } from '../spire/gen/spire/api/server/localauthority/v1/localauthority_pb.ts';
import { SVID } from '../spire/gen/spire/api/server/svid/v1/svid_pb.ts';
import { TrustDomain as TrustDomainService } from '../spire/gen/spire/api/server/trustdomain/v1/trustdomain_pb.ts';
import { agentService, noteAgent, type DevAgent } from './agent-service.ts';
import { AuthoritySlots, type Lifetime, type SlotAuthority } from './authority-slots.ts';
import { bundleService, ownBundleMessage } from './bundle-service.ts';
import { CallRecord, type Fault, type RpcName } from './call-record.ts';
import { entryService } from './entry-service.ts';
import { handled, listenGrpc, type GrpcListener, type HandledService } from './grpc-listener.ts';
import { makeJwtAuthority } from './jwt-authority.ts';
import { localAuthorityService } from './local-authority-service.ts';
import { OwnBundle } from './own-bundle.ts';
import { RpcError } from './rpc-error.ts';
import { openStore, type Store } from './store.ts';
import { svidService } from './svid-service.ts';
import { trustDomainService } from './trust-domain-service.ts';
import { makeX509Authority, type X509SigningAuthority } from './x509-authority.ts';

export interface DevSpireOptions {
  readonly trustDomain: TrustDomain;
  readonly socketPath: string;
  readonly now?: () => Date;
  /** SPIRE's `ca_ttl`; also the life of JWT authorities. */
  readonly caLifetimeSeconds?: number;
  /** Trust domains that SPIRE's configuration file federates with: `RefreshBundle` knows them, no list shows them. */
  readonly configuredRelationships?: readonly TrustDomain[];
  /** What SPIRE's own poller would do on `RefreshBundle`; without it the answer is INTERNAL. */
  readonly fetchBundle?: (trustDomain: TrustDomain) => Promise<void>;
}

/** The steps of one kind of authority, as an operator of SPIRE takes them; each answers the authority's id. */
export interface DevAuthority {
  readonly activeId: string;
  prepare(): Promise<string>;
  activate(id: string): string;
  taint(id: string): string;
  revoke(id: string): string;
  /** Prepares and activates in the same instant. */
  rotate(): Promise<string>;
}

export interface DevSpire {
  readonly trustDomain: TrustDomain;
  readonly socketPath: string;
  readonly x509: DevAuthority;
  readonly jwt: DevAuthority;
  /** What signs X509-SVIDs now, with its private key: for what only a thief of it could sign. */
  readonly signingAuthority: X509SigningAuthority;
  /** What came in. */
  readonly record: CallRecord;
  failNext(rpc: RpcName, fault: Fault): void;
  /** Changes what is stored behind the API's back, as an older SPIRE or a hand in its database could have. */
  tamper(change: (store: Store) => void): void;
  /** An agent was attested, or got its next SVID. */
  noteAgent(agent: DevAgent): void;
  /** One tick of SPIRE's rotator: prepares at half life, activates at five sixths, forgets what expired a day ago. */
  rotateByClock(): Promise<void>;
  /** Closes the socket and every connection, as when the server dies. Everything stored stays. */
  stopListening(): Promise<void>;
  startListening(): Promise<void>;
  stop(): Promise<void>;
}

/** SPIRE's default `ca_ttl`. */
const DEFAULT_CA_LIFETIME_SECONDS = 24 * 60 * 60;

export async function startDevSpire(options: DevSpireOptions): Promise<DevSpire> {
  const { trustDomain, socketPath } = options;
  const now = options.now ?? (() => new Date());
  const life = (): Lifetime => {
    const from = now();
    const seconds = options.caLifetimeSeconds ?? DEFAULT_CA_LIFETIME_SECONDS;
    return { from, until: new Date(from.getTime() + seconds * 1000) };
  };
  const bundle = new OwnBundle();
  const x509 = await AuthoritySlots.open({
    make: () => makeX509Authority(trustDomain, life()),
    publish: ({ id, certificate, expiresAt }) => {
      bundle.publish({ kind: 'x509', id, der: new Uint8Array(certificate.rawData), expiresAt });
    },
  });
  const jwt = await AuthoritySlots.open({
    make: () => makeJwtAuthority(life()),
    publish: ({ id, publicKey, expiresAt }) => {
      bundle.publish({ kind: 'jwt', id, der: publicKey, expiresAt });
    },
  });
  const store = openStore(ownBundleMessage(trustDomain, bundle));
  const poller = {
    configured: new Set(options.configuredRelationships),
    fetch: options.fetchBundle ?? (() => Promise.reject(new Error('this server fetches no bundles'))),
  };
  const services: readonly HandledService[] = [
    handled(Agent, agentService(store)),
    handled(Bundle, bundleService(trustDomain, bundle, store)),
    handled(Entry, entryService(trustDomain, store, now)),
    handled(TrustDomainService, trustDomainService(trustDomain, store, poller)),
    handled(SVID, svidService(trustDomain, { x509, jwt }, now)),
    handled(LocalAuthority, localAuthorityService({ bundle, x509, jwt })),
    handled(Health, { check: ({ service }) => checkHealth(service) }),
  ];
  const record = new CallRecord(now);
  const listen = () => listenGrpc(socketPath, services, record.intercept);
  let listener: GrpcListener | undefined = await listen();
  const stopListening = async () => {
    await listener?.close();
    listener = undefined;
  };
  return {
    trustDomain,
    socketPath,
    record,
    x509: devAuthority('x509', x509, bundle),
    jwt: devAuthority('jwt', jwt, bundle),
    get signingAuthority() {
      return x509.slots.active;
    },
    failNext: (rpc, fault) => {
      record.failNext(rpc, fault);
    },
    tamper: (change) => {
      change(store);
    },
    noteAgent: (agent) => {
      noteAgent(store, trustDomain, agent);
    },
    async rotateByClock() {
      await x509.rotateByClock(now());
      await jwt.rotateByClock(now());
      bundle.prune(now());
    },
    stopListening,
    async startListening() {
      listener ??= await listen();
    },
    stop: stopListening,
  };
}

function devAuthority<Authority extends SlotAuthority>(
  kind: 'x509' | 'jwt',
  slots: AuthoritySlots<Authority>,
  bundle: OwnBundle,
): DevAuthority {
  const prepare = async () => (await slots.prepare()).id;
  const activate = (id: string) => slots.activate(id).id;
  return {
    get activeId() {
      return slots.slots.active.id;
    },
    prepare,
    activate,
    taint(id) {
      slots.taintable(id);
      bundle.taint(kind, id);
      return id;
    },
    revoke(id) {
      bundle.revoke(kind, id);
      return id;
    },
    rotate: async () => activate(await prepare()),
  };
}

function checkHealth(service: string) {
  if (service !== '') throw new RpcError(GrpcStatus.INVALID_ARGUMENT, 'per-service health is not supported');
  return { status: HealthCheckResponse_ServingStatus.SERVING };
}
