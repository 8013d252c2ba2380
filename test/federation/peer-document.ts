// What does an operator write to declare a peer? As a value, for files and for objects.

export function peerDocument(name: string, spec: Readonly<Record<string, unknown>>) {
  return { apiVersion: 'fedbroker.dev/v1alpha1', kind: 'PeerTrustDomain', metadata: { name }, spec };
}
