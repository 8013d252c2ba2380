// Is what is known of an object always what was reported last, and is nothing watched that no longer matters?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ObjectFollower } from '../../src/broker/follow-objects.ts';
import type { MeshObject, MeshObjectRef } from '../../src/federation/mesh-objects.ts';
import { untilAborted } from '../../src/federation/clock.ts';
import type { CodedError, Report } from '../../src/federation/ports.ts';
import { FakeClock } from '../fakes/fake-clock.ts';

const SHARED: MeshObjectRef = { kind: 'ConfigMap', namespace: 'istio-system', name: 'istio-federation' };
const EDGE: MeshObjectRef = { kind: 'Secret', namespace: 'edge', name: 'west-cacert' };

function objectOf(ref: MeshObjectRef): MeshObject {
  return {
    ...ref,
    uid: 'u1',
    resourceVersion: '7',
    ours: true,
    brokerOf: undefined,
    data: {},
    annotations: {},
    otherManagers: [],
  };
}

/** Reports what it is told to, and knows what is watched. */
class ScriptedObjects {
  readonly watched = new Map<string, Report<MeshObject>>();

  async watch({ name }: MeshObjectRef, report: Report<MeshObject>, signal: AbortSignal): Promise<void> {
    this.watched.set(name, report);
    await untilAborted(signal);
    this.watched.delete(name);
  }
}

function startFollower() {
  const objects = new ScriptedObjects();
  const changes = { count: 0 };
  const follower = new ObjectFollower(objects, new FakeClock(), () => {
    changes.count += 1;
  });
  return { objects, changes, follower };
}

describe('the watches of the objects that a mesh reads', () => {
  it('know nothing of an object before it was reported, and then what was reported', () => {
    const { objects, changes, follower } = startFollower();
    follower.follow([SHARED]);
    assert.equal(follower.fact(SHARED).state, 'Unreadable');
    objects.watched.get(SHARED.name)?.(objectOf(SHARED));
    assert.deepEqual(follower.fact(SHARED), { state: 'Known', value: objectOf(SHARED), at: new FakeClock().now() });
    objects.watched.get(SHARED.name)?.(undefined);
    const absent = follower.fact(SHARED);
    assert.equal(absent.state === 'Known' && absent.value === undefined, true);
    assert.equal(changes.count, 2);
  });

  it('say why an object cannot be read', () => {
    const { objects, follower } = startFollower();
    follower.follow([SHARED]);
    const refusal: CodedError = Object.assign(new Error('may not watch'), { code: 'KubeForbidden' });
    objects.watched.get(SHARED.name)?.(refusal);
    const fact = follower.fact(SHARED);
    assert.equal(fact.state === 'Unreadable' && fact.reason, 'KubeForbidden');
  });

  it('begin and end with what matters, and keep those that go on', async () => {
    const { objects, changes, follower } = startFollower();
    follower.follow([SHARED]);
    const reportShared = objects.watched.get(SHARED.name);
    follower.follow([SHARED, EDGE]);
    assert.equal(objects.watched.get(SHARED.name), reportShared);
    const reportEdge = objects.watched.get(EDGE.name);
    follower.follow([SHARED]);
    await Promise.resolve();
    assert.deepEqual([...objects.watched.keys()], [SHARED.name]);
    reportEdge?.(objectOf(EDGE));
    assert.equal(changes.count, 0);
    assert.equal(follower.fact(EDGE).state, 'Unreadable');
    await follower.stop();
    assert.equal(objects.watched.size, 0);
  });

  it('know what was just written before it is reported', () => {
    const { follower } = startFollower();
    follower.follow([EDGE]);
    follower.note(EDGE, objectOf(EDGE));
    assert.equal(follower.fact(EDGE).state, 'Known');
    follower.note(SHARED, objectOf(SHARED));
    assert.equal(follower.fact(SHARED).state, 'Unreadable');
  });
});
