// What changed? The lines of one watch, until it ends or falls silent. (API Concepts: efficient detection of changes)
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../federation/clock.ts';
import { objectOf, statusOf } from './answers.ts';
import { answerInvalid, KubeError, kubeErrorOfConnection, kubeErrorOfStatus, type Attempt } from './kube-error.ts';
import type { KubeObject } from './kube-object.ts';

export interface WatchEvent {
  /** A bookmark's object has nothing but a resourceVersion that is safe to go on from. */
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: KubeObject;
}

const EVENT_TYPES: ReadonlySet<string> = new Set(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK']);

/** etcd stores no object beyond 1.5 MiB; the rest is for JSON. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;

export interface WatchLimits {
  readonly clock: Clock;
  /** Without a byte for so long the connection counts as dead. */
  readonly idleMs: number;
  readonly signal: AbortSignal;
}

/**
 * The events of an open watch, those that arrived together as one batch; the first batch is empty and says that the
 * watch stands. Returns when the API server ends it in order.
 *
 * @throws KubeError `KubeCancelled`, `KubeGone`, `KubeConnectionLost`, `KubeDeadlineExceeded` on silence, `KubeAnswerInvalid`, …
 */
export async function* watchEvents(
  attempt: Attempt,
  response: IncomingMessage,
  { clock, idleMs, signal }: WatchLimits,
): AsyncGenerator<readonly WatchEvent[], void, undefined> {
  const silence = new KubeError('KubeDeadlineExceeded', `watch ${attempt.target}: not a byte within ${idleMs} ms`);
  const arm = () => clock.after(idleMs, () => response.destroy(silence));
  let disarm = arm();
  try {
    yield [];
    let rest = Buffer.alloc(0);
    for await (const chunk of response as AsyncIterable<Buffer>) {
      disarm();
      disarm = arm();
      const bytes = Buffer.concat([rest, chunk]);
      const end = bytes.lastIndexOf('\n') + 1;
      const lines = bytes.toString('utf8', 0, end).split('\n');
      rest = bytes.subarray(end);
      if (rest.length > MAX_LINE_BYTES) throw answerInvalid(attempt, `an event has more than ${MAX_LINE_BYTES} bytes`);
      const events = lines.filter((line) => line.trim() !== '').map((line) => eventOf(attempt, line));
      if (events.length > 0) yield events;
    }
    if (rest.length > 0) throw answerInvalid(attempt, 'it ends within an event');
  } catch (error) {
    if (signal.aborted) throw new KubeError('KubeCancelled', `watch ${attempt.target}: cancelled`);
    throw kubeErrorOfConnection(`watch ${attempt.target}`, error);
  } finally {
    disarm();
    response.destroy();
  }
}

function eventOf(attempt: Attempt, line: string): WatchEvent {
  let event: { readonly type?: unknown; readonly object?: unknown } | null;
  try {
    event = JSON.parse(line) as typeof event;
  } catch {
    throw answerInvalid(attempt, 'an event is not JSON');
  }
  const type = event?.type;
  if (type === 'ERROR') throw kubeErrorOfStatus(attempt, statusOf(event?.object, 500));
  if (typeof type !== 'string' || !EVENT_TYPES.has(type)) throw answerInvalid(attempt, 'an event has no known type');
  return { type: type as WatchEvent['type'], object: objectOf(attempt, event?.object) };
}
