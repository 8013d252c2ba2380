// Is a rotation that is led safe, whatever fails meanwhile? What its process asks for is held against what peers hold.
import type { Bundle } from '../../src/bundle/bundle.ts';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import type { AuthoritiesModel } from './authorities-model.ts';
import type { RotationWrite } from './authority-link.ts';
import type { Promised } from './invariants.ts';
import type { Replica } from './replica.ts';
import type { SimulatedTrustDomain } from './trust-domain-model.ts';
import { isClaimed, isInForce } from './trust-watch.ts';
import type { World } from './world.ts';

export const ROTATION_INVARIANTS = {
  ActivatedUnheld: {
    id: 'ActivatedUnheld',
    rule: 'nothing signs before the peers hold it',
    promise:
      'a led rotation activates an authority, or retires the old one, that a peer never held which was observed, or whom nothing hindered, or who was not given five refresh hints',
  },
  RotationStepTwice: {
    id: 'RotationStepTwice',
    rule: 'a rotation can be interrupted anywhere',
    promise: 'a led rotation prepares, activates, taints or revokes twice, however often it is killed and run again',
  },
  RetiredTooEarly: {
    id: 'RetiredTooEarly',
    rule: 'our own agents first',
    promise: 'a led rotation taints or revokes what signed an SVID that an agent of ours uses',
  },
  RotationNotEnded: {
    id: 'RotationNotEnded',
    rule: 'the same end state from everywhere',
    promise: 'a led rotation does not end when nothing fails any more, or is refused though SPIRE’s clock did nothing',
  },
} as const satisfies Readonly<Record<string, Promised>>;

type Objection = (id: keyof typeof ROTATION_INVARIANTS, message: string) => void;

/** From the moment at which nothing fails any more: five refresh hints, two fetches, agents, and the wait before revoking. */
export const ROTATION_ENDS_WITHIN_MS = 450_000;

/** A simulated certificate tells its time to the ten seconds. */
const CERTIFICATE_TIME_MS = 10_000;
/** Five of them are hardly longer than the time between two polls of SPIRE itself. */
const SHORT_HINT_SECONDS = 10;
/** Longer than any pause of a broker that failed before. */
const UNHINDERED_FOR_MS = 60_000;

export class RotationWatch {
  readonly #world: World;
  readonly #domain: SimulatedTrustDomain;
  readonly #object: Objection;
  /** Which authorities each peer has held at any time. */
  readonly #everHeld = new Map<TrustDomain, Set<string>>();
  /** Who could be observed, and had never held what, when a broker was asked last. */
  #behind: ReadonlyMap<string, readonly TrustDomain[]> = new Map();
  #answeredBy: Replica | undefined;
  readonly #done = new Map<RotationWrite['kind'], number>();

  constructor(world: World, domain: SimulatedTrustDomain, object: Objection) {
    this.#world = world;
    this.#domain = domain;
    this.#object = object;
  }

  /** Called when something changed. */
  look(): void {
    for (const peer of this.#world.brokered) {
      if (peer === this.#domain) continue;
      const held = peer.spire.bundles.get(this.#domain.trustDomain);
      if (held === undefined) continue;
      const ever = this.#everHeld.get(peer.trustDomain) ?? new Set<string>();
      for (const [id, { der }] of this.#authorities.published) {
        if (!ever.has(id) && this.#isIn(held, id, der)) ever.add(id);
      }
      this.#everHeld.set(peer.trustDomain, ever);
    }
  }

  /** A broker has just said who holds what: it is judged by what it could know then. */
  noteAnswered(replica: Replica): void {
    this.look();
    this.#answeredBy = replica;
    const { active, prepared } = this.#authorities.state;
    const observed = this.#world.brokered.filter((peer) => this.#isObserved(peer, replica));
    this.#behind = new Map(
      [active, prepared].flatMap((authority) => {
        if (authority === undefined) return [];
        const behind = observed.filter((peer) => this.#everHeld.get(peer.trustDomain)?.has(authority.id) !== true);
        return [[authority.id, behind.map(({ trustDomain }) => trustDomain)] as const];
      }),
    );
  }

  noteWrite(write: RotationWrite): void {
    if (write.kind !== 'Activate' && write.kind !== 'Taint' && write.kind !== 'Revoke') return;
    const signing = write.kind === 'Activate' ? write.id : this.#authorities.state.active.id;
    // Taint and revoke come after the peers were waited for; from then on, others may come.
    const behind =
      write.kind === 'Revoke' ? [] : [...(this.#behind.get(signing) ?? []), ...this.#unhinderedBehind(signing)];
    if (write.kind === 'Activate') behind.push(...this.#hurried(write.id));
    if (behind.length > 0) {
      this.#object('ActivatedUnheld', `${write.kind} ${this.#nameOf(write.id)}: never held by ${behind.join(', ')}`);
    }
    if (write.kind !== 'Activate' && this.#domain.led?.agents.isUsed(write.id) === true) {
      this.#object('RetiredTooEarly', `${write.kind} ${this.#nameOf(write.id)}: agents use it`);
    }
  }

  noteDone({ kind }: RotationWrite): void {
    if (kind === 'Record') return;
    const times = (this.#done.get(kind) ?? 0) + 1;
    this.#done.set(kind, times);
    if (times > 1) this.#object('RotationStepTwice', `${kind} for the ${times}. time`);
  }

  /** When nothing has failed for long enough. */
  noteSettled(): void {
    const { led, spire, trustDomain } = this.#domain;
    // The known limit: a peer that cannot take our bundle is waited for without end, as it should be.
    if (this.#world.brokered.some((peer) => isClaimed(peer, trustDomain, this.#world.pool))) return;
    if (led?.isUnderWay === true) this.#object('RotationNotEnded', 'it is still under way');
    const end = led?.end;
    if (end?.end === 'Refused' && spire.clockActs === 0) {
      this.#object('RotationNotEnded', `${end.step.code}: ${end.step.message}`);
    }
  }

  get #isOfJwt(): boolean {
    return this.#domain.led?.kind === 'jwt';
  }

  /** Of the kind that is rotated. */
  get #authorities(): AuthoritiesModel {
    return this.#domain.spire.authorities(this.#isOfJwt ? 'jwt' : 'x509');
  }

  get #preparedAtMs(): number {
    return this.#isOfJwt ? this.#domain.jwtPreparedAtMs : this.#domain.preparedAtMs;
  }

  #isIn({ x509Authorities, jwtAuthorities }: Bundle, id: string, der: Uint8Array): boolean {
    return this.#isOfJwt
      ? jwtAuthorities.some(({ keyId }) => keyId === id)
      : x509Authorities.some((root) => Buffer.compare(root, der) === 0);
  }

  /** Declared peers that never held it, and had less than five refresh hints for it. */
  #hurried(id: string): readonly TrustDomain[] {
    const { trustDomain, operator, spire, refreshHintSeconds } = this.#domain;
    const replica = this.#answeredBy;
    if (replica === undefined) return [];
    const givenMs = this.#world.elapsedMs - this.#preparedAtMs;
    if (givenMs >= 5 * refreshHintSeconds * 1000 - CERTIFICATE_TIME_MS) return [];
    const isKnown = (name: TrustDomain) =>
      spire.managed.has(name) &&
      (replica.toldInFull?.peers.some((peer) => peer.trustDomain === name && peer.suspend !== 'Revoke') ?? true);
    return this.#world.brokered
      .filter((peer) => peer !== this.#domain && isInForce(peer, trustDomain))
      .map((peer) => peer.trustDomain)
      .filter((name) => {
        const declared = operator.peers.get(name);
        const isPeer = declared !== undefined && declared.suspend !== 'Revoke' && isKnown(name);
        return isPeer && this.#everHeld.get(name)?.has(id) !== true;
      });
  }

  /** Also of a peer that is not observed: when nothing hindered it since long before the authority was published. */
  #unhinderedBehind(id: string): readonly TrustDomain[] {
    const { trustDomain, troubles, disturbedAtMs } = this.#domain;
    if (troubles > 0) return [];
    const behind = this.#world.brokered.filter(
      (peer) =>
        peer !== this.#domain &&
        isInForce(peer, trustDomain) &&
        isInForce(this.#domain, peer.trustDomain) &&
        !this.#isPolledRarely(peer) &&
        peer.troubles === 0 &&
        Math.max(
          ...[disturbedAtMs, peer.disturbedAtMs],
          ...[peer.declaredAtMs.get(trustDomain) ?? 0, this.#domain.declaredAtMs.get(peer.trustDomain) ?? 0],
        ) +
          UNHINDERED_FOR_MS <
          this.#preparedAtMs &&
        this.#everHeld.get(peer.trustDomain)?.has(id) !== true,
    );
    return behind.map((peer) => peer.trustDomain);
  }

  /** SPIRE itself fetches there, less often than five short hints. */
  #isPolledRarely({ operator }: SimulatedTrustDomain): boolean {
    const { trustDomain, refreshHintSeconds } = this.#domain;
    return operator.peers.get(trustDomain)?.mode === 'Delegate' && refreshHintSeconds < SHORT_HINT_SECONDS;
  }

  /** Declared here and there, and known to this process by a request of its own. */
  #isObserved(peer: SimulatedTrustDomain, replica: Replica): boolean {
    const { trustDomain, operator, endpoints, replicas, declaredAtMs } = this.#domain;
    if (peer === this.#domain || !isInForce(peer, trustDomain)) return false;
    const declared = operator.peers.get(peer.trustDomain);
    if (declared === undefined || declared.suspend === 'Revoke') return false;
    const seenAtMs = endpoints[replicas.indexOf(replica)]?.acknowledgements?.seenAtMs.get(peer.trustDomain);
    return seenAtMs !== undefined && seenAtMs > (declaredAtMs.get(peer.trustDomain) ?? -1);
  }

  #nameOf(id: string): string {
    const authority = this.#authorities.published.get(id);
    if (authority === undefined) return 'an authority';
    return this.#isOfJwt ? id : this.#world.pool.nameOf(authority.der);
  }
}
