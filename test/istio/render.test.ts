// Does the fragment for other people's files say what our ConfigMap would?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { serializeMeshContent } from '../../src/istio/mesh-content.ts';
import { renderMesh } from '../../src/istio/render.ts';
import { ROOTS, WEST } from '../federation/samples.ts';

const OBJECT = { namespace: 'istio-system', name: 'default' };

describe('a rendered fragment', () => {
  for (const content of [
    { trustDomains: [], anchors: [] },
    { trustDomains: [WEST], anchors: ROOTS.get(WEST)! },
  ]) {
    const mesh = serializeMeshContent(content);
    const meshConfig = parse(mesh) as unknown;
    const metadata = { name: OBJECT.name };

    it(`has all of it in every form, with ${content.anchors.length} certificates`, () => {
      assert.deepEqual(parse(renderMesh('HelmValues', content, OBJECT)), { meshConfig });
      assert.deepEqual(parse(renderMesh('SailIstio', content, OBJECT)), {
        apiVersion: 'sailoperator.io/v1',
        kind: 'Istio',
        metadata,
        spec: { values: { meshConfig } },
      });
      assert.deepEqual(parse(renderMesh('ConfigMap', content, OBJECT)), {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: OBJECT,
        data: { mesh },
      });
    });
  }
});
