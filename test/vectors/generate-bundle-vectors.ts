// Where do the bundle vectors come from? `node --import tsx test/vectors/generate-bundle-vectors.ts` writes them anew:
// documents as an endpoint would serve them, and index.yaml, which says what is expected of each and why.
import 'reflect-metadata';
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { rmSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KeyUsageFlags } from '@peculiar/x509';
import { stringify } from 'yaml';
import { generateKeys, makeCertificate, makeRoot, type Issued } from '../fakes/fake-ca.ts';

export interface Vector {
  readonly file: string;
  /** The rule, or the code of the error, that the document is about. */
  readonly about: string;
  readonly passes: boolean;
  readonly because: string;
  readonly trustDomain: string;
  readonly now: string;
  /** Documents of our own bundle and of other declared trust domains, by trust domain. */
  readonly own?: Readonly<Record<string, string>>;
  readonly others?: Readonly<Record<string, string>>;
  readonly maxRoots?: number;
  readonly expect: { readonly verdict: 'accepted' | 'refused'; readonly by?: string; readonly findings: readonly string[] };
}

const FOLDER = join(import.meta.dirname, 'bundle');
const NOW = '2040-01-01T00:00:00Z';
const TRUST_DOMAIN = 'west.example';
const vectors: Vector[] = [];

rmSync(FOLDER, { recursive: true, force: true });
mkdirSync(FOLDER);

type Json = Readonly<Record<string, unknown>>;

function x509Key(root: Issued, changes: Json = {}): Json {
  const key = createPublicKey({ key: Buffer.from(root.pem), format: 'pem' }).export({ format: 'jwk' });
  return { use: 'x509-svid', ...key, x5c: [Buffer.from(root.der).toString('base64')], ...changes };
}

async function jwtKey(kid: string | undefined): Promise<Json> {
  const { publicKey } = await generateKeys();
  const spki = Buffer.from(await crypto.subtle.exportKey('spki', publicKey));
  const jwk = createPublicKey({ key: spki, format: 'der', type: 'spki' }).export({ format: 'jwk' });
  return { use: 'jwt-svid', ...jwk, ...(kid !== undefined && { kid }) };
}

/** A jwt-svid key of any kind, also of those that no JWT-SVID can be signed with. */
function jwtKeyOf({ publicKey }: { readonly publicKey: KeyObject }): Json {
  return { use: 'jwt-svid', kid: 'b', ...publicKey.export({ format: 'jwk' }) };
}

/** The root with other bytes wherever these stand in it; its own signature is none afterwards. */
function altered(issued: Issued, from: string, to: string): Json {
  const der = Buffer.from(Buffer.from(issued.der).toString('hex').replaceAll(from, to), 'hex');
  return x509Key(issued, { x5c: [der.toString('base64')] });
}

function document(keys: readonly Json[], more: Json = { spiffe_sequence: 7, spiffe_refresh_hint: 300 }): string {
  return `${JSON.stringify({ keys, ...more }, undefined, 2)}\n`;
}

type Expectation = Pick<Vector, 'because'> & Partial<Pick<Vector, 'own' | 'others' | 'maxRoots'>> & { findings?: readonly string[] };

function add(about: string, content: string | Buffer, name: string, vector: Omit<Vector, 'file' | 'about' | 'trustDomain' | 'now'>): void {
  const file = `${about}-${name}.json`;
  writeFileSync(join(FOLDER, file), content);
  vectors.push({ file, about, trustDomain: TRUST_DOMAIN, now: NOW, ...vector });
}

function pass(about: string, content: string | Buffer, { findings = [], ...rest }: Expectation, name = 'pass'): void {
  add(about, content, name, { passes: true, ...rest, expect: { verdict: 'accepted', findings } });
}

/** The rule objects, and the bundle goes on without the key, or with a warning. */
function objects(about: string, content: string | Buffer, { findings = [about], ...rest }: Expectation, name = 'fail'): void {
  add(about, content, name, { passes: false, ...rest, expect: { verdict: 'accepted', findings } });
}

/** The whole document is refused. */
function refuses(about: string, content: string | Buffer, { findings = [], ...rest }: Expectation, name = 'fail'): void {
  add(about, content, name, { passes: false, ...rest, expect: { verdict: 'refused', by: about, findings } });
}

const root = await makeRoot(TRUST_DOMAIN);
const second = await makeRoot(TRUST_DOMAIN);
const good = document([x509Key(root), await jwtKey('a')]);
const withGood = (...keys: Json[]) => document([x509Key(root), ...keys]);

// The document as a whole.
pass('DocumentTooLarge', good, { because: 'a document of usual size' });
refuses('DocumentTooLarge', document([x509Key(root, { padding: 'x'.repeat(4 * 2 ** 20) })]), { because: 'more than 4 MiB' });
pass('DocumentNotUtf8', document([x509Key(root, { note: 'Zürich' })]), { because: 'two-byte characters are UTF-8' });
refuses('DocumentNotUtf8', Buffer.concat([Buffer.from('{"keys":[],"note":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]), { because: '0xc3 0x28 is no UTF-8' });
pass('DocumentNotJson', good, { because: 'one JSON object' });
refuses('DocumentNotJson', `${good}{}`, { because: 'a second value follows the first' });
refuses('DocumentNotJson', `\uFEFF${good}`, { because: 'a byte order mark' }, 'fail-bom');
refuses('DocumentNotJson', withGood({ ...(await jwtKey('a')), kid: '\ud800' }), { because: 'half a character: in UTF-8 two such key ids would be one' }, 'fail-half-character');
pass('DocumentTooDeep', document([x509Key(root, { nested: [[[['x']]]] })]), { because: 'seven levels' });
refuses('DocumentTooDeep', `{"keys":[],"x":${'['.repeat(20)}${']'.repeat(20)}}`, { because: 'more than sixteen levels' });
pass('DocumentHasDuplicateMember', good, { because: 'every member once' });
refuses('DocumentHasDuplicateMember', good.replace('"spiffe_sequence"', '"keys": [], "spiffe_sequence"'), { because: '"keys" twice: which one counts depends on the reader' });
pass('DocumentHasTooManyKeys', good, { because: 'two keys' });
refuses('DocumentHasTooManyKeys', document(Array.from({ length: 1001 }, () => ({ kty: 'EC', use: 'unknown' }))), { because: '1001 keys' });
pass('DocumentNotABundle', good, { because: 'an object with a list of keys' });
refuses('DocumentNotABundle', '[]\n', { because: 'a list instead of an object' });
refuses('DocumentNotABundle', '{"keys":null}\n', { because: 'keys that are null are no empty list' }, 'fail-null-keys');
pass('KeysMissing', good, { because: 'keys are there' });
refuses('KeysMissing', '{"spiffe_sequence":1}\n', { because: 'no keys; SPIRE would take this for "revoke everything"' });
pass('KeyMalformed', good, { because: 'keys are JWKs' });
refuses('KeyMalformed', '{"keys":["x"]}\n', { because: 'a key that is no object' });
refuses('KeyMalformed', withGood({ use: 'jwt-svid', kty: 'EC', kid: 'a', crv: 'P-256', x: 'AA', y: 'AA' }), { because: 'a JWT key that is no point of its curve' }, 'fail-jwt');
pass('KeyIdMissing', good, { because: 'the JWT key has a kid' });
refuses('KeyIdMissing', withGood(await jwtKey(undefined)), { because: 'a JWT key without kid can verify no token' });
pass('CertificateMalformed', good, { because: 'one certificate in DER' });
refuses('CertificateMalformed', withGood(x509Key(second, { x5c: [Buffer.concat([second.der, root.der]).toString('base64')] })), { because: 'two certificates one after the other: SPIRE would store them as one authority' });
refuses('CertificateMalformed', withGood(x509Key(second, { x5c: [Buffer.from(second.pem).toString('base64')] })), { because: 'PEM where DER belongs' }, 'fail-pem');
refuses('CertificateMalformed', withGood(x509Key(second, { x5c: ['not base64!'] })), { because: 'no base64' }, 'fail-base64');
refuses('CertificateMalformed', withGood(altered(second, '0603551d0f0101ff04040302', '0603551d0f0101ff04040502')), { because: 'a key usage that is no bit string' }, 'fail-extension');
pass('SequenceInvalid', document([x509Key(root)], {}).replace('\n}', ',\n  "spiffe_sequence": 18446744073709551615\n}'), { because: 'the largest number of 64 bits' });
refuses('SequenceInvalid', document([x509Key(root)], {}).replace('\n}', ',\n  "spiffe_sequence": 18446744073709551616\n}'), { because: 'one more than 64 bits hold' });
refuses('SequenceInvalid', document([x509Key(root)], { spiffe_sequence: 1.5 }), { because: 'not an integer' }, 'fail-fraction');
refuses('SequenceInvalid', document([x509Key(root)], { spiffe_sequence: '1' }), { because: 'a text' }, 'fail-text');
pass('RefreshHintInvalid', document([x509Key(root)], {}), { because: 'absent is allowed' });
refuses('RefreshHintInvalid', document([x509Key(root)], { spiffe_refresh_hint: -1 }), { because: 'negative' });

// Keys that a consumer ignores, and oddities.
pass('UnknownKeyType', good, { because: 'EC is known' });
objects('UnknownKeyType', withGood({ kty: 'AKP', alg: 'ML-DSA-65', use: 'x509-svid' }), { because: 'a key type of the future' });
pass('UnknownUse', good, { because: 'both uses are known' });
objects('UnknownUse', withGood({ ...(await jwtKey('w')), use: 'wit-svid' }), { because: 'SPIRE 1.15 would refuse the whole bundle for another unknown use' });
const withoutUse: Record<string, unknown> = { ...x509Key(second) };
delete withoutUse['use'];
objects('UnknownUse', withGood(withoutUse), { because: 'no use at all' }, 'fail-missing');
pass('CertificateMissing', good, { because: 'x5c is there' });
objects('CertificateMissing', withGood(x509Key(second, { x5c: [] })), { because: 'an empty x5c' });
objects('CertificateMissing', withGood(x509Key(second, { x5c: undefined })), { because: 'no x5c' }, 'fail-absent');
pass('KeyMismatch', good, { because: 'key and certificate agree' });
objects('KeyMismatch', withGood({ ...x509Key(second), x5c: x509Key(await makeRoot(TRUST_DOMAIN))['x5c'] }), { because: 'the key of one root with the certificate of another' });
pass('ExtraCertificates', good, { because: 'one certificate' });
objects('ExtraCertificates', withGood(x509Key(second, { x5c: [second, root].map(({ der }) => Buffer.from(der).toString('base64')) })), { because: 'the first counts; go-spiffe refuses such a document' });
pass('UnusableJwtKey', withGood(jwtKeyOf(generateKeyPairSync('rsa', { modulusLength: 2048 }))), { because: 'RSA of 2048 bits' });
pass('UnusableJwtKey', withGood(jwtKeyOf(generateKeyPairSync('ec', { namedCurve: 'P-521' }))), { because: 'ES512' }, 'pass-p521');
objects('UnusableJwtKey', withGood(jwtKeyOf(generateKeyPairSync('rsa', { modulusLength: 1024 }))), { because: 'RSA of 1024 bits' });
objects('UnusableJwtKey', withGood(jwtKeyOf(generateKeyPairSync('x25519'))), { because: 'X25519 signs nothing' }, 'fail-x25519');
objects('UnusableJwtKey', withGood(jwtKeyOf(generateKeyPairSync('ed25519'))), { because: 'EdDSA is no algorithm of JWT-SVID' }, 'fail-ed25519');
objects('UnusableJwtKey', withGood(jwtKeyOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }))), { because: 'ES256K is no algorithm of JWT-SVID' }, 'fail-secp256k1');
pass('DuplicateKeyId', withGood(await jwtKey('a'), await jwtKey('b')), { because: 'two key ids' });
objects('DuplicateKeyId', withGood(await jwtKey('a'), await jwtKey('a')), { because: 'the last counts' });

// What the keys are.
pass('TooManyRoots', document([x509Key(root), x509Key(second)]), { because: 'as many as the limit', maxRoots: 2 });
refuses('TooManyRoots', document([x509Key(root), x509Key(second)]), { because: 'one more than the limit', maxRoots: 1, findings: ['TooManyRoots'] });
const own = await makeRoot('east.example');
const ownDocument = { 'east.example': 'own-bundle.json' };
writeFileSync(join(FOLDER, 'own-bundle.json'), document([x509Key(own)]));
pass('OwnRoot', good, { because: 'none of our roots', own: ownDocument });
const stolen = await makeRoot('x', { uris: [] , keys: own.keys });
refuses('OwnRoot', withGood(x509Key(own)), { because: 'our own root', own: ownDocument, findings: ['OwnRoot', 'OwnKey', 'OwnSubjectAndKeyId', 'RootNamesOtherTrustDomain'] });
pass('OwnKey', good, { because: 'none of our keys', own: ownDocument });
refuses('OwnKey', withGood(x509Key(stolen)), { because: 'our key in another certificate', own: ownDocument, findings: ['OwnKey'] });
pass('OwnSubjectAndKeyId', good, { because: 'another name', own: ownDocument });
const { subject, subjectKeyId } = await namesOf(own);
refuses('OwnSubjectAndKeyId', withGood(x509Key(await makeCertificate({ isCa: true, subject, subjectKeyId }))), { because: 'our root’s name and key id over another key', own: ownDocument, findings: ['OwnSubjectAndKeyId'] });
const other = await makeCertificate({ isCa: true, subject: 'CN=root of nobody' });
const otherDocument = { 'north.example': 'other-bundle.json' };
writeFileSync(join(FOLDER, 'other-bundle.json'), document([x509Key(other)]));
pass('RootOfOtherTrustDomain', good, { because: 'nobody else’s root', others: otherDocument });
refuses('RootOfOtherTrustDomain', withGood(x509Key(other)), { because: 'a root that north.example has already', others: otherDocument, findings: ['RootOfOtherTrustDomain', 'KeyOfOtherTrustDomain'] });
pass('KeyOfOtherTrustDomain', good, { because: 'nobody else’s key', others: otherDocument });
refuses('KeyOfOtherTrustDomain', withGood(x509Key(await makeCertificate({ isCa: true, keys: other.keys }))), { because: 'the key of a root of north.example', others: otherDocument, findings: ['KeyOfOtherTrustDomain'] });
pass('RootNamesOtherTrustDomain', withGood(x509Key(await makeCertificate({ isCa: true }))), { because: 'a root without a SPIFFE ID names nobody' });
refuses('RootNamesOtherTrustDomain', withGood(x509Key(await makeRoot('elsewhere.example'))), { because: 'the declared trust domain is probably wrong', findings: ['RootNamesOtherTrustDomain'] });
pass('RootNotCa', good, { because: 'cA is true' });
objects('RootNotCa', withGood(x509Key(await makeCertificate({ uris: [`spiffe://${TRUST_DOMAIN}/x`], keyUsage: 'None' }))), { because: 'a leaf in the list of roots would itself be accepted by Envoy' });
pass('RootMayNotSign', withGood(x509Key(await makeRoot(TRUST_DOMAIN, { keyUsage: 'None' }))), { because: 'without keyUsage every use is allowed' });
objects('RootMayNotSign', withGood(x509Key(await makeRoot(TRUST_DOMAIN, { keyUsage: KeyUsageFlags.digitalSignature }))), { because: 'keyUsage without keyCertSign' });
pass('WeakSignature', withGood(x509Key(await makeRoot(TRUST_DOMAIN, { algorithm: 'RSA-2048' }))), { because: 'RSA with SHA-256' });
objects('WeakSignature', withGood(x509Key(await makeRoot(TRUST_DOMAIN, { algorithm: 'RSA-2048-SHA-1' }))), { because: 'RSA with SHA-1' });
objects('WeakSignature', withGood(altered(await makeRoot(TRUST_DOMAIN, { algorithm: 'RSA-2048-SHA-1' }), '2a864886f70d010105', '2a864886f70d010104')), { because: 'RSA with MD5' }, 'fail-md5');
pass('WeakKey', withGood(x509Key(await makeRoot(TRUST_DOMAIN, { algorithm: 'P-384' }))), { because: 'P-384' });
objects('WeakKey', withGood(x509Key(await makeRoot(TRUST_DOMAIN, { algorithm: 'RSA-1024' }))), { because: 'RSA of 1024 bits' });
pass('RootExpired', good, { because: 'valid until 2090' });
objects('RootExpired', withGood(x509Key(await makeRoot(TRUST_DOMAIN, { notAfter: new Date('2039-12-31T23:59:59Z') }))), { because: 'expired a second before; kept, as SPIRE keeps it' });
pass('RootNotYetValid', good, { because: 'valid since 2020' });
objects('RootNotYetValid', withGood(x509Key(await makeRoot(TRUST_DOMAIN, { notBefore: new Date('2040-01-01T00:00:01Z') }))), { because: 'valid a second later' });
pass('DuplicateRoot', document([x509Key(root), x509Key(second)]), { because: 'two roots' });
objects('DuplicateRoot', document([x509Key(root), x509Key(second), x509Key(root)]), { because: 'one root twice' });

writeFileSync(join(FOLDER, 'index.yaml'), stringify(vectors, { lineWidth: 120 }));
console.log(`${vectors.length} vectors in ${FOLDER}`);

async function namesOf({ der }: Issued): Promise<{ subject: string; subjectKeyId: string }> {
  const { X509Certificate, SubjectKeyIdentifierExtension } = await import('@peculiar/x509');
  const certificate = new X509Certificate(Uint8Array.from(der));
  return {
    subject: certificate.subject,
    subjectKeyId: certificate.getExtension(SubjectKeyIdentifierExtension)?.keyId ?? '',
  };
}
