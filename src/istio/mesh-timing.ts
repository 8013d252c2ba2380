// Which changes are due, and which wait for others? A changed list drains every listener, a changed root costs a CSR a proxy.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { MeshLimits } from './mesh-facts.ts';
import { anchorPrints, type Published } from './published.ts';
import type { Wanted } from './wanted-trust.ts';

export interface TimingInput {
  readonly now: Date;
  readonly limits: MeshLimits;
  readonly before: Published;
  readonly after: Published;
  readonly wanted: readonly Wanted[];
  /** Of the first of the changes that wait. */
  readonly listChangeSince: Date | undefined;
  readonly rootsWrittenAt: Date | undefined;
  /** The object is written now in any case. */
  readonly isRestored: boolean;
}

export interface Timing {
  /** What is in force after this plan. */
  readonly published: Published;
  readonly changesList: boolean;
  readonly changesRoots: boolean;
  /** Set while changes wait; the list may wait for longer than that, for a window. */
  readonly listDueAt: Date | undefined;
  readonly rootsDueAt: Date | undefined;
}

export function timeChanges(input: TimingInput): Timing {
  const { now, limits, before, after } = input;
  const listDiffers = !sameSet(before.listed, after.listed);
  const rootsDiffer = !sameSet(anchorPrints(before), anchorPrints(after));
  const listDueAt = later(input.listChangeSince ?? now, limits.listIntervalMs);
  const rootsDueAt = input.rootsWrittenAt === undefined ? now : later(input.rootsWrittenAt, limits.rootIntervalMs);

  const isUrgent = input.wanted.some(({ isUrgent, trustDomain }) => isUrgent && isAdded(trustDomain, input));
  const changesList = listDiffers && (isUrgent || (limits.isListWindowOpen && now >= listDueAt));
  // A name that comes must find its roots there.
  const rootedNamesCome = changesList && [...after.anchors.keys()].some((name) => isAdded(name, input));
  const isCut = input.wanted.some(
    (each) => each.isCut && before.anchors.has(each.trustDomain) && each.anchors !== 'Keep',
  );
  const changesRoots = rootsDiffer && (isCut || rootedNamesCome || input.isRestored || now >= rootsDueAt);
  return {
    published: {
      listed: changesList ? after.listed : before.listed,
      anchors: changesRoots ? after.anchors : before.anchors,
    },
    changesList,
    changesRoots,
    listDueAt: listDiffers && !changesList ? listDueAt : undefined,
    rootsDueAt: rootsDiffer && !changesRoots ? rootsDueAt : undefined,
  };
}

function isAdded(trustDomain: TrustDomain, { before, after }: TimingInput): boolean {
  return after.listed.has(trustDomain) && !before.listed.has(trustDomain);
}

function later(time: Date, milliseconds: number): Date {
  return new Date(time.getTime() + milliseconds);
}

function sameSet(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return one.size === other.size && [...one].every((item) => other.has(item));
}

/** The first that is still to come. */
export function nextOf(times: readonly (Date | undefined)[], now: Date): Date | undefined {
  const coming = times.flatMap((time) => (time !== undefined && time > now ? [time] : []));
  return coming.sort((a, b) => a.getTime() - b.getTime())[0];
}
