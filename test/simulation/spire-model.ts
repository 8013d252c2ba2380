// What does a SPIRE Server hold, and what does it refuse? Without API and socket; test/simulation/spire-model.test.ts
// compares it with the embedded server, which is compared with the real one.
import type { Bundle, X509Authority } from '../../src/bundle/bundle.ts';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import { readCertificate } from '../../src/bundle/certificate.ts';
import type { Slots } from '../../src/dev-spire/authority-slots.ts';
import { OwnBundle } from '../../src/dev-spire/own-bundle.ts';
import type {
  FederationRelationship,
  ItemOutcome,
  ManagedPeers,
  RegistrationEntry,
} from '../../src/federation/ports.ts';
import type { AuthorityKind } from '../../src/rotation/authority-times.ts';
import type { RotationRecord } from '../../src/rotation/rotation-record.ts';
import { SpireError, type SpireErrorCode } from '../../src/spire/spire-error.ts';
import { AuthoritiesModel, type ModelledAuthority } from './authorities-model.ts';
import type { TrustDomainAuthorities } from './authority-pool.ts';

export interface SpireModelParts {
  readonly trustDomain: TrustDomain;
  readonly authorities: TrustDomainAuthorities;
  /** Of JWT authorities too. */
  readonly caLifetimeMs: number;
  /** Whether its clock rotates JWT authorities too. Default: not, which saves time. */
  readonly rotatesJwt?: boolean;
  /** How long the first authority has signed already. Default: not at all. */
  readonly ageMs?: number;
  /** The root with the times of its authority. Default: as it was made. */
  readonly issue?: (root: X509Authority, atMs: number) => X509Authority;
  readonly nowMs: () => number;
  /** Our own bundle is another now. */
  readonly onOwnBundle: (bundle: Bundle) => void;
}

/** SPIRE forgets what expired a day ago; here sooner, in proportion to the shorter lives. */
const DAY_MS = 24 * 60 * 60 * 1000;
const KEEP_EXPIRED_MS = 30_000;

export class SpireModel {
  readonly trustDomain: TrustDomain;
  readonly entries = new Map<string, RegistrationEntry>();
  readonly relationships = new Map<TrustDomain, FederationRelationship>();
  /** Trust domains of the configuration file. */
  readonly configured = new Set<TrustDomain>();
  managed: ManagedPeers = new Map();
  rotation: RotationRecord | undefined;
  /** How often SPIRE's own clock has prepared or activated. */
  clockActs = 0;
  readonly #parts: SpireModelParts;
  readonly #bundles = new Map<TrustDomain, Bundle>();
  #ownBundle = new OwnBundle();
  #authorities: Readonly<Record<AuthorityKind, AuthoritiesModel>> | undefined;
  #rootsMade = 0;
  #jwtKeysMade = 0;
  #isFrozen = false;
  #isClockStopped = false;
  #own: Bundle;

  private constructor(parts: SpireModelParts) {
    this.trustDomain = parts.trustDomain;
    this.#parts = parts;
    this.#own = this.#readOwn();
  }

  static async start(parts: SpireModelParts): Promise<SpireModel> {
    const model = new SpireModel(parts);
    await model.rebuild();
    return model;
  }

  get own(): Bundle {
    return this.#own;
  }

  /** What signs now. */
  get activeRoot(): X509Authority {
    return this.slots.active.der;
  }

  get activeUntilMs(): number {
    return this.#isFrozen ? Infinity : this.slots.active.expiresAt.getTime();
  }

  /** From now on its authorities change only when somebody changes them. */
  stopClock(): void {
    this.#isClockStopped = true;
  }

  /** From now on its authorities stay as they are. */
  freeze(): void {
    this.#isFrozen = true;
  }

  /** Those of X.509. */
  get slots(): Slots<ModelledAuthority> {
    return this.authorities('x509').slots;
  }

  authorities(kind: AuthorityKind): AuthoritiesModel {
    if (this.#authorities === undefined) throw new Error('the server was not started');
    return this.#authorities[kind];
  }

  /** Roots that were not used yet. */
  get rootsLeft(): number {
    return this.#parts.authorities.roots.length - this.#rootsMade;
  }

  /** A new server with an empty store: its sequence numbers begin again. */
  async rebuild(): Promise<void> {
    this.#ownBundle = new OwnBundle();
    const parts = {
      ownBundle: this.#ownBundle,
      onPublished: () => {
        this.#noteOwn();
      },
    };
    this.#authorities = {
      jwt: await AuthoritiesModel.open({ ...parts, kind: 'jwt', make: () => this.#makeJwtKey() }),
      x509: await AuthoritiesModel.open({ ...parts, kind: 'x509', make: () => this.#makeRoot() }),
    };
    this.#noteOwn();
  }

  /** One tick of SPIRE's rotator. */
  async rotateByClock(): Promise<void> {
    if (this.#isFrozen || this.#isClockStopped) return;
    const { beside, active } = this.slots;
    const before = this.#ownBundle.sequenceNumber;
    if (this.rootsLeft > 0 || beside?.status === 'PREPARED') await this.authorities('x509').rotateByClock(this.#now());
    if (this.#parts.rotatesJwt === true) await this.#rotateJwtByClock();
    if (this.slots.active !== active || this.slots.beside !== beside) this.clockActs += 1;
    this.#ownBundle.prune(new Date(this.#parts.nowMs() + DAY_MS - KEEP_EXPIRED_MS));
    if (this.#ownBundle.sequenceNumber !== before) this.#noteOwn();
  }

  async prepare(kind: AuthorityKind = 'x509'): Promise<void> {
    if (this.rootsLeft === 0 || this.#isFrozen) return;
    await this.authorities(kind).prepare();
  }

  activate(): void {
    const { beside } = this.slots;
    if (beside?.status === 'PREPARED' && !this.#isFrozen) this.authorities('x509').activate(beside.authority.id);
  }

  /** Taints and revokes the authority that was active before. */
  revokeOld(): void {
    const { beside } = this.slots;
    if (this.#isFrozen || beside?.status !== 'OLD' || !this.#own.x509Authorities.includes(beside.authority.der)) return;
    this.authorities('x509').taint(beside.authority.id);
    this.authorities('x509').revoke(beside.authority.id);
  }

  /** Foreign ones only. */
  get bundles(): ReadonlyMap<TrustDomain, Bundle> {
    return this.#bundles;
  }

  setBundle(bundle: Bundle): Bundle {
    const { trustDomain, sequenceNumber, refreshHintSeconds } = bundle;
    if (trustDomain === this.trustDomain) throw refused('SpireRefused', 'the own trust domain is not allowed');
    const stored: Bundle = {
      ...bundle,
      // SPIRE has no other word for none.
      sequenceNumber: sequenceNumber === 0n ? undefined : sequenceNumber,
      refreshHintSeconds: refreshHintSeconds === 0 ? undefined : refreshHintSeconds,
    };
    this.#bundles.set(trustDomain, stored);
    return stored;
  }

  deleteBundle(trustDomain: TrustDomain, mode: 'Restrict' | 'Dissociate'): boolean {
    if (!this.#bundles.has(trustDomain)) return false;
    const naming = [...this.entries.values()].filter(({ federatesWith }) => federatesWith.includes(trustDomain));
    if (mode === 'Restrict' && naming.length > 0) {
      throw refused('SpireBundleInUse', `federated with ${naming.length} registration entries`);
    }
    for (const entry of naming) {
      const federatesWith = entry.federatesWith.filter((name) => name !== trustDomain);
      this.entries.set(entry.id, { ...entry, federatesWith });
    }
    return this.#bundles.delete(trustDomain);
  }

  updateFederatesWith(id: string, names: readonly TrustDomain[]): ItemOutcome<readonly TrustDomain[]> {
    const entry = this.entries.get(id);
    if (entry === undefined) return failed('SpireNotFound', 'entry not found');
    const missing = names.find((name) => name !== this.trustDomain && !this.#bundles.has(name));
    if (missing !== undefined) return failed('SpireBundleMissing', `unable to find federated bundle of ${missing}`);
    const federatesWith = [...new Set(names)].sort();
    this.entries.set(id, { ...entry, federatesWith });
    return { ok: true, value: federatesWith };
  }

  createRelationship(relationship: FederationRelationship, bootstrap: Bundle | undefined): void {
    const { trustDomain } = relationship;
    if (this.relationships.has(trustDomain)) throw refused('SpireAlreadyExists', 'UNIQUE constraint failed');
    if (bootstrap !== undefined) this.setBundle(bootstrap);
    this.relationships.set(trustDomain, relationship);
  }

  updateRelationship(relationship: FederationRelationship): void {
    if (!this.relationships.has(relationship.trustDomain)) throw refused('SpireNotFound', 'record not found');
    this.relationships.set(relationship.trustDomain, relationship);
  }

  async #rotateJwtByClock(): Promise<void> {
    const jwt = this.authorities('jwt');
    const before = jwt.slots;
    await jwt.rotateByClock(this.#now());
    if (jwt.slots !== before) this.clockActs += 1;
  }

  #makeRoot(): ModelledAuthority {
    const root = this.#parts.authorities.roots[this.#rootsMade++];
    if (root === undefined) throw new Error(`${this.trustDomain} has used up its roots`);
    const { issue = (each: X509Authority) => each } = this.#parts;
    const times = this.#timesFrom(this.#rootsMade === 1);
    const id = readCertificate(root).subjectKeyId;
    if (id === undefined) throw new Error('a root has a subject key id');
    return { ...times, id, der: issue(root, times.issuedAt.getTime()) };
  }

  #makeJwtKey(): ModelledAuthority {
    const key = this.#parts.authorities.jwtKeys[this.#jwtKeysMade++];
    if (key === undefined) throw new Error(`${this.trustDomain} has used up its JWT keys`);
    return { ...this.#timesFrom(this.#jwtKeysMade === 1), id: key.keyId, der: key.publicKey };
  }

  #timesFrom(isFirst: boolean): Pick<ModelledAuthority, 'issuedAt' | 'expiresAt'> {
    const { caLifetimeMs, ageMs = 0 } = this.#parts;
    const issuedAt = new Date(this.#parts.nowMs() - (isFirst ? ageMs : 0));
    return { issuedAt, expiresAt: new Date(issuedAt.getTime() + caLifetimeMs) };
  }

  #noteOwn(): void {
    this.#own = this.#readOwn();
    this.#parts.onOwnBundle(this.#own);
  }

  #readOwn(): Bundle {
    const { sequenceNumber } = this.#ownBundle;
    return {
      trustDomain: this.trustDomain,
      x509Authorities: this.#ownBundle.authorities('x509').map(({ der }) => der),
      jwtAuthorities: this.#ownBundle.authorities('jwt').map(({ id, der }) => ({ keyId: id, publicKey: der })),
      sequenceNumber: sequenceNumber === 0n ? undefined : sequenceNumber,
      refreshHintSeconds: undefined,
    };
  }

  #now(): Date {
    return new Date(this.#parts.nowMs());
  }
}

function refused(code: SpireErrorCode, message: string): SpireError {
  return new SpireError(code, message);
}

function failed(code: SpireErrorCode, message: string): { readonly ok: false; readonly error: SpireError } {
  return { ok: false, error: refused(code, message) };
}
