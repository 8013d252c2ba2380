// Is a failure that goes on logged once, and a new one at once?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FailureLog } from '../../src/cli/failure-log.ts';
import { createLogger } from '../../src/log.ts';
import { FakeClock } from '../fakes/fake-clock.ts';

function failure(code: string, message = 'no') {
  return Object.assign(new Error(message), { code });
}

function failureLog() {
  const lines: string[] = [];
  const clock = new FakeClock();
  const log = createLogger({ level: 'info', format: 'json', write: (line) => lines.push(line) });
  const reasons = () => lines.map((line) => (JSON.parse(line) as { readonly reason: string }).reason);
  return { failures: new FailureLog(log, clock), clock, reasons };
}

describe('a failure that repeats', () => {
  it('is one line, whichever object it is about', () => {
    const { failures, reasons } = failureLog();
    for (const name of ['west', 'east', 'west']) failures.note('write a status', failure('KubeUnreachable', name));
    assert.deepEqual(reasons(), ['KubeUnreachable']);
  });

  it('is logged again when it changes, when it is about something else, and after ten minutes', () => {
    const { failures, clock, reasons } = failureLog();
    failures.note('write a status', failure('KubeUnreachable'));
    failures.note('hold the Lease', failure('KubeUnreachable'));
    failures.note('write a status', failure('KubeForbidden'));
    clock.advance(599_000);
    failures.note('write a status', failure('KubeForbidden'));
    assert.equal(reasons().length, 3);
    clock.advance(1_000);
    failures.note('write a status', failure('KubeForbidden'));
    assert.deepEqual(reasons().slice(3), ['KubeForbidden']);
  });

  it('is news when it comes back after it was over', () => {
    const { failures, reasons } = failureLog();
    failures.note('hold the Lease', failure('KubeUnreachable'));
    failures.noteDone('hold the Lease');
    failures.note('hold the Lease', failure('KubeUnreachable'));
    assert.equal(reasons().length, 2);
  });
});
