// Does every fault of a file say on which line it is?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parsePeerFile } from '../../src/peer-files/parse-peer-file.ts';
import { peerYaml } from './peer-yaml.ts';

const parse = (text: string) => parsePeerFile('a.yaml', '/etc/peers/a.yaml', text);

/** Each fault as `line:column path: message`. */
function faultsOf(text: string): string[] {
  return parse(text).faults.map(({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`);
}

describe('a file of declarations', () => {
  it('may have several documents, comments and empty ones among them', () => {
    const { declared, faults } = parse(`# ours\n---\n${peerYaml('west')}---\n# none\n---\n${peerYaml('north')}---\n`);
    assert.deepEqual(faults, []);
    assert.deepEqual(
      declared.map(({ peer }) => peer.trustDomain),
      ['west.example', 'north.example'],
    );
  });

  it('may be JSON, with tabs', () => {
    const document = {
      apiVersion: 'fedbroker.dev/v1alpha1',
      kind: 'PeerTrustDomain',
      metadata: { name: 'west' },
      spec: {
        trustDomain: 'west.example',
        bundleEndpointURL: 'https://w/',
        bundleEndpointProfile: { type: 'https_web' },
      },
    };
    assert.deepEqual(faultsOf(JSON.stringify(document, null, '\t')), []);
  });

  it('names bootstrap files from its own directory', () => {
    const bootstrapOf = (file: string) =>
      parse(peerYaml('west', `trustDomainBundle: { file: ${file} }`)).declared[0]?.peer.bootstrap;
    assert.deepEqual(bootstrapOf('roots/west.json'), { type: 'file', path: '/etc/peers/roots/west.json' });
    assert.deepEqual(bootstrapOf('/srv/west.json'), { type: 'file', path: '/srv/west.json' });
  });
});

const FAULTS: readonly (readonly [sentence: string, text: string, fault: RegExp])[] = [
  ['a wrong value where its field stands', peerYaml('west', 'mode: Both'), /^9:3 spec\.mode: must be Own or Delegate$/],
  [
    'an unknown field where it stands',
    peerYaml('west', 'mdoe: Own'),
    /^9:3 spec\.mdoe: unknown field; did you mean "mode"/,
  ],
  [
    'a missing field at what should hold it',
    'apiVersion: fedbroker.dev/v1alpha1\nkind: PeerTrustDomain\nspec: {}\nmetadata: {}',
    /^3:1 spec\.trustDomain: is missing$/,
  ],
  [
    'a fault in a list at its item',
    peerYaml('west', 'federatesWith: { entries: [{ hint: a }, {}] }'),
    /^9:43 spec\.federatesWith\.entries\.1: needs at least/,
  ],
  [
    'a fault of the second document on its line',
    `${peerYaml('west')}---\n${peerYaml('North')}`,
    /^14:3 metadata\.name: /,
  ],
  ['broken YAML', 'spec: [1,\n', /^2:1 : /],
  ['a field that is given twice', peerYaml('west', 'mode: Own\n  mode: Own'), /^10:3 : Map keys must be unique/],
  ['a tag that nothing knows', peerYaml('west', 'mode: !!Own Own'), /^9:9 : Unresolved tag/],
  ['a document that is no object', '- 1\n', /^1:1 : must be an object, not an array$/],
  ['a file without any document', '# later\n', /^1:1 : declares nothing/],
  ['an empty file', '', /^1:1 : declares nothing/],
];

describe('a fault is reported with line and column for', () => {
  for (const [sentence, text, fault] of FAULTS) {
    it(sentence, () => {
      const faults = faultsOf(text);
      assert.ok(
        faults.some((found) => fault.test(found)),
        faults.join('\n'),
      );
    });
  }

  it('aliases that would expand without end', () => {
    const levels = Array.from({ length: 12 }, (_, n) => `l${n + 1}: &l${n + 1} [${`*l${n}, `.repeat(9)}*l${n}]`);
    const faults = faultsOf(['l0: &l0 x', ...levels].join('\n'));
    assert.equal(faults.length, 1);
    assert.match(faults[0]!, /alias/i);
  });
});

describe('the faultless documents of a faulty file', () => {
  it('are still read', () => {
    const { declared, faults } = parse(`${peerYaml('west')}---\n${peerYaml('north', 'mode: Both')}`);
    assert.deepEqual([declared.length, faults.length], [1, 1]);
  });
});

describe('any text', () => {
  it('is read without an exception, and never without both declaration and fault', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(), (noise, position) => {
        const text = peerYaml('west');
        const at = position % text.length;
        for (const candidate of [noise, text.slice(0, at) + noise + text.slice(at)]) {
          const { declared, faults } = parse(candidate);
          assert.ok(declared.length + faults.length > 0);
        }
      }),
    );
  });
});
