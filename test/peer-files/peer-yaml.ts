// What does a valid declaration look like as text?

/** A declaration of `<name>.example`; `more` is added to its spec, from line 9 on. */
export function peerYaml(name: string, more = 'suspend: false'): string {
  return `apiVersion: fedbroker.dev/v1alpha1
kind: PeerTrustDomain
metadata:
  name: ${name}
spec:
  trustDomain: ${name}.example
  bundleEndpointURL: https://bundle.${name}.example/
  bundleEndpointProfile: { type: https_spiffe, endpointSPIFFEID: spiffe://${name.toLowerCase()}.example/federation-broker }
  ${more}
`;
}
