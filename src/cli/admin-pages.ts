// What do the admin pages say, from the first moment on? Before SPIRE has answered: that it has not, and why.
import type { AdminSources, Check } from '../admin/admin-app.ts';
import type { Metrics } from '../admin/metrics.ts';
import { writtenStatus, type BrokerStatus, type UnreadableStatus } from '../broker/status.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Config } from '../config.ts';
import { systemClock } from '../federation/clock.ts';
import type { CodedError } from '../federation/ports.ts';
import { productVersion } from '../version.ts';
import { measure } from './measure.ts';
import type { OwnEndpoint } from './own-endpoint.ts';
import { readiness } from './readiness.ts';
import type { Replica } from './replica.ts';

/** Of a broker that SPIRE has never answered: whose bundles these are is known only where the settings say it. */
export type StartingStatus = Omit<BrokerStatus, 'trustDomain'> & { readonly trustDomain: TrustDomain | undefined };

export interface AdminPagesParts {
  readonly config: Config;
  readonly metrics: Metrics;
}

export interface RunningParts {
  readonly replica: Replica;
  readonly endpoint: OwnEndpoint;
}

export class AdminPages implements AdminSources {
  readonly #parts: AdminPagesParts;
  #running: RunningParts | undefined;
  #waitsFor: UnreadableStatus;

  constructor(parts: AdminPagesParts) {
    this.#parts = parts;
    this.#waitsFor = { reason: 'NotReadYet', message: `${this.#spire()} was not asked yet` };
  }

  /** SPIRE did not answer; it is asked again. */
  noteWaiting({ code, message }: CodedError): void {
    this.#waitsFor = { reason: code, message: `${this.#spire()} does not answer: ${message}` };
  }

  noteRunning(running: RunningParts): void {
    this.#running = running;
  }

  livez = (): readonly Check[] => [{ name: 'process', ok: true, ageSeconds: undefined }];

  readyz = (): readonly Check[] => {
    if (this.#running !== undefined) {
      const { replica, endpoint } = this.#running;
      const { refreshHintSeconds } = this.#parts.config;
      return readiness({ status: replica.status(), endpoint, refreshHintSeconds });
    }
    return [{ name: 'SPIRE', ok: false, ageSeconds: undefined, message: this.#waitsFor.message }];
  };

  get metrics(): AdminSources['metrics'] {
    const { metrics } = this.#parts;
    return {
      contentType: metrics.contentType,
      metrics: () => {
        if (this.#running === undefined) return metrics.exposition({});
        const { replica, endpoint } = this.#running;
        return metrics.exposition(measure(replica, endpoint, metrics));
      },
    };
  }

  status = (): unknown => {
    const version = productVersion();
    if (this.#running === undefined) return { ...this.#startingStatus(), version };
    const { replica, endpoint } = this.#running;
    const { waiting, etag } = endpoint.publication;
    return {
      ...writtenStatus(replica.status()),
      version,
      ...replica.details(),
      declarationFaults: replica.declarationFaults() ?? [],
      endpoint: { addresses: endpoint.addresses, etag, waiting },
      servingSvid: endpoint.servingSvid(),
    };
  };

  #startingStatus(): StartingStatus {
    return {
      trustDomain: this.#parts.config.trustDomain,
      now: systemClock.now().toISOString(),
      ownBundle: this.#waitsFor,
      unreadable: [{ fact: 'spire', ...this.#waitsFor }],
      ...{ peers: [], heldRemovals: [], waitingRemovals: [] },
    };
  }

  #spire(): string {
    return `SPIRE Server at ${this.#parts.config.spireSocket}`;
  }
}
