// Which authority signs now, which comes next, and how is one retired? (spire.api.server.localauthority.v1)
import {
  LocalAuthority as LocalAuthorityService,
  type AuthorityState as StateMessage,
  type GetX509AuthorityStateResponse,
} from './gen/spire/api/server/localauthority/v1/localauthority_pb.ts';
import type { Authority, AuthorityState, LocalAuthorities } from '../federation/local-authority.ts';
import { unaryClient } from './grpc-service.ts';
import type { SpireContext } from './spire-context.ts';
import { answerInvalid } from './spire-error.ts';

export function localAuthorities(context: SpireContext): LocalAuthorities {
  const service = unaryClient(LocalAuthorityService, context.caller);
  const reading = (signal: AbortSignal | undefined) => ({ deadlineMs: context.deadlines.readMs, signal });
  const writing = (signal: AbortSignal | undefined) => ({ deadlineMs: context.deadlines.writeMs, signal });
  return {
    x509: {
      state: async (signal) => authorityState(await service.getX509AuthorityState({}, reading(signal))),
      prepare: async (signal) => authority((await service.prepareX509Authority({}, writing(signal))).preparedAuthority),
      activate: async (authorityId, signal) =>
        authority((await service.activateX509Authority({ authorityId }, writing(signal))).activatedAuthority),
      taint: async (authorityId, signal) =>
        authority((await service.taintX509Authority({ authorityId }, writing(signal))).taintedAuthority),
      revoke: async (authorityId, signal) =>
        authority((await service.revokeX509Authority({ authorityId }, writing(signal))).revokedAuthority),
    },
    jwt: {
      state: async (signal) => authorityState(await service.getJWTAuthorityState({}, reading(signal))),
      prepare: async (signal) => authority((await service.prepareJWTAuthority({}, writing(signal))).preparedAuthority),
      activate: async (authorityId, signal) =>
        authority((await service.activateJWTAuthority({ authorityId }, writing(signal))).activatedAuthority),
      taint: async (authorityId, signal) =>
        authority((await service.taintJWTAuthority({ authorityId }, writing(signal))).taintedAuthority),
      revoke: async (authorityId, signal) =>
        authority((await service.revokeJWTAuthority({ authorityId }, writing(signal))).revokedAuthority),
    },
  };
}

type StateAnswer = Pick<GetX509AuthorityStateResponse, 'active' | 'prepared' | 'old'>;

function authorityState({ active, prepared, old }: StateAnswer): AuthorityState {
  return {
    active: authority(active),
    prepared: prepared === undefined ? undefined : authority(prepared),
    old: old === undefined ? undefined : authority(old),
  };
}

function authority(message: StateMessage | undefined): Authority {
  if (message === undefined) throw answerInvalid('LocalAuthority', 'it names no authority');
  const expiresAt = message.expiresAt === 0n ? undefined : new Date(Number(message.expiresAt) * 1000);
  const { authorityId: id, upstreamAuthoritySubjectKeyId: upstreamId } = message;
  return { id, expiresAt, ...(upstreamId !== '' && { upstreamId }) };
}
