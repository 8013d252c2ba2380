// Which CA objects of gateways are to be kept or taken away? Those that are or were declared, and what an earlier life left.
import type { CodedError } from '../federation/ports.ts';
import { meshObjectKey, type MeshObjectRef, type MeshObjects } from '../federation/mesh-objects.ts';
import { isGatewayCa } from '../istio/gateway-ca-content.ts';
import { codedError } from './coded.ts';

type Place = Pick<MeshObjectRef, 'kind' | 'namespace'>;

/**
 * Objects are looked for once in each place where there can be some: ConfigMaps in the broker's own namespace, Secrets
 * in those that a declaration names. From then on this life knows what it made itself.
 */
export class GatewayCaRefs {
  readonly #objects: Pick<MeshObjects, 'listOurs'>;
  readonly #refs = new Map<string, MeshObjectRef>();
  readonly #toLookIn = new Map<string, Place>();
  readonly #lookedIn = new Set<string>();
  #failures: readonly CodedError[] = [];

  constructor(objects: Pick<MeshObjects, 'listOurs'>, brokerNamespace: string) {
    this.#objects = objects;
    this.#addPlace({ kind: 'ConfigMap', namespace: brokerNamespace });
  }

  /** They stay known when they are no longer declared. */
  declare(refs: readonly MeshObjectRef[]): void {
    for (const ref of refs) {
      this.#refs.set(meshObjectKey(ref), ref);
      this.#addPlace(ref);
    }
  }

  /** By `meshObjectKey`. */
  get refs(): ReadonlyMap<string, MeshObjectRef> {
    return this.#refs;
  }

  /** Why what an earlier life left is not known everywhere. */
  get failures(): readonly CodedError[] {
    return this.#failures;
  }

  /** Never rejects: where it fails it looks the next time. True when something else is known now. */
  async look(signal: AbortSignal): Promise<boolean> {
    const before = { refs: this.#refs.size, failures: this.#failures };
    const failures: CodedError[] = [];
    for (const [key, { kind, namespace }] of this.#toLookIn) {
      try {
        const found = await this.#objects.listOurs(kind, namespace, signal);
        for (const { name } of found.filter(isGatewayCa)) {
          const ref = { kind, namespace, name };
          this.#refs.set(meshObjectKey(ref), ref);
        }
        this.#lookedIn.add(key);
        this.#toLookIn.delete(key);
      } catch (error) {
        failures.push(codedError(error));
      }
    }
    this.#failures = failures;
    return this.#refs.size !== before.refs || textOf(failures) !== textOf(before.failures);
  }

  #addPlace({ kind, namespace }: Place): void {
    const key = `${kind}/${namespace}`;
    if (!this.#lookedIn.has(key)) this.#toLookIn.set(key, { kind, namespace });
  }
}

function textOf(failures: readonly CodedError[]): string {
  return failures.map(({ code, message }) => `${code} ${message}`).join('\n');
}
