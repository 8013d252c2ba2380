// Does the model of a SPIRE Server do what the embedded server does, call by call?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import type { SpireServer } from '../../src/federation/ports.ts';
import { SpireError } from '../../src/spire/spire-error.ts';
import { startSide, type Side } from '../broker/side.ts';
import { bundleOf, EAST, entryOf, NORTH, peerOf, relationshipOf, WEST } from '../federation/samples.ts';
import { Process } from './process.ts';
import { chanceOf, type Chance } from './random.ts';
import { linkSpire, nothingSeen, SpireLink } from './spire-link.ts';
import { SpireModel } from './spire-model.ts';
import { VirtualTime } from './virtual-time.ts';

type Call = (spire: SpireServer) => Promise<unknown>;

const CALLS_MADE = 200;

function anyCall(chance: Chance, entryIds: readonly string[]): Call {
  const name = chance.pick([WEST, NORTH])!;
  const roots = chance.pick([[0], [1, 0], []])!;
  const sequenceNumber = chance.pick([0n, 7n, undefined]);
  const relationship = relationshipOf(peerOf(name, { bundleEndpointUrl: `https://${chance.below(2)}.example/` }));
  const bundle = bundleOf(name, roots, { sequenceNumber });
  const id = chance.pick([...entryIds, 'unknown'])!;
  const federatesWith: readonly TrustDomain[] = chance.pick([[], [name], [NORTH, WEST], [WEST, WEST]])!;
  const mode = chance.pick(['Restrict', 'Dissociate'] as const)!;
  const calls: readonly Call[] = [
    (spire) => spire.setFederatedBundles([bundle]),
    (spire) => spire.deleteFederatedBundle(name, mode),
    (spire) => spire.updateFederatesWith([{ id, federatesWith }]),
    (spire) => spire.createFederationRelationship(relationship, undefined),
    (spire) => spire.updateFederationRelationship(relationship),
    (spire) => spire.deleteFederationRelationship(name),
    (spire) => spire.writeManagedPeers(new Map([[name, 'Own']])),
    (spire) => spire.listFederatedBundles().then((list) => [...list].sort(byTrustDomain)),
    (spire) => spire.listEntries().then((list) => list.map((entry) => [entry.id, entry.federatesWith]).sort()),
    (spire) => spire.listFederationRelationships().then((list) => [...list].sort(byTrustDomain)),
    (spire) => spire.readManagedPeers(),
    (spire) => spire.countEntries().then((count) => typeof count),
  ];
  return chance.pick(calls)!;
}

/** The value, or the code of the refusal: texts are for people. */
async function resultOf(call: Promise<unknown>): Promise<unknown> {
  try {
    return withoutMessages(await call);
  } catch (error) {
    if (error instanceof SpireError) return error.code;
    throw error;
  }
}

function withoutMessages(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map((item: unknown) => {
    const { error } = (item ?? {}) as { readonly error?: SpireError };
    return error === undefined ? item : { ok: false, code: error.code };
  });
}

function byTrustDomain(a: { readonly trustDomain: string }, b: { readonly trustDomain: string }): number {
  return a.trustDomain < b.trustDomain ? -1 : 1;
}

describe('the model of a SPIRE Server', () => {
  let side: Side;
  before(async () => {
    side = await startSide(EAST);
  });
  after(() => side.stop());

  it('answers as the embedded server does, whatever is asked', async () => {
    const chance = chanceOf(6);
    const time = new VirtualTime(chance);
    const model = await SpireModel.start({
      trustDomain: EAST,
      authorities: {
        roots: bundleOf(EAST, [0, 1, 2]).x509Authorities,
        jwtKeys: [{ keyId: '1', publicKey: new Uint8Array() }],
      },
      caLifetimeMs: 1_000_000,
      nowMs: () => time.nowMs,
      onOwnBundle: () => undefined,
    });
    const entryIds = await Promise.all(['/a', '/b'].map((path) => side.createEntry(path)));
    entryIds.forEach((id, index) => model.entries.set(id, { ...entryOf(index === 0 ? '/a' : '/b'), id }));
    const modelled = linkSpire({
      ...{ model, time, chance, link: new SpireLink() },
      process: new Process('test', { time, skewMs: 0, onKilled: () => undefined, onRestless: () => undefined }),
      seen: nothingSeen(),
      onWrite: () => undefined,
      onChanged: () => undefined,
    });
    for (let made = 0; made < CALLS_MADE; made++) {
      const call = anyCall(chance, entryIds);
      assert.deepEqual(
        await resultOf(call(modelled)),
        await resultOf(call(side.spire)),
        `call ${made}: ${String(call)}`,
      );
    }
  });
});
