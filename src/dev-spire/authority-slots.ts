// Which authority signs, which comes next, which was before? (SPIRE's two slots and its rotation clock)
import { status as GrpcStatus } from '@grpc/grpc-js';
import { RpcError } from './rpc-error.ts';

export interface Lifetime {
  readonly from: Date;
  readonly until: Date;
}

export interface SlotAuthority {
  readonly id: string;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
}

/** What differs between X.509 and JWT. */
export interface AuthorityKind<Authority extends SlotAuthority> {
  make(): Promise<Authority> | Authority;
  /** Adds it to the own bundle. */
  publish(authority: Authority): void;
}

export interface Slots<Authority> {
  readonly active: Authority;
  /** SPIRE has one slot beside the active one: preparing overwrites the old one, activating makes one. */
  readonly beside: { readonly status: 'PREPARED' | 'OLD'; readonly authority: Authority } | undefined;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** When what is left of the active authority's life is less than this part of it, capped in days. */
const PREPARE_WHEN_LEFT = { part: 1 / 2, capMs: 30 * DAY_MS };
const ACTIVATE_WHEN_LEFT = { part: 1 / 6, capMs: 7 * DAY_MS };

export class AuthoritySlots<Authority extends SlotAuthority> {
  readonly #kind: AuthorityKind<Authority>;
  #slots: Slots<Authority>;

  private constructor(kind: AuthorityKind<Authority>, first: Authority) {
    this.#kind = kind;
    this.#slots = { active: first, beside: undefined };
  }

  static async open<Authority extends SlotAuthority>(
    kind: AuthorityKind<Authority>,
  ): Promise<AuthoritySlots<Authority>> {
    const first = await kind.make();
    kind.publish(first);
    return new AuthoritySlots(kind, first);
  }

  get slots(): Slots<Authority> {
    return this.#slots;
  }

  async prepare(): Promise<Authority> {
    const authority = await this.#kind.make();
    this.#kind.publish(authority);
    this.#slots = { ...this.#slots, beside: { status: 'PREPARED', authority } };
    return authority;
  }

  activate(id: string): Authority {
    const { active, beside } = this.#slots;
    if (id === '') throw new RpcError(GrpcStatus.INVALID_ARGUMENT, 'no authority ID provided');
    if (id !== beside?.authority.id) throw new RpcError(GrpcStatus.INVALID_ARGUMENT, 'unexpected authority ID');
    if (beside.status !== 'PREPARED') {
      throw new RpcError(
        GrpcStatus.INTERNAL,
        `only Prepared authorities can be activated: unsupported local authority status: ${beside.status}`,
      );
    }
    this.#slots = { active: beside.authority, beside: { status: 'OLD', authority: active } };
    return beside.authority;
  }

  /** The old authority, when `id` may be tainted. */
  taintable(id: string): Authority {
    const { active, beside } = this.#slots;
    if (id === '') throw new RpcError(GrpcStatus.INVALID_ARGUMENT, 'no authority ID provided');
    if (id === active.id) throw new RpcError(GrpcStatus.INVALID_ARGUMENT, 'unable to taint current local authority');
    if (id !== beside?.authority.id) throw new RpcError(GrpcStatus.INVALID_ARGUMENT, 'unexpected authority ID');
    if (beside.status !== 'OLD') {
      throw new RpcError(
        GrpcStatus.INVALID_ARGUMENT,
        `only Old local authorities can be tainted: unsupported local authority status: ${beside.status}`,
      );
    }
    return beside.authority;
  }

  /** One tick of SPIRE's rotator. */
  async rotateByClock(now: Date): Promise<void> {
    const { active } = this.#slots;
    const lifeMs = active.expiresAt.getTime() - active.issuedAt.getTime();
    const leftMs = active.expiresAt.getTime() - now.getTime();
    const due = ({ part, capMs }: typeof PREPARE_WHEN_LEFT) => leftMs < Math.min(lifeMs * part, capMs);
    if (this.#slots.beside?.status !== 'PREPARED' && due(PREPARE_WHEN_LEFT)) await this.prepare();
    if (this.#slots.beside?.status === 'PREPARED' && due(ACTIVATE_WHEN_LEFT)) {
      this.activate(this.#slots.beside.authority.id);
    }
  }
}
