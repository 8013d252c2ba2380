// Whose authorities must an endpoint prove itself with? (SPIFFE Federation §5.2.2.4)
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bundlesEqual, type Bundle } from '../../src/bundle/bundle.ts';
import { parseBootstrapBundle } from '../../src/federation/bootstrap.ts';
import { serializeBundle } from '../../src/bundle/bundle-document.ts';
import { toPem } from '../../src/bundle/certificate.ts';
import { chooseEndpointTrust, isNewer, type EndpointTrustInput } from '../../src/federation/endpoint-trust.ts';
import { makeRoot } from '../fakes/fake-ca.ts';
import { bundleOf, NORTH, peerOf, ROOTS, WEST } from './samples.ts';

const later = (await makeRoot(WEST, { notBefore: new Date('2030-01-01') })).der;
const held = bundleOf(WEST, [0]);
const newer = bundleOf(WEST, [1], { sequenceNumber: 8n });

function choose(changes: Partial<EndpointTrustInput>) {
  return chooseEndpointTrust({
    peer: peerOf(WEST),
    held: () => held,
    bootstrap: undefined,
    endpointRootUnknown: false,
    ...changes,
  });
}

function authorities(choice: ReturnType<typeof choose>): readonly Uint8Array[] | undefined {
  return choice.source !== 'None' && choice.trust.type === 'https_spiffe' ? choice.trust.authorities : undefined;
}

describe('chooseEndpointTrust', () => {
  it('takes the held bundle of the endpoint’s trust domain, whatever is declared for the first contact', () => {
    const choice = choose({ bootstrap: newer });
    assert.equal(choice.source, 'Held');
    assert.deepEqual(authorities(choice), held.x509Authorities);
  });

  it('takes the declared bundle for the first contact', () => {
    const choice = choose({ held: () => undefined, bootstrap: newer });
    assert.equal(choice.source, 'Bootstrap');
    assert.deepEqual(authorities(choice), newer.x509Authorities);
  });

  it('has nothing to verify with when neither is there, and says what to give (rule 5)', () => {
    const choice = choose({ held: () => undefined });
    assert.ok(choice.source === 'None');
    assert.match(choice.message, /spec\.trustDomainBundle/);
    assert.equal(choose({ held: () => bundleOf(WEST, []) }).source, 'None');
  });

  it('takes the bundle of the endpoint’s own trust domain when that is another one, never the peer’s bootstrap', () => {
    const peer = peerOf(WEST, { profile: peerOf(NORTH).profile });
    const choice = choose({ peer, held: (name) => (name === NORTH ? bundleOf(NORTH) : held) });
    assert.deepEqual(authorities(choice), bundleOf(NORTH).x509Authorities);
    const none = choose({ peer, held: () => undefined, bootstrap: newer });
    assert.ok(none.source === 'None');
    assert.match(none.message, /declare north\.example as a peer too/);
  });

  it('turns to a declared bundle that is newer when the endpoint’s root is unknown, never to an older one', () => {
    assert.equal(choose({ endpointRootUnknown: true, bootstrap: newer }).source, 'Bootstrap');
    const older = bundleOf(WEST, [1], { sequenceNumber: 6n });
    assert.equal(choose({ endpointRootUnknown: true, bootstrap: older }).source, 'Held');
    assert.equal(choose({ endpointRootUnknown: true }).source, 'Held');
  });

  it('leaves https_web to the public roots, or to those that are declared', () => {
    const peer = peerOf(WEST, { profile: { type: 'https_web' } });
    assert.deepEqual(choose({ peer }), { source: 'WebPki', trust: { type: 'https_web' } });
    const withCa = choose({ peer: { ...peer, webCaPem: 'PEM' } });
    assert.deepEqual(withCa, { source: 'WebPki', trust: { type: 'https_web', caPem: 'PEM' } });
  });
});

describe('isNewer', () => {
  const none = { sequenceNumber: undefined };
  const rows: readonly (readonly [string, Bundle, Bundle, boolean])[] = [
    ['a higher number', newer, held, true],
    ['the same number', held, held, false],
    [
      'a younger root where a number is missing',
      bundleOf(WEST, [0], { ...none, x509Authorities: [later] }),
      held,
      true,
    ],
    ['no younger root where a number is missing', bundleOf(WEST, [1], none), held, false],
  ];
  for (const [what, candidate, other, expected] of rows) {
    it(`is ${expected} for ${what}`, () => {
      assert.equal(isNewer(candidate, other), expected);
    });
  }
});

describe('parseBootstrapBundle', () => {
  it('reads the SPIFFE format and PEM', () => {
    const [root, second] = ROOTS.get(WEST)!;
    assert.ok(bundlesEqual(parseBootstrapBundle(serializeBundle(held, { refreshHintSeconds: 300 }), WEST), held));
    const pem = Buffer.from(`# our roots\n${toPem(root!)}\n${toPem(second!)}`);
    const bundle = parseBootstrapBundle(pem, WEST);
    assert.deepEqual(
      bundle.x509Authorities.map((der) => Buffer.from(der)),
      [root, second].map((der) => Buffer.from(der!)),
    );
    assert.equal(bundle.sequenceNumber, undefined);
  });
  it('refuses PEM that holds a key, or no whole certificate, without repeating it', () => {
    const key = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n';
    assert.throws(() => parseBootstrapBundle(Buffer.from(key), WEST), {
      code: 'KeyMalformed',
      message: /"PRIVATE KEY" block/,
    });
    assert.throws(() => parseBootstrapBundle(Buffer.from('-----BEGIN CERTIFICATE-----\nAAAA'), WEST), {
      code: 'KeyMalformed',
    });
  });
});
