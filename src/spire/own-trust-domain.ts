// Whose SPIRE Server listens on this socket? (GetBundle names its trust domain)
import { parseTrustDomain, type TrustDomain } from '../bundle/trust-domain.ts';
import { DEADLINES, openChannel } from './channel.ts';
import { Bundle as BundleService } from './gen/spire/api/server/bundle/v1/bundle_pb.ts';
import { unaryClient } from './grpc-service.ts';

/** @throws SpireError `SpireUnreachable` while no server listens there */
export async function readOwnTrustDomain(socketPath: string, signal?: AbortSignal): Promise<TrustDomain> {
  const channel = openChannel(socketPath);
  try {
    const service = unaryClient(BundleService, channel);
    // The trust domain is answered whatever the mask says.
    const settings = { deadlineMs: DEADLINES.readMs, signal };
    const { trustDomain } = await service.getBundle({ outputMask: { sequenceNumber: true } }, settings);
    return parseTrustDomain(trustDomain);
  } finally {
    channel.close();
  }
}
