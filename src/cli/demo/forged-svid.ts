// What can somebody sign who has stolen a CA's key? A leaf for any SPIFFE ID; SPIRE itself signs for its trust domain alone.
import { toPem } from '../../bundle/certificate.ts';
import type { SpiffeId } from '../../bundle/spiffe-id.ts';
import { requestSvid } from '../../bundle-endpoint/svid-request.ts';
import { readSigningRequest, signX509Svid, type X509SigningAuthority } from '../../dev-spire/x509-authority.ts';
import type { WorkloadSvid } from './workload-context.ts';

const LIFETIME_MS = 60 * 60_000;

export async function forgeSvid(authority: X509SigningAuthority, id: SpiffeId): Promise<WorkloadSvid> {
  const { csr, keyPem } = await requestSvid(id);
  const from = new Date();
  const life = { from, until: new Date(from.getTime() + LIFETIME_MS) };
  const leaf = await signX509Svid(authority, await readSigningRequest(csr), life);
  return { keyPem, chainPem: toPem(new Uint8Array(leaf.rawData)), signedBy: authority.id };
}
