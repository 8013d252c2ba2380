// Does an SVID verify by the bundle of its own trust domain, and by nothing else?
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { Bundle } from '../../src/bundle/bundle.ts';
import { BundleError } from '../../src/bundle/bundle-error.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { verifyX509Svid } from '../../src/bundle/x509-svid-path.ts';
import { makeCertificate, makeRoot, makeSvid, type CertificateOptions, type Issued } from '../fakes/fake-ca.ts';
import { KeyUsageFlags } from '@peculiar/x509';

const NOW = new Date('2026-11-21T12:00:00Z');
const PAST = new Date('2026-11-21T11:59:59Z');
const FUTURE = new Date('2026-11-21T12:00:01Z');
const ID = 'spiffe://west.example/federation-broker';

function bundle(...roots: readonly Issued[]): Bundle {
  return {
    trustDomain: parseTrustDomain('west.example'),
    x509Authorities: roots.map(({ der }) => der),
    ...{ jwtAuthorities: [], sequenceNumber: undefined, refreshHintSeconds: undefined },
  };
}

/** Below `root`, the nearest to it first. */
async function intermediates(root: Issued, count: number, options: CertificateOptions = {}): Promise<Issued[]> {
  const made: Issued[] = [];
  for (let each = 0; each < count; each++) {
    made.push(await makeCertificate({ isCa: true, ...options }, made.at(-1) ?? root));
  }
  return made;
}

function verdict(chain: readonly Issued[], authorities: Bundle, now = NOW): string {
  try {
    return verifyX509Svid(
      chain.map(({ der }) => der),
      authorities,
      now,
    ).spiffeId;
  } catch (error) {
    assert.ok(error instanceof BundleError);
    return error.code;
  }
}

describe('verifyX509Svid', () => {
  let root: Issued;
  before(async () => {
    root = await makeRoot('west.example');
  });

  it('takes an SVID that an authority of the bundle signed, whichever stands first', async () => {
    const [svid, other] = [await makeSvid(root, ID), await makeRoot('west.example')];
    assert.equal(verdict([svid], bundle(other, root)), ID);
    assert.equal(verdict([svid, root], bundle(root)), ID);
    assert.equal(verdict([svid], bundle(other)), 'SvidUntrusted');
    assert.equal(verdict([svid], bundle()), 'SvidUntrusted');
    assert.equal(verdict([], bundle(root)), 'SvidInvalid');
  });

  it('takes up to four certificates of a path and no more', async () => {
    const [first, second, third] = await intermediates(root, 3);
    const chain = [await makeSvid(third!, ID), third!, second!, first!];
    assert.equal(verdict(chain, bundle(root)), ID);
    assert.equal(verdict(chain.slice(0, 3), bundle(root)), 'SvidUntrusted');
    const [fourth] = await intermediates(third!, 1);
    const long = [await makeSvid(fourth!, ID), fourth!, third!, second!, first!];
    assert.equal(verdict(long, bundle(root)), 'SvidUntrusted');
  });

  it('knows the name of an authority from its key', async () => {
    const twin = await makeRoot('west.example', { subject: 'CN=twin' });
    const real = await makeRoot('west.example', { subject: 'CN=twin' });
    assert.equal(verdict([await makeSvid(real, ID)], bundle(twin, real)), ID);
    assert.equal(verdict([await makeSvid(real, ID)], bundle(twin)), 'SvidUntrusted');
  });

  it('takes no name of another trust domain, whoever signed it', async () => {
    assert.equal(
      verdict([await makeSvid(root, 'spiffe://east.example/federation-broker')], bundle(root)),
      'SvidUntrusted',
    );
  });

  it('takes no leaf as a signer, and no certificate that may not sign', async () => {
    const svid = await makeSvid(root, ID);
    assert.equal(verdict([await makeSvid(svid, ID), svid], bundle(root)), 'SvidUntrusted');
    const [mute] = await intermediates(root, 1, { keyUsage: KeyUsageFlags.digitalSignature });
    assert.equal(verdict([await makeSvid(mute!, ID), mute!], bundle(root)), 'SvidUntrusted');
    const silent = await makeRoot('west.example', { keyUsage: 'None' });
    assert.equal(verdict([await makeSvid(silent, ID)], bundle(silent)), ID);
  });

  it('minds how many certificates an authority lets stand below it', async () => {
    const narrow = await makeRoot('west.example', { pathLength: 0 });
    assert.equal(verdict([await makeSvid(narrow, ID)], bundle(narrow)), ID);
    const [below] = await intermediates(narrow, 1);
    assert.equal(verdict([await makeSvid(below!, ID), below!], bundle(narrow)), 'SvidUntrusted');
    const wide = await makeRoot('west.example', { pathLength: 1 });
    const [one] = await intermediates(wide, 1);
    assert.equal(verdict([await makeSvid(one!, ID), one!], bundle(wide)), ID);
  });

  it('takes nothing that is not valid now: neither leaf nor intermediate nor authority', async () => {
    for (const dates of [{ notAfter: PAST }, { notBefore: FUTURE }]) {
      assert.equal(verdict([await makeSvid(root, ID, dates)], bundle(root)), 'SvidExpired');
      const [intermediate] = await intermediates(root, 1, dates);
      assert.equal(verdict([await makeSvid(intermediate!, ID), intermediate!], bundle(root)), 'SvidExpired');
      const authority = await makeRoot('west.example', dates);
      assert.equal(verdict([await makeSvid(authority, ID)], bundle(authority)), 'SvidExpired');
    }
  });

  it('takes no path on which something critical is not understood, in whichever certificate it stands', async () => {
    // nameConstraints, permitted: URIs of another host (RFC 5280 §4.2.1.10).
    const value = new Uint8Array([0x30, 0x10, 0xa0, 0x0e, 0x30, 0x0c, 0x86, 0x0a, ...Buffer.from('other.test')]);
    const constraints = (isCritical: boolean): CertificateOptions => ({
      otherExtensions: [{ id: '2.5.29.30', isCritical, value }],
    });
    for (const [isCritical, expected] of [[true, 'SvidInvalid'] as const, [false, ID] as const]) {
      assert.equal(verdict([await makeSvid(root, ID, constraints(isCritical))], bundle(root)), expected);
      const [intermediate] = await intermediates(root, 1, constraints(isCritical));
      assert.equal(verdict([await makeSvid(intermediate!, ID), intermediate!], bundle(root)), expected);
      const authority = await makeRoot('west.example', constraints(isCritical));
      assert.equal(verdict([await makeSvid(authority, ID)], bundle(authority)), expected);
    }
  });

  it('says until when it holds: as long as the first certificate of the path', async () => {
    const [intermediate] = await intermediates(root, 1, { notAfter: FUTURE });
    const svid = await makeSvid(intermediate!, ID);
    assert.deepEqual(verifyX509Svid([svid.der, intermediate!.der], bundle(root), NOW).notAfter, FUTURE);
  });
});
