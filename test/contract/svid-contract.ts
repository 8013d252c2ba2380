// What does SPIRE Server sign for an administrator? (measured on SPIRE 1.15.3)
import assert from 'node:assert/strict';
import { createPublicKey, verify, X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import { spireError, type Subject } from './contract-subject.ts';
import { makeSigningRequest, type RequestedNames } from './signing-request.ts';

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

export function describeSvids(subject: () => Subject): void {
  async function mint(names: RequestedNames, ttlSeconds = 0) {
    return subject().spire.mintX509Svid(await makeSigningRequest(names), ttlSeconds);
  }

  /** The root of the own bundle that signed `leaf`. */
  async function issuerOf(leaf: X509Certificate): Promise<X509Certificate> {
    const roots = (await subject().spire.readOwnBundle()).x509Authorities.map((der) => new X509Certificate(der));
    const issuer = roots.find((root) => leaf.checkIssued(root) && leaf.verify(root.publicKey));
    assert.ok(issuer, 'no root of the own bundle signed it');
    return issuer;
  }

  describe('MintX509SVID', () => {
    it('signs one leaf with a root of the own bundle, for server and client', async () => {
      const id = subject().ownId('/federation-broker');
      const { chain, expiresAt } = await mint({ uris: [id], dnsNames: ['broker.test'] });
      assert.equal(chain.length, 1);
      const leaf = new X509Certificate(chain[0]!);
      await issuerOf(leaf);
      assert.equal(leaf.ca, false);
      assert.deepEqual(leaf.subjectAltName?.split(', ').sort(), ['DNS:broker.test', `URI:${id}`]);
      assert.deepEqual([...leaf.keyUsage].sort(), [SERVER_AUTH, CLIENT_AUTH]);
      assert.equal(expiresAt.getTime(), new Date(leaf.validTo).getTime());
    });

    it('takes its default for a lifetime of 0', async () => {
      const { expiresAt } = await mint({ uris: [subject().ownId('/a')] });
      assert.ok(expiresAt.getTime() > Date.now());
    });

    it('gives the lifetime asked for, and never more than its authority has left', async () => {
      const short = await mint({ uris: [subject().ownId('/a')] }, 30);
      assert.ok(Math.abs(short.expiresAt.getTime() - Date.now() - 30_000) < 10_000);
      const long = await mint({ uris: [subject().ownId('/a')] }, 10 * 365 * 24 * 3600);
      const issuer = await issuerOf(new X509Certificate(long.chain[0]!));
      assert.equal(long.expiresAt.getTime(), new Date(issuer.validTo).getTime());
    });

    it('allows a path that only begins like the reserved one', async () => {
      const { chain } = await mint({ uris: [subject().ownId('/spire-broker')] });
      assert.equal(chain.length, 1);
    });

    const REFUSED = [
      ['no URI', () => [], 'CSR URI SAN is required'],
      ['two URIs', () => [subject().ownId('/a'), subject().ownId('/b')], 'only one URI SAN is expected'],
      ['a URI that is no SPIFFE ID', () => ['https://east.test/a'], 'CSR URI SAN is invalid: '],
      ['another trust domain', () => ['spiffe://other.test/a'], 'is not a member of trust domain'],
      ['a path under /spire', () => [subject().ownId('/spire/a')], 'path is in the reserved namespace'],
      ['the path /spire', () => [subject().ownId('/spire')], 'path is in the reserved namespace'],
      ['no path', () => [`spiffe://${subject().trustDomain}`], 'path is empty'],
    ] as const;
    for (const [what, uris, text] of REFUSED) {
      it(`refuses ${what}`, async () => {
        await assert.rejects(mint({ uris: uris() }), spireError('SpireRefused', text));
      });
    }

    it('refuses what is no signing request', async () => {
      const { spire } = subject();
      await assert.rejects(spire.mintX509Svid(new Uint8Array(), 0), spireError('SpireRefused', 'missing CSR'));
      await assert.rejects(spire.mintX509Svid(Uint8Array.of(1), 0), spireError('SpireRefused', 'malformed CSR: '));
    });

    it('refuses a request whose signature is not its key’s', async () => {
      const csr = await makeSigningRequest({ uris: [subject().ownId('/a')] });
      // The path's one letter: what was signed is no longer what is asked.
      const forged = Buffer.from(csr);
      forged.write('b', forged.indexOf(`${subject().trustDomain}/a`) + subject().trustDomain.length + 1);
      await assert.rejects(
        subject().spire.mintX509Svid(forged, 0),
        spireError('SpireRefused', 'failed to verify CSR signature'),
      );
    });
  });

  describe('MintJWTSVID', () => {
    it('signs a token with a JWT authority of the own bundle', async () => {
      const { spire } = subject();
      const { token, expiresAt } = await spire.mintJwtSvid(subject().ownId('/a'), ['reader']);
      const [header, claims, signature] = token.split('.');
      const { kid } = JSON.parse(Buffer.from(header!, 'base64url').toString()) as { kid: string };
      const authority = (await spire.readOwnBundle()).jwtAuthorities.find(({ keyId }) => keyId === kid);
      assert.ok(authority, 'its key id is not in the own bundle');
      const key = createPublicKey({ key: Buffer.from(authority.publicKey), format: 'der', type: 'spki' });
      const input = Buffer.from(`${header!}.${claims!}`);
      const signed = verify('sha256', input, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature!, 'base64url'));
      assert.ok(signed, 'the signature is not its authority’s');
      const read = JSON.parse(Buffer.from(claims!, 'base64url').toString()) as {
        sub: string;
        aud: unknown;
        exp: number;
      };
      assert.equal(read.sub, subject().ownId('/a'));
      assert.deepEqual([read.aud].flat(), ['reader']);
      assert.equal(read.exp * 1000, expiresAt.getTime());
    });

    it('refuses no audience and a reserved path', async () => {
      const { spire } = subject();
      await assert.rejects(
        spire.mintJwtSvid(subject().ownId('/a'), []),
        spireError('SpireRefused', 'at least one audience is required'),
      );
      await assert.rejects(
        spire.mintJwtSvid(subject().ownId('/spire/a'), ['reader']),
        spireError('SpireRefused', 'path is in the reserved namespace'),
      );
    });
  });
}
