// What do the calls of every noun share?
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Deadlines } from './channel.ts';
import type { UnaryCaller } from './grpc-service.ts';
import type { Page } from './pages.ts';

export interface SpireContext {
  readonly caller: UnaryCaller;
  /** The server's own. */
  readonly trustDomain: TrustDomain;
  readonly deadlines: Deadlines;
  readonly onSkipped: (skipped: SkippedItem) => void;
}

/** One item of a list that cannot be read; the list is answered without it. */
export interface SkippedItem {
  readonly kind: 'bundle' | 'entry' | 'relationship' | 'managed peer';
  /** The trust domain or the entry id as SPIRE gave it. */
  readonly name: string;
  readonly error: Error;
}

/** Reads the items of a page that can be read and reports the others. */
export function readablePage<Message, Item>(
  context: SpireContext,
  kind: SkippedItem['kind'],
  page: Page<Message>,
  nameOf: (message: Message) => string,
  read: (message: Message) => Item,
): Page<Item> {
  const items: Item[] = [];
  for (const message of page.items) {
    try {
      items.push(read(message));
    } catch (error) {
      context.onSkipped({ kind, name: nameOf(message), error: error as Error });
    }
  }
  return { items, nextPageToken: page.nextPageToken };
}
