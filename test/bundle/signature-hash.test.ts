// Is the hash of a signature known, also where the algorithm names it apart? (RFC 3279, RFC 4055, RFC 5758)
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { signatureHash } from '../../src/bundle/signature-hash.ts';

// The content of AlgorithmIdentifiers, in hex.
const RSA_PSS = '06092a864886f70d01010a';
for (const [what, hex, hash] of [
  ['RSA with SHA-256', '06092a864886f70d01010b0500', 'SHA-256'],
  ['RSA with SHA-1', '06092a864886f70d0101050500', 'SHA-1'],
  ['RSA with MD5', '06092a864886f70d0101040500', 'MD5'],
  ['ECDSA with SHA-384', '06082a8648ce3d040303', 'SHA-384'],
  ['ECDSA with SHA-1', '06072a8648ce3d0401', 'SHA-1'],
  ['RSASSA-PSS with SHA-256', `${RSA_PSS}3011a00f300d06096086480165030402010500`, 'SHA-256'],
  ['RSASSA-PSS with the hash that is the default', `${RSA_PSS}3000`, 'SHA-1'],
  ['RSASSA-PSS without parameters', RSA_PSS, 'SHA-1'],
  ['Ed25519, which fixes its hash', '06032b6570', undefined],
  ['an algorithm that nobody knows', '06022a03', undefined],
] as const) {
  it(`${what}: ${hash ?? 'no name'}`, () => {
    assert.equal(signatureHash(Buffer.from(hex, 'hex')), hash);
  });
}
