// What does a hostile peer publish? Everything that is well signed and should not be believed; one row a lie.
import type { Bundle } from '../../src/bundle/bundle.ts';
import { SIMULATED_SETTINGS } from './replica.ts';
import type { SimulatedTrustDomain } from './trust-domain-model.ts';
import type { World } from './world.ts';

interface Lie {
  readonly id: string;
  readonly tell: (truth: Bundle, world: World) => Bundle | undefined;
}

/** One more than the simulated brokers allow. */
const TOO_MANY = SIMULATED_SETTINGS.plan.maxRoots + 1;

export const LIES: readonly Lie[] = [
  { id: 'the truth', tell: (truth) => truth },
  { id: 'no key at all', tell: (truth) => ({ ...truth, x509Authorities: [], jwtAuthorities: [] }) },
  { id: 'JWT keys only', tell: (truth) => ({ ...truth, x509Authorities: [] }) },
  { id: 'an older number', tell: (truth) => numbered(truth, (truth.sequenceNumber ?? 0n) - 3n) },
  { id: 'no number', tell: (truth) => ({ ...truth, sequenceNumber: undefined }) },
  {
    id: 'the same number, another root',
    tell: (truth, { pool, chance }) => withRoots(truth, [chance.pick(pool.of(truth.trustDomain).roots)!]),
  },
  {
    id: 'the roots of another besides its own',
    tell: (truth, world) => raised(withRoots(truth, [...truth.x509Authorities, ...stolen(world, truth)])),
  },
  { id: 'the roots of another only', tell: (truth, world) => raised(withRoots(truth, stolen(world, truth))) },
  {
    id: 'more roots than allowed',
    tell: (truth, { pool }) => raised(withRoots(truth, pool.of(truth.trustDomain).roots.slice(0, TOO_MANY))),
  },
];

/** From now on its endpoint answers the next lie. */
export function lie(world: World, { spire, published, trustDomain }: SimulatedTrustDomain): void {
  const chosen = world.chance.pick(LIES)!;
  const newest = published.reduce(
    (highest, { sequenceNumber = 0n }) => (sequenceNumber > highest ? sequenceNumber : highest),
    0n,
  );
  const told = chosen.tell({ ...spire.own, sequenceNumber: newest + 1n }, world);
  if (told === undefined) return;
  world.story.note(trustDomain, () => `publishes ${chosen.id}`);
  published.push(told);
}

function numbered(bundle: Bundle, sequenceNumber: bigint): Bundle {
  return { ...bundle, sequenceNumber: sequenceNumber < 1n ? 1n : sequenceNumber };
}

function raised(bundle: Bundle): Bundle {
  return numbered(bundle, (bundle.sequenceNumber ?? 0n) + 1n);
}

function withRoots(bundle: Bundle, x509Authorities: Bundle['x509Authorities']): Bundle {
  return { ...bundle, x509Authorities };
}

/** Of one that others trust already: nobody can tell whose a root is that no one was seen to publish. */
function stolen({ chance, domains }: World, { trustDomain }: Bundle): Bundle['x509Authorities'] {
  const victims = [...domains.values()].filter((each) => each.trustDomain !== trustDomain);
  return chance.pick(victims)?.spire.own.x509Authorities ?? [];
}
