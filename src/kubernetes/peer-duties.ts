// What does the leader do for the objects, beside federating? Finalizers, status, events, and what annotations ask for.
import type { Peer } from '../federation/relationship.ts';
import type { Clock } from '../federation/clock.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { AnnotationRequests } from './annotation-requests.ts';
import type { ApiServer } from './api-server.ts';
import { BootstrapSources } from './bootstrap-sources.ts';
import { peerInForce, type DeclaredObject } from './declared-object.ts';
import type { Pass } from './finalizer.ts';
import { Finalizers } from './finalizers.ts';
import type { KubeError } from './kube-error.ts';
import type { KubeObject } from './kube-object.ts';
import { PeerEvents, type PeerEventReport } from './peer-events.ts';
import type { PeerResources } from './peer-resources.ts';
import { PeerStatusWriter } from './status-writer.ts';

export interface PeerDutiesOptions {
  readonly api: ApiServer;
  readonly clock: Clock;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
  /** Objects that it acts for say so. */
  readonly ownTrustDomain: TrustDomain;
  /** Of this process, as status and events say it. */
  readonly identity: string;
  readonly resources: Pick<PeerResources, 'objects' | 'watchObjects' | 'readAnew'>;
  readonly onRefresh: (trustDomain: TrustDomain) => void;
  /** Rejects, with what is wrong, when the bundle cannot be set anew. */
  readonly rebootstrap: (peer: Peer) => Promise<void>;
  /** `duty` completes "cannot …". */
  readonly onError: (duty: string, error: KubeError) => void;
  /** A callback threw. */
  readonly onFault: (error: unknown) => void;
}

/** The broker's status, as far as it is told on objects. */
type ReportedStatus = Omit<PeerEventReport, 'judged'>;

const NOTHING_YET: PeerEventReport = { peers: [], judged: new Map(), heldRemovals: [] };

/** For one term of leadership. */
export class PeerDuties {
  readonly #options: PeerDutiesOptions;
  readonly #finalizers: Finalizers;
  readonly #requests: AnnotationRequests;
  readonly #sources: BootstrapSources;
  readonly #status: PeerStatusWriter;
  readonly #events: PeerEvents;
  #report = NOTHING_YET;

  constructor(options: PeerDutiesOptions) {
    const { onRefresh, onError, onFault } = options;
    this.#options = options;
    this.#finalizers = new Finalizers({
      ...options,
      readAnew: (signal) => options.resources.readAnew(signal),
      onError: (error) => {
        onError('change the finalizer of an object', error);
      },
    });
    this.#requests = new AnnotationRequests({
      onRefresh: ({ trustDomain }) => {
        onRefresh(trustDomain);
      },
      onRebootstrap: (peer, object) => void this.#rebootstrap(peer, object),
    });
    this.#sources = new BootstrapSources({
      ...options,
      onBootstrapChanged: onRefresh,
      onError: (error) => {
        onError('watch a trustDomainBundle', error);
      },
      onFault,
    });
    this.#status = new PeerStatusWriter({
      ...options,
      handledOf: (object) => this.#requests.handledOf(object),
      onError: (error) => {
        onError('write a status', error);
      },
    });
    this.#events = new PeerEvents({
      ...options,
      onError: (error) => {
        onError('tell of a transition in an event', error);
      },
    });
  }

  /** A pass of the broker has ended. */
  notePass(pass: Pass, status: ReportedStatus): void {
    const judged = new Map(pass.plan.peers.map(({ peer }) => [peer.trustDomain, peer]));
    this.#report = { ...status, judged };
    this.#finalizers.notePass(pass);
    this.#tell(this.#options.resources.objects());
  }

  /** What is reported may have changed without a pass: times, and what failed with the same result again. */
  noteStatus(status: ReportedStatus): void {
    this.#report = { ...status, judged: this.#report.judged };
    this.#tell(this.#options.resources.objects());
  }

  /** Until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#options.resources.watchObjects((objects) => {
        this.#finalizers.noteObjects(objects);
        this.#requests.update(objects);
        this.#sources.follow(objects.flatMap((each) => (each.deleting ? [] : (peerInForce(each) ?? []))));
        this.#tell(objects);
      }, signal),
      this.#finalizers.run(signal),
      this.#status.run(signal),
      this.#events.run(signal),
    ]);
    await this.#sources.stop();
  }

  async #rebootstrap(peer: Peer, object: KubeObject): Promise<void> {
    const action = 'Rebootstrap';
    try {
      await this.#options.rebootstrap(peer);
      const message = 'the bundle was set anew from trustDomainBundle, as the annotation asked';
      this.#events.note(object, { type: 'Normal', reason: 'Rebootstrapped', action, message });
    } catch (error) {
      const message = `the bundle cannot be set anew from trustDomainBundle, and nothing was changed: ${textOf(error)}`;
      this.#events.note(object, { type: 'Warning', reason: 'RebootstrapFailed', action, message });
    }
  }

  #tell(objects: readonly DeclaredObject[]): void {
    this.#status.update(objects, this.#report);
    this.#events.update(objects, this.#report);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : 'for a reason that is not known';
}
