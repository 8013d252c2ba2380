// Which ClusterSPIFFEIDs does a peer choose, and which name it? Answered once for each list of them, as for entries.
import { remembered } from '../bundle/remembered.ts';
import { groupBy } from './group-by.ts';
import { selectsLabels } from './label-selection.ts';
import type { ClusterSpiffeId } from './ports.ts';
import type { LabelSelector } from './relationship.ts';

type ClusterSpiffeIdSet = ReadonlySet<ClusterSpiffeId>;

export interface ClusterSpiffeIdIndex {
  chosenBy(selector: LabelSelector): ClusterSpiffeIdSet;
  /** Those that have the name in `federatesWith`. */
  naming(trustDomain: string): ClusterSpiffeIdSet;
  /** Those of them where a broker added it. */
  addedTo(trustDomain: string): ClusterSpiffeIdSet;
}

const NONE: ClusterSpiffeIdSet = new Set();

export const indexClusterSpiffeIds = remembered((list: readonly ClusterSpiffeId[]): ClusterSpiffeIdIndex => {
  const byLabel = groupBy(list, ({ labels }) => Object.entries(labels).map(([key, value]) => labelOf(key, value)));
  const naming = groupBy(list, ({ federatesWith }) => federatesWith);
  const added = groupBy(list, ({ federatesWith, addedByBroker }) =>
    addedByBroker.filter((name) => federatesWith.includes(name)),
  );
  const candidates = ({ matchLabels }: LabelSelector): Iterable<ClusterSpiffeId> => {
    const [label] = Object.entries(matchLabels);
    return label === undefined ? list : (byLabel.get(labelOf(...label)) ?? NONE);
  };
  return {
    chosenBy: remembered(
      (selector) => new Set([...candidates(selector)].filter(({ labels }) => selectsLabels(selector, labels))),
    ),
    naming: (trustDomain) => naming.get(trustDomain) ?? NONE,
    addedTo: (trustDomain) => added.get(trustDomain) ?? NONE,
  };
});

/** Neither a key nor a value can have an equals sign. */
function labelOf(key: string, value: string): string {
  return `${key}=${value}`;
}
