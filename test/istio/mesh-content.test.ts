// Is the text of mesh config the same for the same content, and is what others wrote in it seen?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { toPem } from '../../src/bundle/certificate.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { canonicalMeshContent, parseMeshContent, serializeMeshContent } from '../../src/istio/mesh-content.ts';
import { EAST, NORTH, ROOTS, WEST } from '../federation/samples.ts';

const ANCHORS = [...ROOTS.values()].flat();
const name = fc.stringMatching(/^[a-z0-9._-]{1,20}$/).map(parseTrustDomain);
const content = fc.record({
  trustDomains: fc.array(
    fc.oneof(name, fc.constantFrom('on', 'null', '1_0', '1e3', '---', '0x1f').map(parseTrustDomain)),
  ),
  anchors: fc.array(fc.constantFrom(...ANCHORS)),
});

describe('the text of mesh config', () => {
  it('is an empty list where nothing is accepted', () => {
    assert.equal(serializeMeshContent({ trustDomains: [], anchors: [] }), 'caCertificates: []\n');
  });

  it('has one entry for all names, then one for each certificate', () => {
    const text = serializeMeshContent({ trustDomains: [WEST, NORTH], anchors: ANCHORS.slice(0, 2) });
    const { caCertificates } = parse(text) as { caCertificates: readonly Record<string, unknown>[] };
    assert.deepEqual(
      caCertificates.map((entry) => Object.keys(entry)),
      [['trustDomains'], ['pem'], ['pem']],
    );
    assert.deepEqual(caCertificates[0]?.['trustDomains'], [NORTH, WEST]);
    const pems = caCertificates.slice(1).map(({ pem }) => pem as string);
    assert.deepEqual(pems.toSorted(), ANCHORS.slice(0, 2).map(toPem).toSorted());
  });

  it('is the same whatever the order and however often a thing is said, and reads back as it was', () => {
    fc.assert(
      fc.property(content, ({ trustDomains, anchors }) => {
        const text = serializeMeshContent({ trustDomains, anchors });
        const again = {
          trustDomains: [...trustDomains, ...trustDomains].reverse(),
          anchors: anchors.map((der) => der.slice()).reverse(),
        };
        assert.equal(serializeMeshContent(again), text);
        const parsed = parseMeshContent(text);
        assert.deepEqual(parsed.content, canonicalMeshContent({ trustDomains, anchors }));
        assert.ok(parsed.isOurs);
        // Istiod reads YAML 1.1.
        const old = parse(text, { version: '1.1' }) as {
          caCertificates: readonly { trustDomains?: readonly unknown[] }[];
        };
        assert.ok(
          old.caCertificates.flatMap((entry) => entry.trustDomains ?? []).every((each) => typeof each === 'string'),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('shows what others made of it, as far as it is names and certificates', () => {
    const edited = [
      `caCertificates:\n  - trustDomains: [${EAST}, "not a name", 7]\n    pem: |\n${toPem(ANCHORS[0]!).replaceAll(/^/gm, '      ')}\n`,
      'caCertificates: {}\n',
      'caCertificates: [\n',
      '- nothing\n',
      '',
    ];
    const [first, ...garbage] = edited.map(parseMeshContent);
    assert.deepEqual(first?.content, { trustDomains: [EAST], anchors: [ANCHORS[0]] });
    assert.equal(first.isOurs, false);
    for (const parsed of garbage)
      assert.deepEqual(parsed, { content: { trustDomains: [], anchors: [] }, isOurs: false });
  });
});
