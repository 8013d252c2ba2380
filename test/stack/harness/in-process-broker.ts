// How does a test run a broker inside its own process, with all that it logs?
import { join } from 'node:path';
import { serializeBundle } from '../../../src/bundle/bundle-document.ts';
import type { TrustDomain } from '../../../src/bundle/trust-domain.ts';
import { startBroker } from '../../../src/cli/start-broker.ts';
import { resolveConfig } from '../../../src/config.ts';
import { startDevSpire } from '../../../src/dev-spire/dev-spire.ts';
import { createLogger } from '../../../src/log.ts';
import { openSpireServer } from '../../../src/spire/spire-server.ts';
import type { Cleanup } from './cleanup.ts';
import { tempFolder } from './temp-folder.ts';

/** Longer than a test: what is not noticed at once is not noticed by the next regular fetch either. */
export const REFRESH_SECONDS = '300';

export interface Endpoint {
  readonly trustDomain: TrustDomain;
  readonly url: string;
  /** Its bundle, as a document. */
  readonly document: string;
}

/** A trust domain in this process, whose broker serves its bundle. */
export async function startEndpoint(cleanup: Cleanup, trustDomain: TrustDomain): Promise<Endpoint> {
  const folder = tempFolder(cleanup, trustDomain);
  const socketPath = join(folder, 'spire.sock');
  const dev = await startDevSpire({ trustDomain, socketPath });
  cleanup.add(() => dev.stop());
  const { broker } = await startInProcess({ 'spire-socket': socketPath, 'peers-directory': folder });
  cleanup.add(() => broker.stop());
  const spire = openSpireServer({ socketPath, trustDomain });
  cleanup.add(() => {
    spire.close();
  });
  const document = serializeBundle(await spire.readOwnBundle(), { refreshHintSeconds: Number(REFRESH_SECONDS) });
  return {
    trustDomain,
    url: `https://127.0.0.1:${broker.endpoint.addresses.https_spiffe!.port}/`,
    document: String(document),
  };
}

export interface LogLine {
  readonly msg: string;
  readonly reason?: string;
  readonly err?: { readonly code?: string; readonly message?: string };
}

export async function startInProcess(flags: Readonly<Record<string, string>>) {
  const settings = { 'serve-spiffe-address': '127.0.0.1:0', 'admin-address': 'off', ...flags };
  const argv = Object.entries(settings).flatMap(([flag, value]) => [`--${flag}`, value]);
  const { config } = resolveConfig({ argv, environment: {}, readFile: () => '' });
  const lines: LogLine[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as LogLine);
  const log = createLogger({ level: 'info', format: 'json', write });
  const broker = await startBroker(config, log, new AbortController().signal);
  return { broker: broker!, lines };
}
