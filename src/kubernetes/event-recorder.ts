// How does an operator see in `kubectl describe` what happened? Events, none twice in ten minutes, never too many.
// events.k8s.io/v1 and not core v1: the same objects, in the form that is still developed and that says who reported.
import { createHash } from 'node:crypto';
import type { Clock } from '../federation/clock.ts';
import type { ApiServer } from './api-server.ts';
import { cutToBytes } from './cut-text.ts';
import { microTime } from './micro-time.ts';
import type { KubeObject, ObjectBody, Resource } from './kube-object.ts';
import { TokenBucket, type BucketSize } from './token-bucket.ts';
import { Turns } from './turns.ts';

export interface PeerEvent {
  readonly type: 'Normal' | 'Warning';
  /** CamelCase: a condition's reason, or what happened. */
  readonly reason: string;
  /** What the broker was doing, CamelCase. */
  readonly action: string;
  readonly message: string;
}

export interface EventRecorderOptions {
  readonly api: Pick<ApiServer, 'create'>;
  readonly clock: Clock;
  /** Of this process. */
  readonly identity: string;
}

export interface EventCounts {
  readonly created: number;
  /** The API server did not take them; they are not tried again. */
  readonly failed: number;
  /** There were too many. */
  readonly dropped: number;
}

const EVENTS: Resource = { group: 'events.k8s.io', version: 'v1', plural: 'events', kind: 'Event', namespaced: true };
const REPORTING_CONTROLLER = 'fedbroker.dev/broker';
/** Where the API server wants events about what belongs to no namespace. */
const CLUSTER_SCOPE_NAMESPACE = 'default';
const SAME_AGAIN_MS = 10 * 60_000;
/** Of one object: an endpoint that comes and goes shows, and no more. */
const PER_OBJECT: BucketSize = { burst: 10, refillMs: 60_000 };
const ALTOGETHER: BucketSize = { burst: 200, refillMs: 200 };
const MAX_WAITING = 1_000;
/** Limits of the API server (events.k8s.io/v1). */
const NOTE_BYTES = 1_024;
const REASON_BYTES = 128;
const INSTANCE_BYTES = 128;
const NAME_CHARACTERS = 253;

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #waiting: ObjectBody[] = [];
  /** When it was last said: by object, type, reason and message. */
  readonly #said = new Map<string, number>();
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #altogether: TokenBucket;
  #created = 0;
  #failed = 0;
  #dropped = 0;
  readonly #turns: Turns;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#turns = new Turns(options.clock);
    this.#altogether = new TokenBucket(ALTOGETHER, options.clock.now().getTime());
  }

  get counts(): EventCounts {
    return { created: this.#created, failed: this.#failed, dropped: this.#dropped };
  }

  /** Queues it, unless the same was said lately or there are too many. */
  record(object: KubeObject, event: PeerEvent): void {
    const now = this.#options.clock.now();
    const nowMs = now.getTime();
    this.#forgetOld(nowMs);
    const { uid = object.metadata.name } = object.metadata;
    const key = JSON.stringify([uid, event.type, event.reason, event.message]);
    if (this.#said.has(key)) return;
    const bucket = this.#buckets.get(uid) ?? new TokenBucket(PER_OBJECT, nowMs);
    this.#buckets.set(uid, bucket);
    if (this.#waiting.length >= MAX_WAITING || !bucket.take(nowMs) || !this.#altogether.take(nowMs)) {
      this.#dropped += 1;
      return;
    }
    this.#said.set(key, nowMs);
    this.#waiting.push(eventOf(object, event, this.#options.identity, now));
    this.#turns.request();
  }

  /** Sends what is recorded, one after the other, until the signal aborts; never rejects. */
  run(signal: AbortSignal): Promise<void> {
    return this.#turns.run(() => this.#sendWaiting(signal), signal);
  }

  async #sendWaiting(signal: AbortSignal): Promise<undefined> {
    for (let event = this.#waiting.shift(); event !== undefined; event = this.#waiting.shift()) {
      if (signal.aborted) return;
      try {
        await this.#options.api.create(EVENTS, event, { signal });
        this.#created += 1;
      } catch {
        this.#failed += 1;
      }
    }
  }

  #forgetOld(nowMs: number): void {
    for (const [key, atMs] of this.#said) {
      // In order of time.
      if (nowMs - atMs < SAME_AGAIN_MS) break;
      this.#said.delete(key);
    }
    for (const [uid, bucket] of this.#buckets) if (bucket.isFull(nowMs)) this.#buckets.delete(uid);
  }
}

function eventOf(object: KubeObject, event: PeerEvent, identity: string, now: Date): ObjectBody {
  const { apiVersion, kind, metadata } = object;
  const { name, uid, namespace, resourceVersion } = metadata;
  return {
    metadata: {
      name: eventName(name, [uid, identity, event, now.getTime()]),
      namespace: namespace ?? CLUSTER_SCOPE_NAMESPACE,
    },
    eventTime: microTime(now),
    type: event.type,
    reason: cutToBytes(event.reason, REASON_BYTES),
    action: event.action,
    note: cutToBytes(event.message, NOTE_BYTES),
    regarding: { apiVersion, kind, name, uid, namespace, resourceVersion },
    reportingController: REPORTING_CONTROLLER,
    reportingInstance: cutToBytes(identity, INSTANCE_BYTES),
  };
}

/** A DNS subdomain that says which object it is about and is no other event's. */
function eventName(objectName: string, content: unknown): string {
  const suffix = createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 16);
  const prefix = objectName.slice(0, NAME_CHARACTERS - suffix.length - 1).replace(/[-.]+$/, '');
  return `${prefix}.${suffix}`;
}
