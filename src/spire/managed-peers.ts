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

/**
 * Names share selectors up to this length: with SQLite, SPIRE 1.15.3 creates no entry of about 500 selectors or more
 * ("too many terms in compound SELECT", measured with 1,000), and in MySQL a value has 255 characters.
 */
const VALUE_CHARACTERS = 255;

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
      const skip = (name: string, error: unknown) => {
        context.onSkipped({ kind: 'managed peer', name, error: error as Error });
      };
      for (const selector of (await readRecord(signal)) ?? []) {
        if (selector.value === RECORD_VALUE) continue;
        try {
          const { mode, names } = readSelector(selector);
          for (const name of names) {
            try {
              peers.set(parseTrustDomain(name), MODES[mode]);
            } catch (error) {
              skip(`${SELECTOR_TYPE}:${name === '' ? mode : `${mode}:${name}`}`, error);
            }
          }
        } catch (error) {
          skip(`${selector.type}:${selector.value}`, error);
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
  const values = (['own', 'delegate'] as const).flatMap((mode) => {
    const names = [...peers].flatMap(([name, how]) => (how === MODES[mode] ? [name] : []));
    return packed(names.sort(), VALUE_CHARACTERS - mode.length - 1).map((text) => `${mode}:${text}`);
  });
  return [RECORD_VALUE, ...values].map((value) => ({ type: SELECTOR_TYPE, value }));
}

/** Joined by commas, which no trust domain has, into texts of at most so many characters; a longer name stands alone. */
function packed(names: readonly string[], maxCharacters: number): readonly string[] {
  const texts: string[] = [];
  for (const name of names) {
    const last = texts.at(-1);
    if (last === undefined || last.length + 1 + name.length > maxCharacters) texts.push(name);
    else texts[texts.length - 1] = `${last},${name}`;
  }
  return texts;
}

function readSelector({ type, value }: Selector): { readonly mode: keyof typeof MODES; readonly names: string[] } {
  const [mode, ...rest] = value.split(':');
  if (type !== SELECTOR_TYPE || (mode !== 'own' && mode !== 'delegate')) {
    throw new Error(`selector "${type}:${value}" is not of the record; remove it from entry ${MANAGED_PEERS_ENTRY_ID}`);
  }
  return { mode, names: rest.join(':').split(',') };
}

function sameSelectors(a: readonly Selector[], b: readonly Selector[]): boolean {
  const keys = (selectors: readonly Selector[]) => selectors.map(({ type, value }) => `${type}:${value}`).sort();
  return keys(a).join('\n') === keys(b).join('\n');
}
