// Has this page of a list changed since it was last read? A thousand bundles are listed every ten seconds, all entries
// each minute, and are the same nearly always.
import { createHash } from 'node:crypto';
import type { Page } from './pages.ts';

type ReadPage<Item> = (pageToken: string, answer: Uint8Array, read: () => Page<Item>) => Page<Item>;

/**
 * For one list: `read` is called only when the bytes of the answer are not those of the last time. Otherwise the items
 * are the very values of the last time. Only the pages of the last listing are kept.
 */
export function rememberPages<Item>(): ReadPage<Item> {
  let lastListing = new Map<string, RememberedPage<Item>>();
  let listing = new Map<string, RememberedPage<Item>>();
  return (pageToken, answer, read) => {
    if (pageToken === '') {
      lastListing = listing;
      listing = new Map();
    }
    const digest = createHash('sha256').update(answer).digest('base64');
    const last = lastListing.get(pageToken);
    const page = last?.digest === digest ? last.page : read();
    listing.set(pageToken, { digest, page });
    return page;
  };
}

interface RememberedPage<Item> {
  readonly digest: string;
  readonly page: Page<Item>;
}
