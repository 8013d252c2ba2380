// Does a command change exactly what it means to in a file of declarations, and leave the words of people alone?
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import {
  endQuarantine,
  quarantine,
  rejectDigest,
  releaseDigest,
  type DeclarationEdit,
  type WrittenDeclaration,
} from '../../src/federation/declaration-edit.ts';
import { parsePeerDeclaration } from '../../src/federation/peer-declaration.ts';
import { peerFileStore } from '../../src/peer-files/edit-peer-file.ts';

const A = 'aa'.repeat(32);
const B = 'bb'.repeat(32);
const WEST = `# Asked for by Wanda.
apiVersion: fedbroker.dev/v1alpha1
kind: PeerTrustDomain
metadata:
  name: west # not the old west
spec:
  trustDomain: west.example
  bundleEndpointURL: https://bundle.west.example/
  bundleEndpointProfile: { type: https_web } # until March
`;
const NORTH = WEST.replaceAll('west', 'north');
const LAST_GOOD = '{"keys":[],"spiffe_sequence":7}';
const { signal } = new AbortController();

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fb-edit-'));
  writeFileSync(join(folder, 'peers.yaml'), `${WEST}---\n${NORTH}`);
  writeFileSync(join(folder, 'notes.txt'), 'no declaration');
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function edit(change: (declaration: WrittenDeclaration) => DeclarationEdit, name = 'west'): Promise<string> {
  const store = peerFileStore(folder);
  const [declaration] = await store.find(name, signal);
  return store.edit(declaration!, change(declaration!), signal);
}

const text = () => readFileSync(join(folder, 'peers.yaml'), 'utf8');
function peers() {
  return parseAllDocuments(text()).map((document) => {
    const read = parsePeerDeclaration(document.toJS(), 'File');
    assert.ok(read.ok, JSON.stringify(read));
    return read.peer;
  });
}

describe('a declaration in a file', () => {
  it('keeps every comment and the other declarations when it is quarantined, and when that ends', async () => {
    const before = peers();
    assert.equal(await edit(() => quarantine('they lost a key: 7', LAST_GOOD)), 'peers.yaml');
    const [west, north] = peers();
    assert.deepEqual(west?.quarantine, { reason: 'they lost a key: 7' });
    assert.equal(west.suspend, 'Revoke');
    assert.equal(west.lastGoodBundle, LAST_GOOD);
    assert.deepEqual(north, before[1]);
    for (const comment of ['# Asked for by Wanda.', '# not the old west', '# until March', '# not the old north']) {
      assert.ok(text().includes(comment), comment);
    }
    await edit(endQuarantine, 'west.example');
    assert.deepEqual(peers()[0], { ...before[0], lastGoodBundle: LAST_GOOD });
  });

  it('accepts and rejects by digest; the later word counts', async () => {
    await edit((each) => rejectDigest(each, A));
    await edit((each) => rejectDigest(each, B));
    assert.deepEqual(peers()[0]?.rejectDigests, [A, B]);
    await edit((each) => releaseDigest(each, A));
    assert.deepEqual(peers()[0]?.rejectDigests, [B]);
    assert.equal(peers()[0]?.acceptDigest, A);
    await edit((each) => rejectDigest(each, A));
    assert.deepEqual(peers()[0]?.rejectDigests, [B, A]);
    assert.equal(peers()[0]?.acceptDigest, undefined);
    await edit((each) => releaseDigest(each, B));
    await edit((each) => releaseDigest(each, A));
    assert.ok(!text().includes('reject-digest'));
  });

  it('keeps the newest 32 rejected digests, so that the declaration stays valid', async () => {
    for (let each = 0; each < 40; each++) {
      const digest = each.toString(16).padStart(64, '0');
      await edit((declaration) => rejectDigest(declaration, digest));
    }
    assert.equal(peers()[0]?.rejectDigests.length, 32);
    assert.equal(peers()[0]?.rejectDigests.at(-1), (39).toString(16).padStart(64, '0'));
  });

  it('that is not quarantined is not released without a digest', async () => {
    await assert.rejects(() => edit(endQuarantine), { code: 'NotQuarantined' });
  });

  it('can be quarantined though its spec has a fault', async () => {
    writeFileSync(join(folder, 'peers.yaml'), WEST.replace('https_web', 'https_other'));
    await edit(() => quarantine('now', undefined));
    assert.match(text(), /suspend: Revoke/);
  });

  it('that was changed since it was looked at is left as it is', async () => {
    const store = peerFileStore(folder);
    const [declaration] = await store.find('west', signal);
    await edit((each) => rejectDigest(each, A));
    const before = text();
    await assert.rejects(store.edit(declaration!, quarantine('now', undefined), signal), {
      code: 'DeclarationChanged',
    });
    assert.equal(text(), before);
  });

  it('keeps the file’s mode and leaves nothing else behind', async () => {
    chmodSync(join(folder, 'peers.yaml'), 0o640);
    await edit((each) => rejectDigest(each, A));
    assert.equal(statSync(join(folder, 'peers.yaml')).mode & 0o777, 0o640);
    assert.deepEqual(readdirSync(folder).sort(), ['notes.txt', 'peers.yaml']);
  });

  it('as JSON stays JSON', async () => {
    const [document] = parseAllDocuments(WEST);
    writeFileSync(join(folder, 'peers.yaml'), JSON.stringify(document!.toJS()));
    await edit(() => quarantine('quoted "so"', LAST_GOOD));
    assert.equal((JSON.parse(text()) as { spec: { suspend: string } }).spec.suspend, 'Revoke');
  });
});

it('an annotation in a file that cannot be understood is a fault with its place', () => {
  const document = parseAllDocuments(WEST)[0]!;
  document.setIn(['metadata', 'annotations', 'fedbroker.dev/reject-digest'], 'abc');
  document.setIn(['metadata', 'annotations', 'fedbroker.dev/last-good-bundle'], 'no bundle');
  const read = parsePeerDeclaration(document.toJS(), 'File');
  assert.ok(!read.ok);
  assert.deepEqual(
    read.faults.map(({ path, message }) => `${path.join('.')}: ${message}`.slice(0, 90)),
    [
      'metadata.annotations.fedbroker.dev/reject-digest: "abc" must be the SHA-256 of a bundle: 6',
      read.faults[1] && `${read.faults[1].path.join('.')}: ${read.faults[1].message}`.slice(0, 90),
    ],
  );
  assert.match(read.faults[1]!.path.join('.'), /last-good-bundle$/);
});
