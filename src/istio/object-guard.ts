// Whose is this object, is it as we left it, and may it be changed back once more?
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Fact } from '../federation/facts.ts';
import type { MeshObject, MeshObjectContent } from '../federation/mesh-objects.ts';
import type { MeshLimits } from './mesh-facts.ts';
import { isReplaced, type ObjectMemory } from './mesh-memory.ts';
import type { MeshVerdict } from './mesh-verdict.ts';
import { RECORD_ANNOTATION } from './published.ts';

export type Guarded =
  /** `content` is what is ours there; undefined: there is none. */
  | { readonly kind: 'Undisturbed'; readonly content: MeshObjectContent | undefined }
  /** Somebody changed or deleted it; `content` is how it was. */
  | { readonly kind: 'Disturbed'; readonly content: MeshObjectContent }
  | { readonly kind: 'Stopped'; readonly because: MeshVerdict; readonly lookAgainAt: Date | undefined };

export interface GuardInput {
  readonly object: Fact<MeshObject | undefined>;
  readonly memory: ObjectMemory;
  /** Whether it says what its own record says. */
  readonly isIntact: (content: MeshObjectContent) => boolean;
  readonly ownTrustDomain: TrustDomain;
  readonly limits: Pick<MeshLimits, 'maxFlips' | 'flipWindowMs'>;
  readonly now: Date;
}

/** For objects of our own. Without memory, what others left is all that is known of how it was. */
export function guardObject({ object, memory, limits, now, isIntact }: GuardInput): Guarded {
  if (object.state === 'Unreadable') return unreadable(object.message);
  if (isReplaced(object, memory)) return { kind: 'Undisturbed', content: memory.content };
  const found = object.value;
  if (found === undefined) {
    if (memory.content === undefined) return { kind: 'Undisturbed', content: undefined };
  } else {
    if (!found.ours) return { kind: 'Stopped', because: notOurs(found), lookAgainAt: undefined };
    const isAlone = found.otherManagers.length === 0;
    // Another replica of the broker writes as the same manager: what it wrote is what counts now.
    const isRight = isIntact(found) && (isAlone || memory.content === undefined || sameData(found, memory.content));
    // Written by an earlier version, perhaps; at least nobody else is to be seen.
    const isOfOld = isAlone && memory.content === undefined;
    if (isRight || isOfOld) return { kind: 'Undisturbed', content: found };
  }
  return disturbed(found, memory, limits, now);
}

/** For an object of others, in which something is ours: they may change everything but that. */
export function guardOthersObject({ object, memory, ownTrustDomain, limits, now, isIntact }: GuardInput): Guarded {
  if (object.state === 'Unreadable') return unreadable(object.message);
  if (isReplaced(object, memory)) return { kind: 'Undisturbed', content: memory.content };
  const found = object.value;
  if (found === undefined) {
    const message = 'istiod’s own ConfigMap is not there, and it is not ours to make; is the revision right?';
    return { kind: 'Stopped', because: { code: 'NoMeshConfig', message }, lookAgainAt: undefined };
  }
  if (found.brokerOf !== undefined && found.brokerOf !== ownTrustDomain) {
    return { kind: 'Stopped', because: ofAnotherBroker(found, found.brokerOf), lookAgainAt: undefined };
  }
  const lost = memory.content !== undefined && !sameRecord(found, memory.content);
  return lost || !isIntact(found) ? disturbed(found, memory, limits, now) : { kind: 'Undisturbed', content: found };
}

function unreadable(why: string): Guarded {
  const message = `the object in the cluster cannot be read: ${why}`;
  return { kind: 'Stopped', because: { code: 'MeshUnreadable', message }, lookAgainAt: undefined };
}

function disturbed(
  found: MeshObject | undefined,
  { content, flips }: ObjectMemory,
  { maxFlips, flipWindowMs }: GuardInput['limits'],
  now: Date,
): Guarded {
  const recent = flips.filter((at) => now.getTime() - at.getTime() < flipWindowMs);
  if (recent.length >= maxFlips) {
    const lookAgainAt = new Date((recent[0] ?? now).getTime() + flipWindowMs);
    const message = `${whoDid(found)} ${recent.length} times within ${flipWindowMs / 60_000} minutes, and each time it was changed back; it is left alone until ${lookAgainAt.toISOString()}. Let nobody else write this object, or choose another name for it`;
    return { kind: 'Stopped', because: { code: 'OwnershipConflict', message, until: lookAgainAt }, lookAgainAt };
  }
  return { kind: 'Disturbed', content: content ?? found ?? { data: {}, annotations: {} } };
}

/** An earlier version wrote it, which did not say whose broker it is: it is written once more, by a new process. */
export function isUnclaimed(
  found: MeshObject | undefined,
  guarded: Guarded,
  { content }: Pick<ObjectMemory, 'content'>,
): boolean {
  if (found === undefined || guarded.kind !== 'Undisturbed' || content !== undefined) return false;
  return found.brokerOf === undefined && RECORD_ANNOTATION in found.annotations;
}

function notOurs(object: MeshObject): MeshVerdict {
  const { kind, namespace, name, otherManagers, brokerOf } = object;
  // It would be ours, were it not another broker's.
  if (brokerOf !== undefined && RECORD_ANNOTATION in object.annotations) return ofAnotherBroker(object, brokerOf);
  const whose = otherManagers.length === 0 ? 'somebody else' : otherManagers.join(', ');
  const message = `${kind} ${namespace}/${name} is there, and ${whose} made it; it is not touched. Delete it, or choose another name`;
  return { code: 'OwnershipConflict', message };
}

function ofAnotherBroker({ kind, namespace, name }: MeshObject, trustDomain: string): MeshVerdict {
  const message = `${kind} ${namespace}/${name} is kept by the broker of ${trustDomain}; it is not touched. Give one of the two brokers another name for it, or let one of them alone write for this mesh; when that broker is gone for good, delete the object`;
  return { code: 'OwnershipConflict', message };
}

function whoDid(found: MeshObject | undefined): string {
  if (found === undefined) return 'somebody deleted the object';
  return `${found.otherManagers.length === 0 ? 'somebody' : found.otherManagers.join(', ')} changed the object`;
}

function sameData(one: Pick<MeshObjectContent, 'data'>, other: Pick<MeshObjectContent, 'data'>): boolean {
  const names = Object.keys(one.data);
  return names.length === Object.keys(other.data).length && names.every((name) => one.data[name] === other.data[name]);
}

function sameRecord({ annotations: one }: MeshObjectContent, { annotations: other }: MeshObjectContent): boolean {
  return one[RECORD_ANNOTATION] === other[RECORD_ANNOTATION];
}
