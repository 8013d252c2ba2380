// Which objects did a broker make? By a label, which Kubernetes recommends for that.
import { FIELD_MANAGER } from './api-server.ts';
import type { ObjectMeta } from './kube-object.ts';

/** Of the objects that a broker made: no other is changed or deleted. */
export const MANAGED_BY = { 'app.kubernetes.io/managed-by': FIELD_MANAGER } as const;

/** As a list asks for them. */
export const MANAGED_BY_SELECTOR = Object.entries(MANAGED_BY)
  .map(([key, value]) => `${key}=${value}`)
  .join(',');

export function isManagedByBroker({ labels = {} }: Pick<ObjectMeta, 'labels'>): boolean {
  return Object.entries(MANAGED_BY).every(([key, value]) => labels[key] === value);
}
