// Does every acceptance rule hold back what it should, and nothing else? (test/vectors/acceptance)
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { serializeBundle } from '../../src/bundle/bundle-document.ts';
import { bundleDigest, type Bundle } from '../../src/bundle/bundle.ts';
import { findingOf } from '../../src/bundle/bundle-rules.ts';
import { RootIndexer } from '../../src/bundle/known-roots.ts';
import { pinOfCertificate } from '../../src/bundle/spki-pin.ts';
import { ACCEPTANCE_RULES } from '../../src/federation/acceptance-rules.ts';
import { judgeFetchedBundle } from '../../src/federation/acceptance.ts';
import type { PeerPolicy } from '../../src/federation/relationship.ts';
import { bundleOf, EAST, NOW, peerOf, POLICY, ROOTS, WEST } from './samples.ts';

interface BundleRow {
  readonly roots: readonly number[];
  readonly jwtKeyIds?: readonly string[];
  readonly sequence?: number;
  readonly hint?: number;
  readonly ignoredKeys?: number;
}

interface Row {
  readonly rule: string;
  readonly because: string;
  readonly held: BundleRow | 'none';
  readonly lastGood?: BundleRow;
  readonly fetched: BundleRow;
  readonly policy?: Partial<PeerPolicy>;
  readonly pins?: readonly number[];
  readonly accept?: 'Fetched';
  readonly reject?: 'Fetched' | 'Other';
  readonly now?: string;
  readonly verdict: 'accepted' | 'held' | 'refused';
}

const ROWS = parse(
  readFileSync(join(import.meta.dirname, '../vectors/acceptance/rows.yaml'), 'utf8'),
) as readonly Row[];
const JWT_KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'der', type: 'spki' });

function bundleIn({ roots, jwtKeyIds = [], sequence, hint = 300 }: BundleRow): Bundle {
  return bundleOf(WEST, roots, {
    jwtAuthorities: jwtKeyIds.map((keyId) => ({ keyId, publicKey: JWT_KEY })),
    sequenceNumber: sequence === undefined ? undefined : BigInt(sequence),
    refreshHintSeconds: hint,
  });
}

function judge({ held, lastGood, fetched, policy, pins = [], accept, reject, now }: Row) {
  const bundle = bundleIn(fetched);
  const findings = Array.from({ length: fetched.ignoredKeys ?? 0 }, () => findingOf('UnknownUse', 'x', 'keys[9]'));
  const pinned = pins.map((index) => pinOfCertificate(ROOTS.get(WEST)![index]!));
  const other = bundleDigest(bundleOf(WEST, [2], {}));
  return judgeFetchedBundle({
    peer: peerOf(WEST, {
      policy: { ...POLICY, ...policy, pins: pinned },
      acceptDigest: accept === undefined ? undefined : bundleDigest(bundle),
      rejectDigests: reject === undefined ? [] : [reject === 'Fetched' ? bundleDigest(bundle) : other],
      lastGoodBundle:
        lastGood && Buffer.from(serializeBundle(bundleIn(lastGood), { refreshHintSeconds: 300 })).toString(),
    }),
    content: { bundle, findings },
    held: held === 'none' ? undefined : bundleIn(held),
    knownRoots: new RootIndexer().index(bundleOf(EAST), []),
    maxRoots: 100,
    now: now === undefined ? NOW : new Date(now),
  });
}

describe('an acceptance rule', () => {
  for (const row of ROWS) {
    it(`${row.rule}: ${row.because}: ${row.verdict}`, () => {
      const verdict = judge(row);
      assert.equal(verdict.verdict, row.verdict);
      assert.equal('reason' in verdict ? verdict.reason : row.rule, row.rule);
    });
  }

  it('has rows that pass and rows that do not, each of them', () => {
    for (const { id, verdict } of ACCEPTANCE_RULES) {
      const seen = new Set(ROWS.filter(({ rule }) => rule === id).map((row) => row.verdict));
      assert.deepEqual([...seen].sort(), ['accepted', verdict], id);
    }
  });

  it('that can be overruled says by which digest', () => {
    for (const row of ROWS.filter((each) => each.verdict !== 'accepted')) {
      const verdict = judge(row);
      const { releasable } = ACCEPTANCE_RULES.find(({ id }) => id === row.rule)!;
      assert.ok('releaseDigest' in verdict);
      assert.equal(verdict.releaseDigest !== undefined, releasable, row.because);
    }
  });
});
