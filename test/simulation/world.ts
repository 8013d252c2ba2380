// Of what is a simulated world made? Trust domains, a network between them, one time, one chance, and who looks on.
import { AcknowledgementsModel } from './acknowledgements-model.ts';
import type { RotationWrite } from './authority-link.ts';
import { RotationLeader } from './rotation-leader.ts';
import { BrokerEndpoint, type SimulatedEndpoint } from './endpoint-model.ts';
import type { ShutOut } from './endpoint-watch.ts';
import type { Bundle, X509Authority } from '../../src/bundle/bundle.ts';
import { parseSpiffeId } from '../../src/bundle/spiffe-id.ts';
import { parseTrustDomain, type TrustDomain } from '../../src/bundle/trust-domain.ts';
import type { BundleRequest } from '../../src/federation/ports.ts';
import { BROKERED, BUCKET, MALLORY, type AuthorityPool } from './authority-pool.ts';
import { LeaseModel } from './lease-model.ts';
import { Network } from './network.ts';
import { brokerIdOf, Operator } from './operator.ts';
import { Process } from './process.ts';
import type { Chance } from './random.ts';
import { Replica } from './replica.ts';
import { linkSpire, nothingSeen, SpireLink, type SpireWrite } from './spire-link.ts';
import { SpirePoller } from './spire-poller.ts';
import { SpireModel, type SpireModelParts } from './spire-model.ts';
import type { Story } from './story.ts';
import { workingReplica, type Kind, type SimulatedTrustDomain } from './trust-domain-model.ts';
import { START_MS, type VirtualTime } from './virtual-time.ts';

/** Who looks on, and may object. */
export interface Onlooker {
  written(replica: Replica, write: SpireWrite): void;
  changed(domain: SimulatedTrustDomain, write: SpireWrite | undefined): void;
  requested(replica: Replica, request: BundleRequest): void;
  shutOut(sight: ShutOut): void;
  fault(replica: Replica, error: Error): void;
  /** A replica has said who holds what. */
  rotationAnswered(replica: Replica): void;
  rotationWritten(write: RotationWrite): void;
  rotationDone(write: RotationWrite): void;
  rotationFailed(error: Error): void;
}

export interface WorldParts {
  readonly time: VirtualTime;
  readonly chance: Chance;
  readonly pool: AuthorityPool;
  readonly story: Story;
  readonly onlooker: (world: World) => Onlooker;
}

/** Stored by hand in every SPIRE, and nobody's peer. */
export const PARTNER = parseTrustDomain('partner.example');

const RESPAWN_WITHIN_MS = 20_000;
/** In so many of a hundred worlds the operators of one trust domain lead a rotation. */
const LED_PERCENT = 15;
/** So many of a hundred peers are fetched by SPIRE itself. */
const DELEGATED_PERCENT = 12;
/** In so many, those of one trust domain rotate by hand in a hurry. */
const HURRIED_PERCENT = 20;

export class World {
  readonly time: VirtualTime;
  readonly chance: Chance;
  readonly pool: AuthorityPool;
  readonly story: Story;
  readonly network: Network;
  readonly domains = new Map<TrustDomain, SimulatedTrustDomain>();
  readonly #onlooker: Onlooker;
  readonly #ends: (() => void)[] = [];
  #born = 0;

  constructor({ time, chance, pool, story, onlooker }: WorldParts) {
    this.time = time;
    this.chance = chance;
    this.pool = pool;
    this.story = story;
    this.network = new Network({
      time,
      chance,
      endpointsOf: (url) => this.#ofUrl(url)?.endpoints ?? [],
      ownerOf: (url) => this.#ofUrl(url)?.trustDomain,
      onShutOut: (sight) => {
        this.#onlooker.shutOut(sight);
      },
    });
    this.#onlooker = onlooker(this);
  }

  get elapsedMs(): number {
    return this.time.elapsedMs;
  }

  of(trustDomain: TrustDomain): SimulatedTrustDomain {
    const found = this.domains.get(trustDomain);
    if (found === undefined) throw new Error(`no trust domain ${trustDomain} in this world`);
    return found;
  }

  get brokered(): readonly SimulatedTrustDomain[] {
    return [...this.domains.values()].filter(({ kind }) => kind === 'Brokered');
  }

  /** Two or three trust domains with brokers; in some worlds a bucket, or somebody hostile. */
  async populate(): Promise<void> {
    const { chance } = this;
    const brokered = BROKERED.slice(0, chance.percent(25) ? 3 : 2);
    const led = chance.percent(LED_PERCENT) ? chance.pick(brokered) : undefined;
    const hurried = chance.percent(HURRIED_PERCENT) ? chance.pick(brokered) : undefined;
    for (const name of brokered) {
      await this.#add(name, 'Brokered', { isLed: name === led, isHurried: name === hurried });
    }
    if (chance.percent(30)) await this.#add(BUCKET, 'Bucket');
    if (chance.percent(40)) await this.#add(MALLORY, 'Hostile');
    for (const domain of this.brokered) {
      this.#furnish(domain);
      for (const peer of this.domains.values()) {
        if (peer !== domain && chance.percent(85)) this.declare(domain, peer);
      }
    }
    for (const domain of this.brokered) {
      domain.replicas.forEach((_, place) => {
        this.spawn(domain, place);
      });
    }
  }

  /** The trust domain whose operators lead a rotation, if there is one. */
  get led(): SimulatedTrustDomain | undefined {
    return this.brokered.find((domain) => domain.led !== undefined);
  }

  /** The one whose operators rotate in a hurry, if there is one. */
  get hurried(): SimulatedTrustDomain | undefined {
    return this.brokered.find(({ isHurried }) => isHurried);
  }

  declare(domain: SimulatedTrustDomain, peer: SimulatedTrustDomain): void {
    domain.declaredAtMs.set(peer.trustDomain, this.elapsedMs);
    const profile =
      peer.kind === 'Bucket'
        ? ({ type: 'https_web' } as const)
        : ({ type: 'https_spiffe', endpointSpiffeId: brokerIdOf(peer.trustDomain) } as const);
    const entryScope = this.chance.percent(30) ? 'Exact' : 'Additive';
    // SPIRE judges nothing: whoever lies is believed. And who has told what it holds is waited for until it tells again.
    const mayDelegate = peer.kind !== 'Hostile' && (peer.led === undefined || this.elapsedMs === 0);
    const isDelegated = mayDelegate && this.chance.percent(DELEGATED_PERCENT);
    const mode = isDelegated ? 'Delegate' : 'Own';
    domain.operator.declare(peer.trustDomain, { ...peer.spire.own }, { profile, entryScope, mode });
  }

  /**
   * Who could not be reached while a rotation was led, for longer than it waits for a silent peer, or who met one in a
   * hurry, is told so by a condition; its operator does what that says (`fedbroker rebootstrap`).
   */
  rebootstrap(): void {
    const rotating = this.brokered.filter(({ led, isHurried }) => led !== undefined || isHurried);
    for (const peer of rotating) this.#setByHand(peer);
    for (const domain of rotating.length === 0 ? [] : this.brokered) {
      const peers = workingReplica(domain)?.status()?.peers ?? [];
      for (const { standing } of peers) {
        const { conditions, plan } = standing;
        const { trustDomain } = plan.peer;
        const peer = rotating.find((each) => each.trustDomain === trustDomain);
        if (peer === undefined || !conditions.some(({ reason }) => reason === 'EndpointRootUnknown')) continue;
        this.story.note(domain.trustDomain, () => `gets the bundle of ${trustDomain} from its operators`);
        domain.operator.bootstrap(trustDomain, peer.spire.own);
        this.disturb([domain]);
      }
    }
  }

  /** Where SPIRE fetches itself, and could not verify this peer: nobody but its operator can help it. */
  #setByHand(peer: SimulatedTrustDomain): void {
    for (const domain of this.brokered.filter(({ poller }) => poller.shutOutOf.delete(peer.trustDomain))) {
      this.story.note(domain.trustDomain, () => `is given the bundle of ${peer.trustDomain} by hand`);
      domain.spire.setBundle(peer.spire.own);
      this.noteTampered(domain);
    }
  }

  /** A new broker process at this place, and after its death another. */
  spawn(domain: SimulatedTrustDomain, place: number): void {
    const { time, chance, story } = this;
    const { trustDomain, spire, link, operator, lease, refreshHintSeconds, led } = domain;
    const short = trustDomain.split('.')[0] ?? '';
    const name = `${short}-${place}.${++this.#born}`;
    const skewMs = chance.percent(25) ? chance.between(-20_000, 20_000) : 0;
    const process = new Process(name, {
      time,
      skewMs,
      onRestless: () => {
        this.#onlooker.fault(replica, new Error('it never comes to rest'));
      },
      onKilled: () => {
        story.note(name, () => 'dies');
        for (const end of [...endpoint.waiting]) end();
        this.trouble([domain], chance.below(RESPAWN_WITHIN_MS), () => {
          this.spawn(domain, place);
        });
      },
    });
    const acknowledgements =
      led === undefined && !domain.isHurried
        ? undefined
        : new AcknowledgementsModel({
            process,
            elapsedMs: () => this.elapsedMs,
            brokers: {
              find: (name) => replica.find(name),
              noteAcknowledged: (acknowledgement) => {
                replica.noteAcknowledged(acknowledgement);
              },
            },
          });
    const endpoint = new BrokerEndpoint({
      ...{ pool: this.pool, spire, process, refreshHintSeconds, spiffeId: brokerIdOf(trustDomain), acknowledgements },
      nowMs: () => process.clock.now().getTime(),
      elapsedMs: () => this.elapsedMs,
      isRootMissed: (root) => replica.isRootMissed(root),
    });
    const seen = nothingSeen();
    const replica: Replica = new Replica({
      ...{ trustDomain, process, chance, operator, seen, lease },
      longPollSeconds: chance.percent(60) ? 60 : undefined,
      rotation: led && { authorities: led.authoritiesFor(process), refreshHintSeconds },
      spire: linkSpire({
        ...{ model: spire, link, process, time, chance, seen },
        onWrite: (write) => {
          story.note(name, () => describeWrite(write, this.pool));
          this.#onlooker.written(replica, write);
        },
        onChanged: (write, { isLate }) => {
          if (isLate) {
            story.note(name, () => `only now: ${describeWrite(write, this.pool)}`);
            domain.tamperedAtMs = this.elapsedMs;
          }
          this.#onlooker.changed(domain, write);
        },
      }),
      source: this.network.sourceOf(trustDomain, process, {
        identity: endpoint.identity,
        onRequest: (request) => {
          this.#onlooker.requested(replica, request);
        },
        onAnswer: ({ url }) => {
          replica.answeredAtMs.set(url, time.nowMs);
        },
      }),
      publish: (bundle) => {
        endpoint.publish(bundle);
      },
      onFault: (error) => {
        this.#onlooker.fault(replica, error);
      },
      onRole: (role) => {
        acknowledgements?.forget();
        story.note(name, () => `is ${role} now`);
      },
    });
    story.note(name, () => `starts${skewMs === 0 ? '' : `, its clock ${skewMs / 1000} s off`}`);
    domain.replicas[place] = replica;
    domain.endpoints[place] = endpoint;
    replica.start();
  }

  /** Somebody other than a broker changed what this SPIRE holds. */
  noteTampered(domain: SimulatedTrustDomain): void {
    domain.tamperedAtMs = this.elapsedMs;
    this.disturb([domain]);
    this.#onlooker.changed(domain, undefined);
  }

  /** A fault touches them now: what was on its way may come later. */
  disturb(domains: readonly SimulatedTrustDomain[]): void {
    for (const domain of domains) domain.disturbedAtMs = this.elapsedMs;
  }

  /** A fault that lasts. */
  trouble(domains: readonly SimulatedTrustDomain[], durationMs: number, end: () => void): void {
    for (const domain of domains) domain.troubles += 1;
    let isOver = false;
    const over = () => {
      if (isOver) return;
      isOver = true;
      for (const domain of domains) domain.troubles -= 1;
      this.disturb(domains);
      end();
    };
    this.#ends.push(over);
    this.time.after(durationMs, over);
  }

  /** Every fault that lasts ends now, and none that was prepared strikes any more. */
  endTroubles(): void {
    for (const { replicas } of this.domains.values()) replicas.forEach((replica) => replica?.process.spare());
    for (const end of this.#ends.splice(0)) end();
  }

  async #add(
    trustDomain: TrustDomain,
    kind: Kind,
    { isLed, isHurried } = { isLed: false, isHurried: false },
  ): Promise<void> {
    const { chance } = this;
    const published: Bundle[] = [];
    const spire = await SpireModel.start({
      trustDomain,
      authorities: this.pool.of(trustDomain),
      ...(isLed ? this.#longLived() : { caLifetimeMs: chance.between(400, 1200) * 1000 }),
      nowMs: () => this.time.nowMs,
      onOwnBundle: (bundle) => {
        published.push(bundle);
        const domain = this.domains.get(trustDomain);
        if (domain === undefined) return;
        const before = published.at(-2);
        if (bundle.x509Authorities.at(-1) !== before?.x509Authorities.at(-1)) domain.preparedAtMs = this.elapsedMs;
        if (bundle.jwtAuthorities.at(-1)?.keyId !== before?.jwtAuthorities.at(-1)?.keyId) {
          domain.jwtPreparedAtMs = this.elapsedMs;
        }
        this.story.note(trustDomain, () => `publishes ${describeBundle(bundle, this.pool)}`);
        this.#onlooker.changed(domain, undefined);
      },
    });
    const isElected = kind === 'Brokered' && chance.percent(40);
    const refreshHintSeconds = chance.pick(isHurried ? [5, 20] : isLed ? [5, 20, 40] : [5, 20, 40, 300]) ?? 20;
    const link = new SpireLink();
    const poller = new SpirePoller({
      ...{ model: spire, link, network: this.network, nowMs: () => this.time.nowMs },
      onStored: (polled) => {
        this.story.note(trustDomain, () => `SPIRE itself stores the bundle of ${polled}`);
        domain.tamperedAtMs = this.elapsedMs;
        this.#onlooker.changed(domain, undefined);
      },
    });
    const domain: SimulatedTrustDomain = {
      ...{ trustDomain, kind, spire, published, refreshHintSeconds },
      ...{ link, poller },
      led: isLed ? this.#leaderOf(trustDomain, spire, link) : undefined,
      operator: new Operator(trustDomain),
      lease: isElected ? new LeaseModel() : undefined,
      replicas: kind === 'Brokered' ? Array.from({ length: isElected ? 2 : 1 }, () => undefined) : [],
      endpoints: [],
      replayed: undefined,
      ...{ disturbedAtMs: 0, troubles: 0, preparedAtMs: 0, jwtPreparedAtMs: 0, tamperedAtMs: -1, tamperings: 0 },
      ...{ isHurried, hurries: 0, declaredAtMs: new Map(), byHand: new Map() },
    };
    if (kind !== 'Brokered') domain.endpoints.push(this.#uploadedTo(domain));
    this.domains.set(trustDomain, domain);
  }

  /** Long enough for a rotation to be led; in some worlds SPIRE's clock goes on meanwhile. */
  #longLived(): Pick<SpireModelParts, 'caLifetimeMs' | 'ageMs' | 'issue' | 'rotatesJwt'> {
    const { chance, pool } = this;
    const caLifetimeMs = 4_000_000;
    const ageSeconds = chance.pick([0, 0, 0, chance.between(1_650, 1_990), chance.between(2_980, 3_300)]) ?? 0;
    const issue = (root: X509Authority, atMs: number) => pool.issuedAt(root, atMs, caLifetimeMs);
    return { caLifetimeMs, ageMs: ageSeconds * 1000, issue, rotatesJwt: true };
  }

  #leaderOf(trustDomain: TrustDomain, spire: SpireModel, link: SpireLink): RotationLeader {
    const { time, chance, story, pool } = this;
    return new RotationLeader({
      ...{ trustDomain, spire, link, time, chance, story },
      replicas: () => this.of(trustDomain).replicas,
      nameOf: (id) => {
        const authority = spire.authorities('x509').published.get(id);
        if (authority !== undefined) return pool.nameOf(authority.der);
        return spire.authorities('jwt').published.has(id) ? id : 'an authority that is gone';
      },
      onAnswered: (replica) => {
        this.#onlooker.rotationAnswered(replica);
      },
      onWrite: (write) => {
        this.#onlooker.rotationWritten(write);
      },
      onDone: (write) => {
        this.#onlooker.rotationDone(write);
        this.#onlooker.changed(this.of(trustDomain), undefined);
      },
      onFault: (error) => {
        this.#onlooker.rotationFailed(error);
      },
    });
  }

  /** Without a broker: whoever runs it writes its newest document there. */
  #uploadedTo(domain: SimulatedTrustDomain): SimulatedEndpoint {
    const { trustDomain, spire, published, refreshHintSeconds } = domain;
    const [first] = spire.own.x509Authorities;
    if (first === undefined) throw new Error('a new server has a root');
    return {
      identity: () => ({ spiffeId: brokerIdOf(trustDomain), signedBy: first, notAfterMs: START_MS * 2 }),
      document: () => {
        const served = domain.replayed ?? published.at(-1);
        return served && this.pool.document(served, refreshHintSeconds);
      },
      holds: false,
      acknowledgements: undefined,
      waiting: new Set(),
    };
  }

  /** Entries, and what an operator did by hand before there was a broker. */
  #furnish({ trustDomain, spire }: SimulatedTrustDomain): void {
    const x509Authorities = [this.pool.of(BUCKET).roots.at(-1)!];
    spire.setBundle({
      ...{ trustDomain: PARTNER, x509Authorities, jwtAuthorities: [] },
      ...{ sequenceNumber: 3n, refreshHintSeconds: 60 },
    });
    spire.createRelationship(
      { trustDomain: PARTNER, bundleEndpointUrl: `https://bundle.${PARTNER}/`, profile: { type: 'https_web' } },
      undefined,
    );
    for (const path of ['/pay/api', '/pay/web', '/batch']) this.createEntry(spire, trustDomain, path, [PARTNER]);
  }

  createEntry(spire: SpireModel, trustDomain: TrustDomain, path: string, federatesWith: readonly TrustDomain[]): void {
    const id = `entry${path.replaceAll('/', '-')}`;
    spire.entries.set(id, {
      ...{ id, federatesWith, hint: undefined },
      spiffeId: parseSpiffeId(`spiffe://${trustDomain}${path}`),
      parentId: parseSpiffeId(`spiffe://${trustDomain}/node`),
      selectors: [{ type: 'unix', value: 'uid:0' }],
    });
  }

  #ofUrl(url: string): SimulatedTrustDomain | undefined {
    return [...this.domains.values()].find(({ trustDomain }) => url === `https://bundle.${trustDomain}/`);
  }
}

export function describeBundle(bundle: Bundle, pool: AuthorityPool): string {
  const roots = bundle.x509Authorities
    .map((root) => pool.nameOf(root))
    .sort()
    .join(', ');
  return `${bundle.trustDomain} ${bundle.sequenceNumber?.toString() ?? 'unnumbered'} [${roots}]`;
}

function describeWrite(write: SpireWrite, pool: AuthorityPool): string {
  switch (write.kind) {
    case 'SetBundle':
      return `stores ${describeBundle(write.bundle, pool)}`;
    case 'DeleteBundle':
      return `deletes the bundle of ${write.trustDomain} (${write.mode})`;
    case 'UpdateEntry':
      return `makes ${write.id} federate with ${write.federatesWith.join(', ') || 'nobody'}`;
    case 'WriteManaged':
      return `records ${[...write.managed.keys()].join(', ') || 'nobody'} as managed`;
    case 'Relationship':
      return `${write.change}s the relationship with ${write.trustDomain}`;
  }
}
