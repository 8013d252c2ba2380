// Which version is this? Written in by the build; a checkout asks its package.json.
import { createRequire } from 'node:module';

declare const FEDBROKER_VERSION: string | undefined;

/** For example `0.1.0`. */
export function productVersion(): string {
  if (typeof FEDBROKER_VERSION === 'string') return FEDBROKER_VERSION;
  const { version } = createRequire(import.meta.url)('../package.json') as { readonly version: string };
  return version;
}
