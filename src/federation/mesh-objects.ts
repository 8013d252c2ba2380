// Which objects of Kubernetes does the mesh take peers' roots and names from? Interfaces, implemented by src/kubernetes.
import type { Report } from './ports.ts';

export interface MeshObjectRef {
  readonly kind: 'ConfigMap' | 'Secret';
  readonly namespace: string;
  readonly name: string;
}

/** `ConfigMap/istio-system/istio`. */
export function meshObjectKey({ kind, namespace, name }: MeshObjectRef): string {
  return `${kind}/${namespace}/${name}`;
}

/** A ConfigMap or Secret as the API server holds it. */
export interface MeshObject extends MeshObjectRef {
  readonly uid: string;
  readonly resourceVersion: string;
  /** A broker made it, by its label, and none of another trust domain: no other object is ever replaced or deleted. */
  readonly ours: boolean;
  /** The trust domain whose broker wrote it, by its own word; undefined: nobody said, as earlier versions did not. */
  readonly brokerOf: string | undefined;
  /** Texts by key; those of a Secret decoded. */
  readonly data: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** The field managers beside ours that wrote into its data, sorted; ours too where it did so in another way than we do. */
  readonly otherManagers: readonly string[];
}

export interface MeshObjectContent {
  readonly data: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Every call has its own deadline and rejects with `KubeError`. */
export interface MeshObjects {
  /** Reports the one object now and at every change, until the signal aborts; undefined while there is none. */
  watch(ref: MeshObjectRef, report: Report<MeshObject>, signal: AbortSignal): Promise<void>;
  /** Those in the namespace that are ours: also those that nobody remembers. */
  listOurs(kind: MeshObjectRef['kind'], namespace: string, signal?: AbortSignal): Promise<readonly MeshObject[]>;
  /**
   * Creates it, or makes its data exactly this. `KubeApplyConflict` names the manager that says something else there;
   * with `takeBack` its words are replaced, which is for objects of ours alone.
   */
  apply(
    ref: MeshObjectRef,
    content: MeshObjectContent,
    options?: { readonly takeBack?: boolean; readonly signal?: AbortSignal | undefined },
  ): Promise<MeshObject>;
  /** One key and the annotations given, of an object that belongs to others; `KubeConflict` when it is no longer this. */
  replaceKey(
    object: MeshObject,
    change: { readonly key: string; readonly text: string; readonly annotations: Readonly<Record<string, string>> },
    signal?: AbortSignal,
  ): Promise<MeshObject>;
  /** Only this very object. */
  delete(object: MeshObjectRef & { readonly uid: string }, signal?: AbortSignal): Promise<void>;
}
