// What does the mesh config say that is not ours? The fields that federation depends on. (istio.mesh.v1alpha1.MeshConfig,
// in the ConfigMap `istio` or `istio-<revision>`, key `mesh`)
import { parse } from 'yaml';

export interface BaseMeshConfig {
  /** istiod's default is `cluster.local`. */
  readonly trustDomain: string;
  readonly trustDomainAliases: readonly string[];
  /** The key is there, also as an empty list: then it is the whole list, whatever shared mesh config says. */
  readonly setsCaCertificates: boolean;
  readonly spiffeBundleUrls: readonly string[];
}

/** Undefined when it is no YAML, or no map. Field names are taken in both ways that istiod reads. */
export function readBaseMeshConfig(text: string): BaseMeshConfig | undefined {
  const mesh = mapOf(text);
  if (mesh === undefined) return undefined;
  const field = (name: string, protoName: string): unknown => mesh[name] ?? mesh[protoName];
  const caCertificates = field('caCertificates', 'ca_certificates');
  const trustDomain = field('trustDomain', 'trust_domain');
  return {
    trustDomain: typeof trustDomain === 'string' && trustDomain !== '' ? trustDomain : 'cluster.local',
    trustDomainAliases: textsOf(field('trustDomainAliases', 'trust_domain_aliases')),
    setsCaCertificates: 'caCertificates' in mesh || 'ca_certificates' in mesh,
    spiffeBundleUrls: textsOf(
      listOf(caCertificates).map((entry) => {
        const { spiffeBundleUrl, spiffe_bundle_url } = (entry ?? {}) as Readonly<Record<string, unknown>>;
        return spiffeBundleUrl ?? spiffe_bundle_url;
      }),
    ),
  };
}

function mapOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = parse(text) ?? {};
    return typeof value === 'object' && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textsOf(value: unknown): readonly string[] {
  return listOf(value).filter((each) => typeof each === 'string');
}
