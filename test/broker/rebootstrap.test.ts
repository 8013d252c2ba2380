// Is a bundle that an operator obtained put in place of the one SPIRE holds, and a bad one refused without a change?
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fingerprint, type Bundle } from '../../src/bundle/bundle.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { checkRebootstrap, RebootstrapError, storeRebootstrap } from '../../src/broker/rebootstrap.ts';
import { makeRoot } from '../fakes/fake-ca.ts';
import { startSide, type Side } from './side.ts';

const EAST = parseTrustDomain('east.example');
const WEST = parseTrustDomain('west.example');

let west: Side;

beforeEach(async () => {
  west = await startSide(WEST);
});
afterEach(() => west.stop());

async function bundleOf(...rootNames: readonly string[]): Promise<Bundle> {
  const roots = await Promise.all(rootNames.map((name) => makeRoot(name)));
  return {
    trustDomain: EAST,
    sequenceNumber: 1n,
    refreshHintSeconds: undefined,
    x509Authorities: roots.map(({ der }) => der),
    jwtAuthorities: [],
  };
}

function parts(maxRoots = 100) {
  const request = { cause: 'Command', why: 'a test asks' } as const;
  return {
    auditor: undefined,
    request,
    spire: west.spire,
    now: new Date(),
    maxRoots,
    signal: new AbortController().signal,
  };
}

async function storedRoots(): Promise<readonly string[] | undefined> {
  return (await west.spire.getFederatedBundle(EAST))?.x509Authorities.map(fingerprint);
}

describe('a bundle that is set anew', () => {
  it('takes the place of one it has no root in common with', async () => {
    const [held, given] = [await bundleOf(EAST), await bundleOf(EAST)];
    await storeRebootstrap(await checkRebootstrap(held, parts()), parts());
    const check = await checkRebootstrap(given, parts());
    assert.deepEqual(check.held?.x509Authorities.map(fingerprint), held.x509Authorities.map(fingerprint));
    assert.deepEqual(await storedRoots(), held.x509Authorities.map(fingerprint), 'a check changes nothing');
    await storeRebootstrap(check, parts());
    assert.deepEqual(await storedRoots(), given.x509Authorities.map(fingerprint));
  });

  it('is the first one where SPIRE holds none', async () => {
    const given = await bundleOf(EAST);
    const check = await checkRebootstrap(given, parts());
    assert.equal(check.held, undefined);
    await storeRebootstrap(check, parts());
    assert.deepEqual(await storedRoots(), given.x509Authorities.map(fingerprint));
  });

  it('is refused when it holds a root of ours, no root, or too many, and nothing is changed', async () => {
    const own = await west.spire.readOwnBundle();
    const refused: readonly (readonly [Bundle, number])[] = [
      [{ ...(await bundleOf(EAST)), x509Authorities: own.x509Authorities }, 100],
      [await bundleOf(), 100],
      [await bundleOf(EAST, EAST, EAST), 2],
    ];
    for (const [bundle, maxRoots] of refused) {
      await assert.rejects(checkRebootstrap(bundle, parts(maxRoots)), RebootstrapError);
    }
    assert.equal(await storedRoots(), undefined);
  });

  it('fails with what SPIRE says when SPIRE does not take it', async () => {
    const check = await checkRebootstrap(await bundleOf(EAST), parts());
    const ours = { ...check, bundle: { ...check.bundle, trustDomain: WEST } };
    await assert.rejects(storeRebootstrap(ours, parts()), /SetFederatedBundle/);
    assert.equal(await storedRoots(), undefined);
  });
});
