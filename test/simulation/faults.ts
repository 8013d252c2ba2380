// What can go wrong in a simulated world? One row a fault; chance decides which, when and where.
import { BUCKET, MALLORY } from './authority-pool.ts';
import { lie } from './hostile.ts';
import type { SimulatedTrustDomain } from './trust-domain-model.ts';
import { PARTNER, type World } from './world.ts';

export interface Fault {
  readonly id: string;
  /** How often, against the others. */
  readonly weight: number;
  /** What happens, for docs/simulation.md. */
  readonly what: string;
  readonly strike: (world: World) => void;
}

export const FAULTS: readonly Fault[] = [
  {
    id: 'Crash',
    weight: 6,
    what: 'a broker is killed and started again up to 20 s later',
    strike: (world) => {
      withReplica(world, (domain, place) => {
        domain.replicas[place]?.process.kill();
      });
    },
  },
  {
    id: 'CrashAtCall',
    weight: 12,
    what: 'a broker is killed at one of its next calls to SPIRE, to an endpoint or to the API server, before or after it is done',
    strike: (world) => {
      withReplica(world, (domain, place) => {
        const replica = domain.replicas[place];
        replica?.process.killAtCall(world.chance.below(25), world.chance.percent(50));
      });
    },
  },
  {
    id: 'Stop',
    weight: 3,
    what: 'a broker process stands still for up to 40 s, and goes on where it was',
    strike: (world) => {
      withReplica(world, (domain, place) => {
        const durationMs = world.chance.between(1, 40) * 1000;
        const { process } = domain.replicas[place]!;
        world.story.note(process.name, () => `stands still for ${durationMs / 1000} s`);
        process.stopFor(durationMs);
        world.trouble([domain], durationMs, () => undefined);
      });
    },
  },
  {
    id: 'ClockSet',
    weight: 2,
    what: 'somebody sets a broker’s clock, up to a minute to either side',
    strike: (world) => {
      withReplica(world, (domain, place) => {
        const skewMs = world.chance.between(-60_000, 60_000);
        const { process } = domain.replicas[place]!;
        world.story.note(process.name, () => `has its clock set ${skewMs / 1000} s off`);
        process.setClock(skewMs);
        world.disturb([domain]);
      });
    },
  },
  {
    id: 'SpireDown',
    weight: 4,
    what: 'a SPIRE Server answers nothing for up to 40 s',
    strike: (world) => {
      const domain = brokered(world);
      world.story.note(domain.trustDomain, () => 'SPIRE is down');
      domain.link.isDown = true;
      world.trouble([domain], world.chance.between(1, 40) * 1000, () => {
        domain.link.isDown = false;
        world.story.note(domain.trustDomain, () => 'SPIRE answers again');
      });
    },
  },
  {
    id: 'SpireCalls',
    weight: 8,
    what: 'of the next calls to a SPIRE Server, some are refused, done with their answer lost, or done only later',
    strike: (world) => {
      const domain = brokered(world);
      const { chance } = world;
      for (let calls = chance.between(1, 6); calls > 0; calls--) {
        const byMs = chance.percent(30) ? chance.between(1_000, 15_000) : chance.between(100, 1_000);
        const fault = chance.pick([{ kind: 'Refused' }, { kind: 'AnswerLost' }, { kind: 'Late', byMs }] as const)!;
        domain.link.faults.push(fault);
      }
      world.story.note(domain.trustDomain, () => `SPIRE: ${domain.link.faults.map(({ kind }) => kind).join(', ')}`);
      world.trouble([domain], 20_000, () => undefined);
    },
  },
  {
    id: 'WriteAnswersLost',
    weight: 5,
    what: 'the next writes to a SPIRE Server are done with their answer lost, or done only after the caller gave up',
    strike: (world) => {
      const domain = brokered(world);
      const { chance } = world;
      for (let writes = chance.between(1, 3); writes > 0; writes--) {
        const late = { kind: 'Late', byMs: chance.between(5_000, 15_000) } as const;
        domain.link.writeFaults.push(chance.percent(70) ? { kind: 'AnswerLost' } : late);
      }
      world.story.note(domain.trustDomain, () => 'SPIRE: answers to its next writes are lost');
      // Until they were met: who writes nothing meets none.
      world.trouble([domain], 60_000, () => {
        domain.link.writeFaults.length = 0;
      });
    },
  },
  {
    id: 'SpireSlow',
    weight: 2,
    what: 'a SPIRE Server takes up to 3 s for each call, and so answers out of order',
    strike: (world) => {
      const domain = brokered(world);
      domain.link.slownessMs = 3_000;
      world.trouble([domain], world.chance.between(5, 40) * 1000, () => {
        domain.link.slownessMs = 0;
      });
    },
  },
  {
    id: 'Partition',
    weight: 6,
    what: 'one trust domain cannot reach the endpoint of another for up to 90 s',
    strike: (world) => {
      const [consumer, peer] = [brokered(world), anyone(world)];
      world.story.note(consumer.trustDomain, () => `cannot reach ${peer.trustDomain}`);
      world.network.cut(consumer.trustDomain, peer.trustDomain);
      world.trouble([consumer], world.chance.between(1, 90) * 1000, () => {
        world.network.heal(consumer.trustDomain, peer.trustDomain);
      });
    },
  },
  {
    id: 'Answers',
    weight: 8,
    what: 'of the next answers of an endpoint, some are lost, late, a proxy’s page, empty, or cut short',
    strike: (world) => {
      const domain = anyone(world);
      const { chance } = world;
      const bodies = ['<html>', '{"keys":[]}', '{}', '{"keys":[{"use":"x509-svid","kty":"EC"}]}', '{"keys":'];
      const faults = Array.from({ length: chance.between(1, 6) }, () =>
        chance.pick([
          { kind: 'ConnectionLost' } as const,
          { kind: 'Body', text: chance.pick(bodies)! } as const,
          { kind: 'Late', byMs: chance.between(100, 12_000) } as const,
        ])!,
      );
      world.story.note(domain.trustDomain, () => `its endpoint: ${faults.map(({ kind }) => kind).join(', ')}`);
      world.network.faults.set(domain.trustDomain, faults);
      world.trouble([domain], 60_000, () => {
        world.network.faults.delete(domain.trustDomain);
      });
    },
  },
  {
    id: 'ApiServerDown',
    weight: 4,
    what: 'the API server, and with it the Lease, is out of reach for up to 60 s',
    strike: (world) => {
      const domain = world.chance.pick(world.brokered.filter(({ lease }) => lease !== undefined));
      if (domain?.lease === undefined) return;
      const { lease } = domain;
      world.story.note(domain.trustDomain, () => 'its API server is down');
      lease.isDown = true;
      world.trouble([domain], world.chance.between(1, 60) * 1000, () => {
        lease.isDown = false;
      });
    },
  },
  {
    id: 'Withdraw',
    weight: 3,
    what: 'an operator withdraws a peer, and declares it again up to 60 s later',
    strike: (world) => {
      withPeer(world, (domain, peer) => {
        world.story.note(domain.trustDomain, () => `withdraws ${peer.trustDomain}`);
        domain.operator.withdraw(peer.trustDomain);
        world.trouble([], world.chance.between(1, 60) * 1000, () => {
          world.story.note(domain.trustDomain, () => `declares ${peer.trustDomain}`);
          world.declare(domain, peer);
        });
      });
    },
  },
  {
    id: 'Suspend',
    weight: 3,
    what: 'an operator pauses or revokes a peer, for up to 60 s',
    strike: (world) => {
      withPeer(world, (domain, peer) => {
        const suspend = world.chance.pick(['Paused', 'Revoke'] as const)!;
        world.story.note(domain.trustDomain, () => `suspends ${peer.trustDomain}: ${suspend}`);
        domain.operator.change(peer.trustDomain, { suspend });
        world.trouble([], world.chance.between(1, 60) * 1000, () => {
          world.story.note(domain.trustDomain, () => `goes on with ${peer.trustDomain}`);
          domain.operator.bootstrap(peer.trustDomain, peer.spire.own);
          domain.operator.change(peer.trustDomain, { suspend: 'Active' });
          domain.declaredAtMs.set(peer.trustDomain, world.elapsedMs);
        });
      });
    },
  },
  {
    id: 'ModeChanged',
    weight: 3,
    what: 'an operator lets SPIRE itself fetch a peer, or the broker again; whom a rotation waits for goes on telling what it holds',
    strike: (world) => {
      withPeer(world, (domain, { trustDomain, kind, led }) => {
        if (kind === 'Hostile' || led !== undefined) return;
        const mode = domain.operator.peers.get(trustDomain)?.mode === 'Own' ? 'Delegate' : 'Own';
        world.story.note(domain.trustDomain, () => `changes the mode of ${trustDomain}: ${mode}`);
        domain.operator.change(trustDomain, { mode });
        domain.declaredAtMs.set(trustDomain, world.elapsedMs);
        world.disturb([domain]);
      });
    },
  },
  {
    id: 'DeclarationsSpoilt',
    weight: 3,
    what: 'some or all declarations cannot be read, for up to 60 s',
    strike: (world) => {
      const domain = brokered(world);
      const fault = world.chance.pick(['Incomplete', 'Unreadable'] as const)!;
      world.story.note(domain.trustDomain, () => `its declarations: ${fault}`);
      domain.operator.spoil(fault);
      world.trouble([domain], world.chance.between(1, 60) * 1000, () => {
        domain.operator.spoil('None');
      });
    },
  },
  {
    id: 'Entries',
    weight: 4,
    what: 'somebody creates, deletes or unlinks registration entries',
    strike: (world) => {
      const domain = brokered(world);
      changeEntries(world, domain);
    },
  },
  {
    id: 'BundleTampered',
    weight: 2,
    what: 'somebody sets a peer’s bundle in SPIRE to an older one, or deletes it: twice at most, a third time makes a second writer',
    strike: (world) => {
      withPeer(world, (domain, peer) => {
        const older = world.chance.pick(peer.published);
        if (older === undefined || peer.kind === 'Hostile' || !domain.spire.bundles.has(peer.trustDomain)) return;
        if (domain.tamperings >= MAX_TAMPERED) return;
        domain.tamperings += 1;
        world.story.note(domain.trustDomain, () => `somebody changes the bundle of ${peer.trustDomain} by hand`);
        if (world.chance.percent(30)) domain.spire.deleteBundle(peer.trustDomain, 'Dissociate');
        else domain.spire.setBundle(older);
        domain.byHand.set(peer.trustDomain, domain.spire.bundles.get(peer.trustDomain));
        // What is older may not verify the endpoint any more.
        domain.operator.bootstrap(peer.trustDomain, peer.spire.own);
        world.noteTampered(domain);
      });
    },
  },
  {
    id: 'ForcedRotation',
    weight: 4,
    what: 'an operator prepares a new authority, activates it when all had time to hold it, and then revokes the old one',
    strike: (world) => {
      const domain = anyone(world);
      if (domain.kind === 'Hostile' || domain.led !== undefined || domain.spire.slots.beside?.status === 'PREPARED')
        return;
      world.story.note(domain.trustDomain, () => 'a rotation by hand');
      void domain.spire.prepare();
      world.time.after(200_000, () => {
        domain.spire.activate();
      });
      world.time.after(400_000, () => {
        domain.spire.revokeOld();
      });
    },
  },
  {
    id: 'HurriedRotation',
    weight: 2,
    what: 'in some trust domains, an operator prepares a new authority and activates it within 5 s, or activates at once what a led rotation has prepared, half of the times while a peer cannot reach it for up to 90 s: twice at most',
    strike: (world) => {
      if (world.hurried !== undefined) hurry(world, world.hurried);
    },
  },
  {
    id: 'LeaderKilled',
    weight: 8,
    what: 'the process that leads a rotation is killed at one of its next calls, before or after it is done; it is run again up to 20 s later',
    strike: (world) => {
      world.led?.led?.process?.killAtCall(world.chance.below(20), world.chance.percent(50));
    },
  },
  {
    id: 'Hostile',
    weight: 10,
    what: 'a hostile peer publishes others’ roots, an older document, another one under the same number, none, or nonsense',
    strike: (world) => {
      const mallory = world.domains.get(MALLORY);
      if (mallory !== undefined) lie(world, mallory);
    },
  },
  {
    id: 'BucketReplays',
    weight: 3,
    what: 'a bucket serves an old document for up to 60 s, as a cache does',
    strike: (world) => {
      const bucket = world.domains.get(BUCKET);
      if (bucket === undefined || bucket.published.length < 2) return;
      bucket.replayed = world.chance.pick(bucket.published);
      world.story.note(bucket.trustDomain, () => 'serves an old document');
      world.trouble([bucket], world.chance.between(5, 60) * 1000, () => {
        bucket.replayed = undefined;
      });
    },
  },
];

/** The product takes three within ten minutes for a second writer, and gives way to it. */
const MAX_TAMPERED = 2;
const MAX_HURRIES = 2;
const HURRIED_WITHIN_MS = 5_000;

/** The next one, by weight. */
export function pickFault(world: World): Fault {
  let left = world.chance.below(FAULTS.reduce((sum, { weight }) => sum + weight, 0));
  return FAULTS.find(({ weight }) => (left -= weight) < 0) ?? FAULTS[0]!;
}

function brokered({ chance, brokered: domains }: World): SimulatedTrustDomain {
  return chance.pick(domains)!;
}

function anyone({ chance, domains }: World): SimulatedTrustDomain {
  return chance.pick([...domains.values()])!;
}

function withReplica(world: World, strike: (domain: SimulatedTrustDomain, place: number) => void): void {
  const domain = brokered(world);
  const place = world.chance.below(domain.replicas.length);
  if (domain.replicas[place]?.process.isAlive === true) strike(domain, place);
}

function withPeer(world: World, strike: (domain: SimulatedTrustDomain, peer: SimulatedTrustDomain) => void): void {
  const domain = brokered(world);
  const declared = [...domain.operator.peers.values()].filter(({ suspend }) => suspend === 'Active');
  const peer = world.chance.pick(declared);
  if (peer !== undefined) strike(domain, world.of(peer.trustDomain));
}

/** Nobody is waited for: who holds only the old root cannot verify workloads until it has fetched. */
export function hurry(world: World, domain: SimulatedTrustDomain): void {
  const { spire, led } = domain;
  const isPrepared = spire.slots.beside?.status === 'PREPARED';
  if (domain.hurries >= MAX_HURRIES || isPrepared !== (led?.kind === 'x509')) return;
  domain.hurries += 1;
  world.story.note(domain.trustDomain, () => 'a rotation by hand, in a hurry');
  if (!isPrepared) void spire.prepare();
  if (world.chance.percent(50)) delay(world, domain);
  world.time.after(world.chance.below(HURRIED_WITHIN_MS), () => {
    spire.activate();
  });
}

/** One peer cannot reach it meanwhile, for longer than a new root is held back for those of whom nothing is known. */
function delay(world: World, { trustDomain }: SimulatedTrustDomain): void {
  const late = world.chance.pick(world.brokered.filter((each) => each.trustDomain !== trustDomain));
  if (late === undefined) return;
  world.story.note(late.trustDomain, () => `cannot reach ${trustDomain}`);
  world.network.cut(late.trustDomain, trustDomain);
  world.trouble([late], world.chance.between(45, 90) * 1000, () => {
    world.network.heal(late.trustDomain, trustDomain);
  });
}

function changeEntries(world: World, domain: SimulatedTrustDomain): void {
  const { spire, trustDomain } = domain;
  const { chance } = world;
  const path = chance.pick(['/pay/late', '/pay/later', '/other'])!;
  const id = `entry${path.replaceAll('/', '-')}`;
  if (spire.entries.has(id)) spire.entries.delete(id);
  else world.createEntry(spire, trustDomain, path, spire.bundles.has(PARTNER) ? [PARTNER] : []);
  world.story.note(trustDomain, () => `somebody ${spire.entries.has(id) ? 'creates' : 'deletes'} ${id}`);
  world.disturb([domain]);
}
