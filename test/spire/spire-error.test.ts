// Does every way in which SPIRE Server fails have its own code?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { status as GrpcStatus } from '@grpc/grpc-js';
import { isSpireError, spireErrorOf, type SpireErrorCode } from '../../src/spire/spire-error.ts';

const CASES: readonly (readonly [GrpcStatus, string, SpireErrorCode])[] = [
  [GrpcStatus.UNAVAILABLE, 'connect ENOENT /run/spire/api.sock', 'SpireUnreachable'],
  [GrpcStatus.DEADLINE_EXCEEDED, 'Deadline exceeded', 'SpireDeadlineExceeded'],
  [GrpcStatus.CANCELLED, 'Cancelled on client', 'SpireCancelled'],
  [GrpcStatus.PERMISSION_DENIED, 'authorization denied for method', 'SpirePermissionDenied'],
  [GrpcStatus.UNAUTHENTICATED, 'no caller', 'SpirePermissionDenied'],
  [GrpcStatus.INVALID_ARGUMENT, 'trust domain argument is not valid', 'SpireRefused'],
  [GrpcStatus.INTERNAL, 'failed to create entry: unable to find federated bundle "spiffe://w"', 'SpireBundleMissing'],
  [GrpcStatus.INTERNAL, 'datastore-sql: UNIQUE constraint failed: federated_trust_domains', 'SpireAlreadyExists'],
  [GrpcStatus.INTERNAL, 'pq: duplicate key value violates unique constraint "x"', 'SpireAlreadyExists'],
  [GrpcStatus.INTERNAL, "Error 1062: Duplicate entry 'w' for key", 'SpireAlreadyExists'],
  [GrpcStatus.ALREADY_EXISTS, 'similar entry already exists', 'SpireAlreadyExists'],
  [GrpcStatus.NOT_FOUND, 'bundle not found', 'SpireNotFound'],
  [GrpcStatus.INTERNAL, 'unable to fetch federation relationship: record not found', 'SpireNotFound'],
  [GrpcStatus.FAILED_PRECONDITION, 'cannot delete bundle; federated with 1 registration entries', 'SpireBundleInUse'],
  [GrpcStatus.FAILED_PRECONDITION, "local authority can't be tainted", 'SpireRefused'],
  [GrpcStatus.RESOURCE_EXHAUSTED, 'grpc: received message larger than max (5 vs. 4)', 'SpireMessageTooLarge'],
  [GrpcStatus.RESOURCE_EXHAUSTED, 'rate limit', 'SpireOverloaded'],
  [GrpcStatus.UNIMPLEMENTED, 'unknown service', 'SpireUnsupported'],
  [GrpcStatus.INTERNAL, 'Response message parsing error: premature EOF', 'SpireAnswerInvalid'],
  [GrpcStatus.INTERNAL, 'failed to fetch bundle: database is locked', 'SpireInternal'],
  [GrpcStatus.UNKNOWN, 'what', 'SpireInternal'],
];

describe('SPIRE error', () => {
  for (const [grpcCode, text, code] of CASES) {
    it(`reads ${GrpcStatus[grpcCode]} "${text}" as ${code}`, () => {
      const error = spireErrorOf('BatchUpdateEntry: entry x', { code: grpcCode, text });
      assert.equal(error.code, code);
      assert.ok(isSpireError(error, code));
      assert.match(error.message, /^BatchUpdateEntry: entry x: [^ ]/);
      assert.ok(error.message.endsWith(`(${GrpcStatus[grpcCode]}: ${text})`));
    });
  }

  it('keeps only the beginning of a long text', () => {
    const error = spireErrorOf('ListEntries', { code: GrpcStatus.INTERNAL, text: 'x'.repeat(100_000) });
    assert.ok(error.message.length < 1000);
  });

  it('names a status that gRPC does not define by its number', () => {
    assert.match(spireErrorOf('ListEntries', { code: 99, text: '?' }).message, /\(status 99: \?\)$/);
  });
});
