// What does the real kubectl say, asked as a given user?
import { dirname, join } from 'node:path';
import { programPath } from '../parts.ts';
import { outputOf, type ProgramResult, type RunOptions, runProgram } from './run-program.ts';

/** `kubectl --kubeconfig … <args>` and what it wrote to stdout. Rejects with what it wrote when it fails. */
export function kubectl(kubeconfigPath: string, args: readonly string[], options?: RunOptions): Promise<string> {
  return outputOf(...commandLine(kubeconfigPath, args), options);
}

/** The same, for a command that may fail. */
export function tryKubectl(
  kubeconfigPath: string,
  args: readonly string[],
  options?: RunOptions,
): Promise<ProgramResult> {
  return runProgram(...commandLine(kubeconfigPath, args), options);
}

/** What it learned about the server stays beside the kubeconfig instead of in the home folder. */
function commandLine(kubeconfigPath: string, args: readonly string[]): [program: string, args: readonly string[]] {
  const cacheFolder = join(dirname(kubeconfigPath), 'kubectl-cache');
  const options = [`--kubeconfig=${kubeconfigPath}`, `--cache-dir=${cacheFolder}`];
  return [programPath('kubernetes', 'kubectl'), [...options, ...args]];
}
