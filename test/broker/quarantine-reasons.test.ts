// Does each reason by which a bundle is held or refused stop a hostile endpoint, over real TLS and on an embedded SPIRE? One
// row a reason; the rows are the closed set of codes, so that a new code without a row fails.
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { generateKeyPairSync, webcrypto } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import * as x509 from '@peculiar/x509';
import { BUNDLE_RULES } from '../../src/bundle/bundle-rules.ts';
import { bundleDigest, fingerprint } from '../../src/bundle/bundle.ts';
import { readCertificate } from '../../src/bundle/certificate.ts';
import { pinOfCertificate } from '../../src/bundle/spki-pin.ts';
import type { PeerStatus } from '../../src/broker/peer-status.ts';
import { inspectText } from '../../src/cli/inspect.ts';
import { ACCEPTANCE_RULES } from '../../src/federation/acceptance-rules.ts';
import type { Peer, PeerPolicy } from '../../src/federation/relationship.ts';
import { makeCertificate, makeRoot, type Issued } from '../fakes/fake-ca.ts';
import { NORTH, peerOf, POLICY, WEST } from '../federation/samples.ts';
import {
  documentOf,
  makeWestRoots,
  startHostileScene,
  westBundle,
  type HostileScene,
  type WestRoots,
} from './hostile-scene.ts';
import { SETTINGS, until } from './side.ts';
import { DOCUMENT_ERROR_CODES } from '../bundle/document-error-codes.ts';

/** Every code that a verdict of a fetched document can have. */
const REASONS: readonly string[] = [
  ...ACCEPTANCE_RULES.map(({ id }) => id),
  ...BUNDLE_RULES.filter(({ severity }) => severity === 'refuse').map(({ id }) => id),
  ...DOCUMENT_ERROR_CODES,
];

/** Small, so that an attack on a limit is small; and asked often. */
const SMALL_SETTINGS = {
  ...SETTINGS,
  refresh: { ...SETTINGS.refresh, maxSeconds: SETTINGS.refresh.minSeconds },
  plan: { maxRoots: 4 },
  documentLimits: { maxBytes: 20_000, maxKeys: 10, maxDepth: 16 },
};

interface Ground extends WestRoots {
  /** Of our own trust domain, as SPIRE publishes it. */
  readonly own: Uint8Array;
  /** Of a third trust domain, whose bundle SPIRE holds. */
  readonly north: Issued;
}

interface Attack {
  readonly verdict: 'held' | 'refused';
  readonly releasable?: boolean;
  readonly policy?: Partial<PeerPolicy>;
  readonly serves: (ground: Ground) => Promise<Buffer> | Buffer;
  /** What else the declaration says, by what is served. */
  readonly declares?: (body: Buffer, ground: Ground) => Partial<Peer>;
}

/** Nothing is held yet: it must not become so. */
type FirstContact = Attack & { readonly policyOf: (ground: Ground) => Partial<PeerPolicy> };

const withRoots = (...roots: readonly Issued[]) => documentOf(westBundle(roots, 8n));
const beside = (good: Issued, der: Uint8Array) =>
  documentOf({ ...westBundle([], 8n), x509Authorities: [good.der, der] });

/** An honest document, and then a change of its text. */
const spoilt = (change: (text: string) => string) => (ground: Ground) =>
  Buffer.from(change(withRoots(ground.good, ground.next).toString('utf8')));

const moreKeys = (...keys: readonly unknown[]) =>
  spoilt((text) => text.replace('{"keys":[', `{"keys":[${keys.map((key) => JSON.stringify(key)).join(',')},`));

const EXPIRED = { notBefore: new Date('2020-01-01T00:00:00Z'), notAfter: new Date('2020-02-01T00:00:00Z') };

/** Attacks on what SPIRE holds: west with its good root, sequence 7. */
const ATTACKS: Readonly<Record<string, Attack>> = {
  RejectedByOperator: {
    verdict: 'refused',
    serves: ({ good, next }) => withRoots(good, next),
    declares: (_body, { good, next }) => ({ rejectDigests: [bundleDigest(westBundle([good, next], 8n))] }),
  },
  EmptyBundle: { verdict: 'held', serves: () => withRoots() },
  NoUsableKeys: {
    verdict: 'held',
    serves: async () => {
      const faults = [{ isCa: false }, { algorithm: 'RSA-1024' }] as const;
      return withRoots(...(await Promise.all(faults.map((fault) => makeRoot(WEST, fault)))));
    },
  },
  NoX509Authorities: {
    verdict: 'held',
    serves: () => {
      const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const jwtAuthorities = [{ keyId: 'jwt', publicKey: publicKey.export({ format: 'der', type: 'spki' }) }];
      return documentOf({ ...westBundle([], 8n), jwtAuthorities });
    },
  },
  AllRootsExpired: {
    verdict: 'held',
    releasable: true,
    serves: async () => withRoots(await makeRoot(WEST, EXPIRED), await makeRoot(WEST, EXPIRED)),
  },
  SequenceRollback: {
    verdict: 'refused',
    releasable: true,
    serves: ({ good, next }) => documentOf(westBundle([good, next], 6n)),
  },
  SequenceReuse: {
    verdict: 'held',
    releasable: true,
    policy: { onSequenceReuse: 'Hold' },
    serves: ({ good, next }) => documentOf(westBundle([good, next], 7n)),
  },
  DisjointRoots: {
    verdict: 'held',
    releasable: true,
    policy: { onDisjointRoots: 'Hold' },
    serves: ({ next }) => withRoots(next),
  },
  LargeChange: {
    verdict: 'held',
    releasable: true,
    policy: { onLargeChange: 'Hold', largeChange: { added: 2, removed: 5 } },
    serves: ({ good, next, third }) => withRoots(good, next, third),
  },
  TooManyRoots: {
    verdict: 'refused',
    serves: async ({ good }) => withRoots(good, ...(await Promise.all([1, 2, 3, 4].map(() => makeRoot(WEST))))),
  },
  OwnRoot: { verdict: 'refused', serves: ({ good, own }) => beside(good, own) },
  OwnKey: {
    verdict: 'refused',
    serves: async ({ good, own }) => beside(good, await certificateOver(own, good)),
  },
  OwnSubjectAndKeyId: {
    verdict: 'refused',
    serves: async ({ good, own }) => {
      const { subject } = new x509.X509Certificate(Uint8Array.from(own));
      const { subjectKeyId = '' } = readCertificate(own);
      return withRoots(good, await makeCertificate({ isCa: true, subject, subjectKeyId }));
    },
  },
  RootOfOtherTrustDomain: { verdict: 'refused', serves: ({ good, north }) => withRoots(good, north) },
  KeyOfOtherTrustDomain: {
    verdict: 'refused',
    serves: async ({ good, north }) => withRoots(good, await makeRoot(WEST, { keys: north.keys })),
  },
  RootNamesOtherTrustDomain: {
    verdict: 'refused',
    serves: async ({ good }) => withRoots(good, await makeRoot('nobody.example')),
  },
  DocumentTooLarge: { verdict: 'refused', serves: spoilt((text) => text + ' '.repeat(20_000)) },
  DocumentNotUtf8: {
    verdict: 'refused',
    serves: ({ good }) => Buffer.concat([withRoots(good).subarray(0, -2), Buffer.from(',"x":"\xff"}', 'latin1')]),
  },
  DocumentNotJson: { verdict: 'refused', serves: spoilt((text) => text.slice(0, -2)) },
  DocumentTooDeep: {
    verdict: 'refused',
    serves: spoilt((text) => `{"x":${'['.repeat(20)}${']'.repeat(20)},${text.slice(1)}`),
  },
  DocumentHasDuplicateMember: { verdict: 'refused', serves: spoilt((text) => `{"keys":[],${text.slice(1)}`) },
  DocumentHasTooManyKeys: { verdict: 'refused', serves: moreKeys(...Array.from({ length: 9 }, () => ({}))) },
  DocumentNotABundle: { verdict: 'refused', serves: spoilt((text) => `[${text}]`) },
  KeysMissing: { verdict: 'refused', serves: spoilt((text) => text.replace('"keys"', '"Keys"')) },
  KeyMalformed: { verdict: 'refused', serves: moreKeys('a key') },
  KeyIdMissing: {
    verdict: 'refused',
    serves: moreKeys({ kty: 'EC', use: 'jwt-svid', crv: 'P-256', x: 'AA', y: 'AA' }),
  },
  CertificateMalformed: { verdict: 'refused', serves: moreKeys({ kty: 'EC', use: 'x509-svid', x5c: ['AAAA'] }) },
  SequenceInvalid: { verdict: 'refused', serves: spoilt((text) => text.replace(':8,', ':-8,')) },
  RefreshHintInvalid: { verdict: 'refused', serves: spoilt((text) => text.replace(/hint":\d+/, 'hint":-1')) },
};

const FIRST_CONTACTS: Readonly<Record<string, FirstContact>> = {
  NoPinnedRoot: {
    verdict: 'refused',
    releasable: true,
    policyOf: ({ third }) => ({ pins: [pinOfCertificate(third.der)] }),
    serves: ({ good, next }) => withRoots(good, next),
  },
};

/** Our key in a certificate that is not ours: whoever signs it needs no key of ours. */
async function certificateOver(own: Uint8Array, issuer: Issued): Promise<Uint8Array> {
  const { jwk } = readCertificate(own).publicKey;
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const publicKey = await webcrypto.subtle.importKey('jwk', jwk!, algorithm, true, ['verify']);
  return (await makeRoot(WEST, { keys: { ...issuer.keys, publicKey } })).der;
}

/** How `fedbroker inspect` words it. */
const SHOWN = { Current: 'Waits for a decision', Rejected: 'Rejected' } as const;

function bundleVerified(peer: PeerStatus | undefined): string {
  const condition = peer?.conditions.find(({ type }) => type === 'BundleVerified');
  return `${condition?.status ?? ''} ${condition?.reason ?? ''}`;
}

describe('a hostile endpoint', () => {
  let ground: Ground;
  let scene: HostileScene;
  const northPeer = peerOf(NORTH, { suspend: 'Paused' });
  before(async () => {
    const [roots, north] = await Promise.all([makeWestRoots(), makeRoot(NORTH)]);
    scene = await startHostileScene(roots, { parts: { settings: SMALL_SETTINGS }, besides: [northPeer] });
    const [own] = (await scene.side.spire.readOwnBundle()).x509Authorities;
    ground = { ...roots, north, own: own! };
    const northBundle = { ...westBundle([north], 1n), trustDomain: NORTH };
    const [stored] = await scene.side.spire.setFederatedBundles([northBundle]);
    assert.equal(stored?.ok, true);
  });
  after(() => scene.stop());

  /** As `fedbroker inspect` and `/status` tell it. */
  async function assertEvidence(of: HostileScene, reason: string, { verdict, releasable = false }: Attack) {
    const evidence = await until('evidence', () => {
      const [newest] = of.west()?.evidence ?? [];
      return newest?.reason === reason && newest;
    });
    const state = reason === 'RejectedByOperator' ? 'Rejected' : 'Current';
    assert.equal(`${evidence.verdict} ${evidence.state}`, `${verdict} ${state}`);
    assert.equal(evidence.releasable, releasable);
    assert.equal(evidence.url, of.endpoint.url);
    const presented = [ground.leaf, ground.good].map(({ der }) => fingerprint(der));
    assert.deepEqual(evidence.endpointCertificates, presented);
    assert.equal(bundleVerified(of.west()), `False ${reason}`);
    const [part = ''] = inspectText(of.west()!).split('\n\n').slice(2);
    assert.ok(part.startsWith(`${SHOWN[state]}: ${verdict} (${reason}): `), part);
    assert.equal(part.includes('to refuse it:  fedbroker reject west --digest'), releasable);
    assert.doesNotMatch(part, /BEGIN CERTIFICATE/);
    return evidence;
  }

  for (const [reason, attack] of Object.entries(ATTACKS)) {
    it(`changes nothing by ${reason}: what is held stays, and the evidence says by whom and when`, async () => {
      const { policy, serves, declares } = attack;
      const body = await serves(ground);
      scene.declare({ policy: { ...POLICY, ...policy }, ...declares?.(body, ground) });
      scene.serve(body);
      const evidence = await assertEvidence(scene, reason, attack);
      const later = await until('it is seen again', () => {
        const [again] = scene.west()?.evidence ?? [];
        return again !== undefined && again.lastSeen > evidence.lastSeen && again;
      });
      assert.equal(later.firstSeen, evidence.firstSeen);
      assert.deepEqual(await scene.rootsInSpire(), [fingerprint(ground.good.der)]);
      assert.equal((await scene.side.spire.getFederatedBundle(WEST))?.sequenceNumber, 7n);
      assert.deepEqual(await scene.side.links(scene.entry), [WEST]);

      scene.serve(documentOf(scene.first));
      scene.declare({ policy: POLICY, rejectDigests: [] });
      await until('the truth counts again', () => bundleVerified(scene.west()) === 'True Accepted');
      const [kept] = scene.west()?.evidence ?? [];
      assert.equal(`${kept?.reason ?? ''} ${kept?.state ?? ''}`, `${reason} Past`);
    });
  }

  for (const [reason, attack] of Object.entries(FIRST_CONTACTS)) {
    it(`gets nothing in by ${reason} at first contact, and the evidence says by whom and when`, async () => {
      const first = await startHostileScene(ground, {
        policy: attack.policyOf(ground),
        serves: await attack.serves(ground),
      });
      try {
        await assertEvidence(first, reason, attack);
        assert.deepEqual(await first.rootsInSpire(), []);
        assert.deepEqual(await first.side.links(first.entry), []);
      } finally {
        await first.stop();
      }
    });
  }

  it('gets nothing in at first contact while its broker has not asked for our bundle, where consent is required', async () => {
    const policy = { requireConsent: true };
    const first = await startHostileScene(ground, { policy, serves: withRoots(ground.good, ground.next) });
    try {
      await until('it waits', () =>
        first.west()?.conditions.some(({ type, reason }) => type === 'BundleStored' && reason === 'WaitingForPeer'),
      );
      assert.deepEqual(await first.rootsInSpire(), []);
      assert.deepEqual(await first.side.links(first.entry), []);
    } finally {
      await first.stop();
    }
  });

  it('of each reason by which a bundle is held or refused was met above', () => {
    const rows = [...Object.keys(ATTACKS), ...Object.keys(FIRST_CONTACTS)];
    assert.deepEqual(rows.toSorted(), REASONS.toSorted());
  });
});
