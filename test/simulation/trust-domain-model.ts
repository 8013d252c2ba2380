// What belongs to one simulated trust domain? Its SPIRE, its operator, its brokers, and what it published so far.
import type { Bundle } from '../../src/bundle/bundle.ts';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import type { SimulatedEndpoint } from './endpoint-model.ts';
import type { LeaseModel } from './lease-model.ts';
import type { Operator } from './operator.ts';
import type { RotationLeader } from './rotation-leader.ts';
import type { Replica } from './replica.ts';
import type { SpireLink } from './spire-link.ts';
import type { SpireModel } from './spire-model.ts';
import type { SpirePoller } from './spire-poller.ts';

/** `Brokered`: a broker runs beside its SPIRE. `Bucket`: somebody uploads its bundle. `Hostile`: it lies. */
export type Kind = 'Brokered' | 'Bucket' | 'Hostile';

export interface SimulatedTrustDomain {
  readonly trustDomain: TrustDomain;
  readonly kind: Kind;
  readonly spire: SpireModel;
  readonly link: SpireLink;
  readonly poller: SpirePoller;
  readonly operator: Operator;
  readonly lease: LeaseModel | undefined;
  readonly refreshHintSeconds: number;
  /** Where its operators lead a rotation; elsewhere SPIRE's clock rotates, and now and then somebody by hand. */
  readonly led: RotationLeader | undefined;
  /** Its operators rotate by hand without waiting for anybody. */
  readonly isHurried: boolean;
  hurries: number;
  /** By place; undefined while that one is dead. */
  readonly replicas: (Replica | undefined)[];
  readonly endpoints: SimulatedEndpoint[];
  /** Every own bundle of its SPIRE, oldest first. */
  readonly published: Bundle[];
  /** When its operator last declared each peer. */
  readonly declaredAtMs: Map<TrustDomain, number>;
  /** What its endpoint answers in place of the newest one. */
  replayed: Bundle | undefined;
  /** When a fault last touched it, since the start; a fault that lasts is in `troubles`. */
  disturbedAtMs: number;
  troubles: number;
  /** When its newest root was first published. */
  preparedAtMs: number;
  /** And its newest JWT authority. */
  jwtPreparedAtMs: number;
  /** When somebody other than a broker last changed what its SPIRE holds of others. */
  tamperedAtMs: number;
  /** How often bundles were changed by hand here. */
  tamperings: number;
  /** What it was then; undefined: deleted. */
  readonly byHand: Map<TrustDomain, Bundle | undefined>;
}

/** The replica that works, if one does. */
export function workingReplica({ replicas }: SimulatedTrustDomain): Replica | undefined {
  return replicas.find((replica) => replica?.process.isAlive === true && replica.role === 'Leader');
}
