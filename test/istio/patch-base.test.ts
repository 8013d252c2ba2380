// Does a mesh config of others keep every byte of theirs while our entries come, change and go?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { toPem } from '../../src/bundle/certificate.ts';
import { parseTrustDomain, type TrustDomain } from '../../src/bundle/trust-domain.ts';
import { mergeMesh } from '../../src/istio/mesh-merge.ts';
import { patchMeshText } from '../../src/istio/patch-base.ts';
import { NOTHING_PUBLISHED, type Published } from '../../src/istio/published.ts';
import { bundleOf, NORTH, ROOTS, WEST } from '../federation/samples.ts';
import { accepting, BASE_REF, meshPeer, MeshWorld } from './mesh-world.ts';

const THEIRS = parseTrustDomain('theirs.example');

const ours = (names: readonly TrustDomain[], anchors: readonly number[] = []): Published => ({
  listed: new Set(names),
  anchors: anchors.length === 0 ? new Map() : new Map([[WEST, anchors.map((number) => ROOTS.get(WEST)![number]!)]]),
});

const THEIR_PEM = toPem(ROOTS.get(NORTH)![0]!).replaceAll(/^(?=.)/gm, '    ');

/** Texts of others, each with its end in another way. */
const BASES = {
  'no text at all': '',
  'no list': '# managed by helm\ntrustDomain: east.example   # ours\ndefaultConfig:\n    drainDuration: 45s\n',
  'no newline at the end': 'trustDomain: east.example',
  'a list of others': `# first\ncaCertificates:\n# of the platform team\n- trustDomains: [${THEIRS}] # keep\n- pem: |\n${THEIR_PEM}# last\naccessLogFile: "/dev/stdout"\n`,
  'a list of others, further in, at the end': `trustDomain: east.example\ncaCertificates:\n    - trustDomains:\n        - ${THEIRS}\n    # about the next\n    - {trustDomains: [other.example]}\n`,
  'a literal text at the end': `caCertificates:\n- pem: |\n${THEIR_PEM}`,
} as const;

describe('our entries among those of others', () => {
  for (const [what, text] of Object.entries(BASES)) {
    it(`come and go without a trace, with ${what}`, () => {
      const withOurs = patchMeshText(text, NOTHING_PUBLISHED, ours([WEST, NORTH], [0, 1]));
      assert.ok(withOurs !== undefined);
      const before = (parse(text) ?? {}) as { caCertificates?: readonly unknown[] };
      const after = parse(withOurs) as { caCertificates: readonly unknown[] };
      assert.deepEqual({ ...after, caCertificates: [] }, { ...before, caCertificates: [] });
      const theirs = before.caCertificates ?? [];
      assert.deepEqual(after.caCertificates.slice(0, theirs.length), theirs);
      assert.equal(after.caCertificates.length, theirs.length + 3);
      for (const line of text.split('\n')) assert.ok(withOurs.includes(line), line);

      const gone = patchMeshText(withOurs, ours([WEST, NORTH], [0, 1]), NOTHING_PUBLISHED);
      assert.equal(gone, text === '' || text.endsWith('\n') ? text : `${text}\n`);
    });
  }

  it('end up the same whatever was there of them before', () => {
    const states = fc.record({ names: fc.subarray([WEST, NORTH]), anchors: fc.subarray([0, 1, 2]) });
    fc.assert(
      fc.property(fc.constantFrom(...Object.values(BASES)), fc.array(states, { maxLength: 4 }), (text, steps) => {
        let [current, recorded] = [text as string, NOTHING_PUBLISHED];
        for (const { names, anchors } of steps) {
          const next = ours(names, anchors);
          current = patchMeshText(current, recorded, next)!;
          recorded = next;
        }
        const atOnce = patchMeshText(text, NOTHING_PUBLISHED, recorded);
        assert.deepEqual(parse(current), parse(atOnce!));
        assert.equal(patchMeshText(current, recorded, recorded), current);
      }),
      { numRuns: 100 },
    );
  });

  it('come into the list also where others wrote the field with an underscore, and no second field is made', () => {
    const text = `trust_domain: east.example\nca_certificates:\n- trust_domains: [${THEIRS}]\n`;
    const patched = patchMeshText(text, NOTHING_PUBLISHED, ours([WEST]))!;
    assert.deepEqual(parse(patched), {
      trust_domain: 'east.example',
      ca_certificates: [{ trust_domains: [THEIRS] }, { trustDomains: [WEST] }],
    });
    assert.deepEqual(mergeMesh({ shared: undefined, base: patched }).ignored, {});
    assert.equal(patchMeshText(patched, ours([WEST]), NOTHING_PUBLISHED), text);
  });

  it('take the place of an empty list', () => {
    const text = 'caCertificates: [] # none yet\ntrustDomain: east.example\n';
    const patched = patchMeshText(text, NOTHING_PUBLISHED, ours([WEST]));
    assert.deepEqual(parse(patched!), { caCertificates: [{ trustDomains: [WEST] }], trustDomain: 'east.example' });
  });

  it('find no place in a text that is no YAML, or that writes its list on one line', () => {
    for (const text of [
      'caCertificates: [\n',
      '{"trustDomain": "east.example"}\n',
      `caCertificates: [{trustDomains: [${THEIRS}]}]\n`,
      '- a\n',
    ]) {
      assert.equal(patchMeshText(text, NOTHING_PUBLISHED, ours([WEST])), undefined, text);
    }
  });
});

describe('istiod’s own ConfigMap as the target', () => {
  function world(text: string): MeshWorld {
    const made = new MeshWorld();
    made.limits = { ...made.limits, target: 'PatchBase' };
    made.peers = [meshPeer(WEST, accepting('Constrained', { urgent: true }))];
    made.stored = [bundleOf(WEST)];
    made.put(
      BASE_REF,
      { data: { mesh: text, meshNetworks: 'networks: {}' } },
      { ours: false, otherManagers: ['helm'] },
    );
    return made;
  }
  const textOf = (made: MeshWorld) => made.objects.get('ConfigMap/istio-system/istio')!.data['mesh']!;

  it('gets our entries, keeps its own, and is not written again', () => {
    const made = world(BASES['a list of others']);
    made.pass();
    assert.match(textOf(made), /west\.example/);
    assert.match(textOf(made), /theirs\.example/);
    for (const restart of [false, true]) {
      if (restart) made.restart();
      assert.deepEqual(made.pass(60_000).steps, []);
    }
    made.peers = [];
    made.pass(60_000);
    made.pass(60_000);
    assert.equal(textOf(made), BASES['a list of others']);
  });

  it('is patched again when helm reverts it, three times, and then left alone', () => {
    const made = world(BASES['no list']);
    made.pass();
    const text = textOf(made);
    for (let count = 0; count < 3; count += 1) {
      made.edit(BASE_REF, { mesh: BASES['no list'] });
      made.pass(1000);
      assert.equal(textOf(made), text);
    }
    made.edit(BASE_REF, { mesh: BASES['no list'] });
    const { steps, peers } = made.pass(1000);
    assert.deepEqual([steps, peers[0]?.verdict.code], [[], 'OwnershipConflict']);
  });

  it('may be changed by others everywhere else', () => {
    const made = world(BASES['no list']);
    made.pass();
    made.edit(BASE_REF, { mesh: `accessLogFile: /dev/stdout\n${textOf(made)}` });
    assert.deepEqual(made.pass(1000).steps, []);
  });

  it('is not written where the text leaves no place', () => {
    const made = world('{"trustDomain": "east.example"}');
    const { steps, peers } = made.pass();
    assert.deepEqual([steps, peers[0]?.verdict.code], [[], 'IstiodWouldIgnore']);
  });
});
