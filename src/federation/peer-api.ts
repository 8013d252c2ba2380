// What does every declaration call itself? (API fedbroker.dev/v1alpha1)

export const PEER_API = { group: 'fedbroker.dev', version: 'v1alpha1', kind: 'PeerTrustDomain' } as const;
