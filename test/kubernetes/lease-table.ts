// What would an API server do with Leases? In memory, without sockets, so that the order of everything is in the test's hands.
import type { Clock } from '../../src/federation/clock.ts';
import type { ApiServer } from '../../src/kubernetes/api-server.ts';
import { KubeError, kubeErrorOfStatus } from '../../src/kubernetes/kube-error.ts';
import type { KubeObject } from '../../src/kubernetes/kube-object.ts';
import { LEASES } from '../../src/kubernetes/lease.ts';
import type { CallOptions } from '../../src/kubernetes/requester.ts';
import { Refusal } from '../fakes/fake-api-refusals.ts';
import { FakeApiStore, type Place } from '../fakes/fake-api-store.ts';

export type LeaseApi = Pick<ApiServer, 'get' | 'create' | 'replace'>;

/** What the way to the table does with a call, decided as it is made. */
export type Passage = 'Open' | 'RequestLost' | 'AnswerLost' | 'Hangs';

export class LeaseTable {
  readonly store = new FakeApiStore();
  /** How often a replica asked to write, also in vain. */
  writesAsked = 0;

  get holder(): string | undefined {
    const lease = this.store.list(LEASES, 'spire')[0];
    return (lease?.['spec'] as { holderIdentity?: string } | undefined)?.holderIdentity;
  }

  /** The table as one replica reaches it. */
  reachedBy(clock: Clock, passage: () => Passage): LeaseApi {
    const through = async <T>(options: CallOptions | undefined, call: () => T): Promise<T> => {
      const way = passage();
      if (way === 'Hangs') await givenUp(clock, options);
      if (way === 'RequestLost') throw lost();
      const answer = call();
      await Promise.resolve();
      if (way === 'AnswerLost') throw lost();
      return answer;
    };
    const write = (call: () => unknown) => () => {
      this.writesAsked += 1;
      return reading(call);
    };
    return {
      get: (_ref, options) => through(options, () => this.#find()),
      create: (_resource, object, options) =>
        through(
          options,
          write(() => this.store.create(place, { ...object }, 'test')),
        ),
      replace: (_resource, object, options) =>
        through(
          options,
          write(() => this.store.replace(place, { ...object }, 'test')),
        ),
    };
  }

  #find(): KubeObject | undefined {
    return this.store.list(LEASES, 'spire')[0] as KubeObject | undefined;
  }
}

const place: Place = { resource: LEASES, namespace: 'spire', name: 'broker', subresource: undefined };

function reading(call: () => unknown): KubeObject {
  try {
    return call() as KubeObject;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const attempt = { verb: 'update', resource: LEASES, target: 'the Lease' } as const;
    throw kubeErrorOfStatus(attempt, { code: error.code, reason: error.reason, message: error.message });
  }
}

function lost(): KubeError {
  return new KubeError('KubeConnectionLost', 'lost on the way');
}

/** A call of the real one has a deadline too. */
function givenUp(clock: Clock, options: CallOptions | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = () => {
      reject(lost());
    };
    const cancel = clock.after(options?.timeoutMs ?? 10_000, fail);
    options?.signal?.addEventListener('abort', () => {
      cancel();
      fail();
    });
  });
}
