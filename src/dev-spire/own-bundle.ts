// Which authorities does this trust domain publish? (SPIRE's own bundle: the sequence number rises with every change)
import { status as GrpcStatus } from '@grpc/grpc-js';
import { RpcError } from './rpc-error.ts';

/** An X.509 authority by its subject key id or a JWT authority by its key id. */
export interface PublishedAuthority {
  readonly kind: 'x509' | 'jwt';
  readonly id: string;
  /** X.509: the certificate. JWT: SubjectPublicKeyInfo. DER. */
  readonly der: Uint8Array;
  readonly expiresAt: Date;
  readonly tainted: boolean;
}

const WORDS = {
  x509: {
    doing: { taint: 'failed to taint X.509 authority', revoke: 'failed to revoke X.509 authority' },
    tainted: 'root CA is already tainted',
    untainted: 'it is not possible to revoke an untainted root CA',
    missing: {
      taint: 'no ca found with provided subject key ID',
      revoke: 'no root CA found with provided subject key ID',
    },
  },
  jwt: {
    doing: { taint: 'failed to taint JWT authority', revoke: 'failed to revoke JWT authority' },
    tainted: 'key is already tainted',
    untainted: 'it is not possible to revoke an untainted key',
    missing: { taint: 'no JWT Key found with provided key ID', revoke: 'no JWT Key found with provided key ID' },
  },
} as const;

/** SPIRE keeps expired authorities for a day. */
const KEEP_EXPIRED_MS = 24 * 60 * 60 * 1000;

export class OwnBundle {
  #authorities: readonly PublishedAuthority[] = [];
  #sequenceNumber: bigint | undefined;

  /** SPIRE creates the bundle with 0 and counts every later change. */
  get sequenceNumber(): bigint {
    return this.#sequenceNumber ?? 0n;
  }

  authorities(kind: PublishedAuthority['kind']): readonly PublishedAuthority[] {
    return this.#authorities.filter((authority) => authority.kind === kind);
  }

  publish(authority: Omit<PublishedAuthority, 'tainted'>): void {
    this.#change([...this.#authorities, { ...authority, tainted: false }]);
  }

  taint(kind: PublishedAuthority['kind'], id: string): void {
    const authority = this.#find(kind, id, 'taint');
    if (authority.tainted) throw this.#refusal(kind, 'taint', WORDS[kind].tainted);
    this.#change(this.#authorities.map((each) => (each === authority ? { ...each, tainted: true } : each)));
  }

  revoke(kind: PublishedAuthority['kind'], id: string): void {
    const authority = this.#find(kind, id, 'revoke');
    if (!authority.tainted) throw this.#refusal(kind, 'revoke', WORDS[kind].untainted);
    this.#change(this.#authorities.filter((each) => each !== authority));
  }

  prune(now: Date): void {
    const kept = this.#authorities.filter(({ expiresAt }) => now.getTime() - expiresAt.getTime() <= KEEP_EXPIRED_MS);
    if (kept.length < this.#authorities.length) this.#change(kept);
  }

  #change(authorities: readonly PublishedAuthority[]): void {
    this.#authorities = authorities;
    this.#sequenceNumber = this.#sequenceNumber === undefined ? 0n : this.#sequenceNumber + 1n;
  }

  #find(kind: PublishedAuthority['kind'], id: string, step: 'taint' | 'revoke'): PublishedAuthority {
    const found = this.authorities(kind).find((authority) => authority.id === id);
    if (found === undefined) throw this.#refusal(kind, step, WORDS[kind].missing[step]);
    return found;
  }

  #refusal(kind: PublishedAuthority['kind'], step: 'taint' | 'revoke', why: string): RpcError {
    return new RpcError(GrpcStatus.INTERNAL, `${WORDS[kind].doing[step]}: ${why}`);
  }
}
