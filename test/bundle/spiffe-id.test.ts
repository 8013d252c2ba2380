// Which texts are SPIFFE IDs? (SPIFFE-ID §2)
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseSpiffeId, pathOf, trustDomainOf } from '../../src/bundle/spiffe-id.ts';

describe('parseSpiffeId', () => {
  for (const id of [
    'spiffe://west.example',
    'spiffe://west.example/api',
    'spiffe://west.example/ns/default/sa/api',
    'spiffe://west.example/.hidden/..two/.../-_',
    `spiffe://west.example/${'a'.repeat(2048 - 'spiffe://west.example/'.length)}`,
  ]) {
    it(`takes ${id.slice(0, 50)}`, () => {
      assert.equal(parseSpiffeId(id), id);
    });
  }

  for (const [id, why] of [
    ['', /does not start with/],
    ['https://west.example/api', /does not start with/],
    ['SPIFFE://west.example/api', /does not start with/],
    ['spiffe:/west.example/api', /does not start with/],
    ['spiffe://', /empty/],
    ['spiffe:///api', /empty/],
    ['spiffe://West.example/api', /lower-case/],
    ['spiffe://west.example:80/api', /lower-case/],
    ['spiffe://user@west.example/api', /lower-case/],
    ['spiffe://west.example/', /empty path segment or a trailing slash/],
    ['spiffe://west.example/api/', /trailing slash/],
    ['spiffe://west.example//api', /empty path segment/],
    ['spiffe://west.example/./api', /"\." or "\.\." path segment/],
    ['spiffe://west.example/../api', /"\." or "\.\." path segment/],
    ['spiffe://west.example/a%20b', /character other than/],
    ['spiffe://west.example/api?x=1', /character other than/],
    ['spiffe://west.example/api#x', /character other than/],
    ['spiffe://west.example/zürich', /character other than/],
    [`spiffe://west.example/${'a'.repeat(2048)}`, /longer than 2048/],
  ] as const) {
    it(`refuses "${id.slice(0, 40)}"`, () => {
      assert.throws(() => parseSpiffeId(id), { code: 'SpiffeIdInvalid', message: why });
    });
  }

  it('knows the trust domain and the path of an ID', () => {
    const id = parseSpiffeId('spiffe://west.example/ns/a');
    assert.equal(trustDomainOf(id), 'west.example');
    assert.equal(pathOf(id), '/ns/a');
    assert.equal(pathOf(parseSpiffeId('spiffe://west.example')), undefined);
  });
});
