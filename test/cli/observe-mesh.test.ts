// Is it measured how long a write for the mesh takes until it is in force, and nothing else?
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { createMetrics, type Metrics } from '../../src/admin/metrics.ts';
import type { MeshReport } from '../../src/broker/mesh-keeper.ts';
import { observeMesh } from '../../src/cli/observe-mesh.ts';
import type { MeshStepOutcome } from '../../src/istio/mesh-memory.ts';
import { createLogger } from '../../src/log.ts';
import { metricLines } from '../admin/metric-lines.ts';
import { NOW, WEST } from '../federation/samples.ts';
import { REF } from '../istio/mesh-world.ts';

const CONTENT = { data: {}, annotations: {} };
const WRITTEN: MeshStepOutcome = {
  step: {
    kind: 'ApplyMeshObject',
    ...{ ref: REF, trustDomains: [WEST], changesList: false, changesRoots: true, content: CONTENT },
    ...{ isFlip: false, takeBack: false, replaces: { resourceVersion: '1', at: NOW } },
  },
  error: undefined,
};

describe('the time that roots take into the mesh', () => {
  let metrics: Metrics;
  let observe: (report: MeshReport) => void;

  beforeEach(() => {
    metrics = createMetrics();
    const log = createLogger({ level: 'info', format: 'json', write: () => undefined });
    observe = observeMesh({ log, metrics });
  });

  /** A look at the mesh so many seconds after the first. */
  function look(
    seconds: number,
    status: 'True' | 'False' | undefined,
    { arrived = status === 'True', outcomes = [] as readonly MeshStepOutcome[] } = {},
  ): void {
    const standing = status && { trustDomain: WEST, status, reason: 'Any', message: '' };
    observe({
      facts: { now: new Date(NOW.getTime() + seconds * 1_000) } as MeshReport['facts'],
      plan: {} as MeshReport['plan'],
      outcomes,
      unlistedCas: [],
      standings: standing === undefined ? [] : [standing],
      arrived: new Set(arrived ? [WEST] : []),
      review: undefined,
    });
  }

  async function measured(): Promise<readonly string[]> {
    return (await metricLines(metrics)).filter((line) => /^fedbroker_mesh_propagation_seconds_(sum|count)/.test(line));
  }
  const times = (count: number, sum: number) => [
    `fedbroker_mesh_propagation_seconds_sum ${sum}`,
    `fedbroker_mesh_propagation_seconds_count ${count}`,
  ];

  it('ends when the peer is accepted', async () => {
    look(0, 'False', { outcomes: [WRITTEN] });
    look(3, 'False');
    assert.deepEqual(await measured(), times(0, 0));
    look(7, 'True');
    look(9, 'True');
    assert.deepEqual(await measured(), times(1, 7));
  });

  it('goes on while a peer that is accepted waits for its next root', async () => {
    look(0, 'True', { outcomes: [WRITTEN], arrived: false });
    look(2, 'True', { arrived: true });
    assert.deepEqual(await measured(), times(1, 2));
  });

  it('is that of the first of several writes', async () => {
    look(0, 'False', { outcomes: [WRITTEN] });
    look(4, 'False', { outcomes: [WRITTEN] });
    look(5, 'True');
    assert.deepEqual(await measured(), times(1, 5));
  });

  it('is not measured for a write that failed, nor for a peer that goes', async () => {
    look(0, 'True', { outcomes: [{ ...WRITTEN, error: Object.assign(new Error('no'), { code: 'KubeForbidden' }) }] });
    look(1, 'False', { outcomes: [WRITTEN] });
    look(2, undefined);
    look(3, 'True');
    assert.deepEqual(await measured(), times(0, 0));
  });
});
