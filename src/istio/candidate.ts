// May this text be written into mesh config, or would it do harm there? Asked before every write.
import { isDeepStrictEqual } from 'node:util';
import { BundleError } from '../bundle/bundle-error.ts';
import { readCertificate } from '../bundle/certificate.ts';
import { mergeMesh, type CaCertificate, type MeshSources, type MergedMesh } from './mesh-merge.ts';
import type { MeshVerdict } from './mesh-verdict.ts';
import { goFault } from './root-gate.ts';

/** What istiod has against its certificates. While it runs it keeps those it had; it does not start with these. */
export function trustBundleFault({ caCertificates }: Pick<MergedMesh, 'caCertificates'>): string | undefined {
  const faults = caCertificates.map((entry, index) => entryFault(entry, index));
  return faults.find((fault) => fault !== undefined);
}

export const BASE_SETS: MeshVerdict = {
  code: 'BaseSetsCaCertificates',
  message:
    'the ConfigMap of istiod itself sets caCertificates, which hides all that the broker writes, even when it is []; take the field out there, or set target patch-base',
};

/** Why a candidate is not written; `without` is what istiod reads as long as nothing is. Undefined: it may be. */
export function objectionTo(candidate: MeshSources, without: MeshSources): MeshVerdict | undefined {
  const merged = mergeMesh(candidate);
  const ignored = candidate.shared === undefined ? merged.ignored.base : merged.ignored.shared;
  if (ignored !== undefined) {
    return { code: 'IstiodWouldIgnore', message: `istiod would ignore all of it: ${ignored}. It is not written` };
  }
  if (!isDeepStrictEqual(merged.others, mergeMesh(without).others)) {
    const message = 'settings of the mesh beside caCertificates would change. It is not written; report this fault';
    return { code: 'OwnSettingsWouldChange', message };
  }
  if (candidate.shared !== undefined && merged.caCertificatesOf === 'Base') {
    return BASE_SETS;
  }
  const fault = trustBundleFault(merged);
  if (fault === undefined) return undefined;
  const message = `istiod would ignore every certificate, and not start the next time: ${fault}. It is not written; take that entry out`;
  return { code: 'IstiodWouldNotStart', message };
}

/** Only the first block of a text is looked at (trustbundle.go, verifyTrustAnchor). */
function entryFault({ pem }: CaCertificate, index: number): string | undefined {
  if (pem === undefined || pem === '') return undefined;
  const der = firstBlock(pem);
  const where = `caCertificates[${index}]`;
  if (der === undefined) return `${where} is no PEM`;
  try {
    if (!readCertificate(der).isCa) return `${where} is not a CA certificate`;
    const fault = goFault(der);
    return fault === undefined ? undefined : `${where}: ${fault}`;
  } catch (error) {
    if (error instanceof BundleError) return `${where}: ${error.message}`;
    throw error;
  }
}

function firstBlock(pem: string): Uint8Array | undefined {
  const [, , base64] = /^-----BEGIN ([A-Z0-9 ]+)-----\r?\n([A-Za-z0-9+/=\s]+?)-----END \1-----/m.exec(pem) ?? [];
  return base64 === undefined ? undefined : new Uint8Array(Buffer.from(base64, 'base64'));
}
