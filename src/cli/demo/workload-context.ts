// What does SPIRE give a workload? Its SVID and the bundles that its entry names, as an agent would hand them over.
import type { X509Authority } from '../../bundle/bundle.ts';
import { readCertificate, toPem } from '../../bundle/certificate.ts';
import type { SpiffeId } from '../../bundle/spiffe-id.ts';
import type { TrustDomain } from '../../bundle/trust-domain.ts';
import { requestSvid } from '../../bundle-endpoint/svid-request.ts';
import type { AuthorityState } from '../../federation/local-authority.ts';
import type { SpireServerClient } from '../../spire/spire-server.ts';

export interface WorkloadEntry {
  readonly entryId: string;
  readonly id: SpiffeId;
}

export interface WorkloadSvid {
  readonly keyPem: string;
  /** Leaf first. */
  readonly chainPem: string;
  /** Subject key id of the root that signed it, in hex. */
  readonly signedBy: string;
}

export interface WorkloadContext {
  readonly svid: WorkloadSvid;
  readonly ownRoots: readonly X509Authority[];
  /** Of every trust domain that the entry federates with, and of no other. */
  readonly federated: ReadonlyMap<TrustDomain, readonly X509Authority[]>;
  readonly authorities: AuthorityState;
}

const SVID_TTL_SECONDS = 3600;

/** Reads everything anew. The SVID of `before` is kept until another authority signs. */
export async function readWorkloadContext(
  spire: SpireServerClient,
  { entryId, id }: WorkloadEntry,
  before: WorkloadContext | undefined,
  signal: AbortSignal,
): Promise<WorkloadContext> {
  const [entries, own, authorities] = await Promise.all([
    spire.listEntries(signal),
    spire.readOwnBundle(signal),
    spire.localAuthorities.x509.state(signal),
  ]);
  const names = entries.find((entry) => entry.id === entryId)?.federatesWith ?? [];
  const federated = new Map<TrustDomain, readonly X509Authority[]>();
  for (const name of names) {
    const bundle = await spire.getFederatedBundle(name, signal);
    if (bundle !== undefined) federated.set(name, bundle.x509Authorities);
  }
  const kept = before?.authorities.active.id === authorities.active.id ? before.svid : undefined;
  const svid = kept ?? (await mintSvid(spire, id, signal));
  return { svid, ownRoots: own.x509Authorities, federated, authorities };
}

async function mintSvid(spire: SpireServerClient, id: SpiffeId, signal: AbortSignal): Promise<WorkloadSvid> {
  const { csr, keyPem } = await requestSvid(id);
  const { chain } = await spire.mintX509Svid(csr, SVID_TTL_SECONDS, signal);
  const last = chain.at(-1);
  const signedBy = last === undefined ? undefined : readCertificate(last).authorityKeyId;
  if (signedBy === undefined) throw new Error(`the SVID of ${id} does not say which authority signed it`);
  return { keyPem, chainPem: chain.map(toPem).join(''), signedBy };
}
