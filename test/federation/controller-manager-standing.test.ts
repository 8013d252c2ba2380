// Is it told where spire-controller-manager runs, and what is amiss there, in words an operator can act on?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { controllerManagerStanding } from '../../src/federation/controller-manager-standing.ts';
import { known, unreadable, type Facts } from '../../src/federation/facts.ts';
import type { ControllerManagerSite, ControllerManagerWorkload } from '../../src/federation/ports.ts';
import { controllerManagerOf, factsOf, NOW } from './samples.ts';

const WORKLOAD: ControllerManagerWorkload = {
  kind: 'StatefulSet',
  name: 'spire-server',
  image: 'ghcr.io/spiffe/spire-controller-manager:0.6.6',
  arguments: ['--config=controller-manager-config.yaml'],
  configMaps: ['spire-controller-manager'],
  replicas: 3,
  readyReplicas: 2,
};
const FOUND =
  'StatefulSet spire/spire-server runs ghcr.io/spiffe/spire-controller-manager:0.6.6 with --config=controller-manager-config.yaml, 2 of 3 replicas ready';

function standing(site: Facts['controllerManagerSite'], controllerManager: Facts['controllerManager'] = BESIDE) {
  return controllerManagerStanding(factsOf({}, { controllerManager, controllerManagerSite: site }));
}

const BESIDE = known(controllerManagerOf(), NOW);

const site = (...workloads: readonly ControllerManagerWorkload[]) =>
  known<ControllerManagerSite>({ namespace: 'spire', configMap: 'spire-controller-manager', workloads }, NOW);

describe('the standing of spire-controller-manager', () => {
  it('is what runs, of which image, with which arguments, and how many are ready', () => {
    assert.deepEqual(standing(site(WORKLOAD)), { state: 'Running', message: FOUND });
  });

  it('is each of several, of which one ready is enough', () => {
    const other = { ...WORKLOAD, kind: 'Deployment', name: 'other', arguments: [], readyReplicas: 0 } as const;
    assert.deepEqual(standing(site(WORKLOAD, other)), {
      state: 'Running',
      message: `${FOUND}; Deployment spire/other runs ${WORKLOAD.image}, 0 of 3 replicas ready`,
    });
  });

  it('is not ready while no replica is', () => {
    const { state, message } = standing(site({ ...WORKLOAD, readyReplicas: 0 }))!;
    assert.equal(state, 'NotReady');
    assert.match(message, /, 0 of 3 replicas ready; what is declared to it takes effect only when one is ready$/);
  });

  it('names the ConfigMaps that it mounts where ours is none of them', () => {
    const { state, message } = standing(site({ ...WORKLOAD, configMaps: ['its-own'] }))!;
    assert.equal(state, 'OtherConfiguration');
    assert.match(message, /read from ConfigMap "spire-controller-manager", but it mounts its-own: set /);
  });

  it('takes no offence at settings that come by no ConfigMap of its pod', () => {
    assert.equal(standing(site({ ...WORKLOAD, configMaps: [] }))?.state, 'Running');
  });

  it('says where nothing was found, and what to set', () => {
    const { state, message } = standing(site())!;
    assert.equal(state, 'NotFound');
    assert.match(message, /of namespace "spire" has a container of it, .* set controllerManagerConfig to /);
  });

  it('is unknown without the right to look, whatever is known of the settings', () => {
    const refused = unreadable({ code: 'KubeForbidden', message: 'grant verb "list" on it' }, NOW);
    const { state, message } = standing(refused)!;
    assert.deepEqual([state, message], ['Unknown', 'it is not known whether it runs: grant verb "list" on it']);
  });

  it('is nothing where its resources are not served, and where nobody said where to look', () => {
    assert.equal(controllerManagerStanding(factsOf({}, { controllerManagerSite: site(WORKLOAD) })), undefined);
    assert.equal(standing(undefined), undefined);
  });
});
