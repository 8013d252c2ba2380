// Which objects are in force, and which peers do they declare together? Pure; what was in force before is passed in.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Declarations } from '../federation/facts.ts';
import {
  judgeDeclarations,
  type DeclaringUnit,
  type EarlierPeers,
  type JudgedUnit,
} from '../federation/judge-declarations.ts';
import type { Peer } from '../federation/relationship.ts';
import type { DeclaredObject, DeclaredState } from './declared-object.ts';
import { hasFinalizer, UNFEDERATE } from './finalizer.ts';
import type { KubeObject } from './kube-object.ts';
import { isOfAnotherBroker } from './managed-by.ts';
import { declarationOf, uidOf, unitOf, type ObjectDeclaration, type ObjectFault } from './object-declaration.ts';

/** What is remembered from one judgement to the next, by UID. Empty at the start. */
export interface ObjectMemory {
  readonly declarations: ReadonlyMap<string, ObjectDeclaration>;
  readonly inForce: EarlierPeers;
  /** In force with our finalizer on them, now or before: to lose the finalizer by hand takes no peer away. */
  readonly secured: ReadonlySet<string>;
}

export const NO_MEMORY: ObjectMemory = { declarations: new Map(), inForce: new Map(), secured: new Set() };

export interface ObjectsJudgement {
  /** In the order of their age. */
  readonly objects: readonly DeclaredObject[];
  readonly declarations: Declarations;
  readonly memory: ObjectMemory;
}

/**
 * The oldest object of a trust domain wins. One that is being deleted declares nothing any more. A peer counts only when
 * the finalizer is on its object: otherwise the object could go without its trust being taken away. An object that names
 * another trust domain's broker is for that one alone.
 */
export function judgeObjects(all: Iterable<KubeObject>, before: ObjectMemory, own: TrustDomain): ObjectsJudgement {
  const forUs = [...all].filter(({ metadata }) => !isOfAnotherBroker(metadata, own));
  const rows = forUs.sort(byAge).map((object) => rowOf(object, before));
  const live = rows.filter(({ deleting }) => !deleting);
  const leaving = rows.filter(({ deleting }) => deleting);
  const judge = (some: readonly Row[]) =>
    judgeDeclarations(
      some.map(({ unit }) => unit),
      before.inForce,
      own,
    );
  const judgement = judge(live);
  // The leaving ones stand last, so that each is told which object has its trust domain now.
  const { units } = leaving.length === 0 ? judgement : judge([...live, ...leaving]);
  const judged = new Map(units.map((unit) => [unit.id, unit]));

  const peers: Peer[] = [];
  const secured = new Set<string>();
  const waiting: string[] = [];
  for (const { id, object } of live) {
    const [peer] = judged.get(id)?.peers ?? [];
    if (peer === undefined) continue;
    if (hasFinalizer(object) || before.secured.has(id)) {
      peers.push(peer);
      secured.add(id);
    } else {
      waiting.push(object.metadata.name);
    }
  }
  const reasons = [
    judgement.declarations.incompleteBecause ?? [],
    waiting.length > 0 ? `${waiting.join(', ')}: waiting for the finalizer ${UNFEDERATE}` : [],
  ].flat();
  return {
    objects: rows.map((row) => ({
      object: row.object,
      state: stateOf(row, judged.get(row.id)),
      deleting: row.deleting,
    })),
    declarations: { peers, incompleteBecause: reasons.length === 0 ? undefined : reasons.join('; ') },
    memory: {
      declarations: new Map(rows.map(({ id, declaration }) => [id, declaration])),
      inForce: judgement.inForce,
      secured,
    },
  };
}

interface Row {
  readonly id: string;
  readonly object: KubeObject;
  readonly declaration: ObjectDeclaration;
  readonly unit: DeclaringUnit<ObjectFault>;
  readonly deleting: boolean;
}

function rowOf(object: KubeObject, before: ObjectMemory): Row {
  const id = uidOf(object);
  const declaration = declarationOf(object, before.declarations.get(id));
  const deleting = object.metadata.deletionTimestamp !== undefined;
  return { id, object, declaration, unit: unitOf(object, declaration), deleting };
}

/** Times of the API server are all of one form, so they sort as text. */
function byAge(a: KubeObject, b: KubeObject): number {
  const age = ({ metadata }: KubeObject) => metadata.creationTimestamp ?? '';
  if (age(a) !== age(b)) return age(a) < age(b) ? -1 : 1;
  return uidOf(a) < uidOf(b) ? -1 : 1;
}

const MAX_FAULTS_TOLD = 10;

/** An object declares one peer or none. */
function stateOf({ declaration }: Row, unit: JudgedUnit<ObjectFault> | undefined): DeclaredState {
  const [peer] = unit?.peers ?? [];
  const faults = [...(unit?.faults ?? []), declaration.annotationFault ?? []].flat();
  if (faults.length === 0 && peer !== undefined) return { kind: 'InForce', peer };
  const told = faults.slice(0, MAX_FAULTS_TOLD).map(({ message }) => message);
  const left = faults.length - told.length;
  return {
    kind: 'Refused',
    reason: faults[0]?.reason ?? 'Invalid',
    message: [...told, ...(left > 0 ? [`and ${left} more`] : [])].join('; '),
    ...(peer !== undefined && { inForce: peer }),
  };
}
