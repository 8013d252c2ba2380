// How does an operator register a workload? (spire.api.server.entry.v1 BatchCreateEntry, the broker itself never does)
import { parseSpiffeId, type SpiffeId } from '../../bundle/spiffe-id.ts';
import type { TrustDomain } from '../../bundle/trust-domain.ts';
import { DEADLINES, openChannel } from '../../spire/channel.ts';
import { spiffeIdToMessage } from '../../spire/entry-messages.ts';
import { Entry as EntryService } from '../../spire/gen/spire/api/server/entry/v1/entry_pb.ts';
import { unaryClient } from '../../spire/grpc-service.ts';

/** Creates an entry that federates with nobody, and answers its id. */
export async function registerWorkload(socketPath: string, trustDomain: TrustDomain, id: SpiffeId): Promise<string> {
  const channel = openChannel(socketPath);
  try {
    const entry = {
      spiffeId: spiffeIdToMessage(id),
      parentId: spiffeIdToMessage(parseSpiffeId(`spiffe://${trustDomain}/node`)),
      selectors: [{ type: 'unix', value: 'uid:1000' }],
    };
    const service = unaryClient(EntryService, channel);
    const { results } = await service.batchCreateEntry({ entries: [entry] }, { deadlineMs: DEADLINES.writeMs });
    const [result] = results;
    if (result?.entry === undefined || result.status?.code !== 0) {
      throw new Error(`SPIRE did not create the entry of ${id}: ${result?.status?.message ?? 'it gave no answer'}`);
    }
    return result.entry.id;
  } finally {
    channel.close();
  }
}
