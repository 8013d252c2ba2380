// Is a replica ready exactly while it can serve our bundle?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readiness, type ReadinessInput } from '../../src/cli/readiness.ts';
import { parseSpiffeId } from '../../src/bundle/spiffe-id.ts';

const NOW = new Date('2026-11-21T12:00:00Z');
const UNREADABLE = { reason: 'KubeForbidden', message: 'grant verb "list" on resource "clusterspiffeids"' };

const before = (seconds: number) => new Date(NOW.getTime() - seconds * 1000);
const bundleRead = (secondsAgo: number) => ({
  ...{ digest: '', roots: [], jwtKeyIds: [] },
  readAt: before(secondsAgo).toISOString(),
});
const svid = (notAfter: Date) => ({
  spiffeId: parseSpiffeId('spiffe://east.example/federation-broker'),
  ...{ signedBy: '', notAfter, reason: 'NothingNewer' as const, pendingRoot: undefined },
});
const ADDRESS = { host: '127.0.0.1', port: 8443 };

const ENDPOINT: ReadinessInput['endpoint'] = {
  addresses: { https_spiffe: ADDRESS },
  servingSvid: () => svid(before(-60)),
  hasWebIdentity: () => undefined,
};

interface Row {
  readonly what: string;
  readonly ownBundle?: ReadinessInput['status']['ownBundle'];
  readonly endpoint?: Partial<ReadinessInput['endpoint']>;
  readonly refreshHintSeconds?: number;
  /** Names of the checks that fail. */
  readonly failing: readonly string[];
}

const ROWS: readonly Row[] = [
  { what: 'a bundle that was just read and an SVID', failing: [] },
  { what: 'no bundle of its own', ownBundle: UNREADABLE, failing: ['own bundle'] },
  { what: 'a bundle that peers may still keep by its hint', ownBundle: bundleRead(299), failing: [] },
  { what: 'a bundle that is older than its hint', ownBundle: bundleRead(301), failing: ['own bundle'] },
  { what: 'a short hint, and SPIRE that restarts', ownBundle: bundleRead(59), refreshHintSeconds: 1, failing: [] },
  { what: 'no SVID yet', endpoint: { servingSvid: () => undefined }, failing: ['serving SVID'] },
  { what: 'an SVID that expired', endpoint: { servingSvid: () => svid(before(1)) }, failing: ['serving SVID'] },
  { what: 'no endpoint at all', endpoint: { addresses: {}, servingSvid: () => undefined }, failing: [] },
  { what: 'a web certificate', endpoint: { hasWebIdentity: () => true }, failing: [] },
  { what: 'files without a web certificate', endpoint: { hasWebIdentity: () => false }, failing: ['web certificate'] },
];

describe('a replica with', () => {
  for (const { what, ownBundle = bundleRead(1), endpoint, refreshHintSeconds = 300, failing } of ROWS) {
    it(`${what} is ${failing.length === 0 ? 'ready' : 'not ready, and says why'}`, () => {
      const status = { now: NOW.toISOString(), ownBundle };
      const checks = readiness({ status, endpoint: { ...ENDPOINT, ...endpoint }, refreshHintSeconds });
      const failed = checks.filter(({ ok }) => !ok);
      assert.deepEqual(
        failed.map(({ name }) => name),
        failing,
      );
      assert.ok(failed.every(({ message }) => message !== undefined));
    });
  }
});
