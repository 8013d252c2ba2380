// What can be asked of the SPIRE Server beside us? (SPIRE Server API over its Unix socket)
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { SpireServer } from '../federation/ports.ts';
import { bundleCalls } from './bundles.ts';
import { DEADLINES, openChannel, type Deadlines } from './channel.ts';
import { entryCalls } from './entries.ts';
import { Health as HealthService, HealthCheckResponse_ServingStatus } from './gen/grpc/health/v1/health_pb.ts';
import { unaryClient } from './grpc-service.ts';
import type { LocalAuthorities } from '../federation/local-authority.ts';
import type { RotationSights } from '../rotation/lead-rotation.ts';
import type { RotationRecords } from '../rotation/rotation-record.ts';
import { localAuthorities } from './local-authority.ts';
import { managedPeersCalls } from './managed-peers.ts';
import { relationshipCalls } from './relationships.ts';
import { rotationRecords } from './rotation-record.ts';
import { rotationSights } from './rotation-sights.ts';
import type { SkippedItem, SpireContext } from './spire-context.ts';
import { svidCalls, type SvidCalls } from './svid.ts';

export interface SpireServerOptions {
  readonly socketPath: string;
  /** The server's own trust domain. */
  readonly trustDomain: TrustDomain;
  readonly deadlines?: Partial<Deadlines>;
  /** Told of every item of a list that could not be read; the list is answered without it. */
  readonly onSkipped?: (skipped: SkippedItem) => void;
}

/** The port, and beside it what only the demo, tests and rotation need. */
export interface SpireServerClient extends SpireServer, SvidCalls {
  readonly localAuthorities: LocalAuthorities;
  readonly rotation: RotationSights & { readonly records: RotationRecords };
  /** Whether SPIRE Server says it is serving. */
  isServing(signal?: AbortSignal): Promise<boolean>;
  /** Ends the connection; calls under way fail with `SpireCancelled`. */
  close(): void;
}

/** Opens no connection before the first call, so that the broker can start before its SPIRE Server. */
export function openSpireServer(options: SpireServerOptions): SpireServerClient {
  const channel = openChannel(options.socketPath);
  const context: SpireContext = {
    caller: channel,
    trustDomain: options.trustDomain,
    deadlines: { ...DEADLINES, ...options.deadlines },
    onSkipped: options.onSkipped ?? (() => undefined),
  };
  const health = unaryClient(HealthService, channel);
  return {
    ...bundleCalls(context),
    ...entryCalls(context),
    ...relationshipCalls(context),
    ...managedPeersCalls(context),
    ...svidCalls(context),
    localAuthorities: localAuthorities(context),
    rotation: { ...rotationSights(context), records: rotationRecords(context) },
    async isServing(signal) {
      const { status } = await health.check({}, { deadlineMs: context.deadlines.readMs, signal });
      return status === HealthCheckResponse_ServingStatus.SERVING;
    },
    close: () => {
      channel.close();
    },
  };
}
