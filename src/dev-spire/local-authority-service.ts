// What does SPIRE Server answer about its own authorities? (spire.api.server.localauthority.v1)
import { status as GrpcStatus } from '@grpc/grpc-js';
import type { LocalAuthority } from '../spire/gen/spire/api/server/localauthority/v1/localauthority_pb.ts';
import type { AuthoritySlots, SlotAuthority } from './authority-slots.ts';
import type { ServiceHandlers } from './grpc-listener.ts';
import type { JwtSigningAuthority } from './jwt-authority.ts';
import type { OwnBundle } from './own-bundle.ts';
import { RpcError } from './rpc-error.ts';
import type { X509SigningAuthority } from './x509-authority.ts';

export interface OwnAuthorities {
  readonly bundle: OwnBundle;
  readonly x509: AuthoritySlots<X509SigningAuthority>;
  readonly jwt: AuthoritySlots<JwtSigningAuthority>;
}

export function localAuthorityService({ bundle, x509, jwt }: OwnAuthorities): ServiceHandlers<typeof LocalAuthority> {
  return {
    getX509AuthorityState: () => slotStates(x509),
    prepareX509Authority: async () => ({ preparedAuthority: stateOf(await x509.prepare()) }),
    activateX509Authority: ({ authorityId }) => ({ activatedAuthority: stateOf(x509.activate(authorityId)) }),
    taintX509Authority({ authorityId }) {
      const authority = x509.taintable(authorityId);
      bundle.taint('x509', authorityId);
      return { taintedAuthority: stateOf(authority) };
    },
    revokeX509Authority({ authorityId }) {
      checkX509Revocable(x509, authorityId);
      bundle.revoke('x509', authorityId);
      return { revokedAuthority: { authorityId } };
    },
    getJWTAuthorityState: () => slotStates(jwt),
    prepareJWTAuthority: async () => ({ preparedAuthority: stateOf(await jwt.prepare()) }),
    activateJWTAuthority: ({ authorityId }) => ({ activatedAuthority: stateOf(jwt.activate(authorityId)) }),
    taintJWTAuthority({ authorityId }) {
      jwt.taintable(authorityId);
      bundle.taint('jwt', authorityId);
      return { taintedAuthority: { authorityId } };
    },
    revokeJWTAuthority({ authorityId }) {
      checkJwtRevocable(jwt, bundle, authorityId);
      bundle.revoke('jwt', authorityId);
      return { revokedAuthority: { authorityId } };
    },
  };
}

function stateOf({ id, expiresAt }: SlotAuthority) {
  return { authorityId: id, expiresAt: BigInt(Math.floor(expiresAt.getTime() / 1000)) };
}

function slotStates({ slots }: AuthoritySlots<SlotAuthority>) {
  const { active, beside } = slots;
  if (beside === undefined) return { active: stateOf(active) };
  const besideState = stateOf(beside.authority);
  return beside.status === 'OLD'
    ? { active: stateOf(active), old: besideState }
    : { active: stateOf(active), prepared: besideState };
}

function invalidId(why: string): RpcError {
  return new RpcError(GrpcStatus.INVALID_ARGUMENT, `invalid authority ID: ${why}`);
}

function checkX509Revocable({ slots }: AuthoritySlots<SlotAuthority>, id: string): void {
  if (id === '') throw invalidId('no authority ID provided');
  if (id === slots.active.id) throw invalidId('unable to use current authority');
  if (id !== slots.beside?.authority.id || slots.beside.status !== 'OLD') {
    throw invalidId('only Old local authority can be revoked');
  }
}

/** Other than for X.509, any JWT authority of the bundle that is neither active nor prepared can be revoked. */
function checkJwtRevocable({ slots }: AuthoritySlots<SlotAuthority>, bundle: OwnBundle, id: string): void {
  if (id === '') throw invalidId('no authority ID provided');
  if (id === slots.beside?.authority.id) {
    if (slots.beside.status === 'PREPARED') throw invalidId('unable to use a prepared key');
    return;
  }
  if (id === slots.active.id) throw invalidId('unable to use current authority');
  if (!bundle.authorities('jwt').some((authority) => authority.id === id)) {
    throw invalidId('no JWT authority found with provided authority ID');
  }
}
