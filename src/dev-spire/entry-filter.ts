// Which registration entries does a filter of SPIRE Server let through? (ListEntriesRequest.Filter)
import { status as GrpcStatus } from '@grpc/grpc-js';
import type {
  CountEntriesRequest_Filter,
  ListEntriesRequest_Filter,
} from '../spire/gen/spire/api/server/entry/v1/entry_pb.ts';
import type { Entry } from '../spire/gen/spire/api/types/entry_pb.ts';
import { FederatesWithMatch_MatchBehavior as Match } from '../spire/gen/spire/api/types/federateswith_pb.ts';
import { idText, selectorText } from './entry-rules.ts';
import { trustDomainFromText } from './names.ts';
import { RpcError, within } from './rpc-error.ts';

type Filter = ListEntriesRequest_Filter | CountEntriesRequest_Filter;
type Wanted = (entry: Entry) => boolean;
type SetMatch = (has: ReadonlySet<string>, named: ReadonlySet<string>) => boolean;

/** How a set an entry has compares with the set a filter names. */
const MATCHES: ReadonlyMap<number, SetMatch> = new Map<number, SetMatch>([
  [Match.MATCH_EXACT, (has, named) => has.size === named.size && isSubset(has, named)],
  [Match.MATCH_SUBSET, (has, named) => has.size > 0 && isSubset(has, named)],
  [Match.MATCH_SUPERSET, (has, named) => isSubset(named, has)],
  [Match.MATCH_ANY, (has, named) => [...named].some((member) => has.has(member))],
]);

export function entryFilter(filter: Filter | undefined): Wanted {
  if (filter === undefined) return () => true;
  const { bySpiffeId, byParentId, bySelectors, byFederatesWith, byHint, byDownstream } = filter;
  const wanted: Wanted[] = [];
  if (bySpiffeId !== undefined) wanted.push((entry) => idText(entry.spiffeId) === idText(bySpiffeId));
  if (byParentId !== undefined) wanted.push((entry) => idText(entry.parentId) === idText(byParentId));
  if (byHint !== undefined) wanted.push((entry) => entry.hint === byHint);
  if (byDownstream !== undefined) wanted.push((entry) => entry.downstream === byDownstream);
  if (bySelectors !== undefined) {
    const named = namedSet('malformed selectors filter', 'empty selector set', bySelectors.selectors, selectorText);
    const matches = setMatch(bySelectors.match);
    wanted.push((entry) => matches(new Set(entry.selectors.map(selectorText)), named));
  }
  if (byFederatesWith !== undefined) {
    const { trustDomains, match } = byFederatesWith;
    const doing = 'malformed federates with filter';
    const named = namedSet(doing, 'empty trust domain set', trustDomains, trustDomainFromText);
    const matches = setMatch(match);
    wanted.push((entry) => matches(new Set(entry.federatesWith), named));
  }
  return (entry) => wanted.every((wants) => wants(entry));
}

/** `SelectorMatch` and `FederatesWithMatch` number their behaviours alike. */
function setMatch(behavior: number): SetMatch {
  const matches = MATCHES.get(behavior);
  if (matches === undefined) throw new RpcError(GrpcStatus.INTERNAL, `unhandled match behavior ${behavior}`);
  return matches;
}

function namedSet<Item>(
  doing: string,
  whenEmpty: string,
  items: readonly Item[],
  read: (item: Item) => string,
): ReadonlySet<string> {
  if (items.length === 0) throw new RpcError(GrpcStatus.INVALID_ARGUMENT, `${doing}: ${whenEmpty}`);
  return within(doing, GrpcStatus.INVALID_ARGUMENT, () => new Set(items.map(read)));
}

function isSubset(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return [...a].every((member) => b.has(member));
}
