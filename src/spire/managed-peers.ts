// Which peers may a restarted broker remove? (one registration entry of ours, whose selectors are the record)
import { parseSpiffeId } from '../bundle/spiffe-id.ts';
import { parseTrustDomain, type TrustDomain } from '../bundle/trust-domain.ts';
import type { ManagedPeers, Selector, SpireServer } from '../federation/ports.ts';
import { outcomeOf, valueOrThrow } from './batches.ts';
import { spiffeIdToMessage } from './entry-messages.ts';
import { Entry as EntryService } from './gen/spire/api/server/entry/v1/entry_pb.ts';
import { unaryClient } from './grpc-service.ts';
import type { SpireContext } from './spire-context.ts';
import { isSpireError } from './spire-error.ts';

export const MANAGED_PEERS_ENTRY_ID = 'fedbroker.managed-peers';

/** No agent attests selectors of this type, and none has the entry's parent ID: no workload ever gets its SVID. */
const SELECTOR_TYPE = 'fedbroker';

/** SPIRE refuses an entry without selectors; this one stays when no peer is managed. */
const RECORD_VALUE = 'record';

const MODES = { own: 'Own', delegate: 'Delegate' } as const;

type ManagedPeersCalls = Pick<SpireServer, 'readManagedPeers' | 'writeManagedPeers'>;

export function managedPeersCalls(context: SpireContext): ManagedPeersCalls {
  const service = unaryClient(EntryService, context.caller);

  /** Undefined when nothing was ever recorded. */
  async function readRecord(signal: AbortSignal | undefined): Promise<readonly Selector[] | undefined> {
    try {
      const { selectors } = await service.getEntry(
        { id: MANAGED_PEERS_ENTRY_ID, outputMask: { selectors: true } },
        { deadlineMs: context.deadlines.readMs, signal },
      );
      return selectors.map(({ type, value }) => ({ type, value }));
    } catch (error) {
      if (isSpireError(error, 'SpireNotFound')) return undefined;
      throw error;
    }
  }

  async function createRecord(selectors: readonly Selector[], signal: AbortSignal | undefined): Promise<void> {
    const parentId = parseSpiffeId(`spiffe://${context.trustDomain}/federation-broker`);
    const entry = {
      id: MANAGED_PEERS_ENTRY_ID,
      spiffeId: spiffeIdToMessage(parseSpiffeId(`${parentId}/managed-peers`)),
      parentId: spiffeIdToMessage(parentId),
      selectors: [...selectors],
    };
    const settings = { deadlineMs: context.deadlines.writeMs, signal };
    const { results } = await service.batchCreateEntry({ entries: [entry], outputMask: {} }, settings);
    valueOrThrow(outcomeOf('BatchCreateEntry of the managed peers', results[0], () => undefined));
  }

  async function updateRecord(selectors: readonly Selector[], signal: AbortSignal | undefined): Promise<void> {
    const { results } = await service.batchUpdateEntry(
      {
        entries: [{ id: MANAGED_PEERS_ENTRY_ID, selectors: [...selectors] }],
        inputMask: { selectors: true },
        outputMask: {},
      },
      { deadlineMs: context.deadlines.writeMs, signal },
    );
    valueOrThrow(outcomeOf('BatchUpdateEntry of the managed peers', results[0], () => undefined));
  }

  return {
    async readManagedPeers(signal) {
      const peers = new Map<TrustDomain, 'Own' | 'Delegate'>();
      for (const selector of (await readRecord(signal)) ?? []) {
        if (selector.value === RECORD_VALUE) continue;
        try {
          const [trustDomain, mode] = peerFromSelector(selector);
          peers.set(trustDomain, mode);
        } catch (error) {
          const name = `${selector.type}:${selector.value}`;
          context.onSkipped({ kind: 'managed peer', name, error: error as Error });
        }
      }
      return peers;
    },

    async writeManagedPeers(peers, signal) {
      const wanted = recordOf(peers);
      const recorded = await readRecord(signal);
      if (recorded !== undefined && sameSelectors(recorded, wanted)) return;
      if (recorded !== undefined) {
        await updateRecord(wanted, signal);
        return;
      }
      try {
        await createRecord(wanted, signal);
      } catch (error) {
        // Another replica of the broker recorded first.
        if (!isSpireError(error, 'SpireAlreadyExists')) throw error;
        await updateRecord(wanted, signal);
      }
    },
  };
}

function recordOf(peers: ManagedPeers): readonly Selector[] {
  const values = [...peers].map(([trustDomain, mode]) => `${mode === 'Own' ? 'own' : 'delegate'}:${trustDomain}`);
  return [RECORD_VALUE, ...values].map((value) => ({ type: SELECTOR_TYPE, value }));
}

function peerFromSelector({ type, value }: Selector): readonly [TrustDomain, 'Own' | 'Delegate'] {
  const [mode, ...rest] = value.split(':');
  if (type !== SELECTOR_TYPE || (mode !== 'own' && mode !== 'delegate')) {
    throw new Error(`selector "${type}:${value}" is not of the record; remove it from entry ${MANAGED_PEERS_ENTRY_ID}`);
  }
  return [parseTrustDomain(rest.join(':')), MODES[mode]];
}

function sameSelectors(a: readonly Selector[], b: readonly Selector[]): boolean {
  const keys = (selectors: readonly Selector[]) => selectors.map(({ type, value }) => `${type}:${value}`).sort();
  return keys(a).join('\n') === keys(b).join('\n');
}
