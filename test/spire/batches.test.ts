// Are many items written in batches that SPIRE Server accepts, with one outcome an item?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { status as GrpcStatus } from '@grpc/grpc-js';
import fc from 'fast-check';
import { BATCH_BYTES, BATCH_ITEMS, writeInBatches } from '../../src/spire/batches.ts';
import { SpireError, spireErrorOf } from '../../src/spire/spire-error.ts';
import { errorOf, spireError } from '../contract/contract-subject.ts';

const OK = { code: GrpcStatus.OK, message: '' };

function items(...sizes: readonly number[]) {
  return sizes.map((bytes, index) => ({ message: index, bytes, name: `item ${index}` }));
}

/** Writes batches that are kept in `batches`; each item's value is the item itself. */
function write(
  list: ReturnType<typeof items>,
  batches: (readonly number[])[],
  failure?: (batch: number) => Error | undefined,
) {
  return writeInBatches(
    'Write',
    list,
    (messages) => {
      batches.push(messages);
      const error = failure?.(batches.length);
      if (error !== undefined) return Promise.reject(error);
      return Promise.resolve(messages.map((message) => ({ status: OK as never, message })));
    },
    ({ message }) => message,
  );
}

describe('batches', () => {
  for (const count of [0, 1, BATCH_ITEMS - 1, BATCH_ITEMS, BATCH_ITEMS + 1, 3 * BATCH_ITEMS]) {
    it(`writes ${count} items in batches of at most ${BATCH_ITEMS}`, async () => {
      const batches: (readonly number[])[] = [];
      const outcomes = await write(items(...Array.from({ length: count }, () => 1)), batches);
      assert.equal(batches.length, Math.ceil(count / BATCH_ITEMS));
      assert.deepEqual(
        outcomes.map((outcome) => outcome.ok && outcome.value),
        [...Array(count).keys()],
      );
    });
  }

  it('begins a new batch before SPIRE’s limit on a message is reached', async () => {
    const batches: (readonly number[])[] = [];
    await write(items(BATCH_BYTES / 2, BATCH_BYTES / 2, 1, BATCH_BYTES + 1, 1), batches);
    assert.deepEqual(batches, [[0, 1], [2], [3], [4]]);
  });

  it('keeps order and never loses an item, whatever the sizes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: BATCH_BYTES * 2 }), { maxLength: 200 }), async (sizes) => {
        const batches: (readonly number[])[] = [];
        const list = items(...sizes);
        await write(list, batches);
        assert.deepEqual(
          batches.flat(),
          list.map(({ message }) => message),
        );
        for (const batch of batches) {
          const bytes = batch.reduce((sum, index) => sum + sizes[index]!, 0);
          assert.ok(batch.length <= BATCH_ITEMS && (bytes <= BATCH_BYTES || batch.length === 1));
        }
      }),
      { numRuns: 50 },
    );
  });

  it('fails only the items of a batch that is too large', async () => {
    const batches: (readonly number[])[] = [];
    const tooLarge = spireErrorOf('Write', { code: GrpcStatus.RESOURCE_EXHAUSTED, text: 'larger than max' });
    const list = items(...Array.from({ length: BATCH_ITEMS + 1 }, () => 1));
    const outcomes = await write(list, batches, (batch) => (batch === 1 ? tooLarge : undefined));
    assert.ok(spireError('SpireMessageTooLarge')(errorOf(outcomes[BATCH_ITEMS - 1])));
    assert.deepEqual(outcomes[BATCH_ITEMS], { ok: true, value: BATCH_ITEMS });
  });

  it('asks no more when the server is gone, and fails every item that is left', async () => {
    const batches: (readonly number[])[] = [];
    const gone = spireErrorOf('Write', { code: GrpcStatus.UNAVAILABLE, text: 'ENOENT' });
    const list = items(...Array.from({ length: 3 * BATCH_ITEMS }, () => 1));
    const outcomes = await write(list, batches, (batch) => (batch === 2 ? gone : undefined));
    assert.equal(batches.length, 2);
    assert.deepEqual(
      outcomes.map(({ ok }) => ok),
      list.map((_, index) => index < BATCH_ITEMS),
    );
  });

  it('reads a fault that is no SpireError as an answer that cannot be used', async () => {
    const outcomes = await write(items(1), [], () => new TypeError('broken'));
    assert.ok(spireError('SpireAnswerInvalid', 'broken')(errorOf(outcomes[0])));
  });

  it('fails the items an answer says nothing about', async () => {
    const outcomes = await writeInBatches(
      'Write',
      items(1, 1, 1),
      () => Promise.resolve([{ status: OK as never }, {}]),
      () => true,
    );
    assert.deepEqual(
      outcomes.map(({ ok }) => ok),
      [true, false, false],
    );
    assert.ok(spireError('SpireAnswerInvalid', 'Write: item 2')(errorOf(outcomes[2])));
  });

  it('fails the item whose value cannot be read', async () => {
    const outcomes = await writeInBatches(
      'Write',
      items(1),
      () => Promise.resolve([{ status: OK as never }]),
      () => {
        throw new SpireError('SpireAnswerInvalid', 'no bundle');
      },
    );
    assert.ok(spireError('SpireAnswerInvalid', 'no bundle')(errorOf(outcomes[0])));
  });
});
