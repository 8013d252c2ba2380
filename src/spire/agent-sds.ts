// Which anchors do Envoys beside this SPIRE agent get, now and at every change? Asked as an Envoy asks, with our own
// attested identity: the agent answers by the registration entries that fit us.
import { isDeepStrictEqual } from 'node:util';
import { sleep, type Clock } from '../federation/clock.ts';
import type { AgentSds, ServedAnchors } from '../federation/mesh-ports.ts';
import { AgentError, type AgentErrorCode } from './agent-error.ts';
import { openClient } from './channel.ts';
import { streamAnchors } from './secret-stream.ts';

export interface AgentSdsOptions {
  /** The agent's Workload API. */
  readonly socketPath: string;
  readonly clock: Clock;
  /** What Envoys ask for; Istio's ask for `ROOTCA`, the default. */
  readonly secretName?: string;
  /** Default 15 s: an agent learns of a registration entry within 5 to 9 s. */
  readonly firstAnswerTimeoutMs?: number;
}

const ISTIO_SECRET_NAME = 'ROOTCA';
/** SPIRE's default for every bundle. By default `ROOTCA` is the agent's own bundle alone, without an error anywhere. */
const SPIRE_ALL_BUNDLES_NAME = 'ALL';
const FIRST_ANSWER_TIMEOUT_MS = 15_000;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 15_000;
/** A gRPC server in Go ends connections that are probed more often than every 5 minutes. */
const KEEPALIVE_MS = 6 * 60_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;

/** Needs no agent before `watch`, and finds one that is started again on the same path. */
export function createAgentSds(options: AgentSdsOptions): AgentSds {
  const { socketPath, clock } = options;
  const secretName = options.secretName ?? ISTIO_SECRET_NAME;
  const firstAnswerTimeoutMs = options.firstAnswerTimeoutMs ?? FIRST_ANSWER_TIMEOUT_MS;
  return {
    async watch(report, signal) {
      const client = openClient(socketPath, {
        'grpc.keepalive_time_ms': KEEPALIVE_MS,
        'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      });
      const ask: Ask = (name) => streamAnchors(client, { secretName: name, clock, firstAnswerTimeoutMs, signal });
      const reportChange = onChange(report, signal);
      let retryMs = FIRST_RETRY_MS;
      try {
        while (!signal.aborted) {
          try {
            for await (const served of ask(secretName)) {
              retryMs = FIRST_RETRY_MS;
              reportChange(await judged(served, secretName, ask));
            }
          } catch (error) {
            if (!(error instanceof AgentError)) throw error;
            reportChange(error);
          }
          await sleep(clock, retryMs, signal);
          retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
        }
      } finally {
        client.close();
      }
    },
  };
}

type Ask = (secretName: string) => AsyncGenerator<ServedAnchors>;

/**
 * Anchors of a single trust domain may be all there are to give, or the own bundle under a name that should have been
 * that of all: then SPIRE's own name for all is served too. The agent has one such name and reads it at its start.
 */
async function judged(served: ServedAnchors, secretName: string, ask: Ask): Promise<ServedAnchors | AgentError> {
  const isOwnAlone = served.validator === 'OneList' || served.roots.size <= 1;
  if (!isOwnAlone || secretName === SPIRE_ALL_BUNDLES_NAME || !(await isServed(SPIRE_ALL_BUNDLES_NAME, ask))) {
    return served;
  }
  return new AgentError(
    'SecretOwnBundleOnly',
    `the agent serves only its own bundle as ${secretName}, and all bundles as ${SPIRE_ALL_BUNDLES_NAME}; set ` +
      `default_all_bundles_name = "${secretName}" and default_bundle_name to another name in the agent's sds block`,
  );
}

/** A name that is known counts, also when the agent then fails to build what it stands for. */
async function isServed(secretName: string, ask: Ask): Promise<boolean> {
  const answers = ask(secretName);
  try {
    await answers.next();
    return true;
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    if (error.code === 'SecretUnknown') return false;
    if (error.code === 'SecretValidatorDisabled') return true;
    throw error;
  } finally {
    await answers.return(undefined);
  }
}

/** Leaves out what says the same as the report before, and what comes of the end. */
function onChange(report: Parameters<AgentSds['watch']>[0], signal: AbortSignal) {
  let last: ServedAnchors | AgentErrorCode | undefined;
  return (found: ServedAnchors | AgentError) => {
    const content = found instanceof AgentError ? found.code : found;
    if (signal.aborted || isDeepStrictEqual(content, last)) return;
    last = content;
    report(found);
  };
}
