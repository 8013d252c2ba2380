// Which authority signs now, which comes next, and how is one retired? (spire.api.server.localauthority.v1)
import {
  LocalAuthority as LocalAuthorityService,
  type AuthorityState as StateMessage,
  type GetX509AuthorityStateResponse,
} from './gen/spire/api/server/localauthority/v1/localauthority_pb.ts';
import { unaryClient } from './grpc-service.ts';
import type { SpireContext } from './spire-context.ts';
import { answerInvalid } from './spire-error.ts';

export interface Authority {
  /** X.509: subject key id in hex. JWT: key id. */
  readonly id: string;
  /** Undefined where SPIRE does not say: after a JWT authority was tainted or any was revoked. */
  readonly expiresAt: Date | undefined;
}

/** SPIRE has one slot beside the active one: it holds what comes next or what was active before. */
export interface AuthorityState {
  readonly active: Authority;
  readonly prepared: Authority | undefined;
  readonly old: Authority | undefined;
}

/**
 * The life of one kind of authority: prepare (published, not yet signing) → activate → old → taint → revoke. Every step
 * but activate raises the sequence number of the bundle. A second prepare leaves the first one's key in the bundle, and
 * nothing can be done with it any more.
 */
export interface LocalAuthority {
  state(signal?: AbortSignal): Promise<AuthorityState>;
  prepare(signal?: AbortSignal): Promise<Authority>;
  /** Only what `prepare` answered last. */
  activate(id: string, signal?: AbortSignal): Promise<Authority>;
  /** Only the old one. */
  taint(id: string, signal?: AbortSignal): Promise<Authority>;
  /** Only the old one, and only after it was tainted. */
  revoke(id: string, signal?: AbortSignal): Promise<Authority>;
}

export interface LocalAuthorities {
  readonly x509: LocalAuthority;
  readonly jwt: LocalAuthority;
}

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
  return { id: message.authorityId, expiresAt };
}
