// Does a leader know that its time is over, also when its timers come late?
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { KubeObject } from '../../src/kubernetes/kube-object.ts';
import { Tenure } from '../../src/kubernetes/tenure.ts';

const LEASE: KubeObject = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'fedbroker' } };

it('a tenure that was not renewed in time is over when it is asked for, before any timer has run', async () => {
  let nowMs = 0;
  const clock = { now: () => new Date(nowMs), after: () => () => undefined };
  const tenure = new Tenure(clock, 10_000);
  assert.equal(new Tenure(clock, 10_000).isHeld(), false);
  await tenure.hold(() => {
    nowMs = 4_000;
    return Promise.resolve(LEASE);
  });
  nowMs = 9_999;
  assert.equal(tenure.isHeld(), true);
  nowMs = 10_000;
  assert.equal(tenure.isHeld(), false);
  assert.equal(tenure.signal.aborted, true);
});
