// How is a whole list read from SPIRE Server? (List* of its API: numeric page tokens, a last page may be empty)
import { answerInvalid } from './spire-error.ts';

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

/** 100 items a page: a million bundles or entries. A list that is longer is a server that repeats itself. */
const MAX_PAGES = 10_000;

/**
 * Asks for page after page until the token is empty. A page without items can still carry a token: SPIRE takes its own
 * bundle from a page after it was cut.
 *
 * @throws SpireError `SpireAnswerInvalid` when the pages do not end
 */
export async function readAllPages<Item>(
  attempt: string,
  readPage: (pageToken: string) => Promise<Page<Item>>,
): Promise<readonly Item[]> {
  const items: Item[] = [];
  let pageToken = '';
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const { items: more, nextPageToken } = await readPage(pageToken);
    items.push(...more);
    if (nextPageToken === '') return items;
    if (nextPageToken === pageToken) throw answerInvalid(attempt, `page token "${pageToken}" leads to itself`);
    pageToken = nextPageToken;
  }
  throw answerInvalid(attempt, `more than ${MAX_PAGES} pages`);
}
