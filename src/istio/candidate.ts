// May this text be written into mesh config, or would it do harm there? Asked before every write.
import { isDeepStrictEqual } from 'node:util';
import { BundleError } from '../bundle/bundle-error.ts';
import { readCertificate } from '../bundle/certificate.ts';
import { DerError } from '../bundle/der.ts';
import { mergeMesh, type CaCertificate, type MeshSources, type MergedMesh } from './mesh-merge.ts';
import type { MeshVerdict } from './mesh-verdict.ts';
import { goFault } from './root-gate.ts';

/** What istiod says of its certificates; `istiod` keeps the ones it had, and does not start with these. */
export function trustBundleFault({ caCertificates }: Pick<MergedMesh, 'caCertificates'>): string | undefined {
  const faults = caCertificates.map((entry, index) => entryFault(entry, index));
  return faults.find((fault) => fault !== undefined);
}

/** Why a candidate for our text, beside the base's, is not written; undefined: it may be. */
export function objectionTo({ shared, base }: MeshSources): MeshVerdict | undefined {
  const merged = mergeMesh({ shared, base });
  if (merged.ignored.shared !== undefined) {
    const message = `istiod would ignore all of it: ${merged.ignored.shared}. This is a fault of the broker: report it`;
    return { code: 'IstiodWouldIgnore', message };
  }
  if (!isDeepStrictEqual(merged.others, mergeMesh({ shared: undefined, base }).others)) {
    const message =
      'it would change settings of the mesh beside caCertificates. This is a fault of the broker: report it';
    return { code: 'OwnSettingsWouldChange', message };
  }
  if (merged.caCertificatesOf === 'Base') {
    const message =
      'the ConfigMap of istiod itself sets caCertificates, which hides all that the broker writes, even when it is []; take the field out there, or set target patch-base';
    return { code: 'BaseSetsCaCertificates', message };
  }
  const fault = trustBundleFault(merged);
  return fault === undefined ? undefined : { code: 'IstiodWouldNotStart', message: `istiod would not start: ${fault}` };
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
    if (error instanceof BundleError || error instanceof DerError) return `${where}: ${error.message}`;
    throw error;
  }
}

function firstBlock(pem: string): Uint8Array | undefined {
  const [, , base64] = /^-----BEGIN ([A-Z0-9 ]+)-----\r?\n([A-Za-z0-9+/=\s]+?)-----END \1-----/m.exec(pem) ?? [];
  return base64 === undefined ? undefined : new Uint8Array(Buffer.from(base64, 'base64'));
}
