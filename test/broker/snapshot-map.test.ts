import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SnapshotMap } from '../../src/broker/snapshot-map.ts';

describe('a map of facts', () => {
  it('has what was set last, and nothing of what was taken away', () => {
    const map = new SnapshotMap<string, number>();
    map.set('a', 1);
    map.set('b', 1);
    map.set('a', 2);
    map.set('b', undefined);
    assert.deepEqual([...map.snapshot()], [['a', 2]]);
    assert.equal(map.get('a'), 2);
    assert.equal(map.get('b'), undefined);
  });

  it('leaves a snapshot as it was, and makes no other one while nothing changes', () => {
    const map = new SnapshotMap<string, number>();
    map.set('a', 1);
    const before = map.snapshot();
    assert.equal(map.snapshot(), before);
    map.set('a', 2);
    map.set('b', 3);
    assert.deepEqual([...before], [['a', 1]]);
    assert.deepEqual(
      [...map.snapshot()],
      [
        ['a', 2],
        ['b', 3],
      ],
    );
  });
});
