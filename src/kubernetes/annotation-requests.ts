// Which annotations ask for something that was not done yet? Each value once, also across restarts: status remembers.
import type { Peer } from '../federation/relationship.ts';
import { annotationOf } from './annotations.ts';
import { peerInForce, type DeclaredObject } from './declared-object.ts';
import type { KubeObject } from './kube-object.ts';
import { uidOf } from './object-declaration.ts';
import type { PeerTrustDomainStatus } from './peer-trust-domain.ts';

/** The fields of status that remember what was done. */
export type HandledRequests = Pick<PeerTrustDomainStatus, 'lastHandledRefresh' | 'lastHandledRebootstrap'>;

export interface AnnotationRequestsOptions {
  readonly onRefresh: (peer: Peer) => void;
  /** With the object that asks. */
  readonly onRebootstrap: (peer: Peer, object: KubeObject) => void;
}

const REQUESTS = [
  { verb: 'refresh', field: 'lastHandledRefresh', callback: 'onRefresh' },
  { verb: 'rebootstrap', field: 'lastHandledRebootstrap', callback: 'onRebootstrap' },
] as const;

/** For a leader's term: a new leader repeats at most what its predecessor did not come to write down. */
export class AnnotationRequests {
  readonly #options: AnnotationRequestsOptions;
  /** By UID; what was handled since the start and may not be in status yet. */
  #handled: ReadonlyMap<string, HandledRequests> = new Map();

  constructor(options: AnnotationRequestsOptions) {
    this.#options = options;
  }

  /** Calls back for each value that is new; of an object that is not in force, when it comes into force. */
  update(objects: readonly DeclaredObject[]): void {
    const due: (() => void)[] = [];
    const handled = new Map<string, HandledRequests>();
    for (const declared of objects) {
      const { object, deleting } = declared;
      const peer = deleting ? undefined : peerInForce(declared);
      const done: { -readonly [field in keyof HandledRequests]: HandledRequests[field] } = {
        ...this.handledOf(object),
      };
      for (const { verb, field, callback } of REQUESTS) {
        const value = annotationOf(object, verb);
        if (peer === undefined || value === undefined || value === done[field]) continue;
        done[field] = value;
        due.push(() => {
          this.#options[callback](peer, object);
        });
      }
      handled.set(uidOf(object), done);
    }
    this.#handled = handled;
    for (const call of due) call();
  }

  /** What the object's status is to say; a field without a value was never asked for. */
  handledOf(object: KubeObject): HandledRequests {
    return this.#handled.get(uidOf(object)) ?? writtenIn(object);
  }
}

function writtenIn({ status }: KubeObject): HandledRequests {
  const written = (status ?? {}) as Readonly<Record<string, unknown>>;
  const fields = REQUESTS.map(({ field }) => [field, written[field]] as const);
  return Object.fromEntries(fields.filter(([, value]) => typeof value === 'string'));
}
