// Which anchors does this secret give an Envoy? (Envoy's CertificateValidationContext; PEM as in RFC 7468)
import { createHash } from 'node:crypto';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { parseTrustDomain, type TrustDomain } from '../bundle/trust-domain.ts';
import type { ServedAnchors } from '../federation/mesh-ports.ts';
import type { DataSource } from './gen/envoy/config/core/v3/base_pb.ts';
import type { TypedExtensionConfig } from './gen/envoy/config/core/v3/extension_pb.ts';
import type { Secret } from './gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import { SPIFFECertValidatorConfigSchema } from './gen/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.ts';

const PEM_BLOCK = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g;

/**
 * The custom validator decides where there is one, as in Envoy. Certificates are not read: what a root may vouch for is
 * judged where bundles are, and here it only counts which ones arrived.
 *
 * @throws Error in words that complete "the answer cannot be used: "
 */
export function servedAnchors({ type }: Secret): ServedAnchors {
  if (type.case !== 'validationContext') throw new Error('the secret is not a validation context');
  const { customValidatorConfig, trustedCa } = type.value;
  if (customValidatorConfig !== undefined) {
    return { validator: 'PerTrustDomain', roots: rootsByTrustDomain(customValidatorConfig) };
  }
  if (trustedCa === undefined) throw new Error('the validation context names neither a validator nor roots');
  return { validator: 'OneList', roots: fingerprints(trustedCa) };
}

function rootsByTrustDomain({ name, typedConfig }: TypedExtensionConfig): Map<TrustDomain, readonly string[]> {
  const config = typedConfig && anyUnpack(typedConfig, SPIFFECertValidatorConfigSchema);
  if (config === undefined) throw new Error(`the validator "${name.slice(0, 100)}" is not Envoy's SPIFFE validator`);
  const roots = new Map<TrustDomain, readonly string[]>();
  for (const each of config.trustDomains) {
    const trustDomain = parseTrustDomain(each.name);
    if (roots.has(trustDomain)) throw new Error(`it names ${trustDomain} twice, which Envoys refuse`);
    roots.set(trustDomain, each.trustBundle === undefined ? [] : fingerprints(each.trustBundle));
  }
  return roots;
}

function fingerprints({ specifier }: DataSource): readonly string[] {
  if (specifier.case === undefined) throw new Error('the roots are not in the answer itself');
  const pem = specifier.case === 'inlineBytes' ? Buffer.from(specifier.value).toString('latin1') : specifier.value;
  if (pem.replace(PEM_BLOCK, '').trim() !== '') throw new Error('the roots are not PEM certificates and nothing else');
  const found = [...pem.matchAll(PEM_BLOCK)].map(([, base64 = '']) =>
    createHash('sha256').update(Buffer.from(base64, 'base64')).digest('hex'),
  );
  return [...new Set(found)].sort();
}
