// Is every declaration either a peer or a list of all its faults?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseDurationSeconds } from '../../src/federation/duration.ts';
import { nearestName } from '../../src/federation/nearest-name.ts';
import { parsePeerDeclaration } from '../../src/federation/peer-declaration.ts';
import type { Peer } from '../../src/federation/relationship.ts';
import { POLICY } from './samples.ts';

type Fields = Record<string, unknown>;

const WEB_PROFILE = { type: 'https_web' };
const SPIFFE_PROFILE = { type: 'https_spiffe', endpointSPIFFEID: 'spiffe://west.example/federation-broker' };

function declaration(spec: Fields = {}, rest: Fields = {}): Fields {
  return {
    apiVersion: 'fedbroker.dev/v1alpha1',
    kind: 'PeerTrustDomain',
    metadata: { name: 'west' },
    spec: {
      trustDomain: 'west.example',
      bundleEndpointURL: 'https://bundle.west.example/',
      bundleEndpointProfile: SPIFFE_PROFILE,
      ...spec,
    },
    ...rest,
  };
}

function peerOf(document: unknown): Peer {
  const result = parsePeerDeclaration(document, 'File');
  assert.ok(result.ok, `faults: ${JSON.stringify(result)}`);
  return result.peer;
}

/** Each fault as `path: message`. */
function faultsOf(document: unknown): string[] {
  const result = parsePeerDeclaration(document, 'File');
  assert.ok(!result.ok, 'expected faults, got a peer');
  return result.faults.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('a declaration without faults', () => {
  it('needs a trust domain, a URL and a profile; everything else has a default', () => {
    assert.deepEqual(peerOf(declaration()), {
      name: 'west',
      trustDomain: 'west.example',
      bundleEndpointUrl: 'https://bundle.west.example/',
      profile: { type: 'https_spiffe', endpointSpiffeId: 'spiffe://west.example/federation-broker' },
      webCaPem: undefined,
      bootstrap: undefined,
      mode: 'Own',
      entrySelectors: [],
      entryScope: 'Additive',
      clusterSpiffeIds: undefined,
      mesh: undefined,
      policy: POLICY,
      suspend: 'Active',
      acceptDigest: undefined,
      rejectDigests: [],
      quarantine: undefined,
      lastGoodBundle: undefined,
    });
  });

  it('may say everything', () => {
    const peer = peerOf(
      declaration({
        bundleEndpointProfile: WEB_PROFILE,
        webPKI: { caBundle: '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n' },
        trustDomainBundle: { file: 'west.json' },
        federatesWith: {
          scope: 'Exact',
          entries: [
            { spiffeID: 'spiffe://east.example/ns/*/api/**' },
            { parentID: 'spiffe://east.example/spire/agent/**', selectors: ['unix:uid:0', 'k8s:ns:pay'], hint: 'in' },
          ],
        },
        istio: {
          anchors: 'Constrained',
          urgent: true,
          gatewayCAs: [{ configMap: { name: 'west-ca' } }, { secret: { namespace: 'edge', credentialName: 'west' } }],
        },
        policy: {
          onEmptyBundle: 'Revoke',
          onDisjointRoots: 'Hold',
          onLargeChange: 'Hold',
          largeChange: { added: 2, removed: 3 },
          onSequenceReuse: 'Hold',
          staleAfter: '1h30m',
          expireAfter: '48h',
          onExpired: 'Cut',
          pin: ['sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE='],
          requireConsent: true,
          acceptDigest: 'AB'.repeat(32),
        },
        suspend: 'Revoke',
      }),
    );
    assert.deepEqual(peer.profile, { type: 'https_web' });
    assert.match(peer.webCaPem!, /^-----BEGIN/);
    assert.deepEqual(peer.bootstrap, { type: 'file', path: 'west.json' });
    assert.equal(peer.entryScope, 'Exact');
    assert.deepEqual(peer.entrySelectors, [
      {
        spiffeIdPattern: 'spiffe://east.example/ns/*/api/**',
        parentIdPattern: undefined,
        selectors: [],
        hint: undefined,
      },
      {
        spiffeIdPattern: undefined,
        parentIdPattern: 'spiffe://east.example/spire/agent/**',
        selectors: [
          { type: 'unix', value: 'uid:0' },
          { type: 'k8s', value: 'ns:pay' },
        ],
        hint: 'in',
      },
    ]);
    assert.deepEqual(peer.mesh, {
      anchors: 'Constrained',
      urgent: true,
      gatewayCas: [
        { type: 'ConfigMap', name: 'west-ca' },
        { type: 'Secret', namespace: 'edge', credentialName: 'west' },
      ],
    });
    assert.deepEqual(peer.policy, {
      onEmptyBundle: 'Revoke',
      onDisjointRoots: 'Hold',
      onLargeChange: 'Hold',
      largeChange: { added: 2, removed: 3 },
      onSequenceReuse: 'Hold',
      staleAfterSeconds: 5400,
      expireAfterSeconds: 172_800,
      onExpired: 'Cut',
      pins: [`${'00'.repeat(31)}01`],
      requireConsent: true,
    });
    assert.equal(peer.acceptDigest, 'ab'.repeat(32));
    assert.equal(peer.suspend, 'Revoke');
  });

  it('may be what an API server answers, status and server-set metadata included', () => {
    const metadata = { name: 'west', uid: 'u', resourceVersion: '7', generation: 1, labels: { team: 'mesh' } };
    assert.equal(peerOf(declaration({}, { metadata, status: { conditions: [] } })).name, 'west');
  });

  for (const [written, suspend] of [
    [false, 'Active'],
    [true, 'Paused'],
    ['Revoke', 'Revoke'],
  ] as const) {
    it(`reads suspend: ${written} as ${suspend}`, () => {
      assert.equal(peerOf(declaration({ suspend: written })).suspend, suspend);
    });
  }
});

const CERTIFICATE = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----';
const withEntry = (entry: Fields) => declaration({ federatesWith: { entries: [entry] } });

const FAULTS: readonly (readonly [sentence: string, document: unknown, fault: RegExp])[] = [
  ['a list instead of a document', [], /^: must be an object, not an array$/],
  ['another kind', { ...declaration(), kind: 'ConfigMap' }, /^kind: must be PeerTrustDomain$/],
  ['another version', { ...declaration(), apiVersion: 'fedbroker.dev/v2' }, /^apiVersion: must be fedbroker/],
  ['a name Kubernetes would refuse', declaration({}, { metadata: { name: 'West' } }), /^metadata\.name: .*DNS-1123/],
  ['a misspelt field', declaration({ trustDomian: 'x' }), /^spec\.trustDomian: .*did you mean "trustDomain"\?$/],
  [
    'a field like no other',
    declaration({ zzzzzzzzzz: 1 }),
    /^spec\.zzzzzzzzzz: unknown field; known here: trustDomain/,
  ],
  [
    'a namespace, since peers are cluster-scoped',
    declaration({}, { metadata: { name: 'a', namespace: 'b' } }),
    /namesp/,
  ],
  ['a missing trust domain', declaration({ trustDomain: undefined }), /^spec\.trustDomain: is missing$/],
  [
    'a trust domain with a scheme',
    declaration({ trustDomain: 'spiffe://a.b' }),
    /^spec\.trustDomain: .*without the sch/,
  ],
  [
    'a URL over plain http',
    declaration({ bundleEndpointURL: 'http://a.b/' }),
    /^spec\.bundleEndpointURL: must be an https/,
  ],
  ['a URL with a password', declaration({ bundleEndpointURL: 'https://u:hunter2@a.b/' }), /user name or password$/],
  ['a URL without a host', declaration({ bundleEndpointURL: 'https://' }), /^spec\.bundleEndpointURL: is not a URL/],
  ['a URL with a fragment', declaration({ bundleEndpointURL: 'https://a.b/#x' }), /fragment$/],
  [
    'https_spiffe without an ID',
    declaration({ bundleEndpointProfile: { type: 'https_spiffe' } }),
    /SPIFFEID: is requir/,
  ],
  [
    'https_web with an ID',
    declaration({ bundleEndpointProfile: { ...SPIFFE_PROFILE, type: 'https_web' } }),
    /^spec\.bundleEndpointProfile\.endpointSPIFFEID: belongs to https_spiffe only/,
  ],
  [
    'an unknown profile',
    declaration({ bundleEndpointProfile: { type: 'http' } }),
    /must be https_web or https_spiffe$/,
  ],
  ['a private CA with https_spiffe', declaration({ webPKI: { caBundle: CERTIFICATE } }), /^spec\.webPKI: belongs to/],
  [
    'a private CA with Delegate',
    declaration({ bundleEndpointProfile: WEB_PROFILE, mode: 'Delegate', webPKI: { caBundle: CERTIFICATE } }),
    /^spec\.webPKI: belongs to/,
  ],
  [
    'a private CA that is not PEM',
    declaration({ bundleEndpointProfile: WEB_PROFILE, webPKI: { caBundle: 'x' } }),
    /PEM$/,
  ],
  [
    'two bootstrap sources',
    declaration({ trustDomainBundle: { inline: '{}', file: 'a' } }),
    /Bundle: needs exactly one/,
  ],
  ['no bootstrap source', declaration({ trustDomainBundle: {} }), /^spec\.trustDomainBundle: needs exactly one/],
  [
    'a bootstrap that is YAML, not text',
    declaration({ trustDomainBundle: { inline: { keys: [] } } }),
    /put it in quotes/,
  ],
  [
    'a ConfigMap as bootstrap',
    declaration({ trustDomainBundle: { configMapRef: {} } }),
    /Ref: needs Kubernetes: in a file/,
  ],
  [
    'ClusterSPIFFEIDs without Kubernetes',
    declaration({ federatesWith: { entries: [{ hint: 'a' }], clusterSPIFFEIDs: { matchLabels: {} } } }),
    /^spec\.federatesWith\.clusterSPIFFEIDs: needs Kubernetes: in a file/,
  ],
  ['a gateway CA without object', declaration({ istio: { anchors: 'None', gatewayCAs: [{}] } }), /exactly one of/],
  ['a mesh without a choice', declaration({ istio: {} }), /^spec\.istio\.anchors: is missing/],
  ['an entry selector without criterion', withEntry({}), /^spec\.federatesWith\.entries\.0: needs at least one of/],
  ['an empty list of entry selectors', declaration({ federatesWith: { entries: [] } }), /entries: must not be empty$/],
  ['a pattern for half a segment', withEntry({ spiffeID: 'spiffe://a/ns-*/b' }), /not a SPIFFE ID pattern/],
  ['a pattern for any trust domain', withEntry({ spiffeID: 'spiffe://*/b' }), /not a SPIFFE ID pattern/],
  ['a selector without a value', withEntry({ selectors: ['unix:'] }), /selectors\.0: "unix:" is not a selector/],
  ['a selector without a type', withEntry({ selectors: [':uid'] }), /selectors\.0: ":uid" is not a selector/],
  ['a duration without a unit', declaration({ policy: { staleAfter: '10' } }), /staleAfter: "10" is not a duration/],
  [
    'a policy nobody knows',
    declaration({ policy: { onEmptyBundle: 'Keep' } }),
    /onEmptyBundle: must be Hold or Revoke$/,
  ],
  ['a digest that is none', declaration({ policy: { acceptDigest: 'abc' } }), /acceptDigest: must be the SHA-256/],
  ['a suspend nobody knows', declaration({ suspend: 'yes' }), /^spec\.suspend: must be false or true or Revoke$/],
  ['a number for a text', declaration({ trustDomain: 7 }), /^spec\.trustDomain: must be a string, not a number$/],
];

describe('a declaration is refused, with the place and what to write,', () => {
  for (const [sentence, document, fault] of FAULTS) {
    it(`for ${sentence}`, () => {
      const faults = faultsOf(document);
      assert.equal(faults.length, 1, faults.join('\n'));
      assert.match(faults[0]!, fault);
    });
  }

  it('with all its faults together', () => {
    const faults = faultsOf(
      declaration(
        {
          trustDomain: 'West',
          bundleEndpointURL: 'http://a.b',
          webPKI: { caBundle: CERTIFICATE },
          policy: { staleAfter: 'soon' },
          federatesWith: { entries: [{}, { selectors: ['x'] }] },
          mdoe: 'Own',
        },
        { metadata: {} },
      ),
    );
    assert.deepEqual(faults.map((fault) => fault.slice(0, fault.indexOf(':'))).sort(), [
      'metadata.name',
      'spec.bundleEndpointURL',
      'spec.federatesWith.entries.0',
      'spec.federatesWith.entries.1.selectors.0',
      'spec.mdoe',
      'spec.policy.staleAfter',
      'spec.trustDomain',
      'spec.webPKI',
    ]);
  });

  it('never with an exception, whatever the document', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (anything, inSpec) => {
        parsePeerDeclaration(anything, 'File');
        parsePeerDeclaration({ ...declaration(), spec: inSpec }, 'Kubernetes');
      }),
    );
  });

  it('without repeating a password of the URL', () => {
    assert.doesNotMatch(faultsOf(declaration({ bundleEndpointURL: 'https://u:hunter2@a.b/' })).join(), /hunter2/);
  });
});

describe('a duration', () => {
  for (const [text, seconds] of [
    ['30s', 30],
    ['5m', 300],
    ['1h', 3600],
    ['1h30m5s', 5405],
    ['', undefined],
    ['0s', undefined],
    ['1d', undefined],
    ['-1s', undefined],
    ['1.5h', undefined],
    ['30m1h', undefined],
    ['99999999999999999999h', undefined],
  ] as const) {
    it(`"${text}" is ${seconds ?? 'refused'}`, () => {
      assert.equal(parseDurationSeconds(text), seconds);
    });
  }
});

describe('the nearest known name', () => {
  it('is found through swapped, missing and wrong letters, whatever the case', () => {
    for (const name of ['trustDomian', 'trustDomin', 'TRUSTDOMAIN', 'trust-domain']) {
      assert.equal(nearestName(name, ['trustDomain', 'mode']), 'trustDomain');
    }
  });

  it('is not guessed when nothing is near', () => {
    assert.equal(nearestName('x'.repeat(100_000), ['trustDomain', 'mode']), undefined);
    assert.equal(nearestName('banana', ['trustDomain', 'mode']), undefined);
    assert.equal(nearestName('', ['mode']), undefined);
  });
});
