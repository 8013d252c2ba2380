// Where does an operator of the demo declare peers? In files; `kube-declarations.ts` has the other way.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { TrustDomain } from '../../bundle/trust-domain.ts';
import type { Condition } from '../../federation/conditions.ts';
import type { MeshObjects } from '../../federation/mesh-objects.ts';

/** What is written to a file or applied to an API server. */
export interface PeerDocument {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: Readonly<Record<string, unknown>>;
}

/** Of one trust domain. */
export interface DeclarationPlace {
  /** By which a broker finds what is declared here. */
  readonly brokerFlags: Readonly<Record<string, string>>;
  readonly declare: (document: PeerDocument) => Promise<void>;
  readonly objects: PeerObjects | undefined;
  /** The objects that Istio takes its configuration from; undefined without a mesh. */
  readonly mesh: MeshObjects | undefined;
  readonly close: () => Promise<void>;
}

/** What an API server says of the declared. */
export interface PeerObjects {
  /** The object's condition; undefined while it has none. */
  readonly ready: (name: string) => Pick<Condition, 'status' | 'reason'> | undefined;
  /** What `kubectl get ptd` prints, line by line. */
  readonly table: () => Promise<readonly string[]>;
}

export interface DeclarationPlaces {
  /** Of Kubernetes, for example `1.36.3`; undefined without it. */
  readonly kubernetes: string | undefined;
  /** Whatever it writes is below `folder`, which exists. */
  readonly open: (trustDomain: TrustDomain, folder: string, signal: AbortSignal) => Promise<DeclarationPlace>;
}

export const peerFiles: DeclarationPlaces = {
  kubernetes: undefined,
  async open(_trustDomain, folder) {
    const peersFolder = join(folder, 'peers');
    await mkdir(peersFolder);
    return {
      brokerFlags: { 'peers-directory': peersFolder, 'peers-poll-ms': '200' },
      declare: (document) => writeFile(join(peersFolder, `${document.metadata.name}.yaml`), stringify(document)),
      objects: undefined,
      mesh: undefined,
      close: () => Promise.resolve(),
    };
  },
};
