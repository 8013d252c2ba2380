// Which roots of a trust domain does a SPIRE Server hold? Read over its API, as the broker reads them.
import { fingerprint } from '../../../src/bundle/bundle.ts';
import { parseTrustDomain } from '../../../src/bundle/trust-domain.ts';
import { openSpireServer, type SpireServerClient } from '../../../src/spire/spire-server.ts';
import type { Cleanup } from './cleanup.ts';
import type { SpireServer } from './spire-server.ts';

export function openApi(cleanup: Cleanup, server: SpireServer): SpireServerClient {
  const api = openSpireServer({ socketPath: server.socketPath, trustDomain: parseTrustDomain(server.trustDomain) });
  cleanup.add(() => {
    api.close();
  });
  return api;
}

/** Fingerprints, sorted; undefined when it holds no bundle. */
export async function storedRoots(api: SpireServerClient, trustDomain: string): Promise<string[] | undefined> {
  const bundle = await api.getFederatedBundle(parseTrustDomain(trustDomain));
  return bundle?.x509Authorities.map(fingerprint).sort();
}

export async function ownRoots(api: SpireServerClient): Promise<string[]> {
  return (await api.readOwnBundle()).x509Authorities.map(fingerprint).sort();
}
