// What does Istio's own code make of shared mesh config and istiod's own?
import type { MeshSources } from '../../../src/istio/mesh-merge.ts';
import { programPath } from '../parts.ts';
import { outputOf } from './run-program.ts';

export interface OracleMesh {
  /** As protobuf's JSON; fields without a value are left out. */
  readonly mesh: {
    readonly trustDomain?: string;
    readonly trustDomainAliases?: readonly string[];
    readonly caCertificates?: readonly {
      readonly pem?: string;
      readonly spiffeBundleUrl?: string;
      readonly trustDomains?: readonly string[];
    }[];
  };
  /** Why a source was not applied, or not to its end. */
  readonly ignored: Partial<Readonly<Record<keyof MeshSources, string>>>;
}

/** ApplyMeshConfig for each of a file that holds a JSON array of {@link MeshSources}. */
export async function oracleMerges(file: string): Promise<readonly OracleMesh[]> {
  const lines = (await outputOf(programPath('meshOracle', 'mesh-oracle'), [file])).trimEnd().split('\n');
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as OracleMesh);
}
