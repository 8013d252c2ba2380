// What does SPIRE Server sign for an administrator? (spire.api.server.svid.v1.SVID)
import { status as GrpcStatus } from '@grpc/grpc-js';
import { pathOf, type SpiffeId } from '../bundle/spiffe-id.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { SVID } from '../spire/gen/spire/api/server/svid/v1/svid_pb.ts';
import type { AuthoritySlots, Lifetime } from './authority-slots.ts';
import type { ServiceHandlers } from './grpc-listener.ts';
import { signJwtSvid, unixSeconds, type JwtSigningAuthority } from './jwt-authority.ts';
import { checkWorkloadId, workloadId } from './names.ts';
import { RpcError, within } from './rpc-error.ts';
import { readSigningRequest, signX509Svid, type SigningRequest, type X509SigningAuthority } from './x509-authority.ts';

const { INVALID_ARGUMENT } = GrpcStatus;

/** SPIRE's defaults. */
const DEFAULT_X509_TTL_SECONDS = 3600;
const DEFAULT_JWT_TTL_SECONDS = 300;

interface Signers {
  readonly x509: AuthoritySlots<X509SigningAuthority>;
  readonly jwt: AuthoritySlots<JwtSigningAuthority>;
}

export function svidService(own: TrustDomain, signers: Signers, now: () => Date): ServiceHandlers<typeof SVID> {
  return {
    async mintX509SVID({ csr, ttl }) {
      const request = await readRequest(csr);
      within('CSR URI SAN is invalid', INVALID_ARGUMENT, () => {
        checkWorkloadId(own, request.id);
      });
      const life = lifetime(now(), ttl, DEFAULT_X509_TTL_SECONDS);
      const leaf = await signX509Svid(signers.x509.slots.active, request, life);
      const expiresAt = BigInt(unixSeconds(leaf.notAfter));
      return { svid: { certChain: [new Uint8Array(leaf.rawData)], id: idMessage(own, request.id), expiresAt } };
    },

    mintJWTSVID({ id: idGiven, audience, ttl }) {
      const id = within('invalid SPIFFE ID', INVALID_ARGUMENT, () => workloadId(own, idGiven));
      if (audience.length === 0) throw new RpcError(INVALID_ARGUMENT, 'at least one audience is required');
      const { active } = signers.jwt.slots;
      const wanted = lifetime(now(), ttl, DEFAULT_JWT_TTL_SECONDS);
      const life = { ...wanted, until: wanted.until < active.expiresAt ? wanted.until : active.expiresAt };
      return {
        svid: {
          token: signJwtSvid(active, { id, audience, life }),
          id: idMessage(own, id),
          expiresAt: BigInt(unixSeconds(life.until)),
          issuedAt: BigInt(unixSeconds(life.from)),
        },
      };
    },
  };
}

async function readRequest(csr: Uint8Array): Promise<SigningRequest> {
  if (csr.length === 0) throw new RpcError(INVALID_ARGUMENT, 'missing CSR');
  try {
    return await readSigningRequest(csr);
  } catch (error) {
    throw new RpcError(INVALID_ARGUMENT, (error as Error).message);
  }
}

function lifetime(from: Date, ttlSeconds: number, defaultSeconds: number): Lifetime {
  const seconds = ttlSeconds > 0 ? ttlSeconds : defaultSeconds;
  return { from, until: new Date(from.getTime() + seconds * 1000) };
}

function idMessage(own: TrustDomain, id: SpiffeId) {
  return { trustDomain: own, path: pathOf(id) ?? '' };
}
