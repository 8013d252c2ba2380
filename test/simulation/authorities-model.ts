// Which authority of one kind signs in a modelled SPIRE, and what can be done with the others? X.509 and JWT alike.
import { AuthoritySlots, type SlotAuthority, type Slots } from '../../src/dev-spire/authority-slots.ts';
import type { OwnBundle, PublishedAuthority } from '../../src/dev-spire/own-bundle.ts';
import type { AuthorityState } from '../../src/federation/local-authority.ts';
import type { AuthorityKind } from '../../src/rotation/authority-times.ts';
import { SpireError } from '../../src/spire/spire-error.ts';

export interface ModelledAuthority extends SlotAuthority {
  /** X.509: the root. JWT: the public key. DER. */
  readonly der: Uint8Array;
}

export interface AuthoritiesModelParts {
  readonly kind: AuthorityKind;
  readonly ownBundle: OwnBundle;
  readonly make: () => ModelledAuthority;
  /** The own bundle is another now. */
  readonly onPublished: () => void;
}

export class AuthoritiesModel {
  readonly #parts: AuthoritiesModelParts;
  readonly #slots: AuthoritySlots<ModelledAuthority>;

  private constructor(parts: AuthoritiesModelParts, slots: AuthoritySlots<ModelledAuthority>) {
    this.#parts = parts;
    this.#slots = slots;
  }

  static async open(parts: AuthoritiesModelParts): Promise<AuthoritiesModel> {
    const { kind, ownBundle, make } = parts;
    const slots = await AuthoritySlots.open<ModelledAuthority>({
      make,
      publish: ({ id, der, expiresAt }) => {
        ownBundle.publish({ kind, id, der, expiresAt });
      },
    });
    return new AuthoritiesModel(parts, slots);
  }

  get slots(): Slots<ModelledAuthority> {
    return this.#slots.slots;
  }

  get state(): AuthorityState {
    const { active, beside } = this.slots;
    const told = ({ id, expiresAt }: ModelledAuthority) => ({ id, expiresAt });
    const of = (status: 'PREPARED' | 'OLD') => (beside?.status === status ? told(beside.authority) : undefined);
    return { active: told(active), prepared: of('PREPARED'), old: of('OLD') };
  }

  /** In the own bundle. */
  get published(): ReadonlyMap<string, PublishedAuthority> {
    return new Map(this.#parts.ownBundle.authorities(this.#parts.kind).map((each) => [each.id, each]));
  }

  /** One tick of SPIRE's rotator. */
  rotateByClock(now: Date): Promise<void> {
    return this.#slots.rotateByClock(now);
  }

  async prepare(): Promise<void> {
    await this.#slots.prepare();
    this.#parts.onPublished();
  }

  activate(id: string): void {
    asAnswered(() => this.#slots.activate(id));
  }

  taint(id: string): void {
    asAnswered(() => {
      this.#slots.taintable(id);
      this.#parts.ownBundle.taint(this.#parts.kind, id);
    });
    this.#parts.onPublished();
  }

  revoke(id: string): void {
    asAnswered(() => {
      this.#slots.taintable(id);
      this.#parts.ownBundle.revoke(this.#parts.kind, id);
    });
    this.#parts.onPublished();
  }
}

/** As SPIRE's client reads the refusal. */
function asAnswered(change: () => void): void {
  try {
    change();
  } catch (error) {
    throw new SpireError('SpireRefused', (error as Error).message);
  }
}
