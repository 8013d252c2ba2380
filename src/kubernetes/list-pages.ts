// How is a list read that can be long? In pages, as of one resourceVersion. (API Concepts: retrieving large results sets
// in chunks)
import { listPageOf, type ListPage } from './answers.ts';
import type { ApiCall } from './api-connection.ts';
import { answerInvalid, type Attempt } from './kube-error.ts';
import { collectionPath, describeTarget, type Selection } from './kube-object.ts';
import type { CallOptions, Requester } from './requester.ts';

export interface PageOptions extends CallOptions {
  /** By default 500. */
  readonly pageObjects?: number;
}

const PAGE_OBJECTS = 500;
const MAX_PAGES = 1000;

/** @throws KubeError among them `KubeGone` when paging took too long */
export async function* listPages(
  requester: Requester,
  selection: Selection,
  { pageObjects = PAGE_OBJECTS, ...options }: PageOptions = {},
): AsyncIterable<ListPage> {
  const attempt: Attempt = { verb: 'list', resource: selection.resource, target: describeTarget(selection) };
  const { fieldSelector, labelSelector } = selection;
  let next: string | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    const query = { fieldSelector, labelSelector, limit: String(pageObjects), continue: next };
    const call: ApiCall = { method: 'GET', path: collectionPath(selection), query };
    const page = listPageOf(attempt, await requester.json(attempt, call, options));
    yield page;
    if (page.continue === undefined) return;
    next = page.continue;
  }
  throw answerInvalid(attempt, `it has more than ${MAX_PAGES} pages`);
}
