// Which bundle endpoint does a command line name, and how does it prove itself? (SPIFFE Federation §5.2)
import { readFile } from 'node:fs/promises';
import { parseSpiffeId, trustDomainOf } from '../bundle/spiffe-id.ts';
import { parseBootstrapBundle } from '../federation/bootstrap.ts';
import type { EndpointTrust } from '../federation/ports.ts';
import { textFlag, UsageError, type CommandContext } from './command.ts';

export const ENDPOINT_FLAGS = { 'endpoint-id': 'Text', bundle: 'Text', ca: 'Text' } as const;

export const ENDPOINT_USAGE = '[--endpoint-id SPIFFE-ID --bundle FILE] [--ca FILE]';

/** `--endpoint-id` with `--bundle`: https_spiffe. Neither: https_web, with public roots or those of `--ca`. */
export async function endpointTrust(context: Pick<CommandContext, 'flags'>): Promise<EndpointTrust> {
  const [endpointId, bundlePath, caPath] = ['endpoint-id', 'bundle', 'ca'].map((name) => textFlag(context, name));
  if (endpointId === undefined) {
    if (bundlePath !== undefined) throw new UsageError('--bundle belongs to https_spiffe: give --endpoint-id too');
    return { type: 'https_web', ...(caPath !== undefined && { caPem: await readFile(caPath, 'utf8') }) };
  }
  if (bundlePath === undefined) {
    throw new UsageError('--endpoint-id needs --bundle FILE: the authorities that its certificate must chain to');
  }
  if (caPath !== undefined) throw new UsageError('--ca belongs to https_web: leave it out or leave out --endpoint-id');
  const endpointSpiffeId = parseSpiffeId(endpointId);
  const bundle = parseBootstrapBundle(await readFile(bundlePath), trustDomainOf(endpointSpiffeId));
  return { type: 'https_spiffe', endpointSpiffeId, authorities: bundle.x509Authorities };
}
