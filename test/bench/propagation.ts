// How soon is a new root in the peer's SPIRE: through two brokers, and through SPIRE's own endpoint and poller?
import { declarationOf, startBroker } from '../stack/harness/broker.ts';
import { Cleanup } from '../stack/harness/cleanup.ts';
import { sampleRotations } from '../stack/harness/rotation-samples.ts';
import { startSpirePair } from '../stack/harness/spire-pair.ts';
import { startSpireServer, type SpireServer } from '../stack/harness/spire-server.ts';
import { rounded, summarize, type Summary } from './summary.ts';

const REFRESH_HINT_SECONDS = 60;
const BROKER_SAMPLES = 30;
const POLLER_SAMPLES = 10;
/** The longest interval of SPIRE's poller at this hint: it asks at a quarter of it (measured on SPIRE 1.15.3). */
const POLLER_INTERVAL_MS = (REFRESH_HINT_SECONDS / 4) * 1000;
/** Twice the interval at which a broker looks at its own SPIRE. */
const BROKER_INTERVAL_MS = 400;

export interface PropagationReport {
  /** From the call of `PrepareX509Authority` until the peer's SPIRE answers with the new root. */
  readonly brokers: Summary;
  readonly spirePoller: Summary & { readonly refreshHintSeconds: number };
  /** How many times sooner through the brokers. */
  readonly ratio: { readonly p50: number; readonly max: number };
}

/** Real SPIRE Servers, four of them; both ways are measured at the same time, on the same machine. */
export async function measurePropagation(): Promise<PropagationReport> {
  await using cleanup = new Cleanup();
  const [throughBrokers, throughPoller] = await Promise.all([
    startBrokerPair(cleanup).then((pair) =>
      sampleRotations(cleanup, pair, { samples: BROKER_SAMPLES, intervalMs: BROKER_INTERVAL_MS }),
    ),
    startSpirePair(cleanup, ['north.test', 'south.test'], `${REFRESH_HINT_SECONDS}s`).then((pair) =>
      sampleRotations(cleanup, pair, { samples: POLLER_SAMPLES, intervalMs: POLLER_INTERVAL_MS }),
    ),
  ]);
  const [brokers, poller] = [summarize(throughBrokers), summarize(throughPoller)];
  return {
    brokers,
    spirePoller: { ...poller, refreshHintSeconds: REFRESH_HINT_SECONDS },
    ratio: { p50: rounded(poller.p50Ms / brokers.p50Ms, 1), max: rounded(poller.maxMs / brokers.maxMs, 1) },
  };
}

/** The broker of `east.test` follows that of `west.test`; all settings but the hint are the defaults. */
async function startBrokerPair(cleanup: Cleanup): Promise<readonly [SpireServer, SpireServer]> {
  const [publisher, consumer] = await Promise.all([
    startSpireServer(cleanup, 'west.test'),
    startSpireServer(cleanup, 'east.test'),
  ]);
  const flags = { 'refresh-hint-seconds': REFRESH_HINT_SECONDS, 'log-level': 'warn' };
  const [publishing, consuming] = await Promise.all([
    startBroker(cleanup, publisher, flags),
    startBroker(cleanup, consumer, flags),
  ]);
  consuming.declare('west', await declarationOf(publishing, publisher));
  await consuming.waitForPeer(publisher.trustDomain);
  return [publisher, consumer];
}
