// Does `fedbroker rebootstrap` leave a record that is whole, also after it was killed in the middle?
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { AuditFile } from '../../src/audit/audit-file.ts';
import type { AuditRecord } from '../../src/audit/chain.ts';
import { bundleDigest, type Bundle } from '../../src/bundle/bundle.ts';
import { serializeBundle } from '../../src/bundle/bundle-document.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { storing } from '../audit/samples.ts';
import { startSide, type Side } from '../broker/side.ts';
import { makeRoot } from '../fakes/fake-ca.ts';
import { peerDocument } from '../federation/peer-document.ts';
import { bundleOf, WEST } from '../federation/samples.ts';
import { fedbroker } from './fedbroker.ts';

describe('fedbroker rebootstrap, with an audit file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fb-rebootstrap-'));
  const auditFile = join(folder, 'audit.jsonl');
  const bundleFile = join(folder, 'west.json');
  let side: Side;
  let held: Bundle;

  before(async () => {
    side = await startSide(parseTrustDomain('east.example'));
    const bundleWithRoot = async () => ({ ...bundleOf(WEST), x509Authorities: [(await makeRoot(WEST)).der] });
    held = await bundleWithRoot();
    await side.spire.setFederatedBundles([held]);
    writeFileSync(bundleFile, serializeBundle(await bundleWithRoot(), { refreshHintSeconds: 300 }));
    mkdirSync(join(folder, 'peers'));
    const spec = {
      trustDomain: WEST,
      bundleEndpointURL: 'https://127.0.0.1:1/',
      bundleEndpointProfile: { type: 'https_spiffe', endpointSPIFFEID: `spiffe://${WEST}/federation-broker` },
      trustDomainBundle: { file: '../west.json' },
    };
    writeFileSync(join(folder, 'peers/west.yaml'), JSON.stringify(peerDocument('west', spec)));
  });
  after(async () => {
    await side.stop();
    rmSync(folder, { recursive: true });
  });

  const records = () =>
    readFileSync(auditFile, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as AuditRecord);
  const rebootstrap = (...more: readonly string[]) => {
    const beside = ['--spire-socket', side.dev.socketPath, '--peers-directory', join(folder, 'peers')];
    return fedbroker(['rebootstrap', 'west', '--bundle', bundleFile, '--audit-file', auditFile, ...beside, ...more]);
  };

  it('tells the outcome of what it was killed in as not known, with what SPIRE holds by then', async () => {
    const killed = new AuditFile({ path: auditFile, maxBytes: 2 ** 20, writer: `rebootstrap@${hostname()}` });
    const [intention] = await killed.append([storing('a bundle', WEST)]);
    const other = new AuditFile({ path: auditFile, maxBytes: 2 ** 20, writer: 'broker@elsewhere' });
    await other.append([storing('another', WEST)]);
    const before = records().length;

    assert.equal((await rebootstrap('--dry-run')).exitCode, 0);
    assert.equal(records().length, before, 'who only looks records nothing');
    const { exitCode, stderr } = await rebootstrap();
    assert.equal(exitCode, 0, stderr);
    const [closed, intended, ended, ...rest] = records().slice(before);
    assert.ok(closed?.kind === 'ChangeEnded' && intended?.kind === 'ChangeIntended' && ended?.kind === 'ChangeEnded');
    assert.deepEqual([closed.intention, closed.result], [intention?.record, 'Unknown']);
    assert.match(closed.message!, new RegExp(`found by the next one: SPIRE holds ${bundleDigest(held)} of ${WEST}$`));
    assert.equal(intended.before, bundleDigest(held));
    assert.deepEqual([ended.intention, ended.result], [intended.record, 'Done']);
    assert.deepEqual(rest, []);
  });
});
