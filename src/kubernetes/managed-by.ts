// Which objects did our broker make? A label says that a broker did, an annotation of which trust domain it is. (Kubernetes:
// recommended labels; a label holds 63 characters, the name of a trust domain up to 255)
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { PEER_API } from '../federation/peer-api.ts';
import { FIELD_MANAGER } from './api-server.ts';
import type { ObjectMeta } from './kube-object.ts';

/** Of the objects that a broker made: no other is changed or deleted. */
export const MANAGED_BY = { 'app.kubernetes.io/managed-by': FIELD_MANAGER } as const;

/** As a list asks for them. */
export const MANAGED_BY_SELECTOR = Object.entries(MANAGED_BY)
  .map(([key, value]) => `${key}=${value}`)
  .join(',');

/** The trust domain whose broker an object belongs to, in full: brokers of several may share a cluster, or a namespace. */
export const BROKER_OF = `${PEER_API.group}/broker-of`;

type Marks = Pick<ObjectMeta, 'labels' | 'annotations'>;

/** Undefined: nobody said, as earlier versions did not. */
export function brokerOf({ annotations }: Pick<Marks, 'annotations'>): string | undefined {
  return annotations?.[BROKER_OF];
}

/** Another broker says that it is its own. */
export function isOfAnotherBroker(marks: Pick<Marks, 'annotations'>, own: TrustDomain): boolean {
  const claimant = brokerOf(marks);
  return claimant !== undefined && claimant !== own;
}

export function isManagedByUs(marks: Marks, own: TrustDomain): boolean {
  const isLabelled = Object.entries(MANAGED_BY).every(([key, value]) => marks.labels?.[key] === value);
  return isLabelled && !isOfAnotherBroker(marks, own);
}

/** What every object that we make says of itself. */
export function ownMarks(own: TrustDomain): Required<Marks> {
  return { labels: MANAGED_BY, annotations: { [BROKER_OF]: own } };
}
