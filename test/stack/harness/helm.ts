// What does the real helm make of a chart?
import { join } from 'node:path';
import { programPath } from '../parts.ts';
import type { Cleanup } from './cleanup.ts';
import { outputOf, type RunOptions } from './run-program.ts';
import { tempFolder } from './temp-folder.ts';

/** `helm <args>` and what it wrote to stdout. Rejects with what it wrote when it fails. */
export type Helm = (args: readonly string[], options?: RunOptions) => Promise<string>;

/** What helm remembers between calls is in a folder of the test's own. A cluster is named by `--kubeconfig`. */
export function helmOf(cleanup: Cleanup): Helm {
  const folder = tempFolder(cleanup, 'helm');
  const env = {
    HELM_CACHE_HOME: join(folder, 'cache'),
    HELM_CONFIG_HOME: join(folder, 'config'),
    HELM_DATA_HOME: join(folder, 'data'),
    KUBECACHEDIR: join(folder, 'kube-cache'),
  };
  return (args, options) =>
    outputOf(programPath('helm', 'helm'), args, { ...options, env: { ...env, ...options?.env } });
}
