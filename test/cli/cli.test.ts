// Do the commands do what an operator types them for, with the exit codes that scripts go by?
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { serializeBundle } from '../../src/bundle/bundle-document.ts';
import { BUNDLE_RULES } from '../../src/bundle/bundle-rules.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { ACCEPTANCE_RULES } from '../../src/federation/acceptance-rules.ts';
import { bundleOf, WEST } from '../federation/samples.ts';
import { makeSvid, makeRoot } from '../fakes/fake-ca.ts';
import { startEndpoint, type FakeEndpoint } from '../fakes/hostile-endpoint.ts';
import { startSide, type Side } from '../broker/side.ts';
import { fedbroker, ROOT } from './fedbroker.ts';

const VECTORS = join(ROOT, 'test/vectors/bundle');

describe('fedbroker', { concurrency: 4 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'fb-cli-'));
  const peers = join(folder, 'peers');
  const westFile = join(folder, 'west.json');
  let side: Side;
  let endpoint: FakeEndpoint;

  before(async () => {
    const { mkdirSync } = await import('node:fs');
    mkdirSync(peers);
    side = await startSide(parseTrustDomain('east.example'));
    const root = await makeRoot(WEST);
    const document = serializeBundle({ ...bundleOf(WEST), x509Authorities: [root.der] }, { refreshHintSeconds: 300 });
    writeFileSync(westFile, document);
    endpoint = await startEndpoint(await makeSvid(root, `spiffe://${WEST}/federation-broker`), (_request, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(document),
    );
    writeFileSync(
      join(peers, 'west.yaml'),
      `apiVersion: fedbroker.dev/v1alpha1
kind: PeerTrustDomain
metadata: { name: west }
spec:
  trustDomain: ${WEST}
  bundleEndpointURL: ${endpoint.url}
  bundleEndpointProfile: { type: https_spiffe, endpointSPIFFEID: 'spiffe://${WEST}/federation-broker' }
  trustDomainBundle: { file: ../west.json }
  federatesWith: { entries: [{ spiffeID: 'spiffe://east.example/**' }] }
`,
    );
    await side.createEntry('/api');
  });
  after(async () => {
    await endpoint.close();
    await side.stop();
    rmSync(folder, { recursive: true });
  });

  const beside = () => ['--spire-socket', side.dev.socketPath, '--peers-directory', peers];

  it('shows its commands without one, and exits 2', async () => {
    const { exitCode, stdout } = await fedbroker([]);
    assert.equal(exitCode, 2);
    for (const name of ['run', 'demo', 'check', 'fetch', 'plan', 'status', 'rebootstrap', 'version']) {
      assert.match(stdout, new RegExp(`^  ${name} `, 'm'));
    }
  });

  it('names the command that was probably meant', async () => {
    const { exitCode, stderr } = await fedbroker(['statsu']);
    assert.equal(exitCode, 2);
    assert.match(stderr, /did you mean "status"\?/);
  });

  it('names every setting that cannot be used, at once', async () => {
    const { exitCode, stderr } = await fedbroker(['run', '--spire-sockt', 'x', '--max-roots', 'many']);
    assert.equal(exitCode, 2);
    assert.match(stderr, /--spire-sockt: unknown flag; did you mean --spire-socket\?/);
    assert.match(stderr, /--max-roots/);
  });

  describe('check', () => {
    it('accepts a good document, a line a rule', async () => {
      const { exitCode, stdout } = await fedbroker([
        'check',
        join(VECTORS, 'OwnRoot-pass.json'),
        '--trust-domain',
        WEST,
      ]);
      assert.equal(exitCode, 0);
      for (const { id } of [...BUNDLE_RULES, ...ACCEPTANCE_RULES]) assert.match(stdout, new RegExp(` ${id} `));
      assert.match(stdout, /^accepted$/m);
    });
    it('reads standard input, and gives JSON', async () => {
      const { exitCode, stdout } = await fedbroker(['check', '-', '--trust-domain', WEST, '--output', 'json'], {
        input: '{"keys":[]}',
      });
      const report = JSON.parse(stdout) as { verdict: string; reason: string };
      assert.deepEqual([exitCode, report.verdict, report.reason], [1, 'held', 'EmptyBundle']);
    });
    it('refuses what cannot be read, with the place', async () => {
      const { exitCode, stdout } = await fedbroker(['check', '-', '--trust-domain', WEST], {
        input: '{"keys":[],\n "keys":[]}',
      });
      assert.equal(exitCode, 1);
      assert.match(stdout, /refused \(DocumentHasDuplicateMember\): line 2, column 2/);
    });
    it('compares with what is held', async () => {
      const older = join(folder, 'older.json');
      writeFileSync(older, serializeBundle(bundleOf(WEST, [0], { sequenceNumber: 1n }), { refreshHintSeconds: 300 }));
      const { exitCode, stdout } = await fedbroker(['check', older, '--trust-domain', WEST, '--held', westFile]);
      assert.equal(exitCode, 1);
      assert.match(stdout, /refused \(SequenceRollback\).*policy\.acceptDigest: [0-9a-f]{64}/);
    });
    it('fetches a URL and judges it', async () => {
      const id = ['--endpoint-id', `spiffe://${WEST}/federation-broker`, '--bundle', westFile];
      const { exitCode, stdout, stderr } = await fedbroker(['check', endpoint.url, '--trust-domain', WEST, ...id]);
      assert.equal(exitCode, 0, stdout + stderr);
    });
    for (const [what, args, message] of [
      ['no trust domain', ['check', westFile], /--trust-domain is missing/],
      ['a trust domain with scheme', ['check', westFile, '--trust-domain', 'spiffe://w'], /without the scheme, as "w"/],
      ['nothing to check', ['check', '--trust-domain', 'w'], /FILE\|URL\|- is missing/],
      [
        'an endpoint ID without a bundle',
        ['check', 'https://x/', '--trust-domain', 'w', '--endpoint-id', 'spiffe://w/x'],
        /--endpoint-id needs --bundle/,
      ],
      [
        'an unknown output',
        ['check', westFile, '--trust-domain', 'w', '--output', 'xml'],
        /"text" or "json", not "xml"/,
      ],
    ] as const) {
      it(`exits 2 and says what to write when called with ${what}`, async () => {
        const { exitCode, stderr } = await fedbroker(args);
        assert.equal(exitCode, 2, stderr);
        assert.match(stderr, message);
        assert.match(stderr, /Usage: fedbroker check/);
      });
    }
    it('exits 1 when the file is not there', async () => {
      const { exitCode, stderr } = await fedbroker(['check', 'nowhere.json', '--trust-domain', 'w']);
      assert.equal(exitCode, 1);
      assert.match(stderr, /^fedbroker check: ENOENT: no such file or directory, open 'nowhere.json'\n$/);
    });
  });

  it('fetch prints the document as it came, and what it holds beside it', async () => {
    const id = ['--endpoint-id', `spiffe://${WEST}/federation-broker`, '--bundle', westFile];
    const { exitCode, stdout, stderr } = await fedbroker(['fetch', endpoint.url, '--trust-domain', WEST, ...id]);
    assert.equal(exitCode, 0, stderr);
    assert.ok(stdout.startsWith('{"keys":['));
    assert.match(stderr, /sequence {7}7/);
    const untrusted = await fedbroker(['fetch', endpoint.url, '--trust-domain', WEST]);
    assert.equal(untrusted.exitCode, 1);
    assert.match(untrusted.stderr, /ProfileMismatch: .*maybe its profile is https_spiffe/);
  });

  it('plan says what would change and changes nothing', async () => {
    side.dev.record.forget();
    const { exitCode, stdout, stderr } = await fedbroker(['plan', ...beside()]);
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /west \(west\.example\): accepted/);
    assert.match(stdout, /store {4}bundle of west\.example, sequence 7\n {11}\+ root [0-9a-f]{64}/);
    assert.match(stdout, /update {3}1 entries; agents re-issue each one's SVID/);
    const json = await fedbroker(['plan', ...beside(), '--output', 'json']);
    const { steps } = JSON.parse(json.stdout) as { steps: { kind: string }[] };
    assert.deepEqual(
      steps.map(({ kind }) => kind),
      ['RecordManagedPeers', 'StoreBundle', 'UpdateEntries'],
    );
    assert.deepEqual(side.dev.record.writes(), []);
    assert.deepEqual(side.dev.record.calls('RefreshBundle'), []);
  });

  it('rebootstrap shows what it would store, stores it, and knows only declared peers', async () => {
    const dry = await fedbroker(['rebootstrap', 'west', '--bundle', westFile, '--dry-run', ...beside()]);
    assert.equal(dry.exitCode, 0, dry.stderr);
    assert.match(dry.stdout, /\+ root [0-9a-f]{64}/);
    assert.equal(await side.spire.getFederatedBundle(WEST), undefined);
    const unknown = await fedbroker(['rebootstrap', 'north', '--bundle', westFile, ...beside()]);
    assert.equal(unknown.exitCode, 2);
    assert.match(unknown.stderr, /no peer "north" is declared in .*declared are: west/);
    const empty = join(folder, 'empty.json');
    writeFileSync(empty, '{"keys":[]}');
    const refused = await fedbroker(['rebootstrap', 'west', '--bundle', empty, ...beside()]);
    assert.equal(refused.exitCode, 1);
    assert.match(refused.stderr, /nothing was changed/);
  });

  it('status says whom it asked when nobody answers', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    const { exitCode, stderr } = await fedbroker(['status', '--admin-address', `127.0.0.1:${port}`]);
    assert.equal(exitCode, 1);
    assert.match(stderr, new RegExp(`does not answer at http://127.0.0.1:${port}/status: .*check that it runs`));
  });

  it('says which server it could not reach', async () => {
    const { exitCode, stderr } = await fedbroker(['plan', '--spire-socket', join(folder, 'nobody.sock')]);
    assert.equal(exitCode, 1);
    assert.match(stderr, /SpireUnreachable: .*check that it runs and that the socket path/);
  });

  it('refuses to work with the SPIRE of another trust domain than the one that is set', async () => {
    const { exitCode, stderr } = await fedbroker(['plan', ...beside(), '--trust-domain', 'other.example']);
    assert.equal(exitCode, 1);
    assert.match(stderr, /WrongTrustDomain: .*serves east\.example, but trustDomain is set to other\.example/);
  });
});
