// How do SPIRE Server's own authorities live and end? (LocalAuthority, measured on SPIRE 1.15.3)
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import type { LocalAuthority } from '../../src/federation/local-authority.ts';
import { CALL, spireError, type Subject } from './contract-subject.ts';
import { makeSigningRequest } from './signing-request.ts';

interface Kind {
  readonly name: 'x509' | 'jwt';
  readonly revokeUntainted: string;
  readonly revokePrepared: string;
  readonly revokeUnknown: string;
  readonly taintTwice: string;
  readonly revokeTwice: RegExp;
}

const KINDS: readonly Kind[] = [
  {
    name: 'x509',
    revokeUntainted: 'failed to revoke X.509 authority: it is not possible to revoke an untainted root CA',
    revokePrepared: 'invalid authority ID: only Old local authority can be revoked',
    revokeUnknown: 'invalid authority ID: only Old local authority can be revoked',
    taintTwice: 'failed to taint X.509 authority: root CA is already tainted',
    revokeTwice: /failed to revoke X.509 authority: no root CA found with provided subject key ID/,
  },
  {
    name: 'jwt',
    revokeUntainted: 'failed to revoke JWT authority: it is not possible to revoke an untainted key',
    revokePrepared: 'invalid authority ID: unable to use a prepared key',
    revokeUnknown: 'invalid authority ID: no JWT authority found with provided authority ID',
    taintTwice: 'failed to taint JWT authority: key is already tainted',
    revokeTwice: /failed to revoke JWT authority: no JWT Key found with provided key ID/,
  },
];

export function describeAuthorities(subject: () => Subject): void {
  for (const kind of KINDS)
    describe(`${kind.name} authority`, () => {
      describeKind(kind, subject);
    });

  it('signs SVIDs with the root that was activated last', async () => {
    const { spire, ownId } = subject();
    const { id } = await spire.localAuthorities.x509.prepare();
    const issuerSkid = async () => {
      const csr = await makeSigningRequest({ uris: [ownId('/a')] });
      const leaf = new X509Certificate((await spire.mintX509Svid(csr, 60)).chain[0]!);
      const roots = (await spire.readOwnBundle()).x509Authorities.map((der) => new X509Certificate(der));
      const issuer = roots.find((root) => leaf.verify(root.publicKey));
      return issuer === undefined ? undefined : subjectKeyId(issuer);
    };
    assert.notEqual(await issuerSkid(), id);
    await spire.localAuthorities.x509.activate(id);
    assert.equal(await issuerSkid(), id);
  });
}

function describeKind(kind: Kind, subject: () => Subject): void {
  const authority = (): LocalAuthority => subject().spire.localAuthorities[kind.name];

  async function sequenceNumber(): Promise<bigint> {
    return (await subject().spire.readOwnSequenceNumber()) ?? 0n;
  }

  /** The ids in the own bundle, and whether each is tainted. */
  async function published(): Promise<ReadonlyMap<string, boolean>> {
    const bundle = await subject().bundles.getBundle({}, CALL);
    return kind.name === 'jwt'
      ? new Map(bundle.jwtAuthorities.map(({ keyId, tainted }) => [keyId, tainted]))
      : new Map(bundle.x509Authorities.map(({ asn1, tainted }) => [subjectKeyId(new X509Certificate(asn1)), tainted]));
  }

  /** Prepares and activates, so that the one active before is old. */
  async function rotate(): Promise<{ readonly active: string; readonly old: string }> {
    const before = await authority().state();
    const { id } = await authority().prepare();
    await authority().activate(id);
    return { active: id, old: before.active.id };
  }

  it('is published when it is prepared, and the sequence number rises by one', async () => {
    const before = await sequenceNumber();
    const prepared = await authority().prepare();
    assert.equal(await sequenceNumber(), before + 1n);
    assert.equal((await published()).get(prepared.id), false);
    const state = await authority().state();
    assert.deepEqual(state.prepared, prepared);
    assert.equal(state.old, undefined);
    assert.ok((await published()).has(state.active.id));
  });

  it('signs when it is activated, the former one is old, and the sequence number stays', async () => {
    const before = await authority().state();
    const { id } = await authority().prepare();
    const sequence = await sequenceNumber();
    assert.equal((await authority().activate(id)).id, id);
    const after = await authority().state();
    assert.deepEqual([after.active.id, after.old?.id, after.prepared], [id, before.active.id, undefined]);
    assert.equal(await sequenceNumber(), sequence);
  });

  it('stays in the bundle but can be used no more when another is prepared after it', async () => {
    const first = await authority().prepare();
    const second = await authority().prepare();
    assert.ok((await published()).has(first.id));
    await assert.rejects(authority().activate(first.id), spireError('SpireRefused', 'unexpected authority ID'));
    assert.equal((await authority().activate(second.id)).id, second.id);
  });

  it('is activated only when it is the prepared one', async () => {
    const { old, active } = await rotate();
    await assert.rejects(authority().activate(''), spireError('SpireRefused', 'no authority ID provided'));
    await assert.rejects(authority().activate('00'), spireError('SpireRefused', 'unexpected authority ID'));
    await assert.rejects(authority().activate(active), spireError('SpireRefused', 'unexpected authority ID'));
    await assert.rejects(
      authority().activate(old),
      spireError(
        'SpireInternal',
        'only Prepared authorities can be activated: unsupported local authority status: OLD',
      ),
    );
  });

  it('is tainted only when it is the old one, and the sequence number rises by one', async () => {
    const { old, active } = await rotate();
    await assert.rejects(authority().taint(''), spireError('SpireRefused', 'no authority ID provided'));
    await assert.rejects(authority().taint('00'), spireError('SpireRefused', 'unexpected authority ID'));
    await assert.rejects(
      authority().taint(active),
      spireError('SpireRefused', 'unable to taint current local authority'),
    );
    const sequence = await sequenceNumber();
    await authority().taint(old);
    assert.equal(await sequenceNumber(), sequence + 1n);
    assert.equal((await published()).get(old), true);
    await assert.rejects(authority().taint(old), spireError('SpireInternal', kind.taintTwice));
  });

  it('cannot be tainted while it is prepared', async () => {
    const { id } = await authority().prepare();
    await assert.rejects(
      authority().taint(id),
      spireError(
        'SpireRefused',
        'only Old local authorities can be tainted: unsupported local authority status: PREPARED',
      ),
    );
  });

  it('leaves the bundle when it is revoked, which needs a taint before', async () => {
    const { old } = await rotate();
    await assert.rejects(authority().revoke(old), spireError('SpireInternal', kind.revokeUntainted));
    await authority().taint(old);
    const sequence = await sequenceNumber();
    assert.equal((await authority().revoke(old)).id, old);
    assert.equal(await sequenceNumber(), sequence + 1n);
    assert.equal((await published()).has(old), false);
    await assert.rejects(authority().revoke(old), spireError('SpireInternal', kind.revokeTwice));
  });

  it('is revoked neither while it is active nor while it is prepared', async () => {
    const { id } = await authority().prepare();
    const { active } = await authority().state();
    await assert.rejects(authority().revoke(''), spireError('SpireRefused', 'no authority ID provided'));
    await assert.rejects(authority().revoke(active.id), spireError('SpireRefused', 'unable to use current authority'));
    await assert.rejects(authority().revoke(id), spireError('SpireRefused', kind.revokePrepared));
    await assert.rejects(authority().revoke('00'), spireError('SpireRefused', kind.revokeUnknown));
  });
}

/** In hex. Node does not show the extension: its OCTET STRING of 20 bytes follows the identifier 2.5.29.14. */
function subjectKeyId({ raw }: X509Certificate): string {
  const identifier = Buffer.from('0603551d0e04160414', 'hex');
  const start = raw.indexOf(identifier) + identifier.length;
  return raw.subarray(start, start + 20).toString('hex');
}
