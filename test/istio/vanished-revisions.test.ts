// Does our ConfigMap of a revision of istiod that is gone go too, and never for any other reason?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { known, unreadable, type Fact } from '../../src/federation/facts.ts';
import { meshObjectKey, type MeshObject } from '../../src/federation/mesh-objects.ts';
import type { IstiodDeployment } from '../../src/federation/mesh-survey.ts';
import type { MeshLimits } from '../../src/istio/mesh-facts.ts';
import type { MeshConfigNames } from '../../src/istio/shared-mesh-configs.ts';
import { noteRevisions, vanishedRevisions, type RevisionSightings } from '../../src/istio/vanished-revisions.ts';
import { bundleOf, NOW, WEST } from '../federation/samples.ts';
import { accepting, meshPeer, MeshWorld, REF } from './mesh-world.ts';

const HOUR_MS = 3_600_000;
const NAMES: MeshConfigNames = { istioNamespace: REF.namespace, configMap: REF.name, revisions: undefined };
const OLD = { ...REF, name: `${REF.name}-1-30` };

const after = (hours: number) => new Date(NOW.getTime() + hours * HOUR_MS);
const istiod = (revision: string, changes: Partial<IstiodDeployment> = {}): IstiodDeployment => ({
  name: `istiod-${revision}`,
  revision,
  environment: {},
  unreadVariables: [],
  ...changes,
});
const seen = (hours: number, ...istiods: readonly IstiodDeployment[]) => known(istiods, after(hours));
const unseen = (hours: number) => unreadable({ code: 'KubeForbidden', message: 'no' }, after(hours));

type Look = Fact<readonly IstiodDeployment[]>;

/** What is gone after these looks, and since when. */
function gone(looks: readonly Look[], names = NAMES, target: MeshLimits['target'] = 'SharedConfigMap') {
  const sightings = looks.reduce<RevisionSightings>(noteRevisions, new Map());
  return vanishedRevisions(names, sightings, looks.at(-1), target);
}

const BOTH = seen(0, istiod('default'), istiod('1-30'));
const GONE = [{ revision: '1-30', ref: OLD, goneSince: after(1), shownAt: after(3) }];

describe('a revision of istiod', () => {
  it('is gone since the first look that did not show it, whatever could not be read in between', () => {
    const looks = [BOTH, seen(0.5), seen(1, istiod('default')), unseen(2), seen(3, istiod('default'))];
    assert.deepEqual(gone(looks), GONE);
  });

  it('is there again as if it had never been gone', () => {
    const back = [BOTH, seen(1, istiod('default')), seen(2, istiod('default'), istiod('1-30'))];
    assert.deepEqual(gone(back), []);
    assert.deepEqual(gone([...back, seen(3, istiod('default'))])[0]?.goneSince, after(3));
  });

  const rows: readonly (readonly [string, readonly Look[], Partial<MeshConfigNames>?, MeshLimits['target']?])[] = [
    ['the last look failed', [BOTH, seen(1, istiod('default')), unseen(3)]],
    ['no look showed it', [seen(1, istiod('default')), seen(3, istiod('default'))]],
    ['no istiod is there at all', [BOTH, seen(1), seen(3)]],
    ['the settings name the revisions', [BOTH, seen(3, istiod('default'))], { revisions: ['default', '1-30'] }],
    ['istiod’s own ConfigMap is written', [BOTH, seen(3, istiod('default'))], {}, 'PatchBase'],
    [
      'another istiod reads its ConfigMap',
      [BOTH, seen(3, istiod('default', { environment: { SHARED_MESH_CONFIG: OLD.name } }))],
    ],
    [
      'it is not known which ConfigMap another istiod reads',
      [BOTH, seen(3, istiod('default', { unreadVariables: ['SHARED_MESH_CONFIG'] }))],
    ],
  ];
  for (const [what, looks, names, target] of rows) {
    it(`does not count as gone when ${what}`, () => {
      assert.deepEqual(gone(looks, { ...NAMES, ...names }, target), []);
    });
  }
});

describe('the ConfigMap of a revision that is gone', () => {
  /** Both revisions had the peer; then one goes. */
  function world(changes: Partial<MeshObject> = {}, vanishedAfterMs: number | undefined = 2 * HOUR_MS): MeshWorld {
    const mesh = new MeshWorld();
    mesh.limits = { ...mesh.limits, listIntervalMs: 0, vanishedAfterMs };
    mesh.peers = [meshPeer(WEST, accepting('Constrained'))];
    mesh.stored = [bundleOf(WEST)];
    mesh.revisions = ['default', '1-30'];
    mesh.pass();
    const old = mesh.objects.get(meshObjectKey(OLD))!;
    mesh.put(OLD, {}, { ...old, ...changes });
    mesh.revisions = ['default'];
    mesh.vanished = GONE;
    return mesh;
  }
  const isThere = (mesh: MeshWorld) => mesh.objects.has(meshObjectKey(OLD));

  it('is deleted, and nothing else is written', () => {
    const mesh = world();
    const text = mesh.text;
    const { steps } = mesh.pass(HOUR_MS);
    assert.deepEqual(
      steps.map(({ kind, ref }) => [kind, ref.name]),
      [['DeleteMeshObject', OLD.name]],
    );
    assert.deepEqual([isThere(mesh), mesh.text], [false, text]);
    assert.deepEqual(mesh.pass(HOUR_MS).steps, []);
  });

  it('is written anew, with the same bytes, when the revision comes back', () => {
    const mesh = world();
    mesh.pass(HOUR_MS);
    mesh.revisions = ['default', '1-30'];
    mesh.vanished = [];
    mesh.pass(HOUR_MS);
    assert.equal(mesh.objects.get(meshObjectKey(OLD))?.data['mesh'], mesh.text);
  });

  it('is told to be deleted in vain without any loss for a peer', () => {
    const mesh = world();
    const { steps, peers } = mesh.look(HOUR_MS).plan;
    assert.deepEqual(
      steps.flatMap(({ trustDomains }) => trustDomains),
      [],
    );
    assert.equal(peers[0]?.verdict.code, 'AcceptedConstrained');
  });

  const rows: readonly (readonly [string, () => MeshWorld])[] = [
    ['it is not gone for long enough', () => world({}, 2 * HOUR_MS + 1)],
    [
      'nothing is to be deleted',
      () => Object.assign(world(), { limits: { ...world().limits, vanishedAfterMs: undefined } }),
    ],
    ['a broker did not make it', () => world({ ours: false })],
    ['it does not say whose broker made it', () => world({ brokerOf: undefined })],
    ['it is another broker’s', () => world({ brokerOf: WEST })],
    ['it has no record of ours', () => world({ annotations: {} })],
    ['somebody else wrote into it', () => world({ otherManagers: ['kubectl-edit'] })],
    ['a revision that is there has it too', () => Object.assign(world(), { revisions: ['default', '1-30'] })],
    [
      'it cannot be read',
      () => {
        const mesh = world();
        mesh.facts = { vanished: GONE.map((each) => ({ ...each, object: unseen(3) })) };
        return mesh;
      },
    ],
  ];
  for (const [what, make] of rows) {
    it(`stays when ${what}`, () => {
      const mesh = make();
      mesh.pass(HOUR_MS);
      assert.ok(isThere(mesh));
    });
  }
});
