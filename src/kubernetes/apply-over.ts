// How does one of several brokers apply an object without writing over another's? Every broker writes as the same manager,
// so that between two of them the API server sees no conflict of fields: each applies only over what it looked at.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { isKubeError, KubeError } from './kube-error.ts';
import { describeTarget, VERSION_OF_NO_OBJECT, type ObjectMeta, type ObjectRef } from './kube-object.ts';
import { BROKER_OF, brokerOf, isManagedByUs, isOfAnotherBroker, MANAGED_BY } from './managed-by.ts';

/** Whoever loses once against another broker finds the object to be that one's at its second look. */
const MAX_ATTEMPTS = 3;

type Looked = Pick<ObjectMeta, 'uid' | 'resourceVersion' | 'labels' | 'annotations'>;

/** Of the body of an apply: over anything else than what was looked at it is a `KubeConflict`. */
export type Over = Pick<ObjectMeta, 'uid' | 'resourceVersion'>;

export interface ApplyOver<T> {
  readonly ref: ObjectRef;
  readonly own: TrustDomain;
  /** Undefined: there is no such object. */
  readonly look: () => Promise<{ readonly metadata: Looked } | undefined>;
  readonly apply: (over: Over) => Promise<T>;
}

/** @throws KubeError `KubeAlreadyExists` when it is somebody else's */
export async function applyOver<T>({ ref, own, look, apply }: ApplyOver<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const metadata = (await look())?.metadata;
    if (metadata !== undefined) refuseForeign(ref, metadata, own);
    try {
      return await apply(metadata === undefined ? { resourceVersion: VERSION_OF_NO_OBJECT } : versionOf(metadata));
    } catch (error) {
      if (!isKubeError(error, 'KubeConflict') || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/** @throws KubeError `KubeAlreadyExists` when it is somebody else's */
export function refuseForeign(ref: ObjectRef, metadata: Looked, own: TrustDomain): void {
  if (isManagedByUs(metadata, own)) return;
  const label = Object.entries(MANAGED_BY).map(([name, value]) => `${name}: ${value}`);
  const why = isOfAnotherBroker(metadata, own)
    ? `with the annotation ${BROKER_OF}: ${brokerOf(metadata) ?? ''}`
    : `without the label ${label.join(', ')}`;
  throw new KubeError(
    'KubeAlreadyExists',
    `${describeTarget(ref)} is there ${why}, so it is not ours to change; delete it, or choose another name`,
  );
}

function versionOf({ uid, resourceVersion }: Looked): Over {
  return { ...(uid !== undefined && { uid }), ...(resourceVersion !== undefined && { resourceVersion }) };
}
