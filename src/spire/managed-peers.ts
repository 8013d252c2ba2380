// Which peers may a restarted broker remove? (a record in SPIRE, a few names a selector)
import { parseTrustDomain, type TrustDomain } from '../bundle/trust-domain.ts';
import type { ManagedPeers, Selector, SpireServer } from '../federation/ports.ts';
import { entryRecord, RECORD_SELECTOR_TYPE } from './entry-record.ts';
import type { SpireContext } from './spire-context.ts';

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
  const record = entryRecord(context, 'managed-peers');
  return {
    async readManagedPeers(signal) {
      const peers = new Map<TrustDomain, 'Own' | 'Delegate'>();
      const skip = (name: string, error: unknown) => {
        context.onSkipped({ kind: 'managed peer', name, error: error as Error });
      };
      for (const selector of (await record.read(signal)) ?? []) {
        if (selector.value === RECORD_VALUE) continue;
        try {
          const { mode, names } = readSelector(selector, record.entryId);
          for (const name of names) {
            try {
              peers.set(parseTrustDomain(name), MODES[mode]);
            } catch (error) {
              skip(`${RECORD_SELECTOR_TYPE}:${name === '' ? mode : `${mode}:${name}`}`, error);
            }
          }
        } catch (error) {
          skip(`${selector.type}:${selector.value}`, error);
        }
      }
      return peers;
    },

    writeManagedPeers: (peers, signal) => record.write(recordOf(peers), signal),
  };
}

function recordOf(peers: ManagedPeers): readonly string[] {
  const values = (['own', 'delegate'] as const).flatMap((mode) => {
    const names = [...peers].flatMap(([name, how]) => (how === MODES[mode] ? [name] : []));
    return packed(names.sort(), VALUE_CHARACTERS - mode.length - 1).map((text) => `${mode}:${text}`);
  });
  return [RECORD_VALUE, ...values];
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

function readSelector(
  { type, value }: Selector,
  entryId: string,
): { readonly mode: keyof typeof MODES; readonly names: string[] } {
  const [mode, ...rest] = value.split(':');
  if (type !== RECORD_SELECTOR_TYPE || (mode !== 'own' && mode !== 'delegate')) {
    throw new Error(`selector "${type}:${value}" is not of the record; remove it from entry ${entryId}`);
  }
  return { mode, names: rest.join(':').split(',') };
}
