// How does an administrator get an SVID without an agent? (spire.api.server.svid.v1.SVID)
import type { SpiffeId } from '../bundle/spiffe-id.ts';
import type { MintedX509Svid, SpireServer } from '../federation/ports.ts';
import { spiffeIdToMessage } from './entry-messages.ts';
import { SVID as SvidService } from './gen/spire/api/server/svid/v1/svid_pb.ts';
import { unaryClient } from './grpc-service.ts';
import type { SpireContext } from './spire-context.ts';
import { answerInvalid } from './spire-error.ts';

export interface MintedJwtSvid {
  /** Compact JWS. A secret: never to be logged. */
  readonly token: string;
  readonly expiresAt: Date;
}

export interface SvidCalls extends Pick<SpireServer, 'mintX509Svid'> {
  mintJwtSvid(id: SpiffeId, audience: readonly string[], signal?: AbortSignal): Promise<MintedJwtSvid>;
}

export function svidCalls(context: SpireContext): SvidCalls {
  const service = unaryClient(SvidService, context.caller);
  const deadlineMs = context.deadlines.readMs;
  return {
    async mintX509Svid(csr, ttlSeconds, signal): Promise<MintedX509Svid> {
      const { svid } = await service.mintX509SVID({ csr, ttl: ttlSeconds }, { deadlineMs, signal });
      if (svid === undefined || svid.certChain.length === 0) {
        throw answerInvalid('MintX509SVID', 'it has no certificate');
      }
      return { chain: svid.certChain.map((der) => new Uint8Array(der)), expiresAt: dateOf(svid.expiresAt) };
    },

    async mintJwtSvid(id, audience, signal): Promise<MintedJwtSvid> {
      const request = { id: spiffeIdToMessage(id), audience: [...audience] };
      const { svid } = await service.mintJWTSVID(request, { deadlineMs, signal });
      if (svid === undefined) throw answerInvalid('MintJWTSVID', 'it has no token');
      return { token: svid.token, expiresAt: dateOf(svid.expiresAt) };
    },
  };
}

function dateOf(unixSeconds: bigint): Date {
  return new Date(Number(unixSeconds) * 1000);
}
