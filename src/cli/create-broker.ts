// Of what is a broker made that works? Settings become its parts; where peers are declared is left open.
import { CronJob } from 'cron';
import { Settings as LuxonSettings } from 'luxon';
import type { Metrics } from '../admin/metrics.ts';
import { boundHeldRequests } from '../bundle-endpoint/bound-held-requests.ts';
import { createBundleSource } from '../bundle-endpoint/fetch-bundle.ts';
import { paceFetches, type FetchPace } from '../bundle-endpoint/pace-fetches.ts';
import type { Auditor } from '../broker/auditor.ts';
import type { BrokerParts } from '../broker/broker-parts.ts';
import { Broker } from '../broker/broker.ts';
import type { PassReport } from '../broker/pass.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Config } from '../config.ts';
import { systemClock } from '../federation/clock.ts';
import type { LocalAuthorities } from '../federation/local-authority.ts';
import type { PeerSource, SpireServer } from '../federation/ports.ts';
import type { Logger } from '../log.ts';
import { createObserver } from './observe.ts';
import type { OwnEndpoint } from './own-endpoint.ts';
import { brokerSettings, fetchLimits } from './wiring.ts';

/** What there is before anything is known of peers. */
export interface BrokerGround {
  readonly config: Config;
  readonly trustDomain: TrustDomain;
  readonly spire: SpireServer & { readonly localAuthorities: LocalAuthorities };
  readonly endpoint: OwnEndpoint;
  /** Undefined: nothing is recorded. */
  readonly auditor: Auditor | undefined;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface DeclaredBy extends Pick<
  BrokerParts,
  'readBootstrap' | 'cluster' | 'mesh' | 'isUpkeepOnly' | 'mayWrite'
> {
  readonly peers: PeerSource;
  /** Called after each pass, when everything else has been told. */
  readonly onPass?: (report: PassReport) => void;
}

/** A thousand peers are asked within twenty seconds of a start, on less than one core. */
const FETCH_PACE: FetchPace = { perSecond: 50, burst: 25, underWay: 32 };

export function createBroker(ground: BrokerGround, { onPass, ...declaredBy }: DeclaredBy): Broker {
  const { config, trustDomain, spire, endpoint, auditor, log, metrics } = ground;
  const observer = createObserver({ log, metrics, status: () => broker.status(), publish: endpoint.publish });
  const broker: Broker = new Broker({
    trustDomain,
    spire,
    source: boundHeldRequests(
      paceFetches(
        createBundleSource({
          limits: fetchLimits(config),
          clock: systemClock,
          clientIdentity: endpoint.clientIdentity,
        }),
        FETCH_PACE,
        systemClock,
      ),
      config.maxHeldRequests,
    ),
    ...declaredBy,
    ...(auditor !== undefined && { auditor }),
    rotation: { authorities: spire.localAuthorities, refreshHintSeconds: config.refreshHintSeconds },
    settings: brokerSettings(config),
    observer: {
      ...observer,
      passEnded(report, seconds) {
        observer.passEnded(report, seconds);
        onPass?.(report);
      },
    },
    scheduleSweeps: (sweep, signal) => {
      const { resyncSchedule: cronTime } = config;
      // Without a locale it asks ICU for the machine's, which takes 6 MiB; nothing here is written in words.
      LuxonSettings.defaultLocale = 'en';
      const job = CronJob.from({ cronTime, utcOffset: 0, onTick: sweep, waitForCompletion: true, start: true });
      signal.addEventListener('abort', () => void job.stop());
    },
  });
  return broker;
}
