// Are a root's own name constraints kept when it is narrowed to one trust domain?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { encodeNameConstraints, narrowToTrustDomain } from '../../src/istio/name-constraints.ts';
import { encodeDer } from '../../src/istio/write-der.ts';

const PEER = parseTrustDomain('peer.test');
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

const FORM = { other: 0xa0, email: 0x81, dns: 0x82, directory: 0xa4, uri: 0x86, ip: 0x87 } as const;
const name = (form: keyof typeof FORM, base: string) =>
  encodeDer(0x30, encodeDer(FORM[form], Buffer.from(base, 'latin1')));
const permit = (...subtrees: readonly Uint8Array[]) => encodeDer(0xa0, ...subtrees);
const exclude = (...subtrees: readonly Uint8Array[]) => encodeDer(0xa1, ...subtrees);
const constraints = (...lists: readonly Uint8Array[]) => encodeDer(0x30, ...lists);

const ONLY_PEER = name('uri', 'peer.test');
const NO_TEXT = [name('dns', ''), name('email', '')];
const TEN = '\x0a\0\0\0\xff\0\0\0';

/** The root's own, and what the anchor permits and excludes beside the trust domain's URIs and all DNS and email names. */
const KEPT: readonly (readonly [
  what: string,
  ofRoot: Uint8Array | undefined,
  kept: { p?: Uint8Array; e?: Uint8Array },
])[] = [
  ['there are none', undefined, {}],
  ['URIs of this host are permitted', constraints(permit(ONLY_PEER)), {}],
  ['this host is one of several permitted', constraints(permit(name('uri', 'a.test'), name('uri', 'PEER.test'))), {}],
  ['hosts below the suffix are permitted', constraints(permit(name('uri', '.test'))), {}],
  ['URIs of other hosts are excluded', constraints(exclude(name('uri', 'ours.test'), name('uri', '.peer.test'))), {}],
  ['DNS and email names are limited', constraints(permit(name('dns', 'a.test')), exclude(name('email', 'b'))), {}],
  ['IP addresses are limited', constraints(permit(name('ip', TEN))), { p: name('ip', TEN) }],
  ['IP addresses are excluded', constraints(exclude(name('ip', TEN))), { e: name('ip', TEN) }],
  ['subjects are limited', constraints(permit(name('directory', '0\0'))), { p: name('directory', '0\0') }],
  ['names of other kinds are excluded', constraints(exclude(name('other', ''))), { e: name('other', '') }],
];

const EXCLUDED: readonly (readonly [what: string, ofRoot: Uint8Array])[] = [
  ['only another host is permitted', constraints(permit(name('uri', 'other.test')))],
  ['only hosts below this one are permitted', constraints(permit(name('uri', '.peer.test')))],
  ['only a host below this one is permitted', constraints(permit(name('uri', 'sub.peer.test')))],
  ['no host is permitted', constraints(permit(name('uri', '')))],
  ['this host is excluded', constraints(exclude(name('uri', 'peer.test')))],
  ['its suffix is excluded', constraints(exclude(name('uri', '.test')))],
  ['every host is excluded', constraints(exclude(name('uri', '')))],
  ['it is permitted and excluded', constraints(permit(ONLY_PEER), exclude(ONLY_PEER))],
];

const BOUNDED = encodeDer(0x30, encodeDer(FORM.uri, Buffer.from('peer.test')), encodeDer(0x80, Uint8Array.of(1)));

const UNREADABLE: readonly (readonly [what: string, ofRoot: Uint8Array])[] = [
  ['they are no sequence', Uint8Array.of(5, 0)],
  ['they have a third list', constraints(encodeDer(0xa2))],
  ['a subtree is empty', constraints(permit(encodeDer(0x30)))],
  ['a subtree has a minimum', constraints(permit(BOUNDED))],
  ['a host is not ASCII', constraints(permit(name('uri', 'p\u00e9er.test')))],
  ['a range of addresses has no mask', constraints(permit(name('ip', '\x0a\0\0\0')))],
  ['a mask has holes', constraints(permit(name('ip', '\x0a\0\0\0\xff\0\xff\0')))],
];

describe('name constraints of a root, narrowed to a trust domain', () => {
  for (const [what, ofRoot, { p = new Uint8Array(), e = new Uint8Array() }] of KEPT) {
    it(`stay as narrow as they were when ${what}`, () => {
      const expected = constraints(permit(ONLY_PEER, p), exclude(...NO_TEXT, e));
      assert.equal(hex(encodeNameConstraints(narrowToTrustDomain(ofRoot, PEER))), hex(expected));
    });
  }

  for (const [what, ofRoot] of EXCLUDED) {
    it(`leave nothing when ${what}`, () => {
      assert.throws(() => narrowToTrustDomain(ofRoot, PEER), { name: 'AnchorError', code: 'RootExcludesTrustDomain' });
    });
  }

  for (const [what, ofRoot] of UNREADABLE) {
    it(`are not guessed at when ${what}`, () => {
      const expected = { name: 'AnchorError', code: 'RootNameConstraintsUnreadable' };
      assert.throws(() => narrowToTrustDomain(ofRoot, PEER), expected);
    });
  }
});
