// Which programs of other projects do these tests run, at which version, and where is each once it is built?
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const STACK_FOLDER = dirname(fileURLToPath(import.meta.url));

/** Something that is built or installed as a whole. */
export interface Part {
  /** As a person calls it, for example `SPIRE 1.15.3`. */
  readonly name: string;
  /** Where it is once it is built. The name holds a digest of what it is made from: a change makes another folder. */
  readonly folder: string;
  /** File names in the folder; one that is no program is read as it is. */
  readonly programs: readonly string[];
}

export type PartKey =
  'spire' | 'oracle' | 'envoy' | 'kubernetes' | 'etcd' | 'helm' | 'istio' | 'meshOracle' | 'promtool' | 'imageNode';

const GO_MODULE = ['go.mod', 'go.sum'];
export const ENVOY_REQUIREMENTS = 'envoy-requirements.txt';
export const ISTIO_CRDS = 'customresourcedefinitions.gen.yaml';

export const PARTS: Readonly<Record<PartKey, Part>> = {
  spire: part('SPIRE 1.15.3', 'spire', ['spire-server', 'spire-agent'], [...GO_MODULE, 'ejbca-stub']),
  oracle: part('go-spiffe 2.8.1 (oracle)', 'oracle', ['oracle'], [...GO_MODULE, 'oracle']),
  envoy: part('Envoy 1.40.0', 'envoy', ['envoy'], [ENVOY_REQUIREMENTS]),
  kubernetes: part('Kubernetes 1.36.3', 'kubernetes', ['kube-apiserver', 'kubectl'], ['kubernetes']),
  etcd: part('etcd 3.6.8', 'etcd', ['etcd'], ['etcd']),
  helm: part('Helm 3.19.0', 'helm', ['helm'], ['helm']),
  istio: part('Istio 1.31.1 CRDs', 'istio', [ISTIO_CRDS], ['istio']),
  meshOracle: part('Istio 1.31 pkg/config/mesh (oracle)', 'mesh-oracle', ['mesh-oracle'], ['mesh-oracle']),
  promtool: part('promtool 3.13.5', 'promtool', ['promtool'], ['promtool']),
  imageNode: part('Node 22.23.3, as in the image', 'node', ['node'], ['node']),
};

/** Path of a part's program. Throws when it is not built yet. */
export function programPath(key: PartKey, program: string): string {
  const path = join(PARTS[key].folder, program);
  if (!existsSync(path)) {
    throw new Error(`${PARTS[key].name} is not built yet (${path}); npm run test:stack builds it`);
  }
  return path;
}

export function isBuilt(part: Part): boolean {
  return part.programs.every((program) => existsSync(join(part.folder, program)));
}

/** `sources` are files and folders below {@link STACK_FOLDER}. */
function part(name: string, folderName: string, programs: readonly string[], sources: readonly string[]): Part {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} ${name}\n`);
  for (const path of sources.flatMap((source) => filesBelow(join(STACK_FOLDER, source)))) {
    hash.update(`${relative(STACK_FOLDER, path)}\n`).update(readFileSync(path));
  }
  return { name, programs, folder: join(cacheFolder(), `${folderName}-${hash.digest('hex').slice(0, 16)}`) };
}

/** The file itself, or every file of the folder, sorted. */
function filesBelow(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesBelow(join(path, name)));
}

/** Outside the checkout, so that every checkout of this machine's user shares one build. */
function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'fedbroker-stack');
}
