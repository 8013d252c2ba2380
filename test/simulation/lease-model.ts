// What does the API server hold for the replicas of one trust domain? One Lease, with the conflict of an older version.
import type { ElectionOptions } from '../../src/kubernetes/election.ts';
import type { KubeObject } from '../../src/kubernetes/kube-object.ts';
import { KubeError } from '../../src/kubernetes/kube-error.ts';
import { leaseRecordOf } from '../../src/kubernetes/lease.ts';
import { never, type Process } from './process.ts';

export class LeaseModel {
  isDown = false;
  #lease: KubeObject | undefined;
  #version = 0;

  get holder(): string | undefined {
    return this.#lease && leaseRecordOf(this.#lease).holder;
  }

  /** As one replica reaches it. */
  apiOf(process: Process): ElectionOptions['api'] {
    const call = async <T>(effect: () => T): Promise<T> => {
      if (process.noteCall() !== 'Goes on') {
        process.kill();
        return never();
      }
      await Promise.resolve();
      if (this.isDown) throw new KubeError('KubeUnreachable', 'the API server does not answer');
      return effect();
    };
    const store = (body: object) => {
      this.#version += 1;
      const { metadata } = body as KubeObject;
      this.#lease = { ...body, metadata: { ...metadata, resourceVersion: String(this.#version) } } as KubeObject;
      return this.#lease;
    };
    return {
      get: () => call(() => this.#lease),
      create: (_resource, body) =>
        call(() => {
          if (this.#lease !== undefined) throw new KubeError('KubeAlreadyExists', 'it is there already');
          return store(body);
        }),
      replace: (_resource, body) =>
        call(() => {
          const { resourceVersion } = (body as KubeObject).metadata;
          if (resourceVersion !== this.#lease?.metadata.resourceVersion) {
            throw new KubeError('KubeConflict', 'it has changed');
          }
          return store(body);
        }),
    };
  }
}
