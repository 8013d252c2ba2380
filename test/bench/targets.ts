// Which numbers must hold? One row a promise; a measurement that was not made has nothing to hold.
import type { EndpointReport } from './endpoint-load.ts';
import type { EntryUpdatesReport } from './entry-updates.ts';
import type { ParseReport } from './parse.ts';
import type { PropagationReport } from './propagation.ts';
import type { SteadyStateReport } from './steady-state.ts';

export interface BenchReport {
  readonly propagation?: PropagationReport;
  readonly steadyState?: readonly SteadyStateReport[];
  readonly endpoints?: EndpointReport;
  readonly entryUpdates?: EntryUpdatesReport;
  readonly parsing?: readonly ParseReport[];
}

export interface TargetResult {
  readonly target: string;
  readonly limit: string;
  readonly measured: number;
  readonly met: boolean;
}

interface Target {
  readonly target: string;
  /** `measured` must be at most or at least this. */
  readonly limit: { readonly atMost: number } | { readonly atLeast: number };
  /** Empty when it was not measured. */
  readonly measured: (report: BenchReport) => readonly number[];
}

const TARGETS: readonly Target[] = [
  {
    target: 'rotation to peer’s SPIRE through brokers, p50 ms',
    limit: { atMost: 250 },
    measured: ({ propagation }) => (propagation === undefined ? [] : [propagation.brokers.p50Ms]),
  },
  {
    target: 'rotation to peer’s SPIRE through brokers, max ms',
    limit: { atMost: 1_000 },
    measured: ({ propagation }) => (propagation === undefined ? [] : [propagation.brokers.maxMs]),
  },
  {
    target: 'writes to SPIRE in steady state',
    limit: { atMost: 0 },
    measured: ({ steadyState = [] }) => steadyState.map(({ writes }) => writes),
  },
  {
    target: 'processor in steady state, % of a core',
    limit: { atMost: 5 },
    measured: ({ steadyState = [] }) => steadyState.map(({ cpuPercent }) => cpuPercent),
  },
  {
    target: 'memory in steady state, max RSS in MiB',
    limit: { atMost: 120 },
    measured: ({ steadyState = [] }) => steadyState.map(({ rssMiB }) => rssMiB.max),
  },
  {
    target: 'new connections, requests/s ÷ SPIRE’s',
    limit: { atLeast: 1 },
    measured: ({ endpoints }) => (endpoints === undefined ? [] : [endpoints.newConnections.ratio.requestsPerSecond]),
  },
  {
    target: 'keep-alive, requests/s ÷ SPIRE’s',
    limit: { atLeast: 1 },
    measured: ({ endpoints }) => (endpoints === undefined ? [] : [endpoints.keepAlive.ratio.requestsPerSecond]),
  },
  {
    target: 'keep-alive with 304, requests/s ÷ SPIRE’s',
    limit: { atLeast: 1 },
    measured: ({ endpoints }) => (endpoints === undefined ? [] : [endpoints.notModified.ratio.requestsPerSecond]),
  },
  {
    target: 'entries updated beyond those a new peer may meet',
    limit: { atMost: 0 },
    measured: ({ entryUpdates }) => (entryUpdates === undefined ? [] : [entryUpdates.updatedBeyond]),
  },
  {
    target: 'entries updated by a second run',
    limit: { atMost: 0 },
    measured: ({ entryUpdates }) => (entryUpdates === undefined ? [] : [entryUpdates.updatedBySecondRun]),
  },
  {
    target: 'entries updated a second ÷ by spire-server entry update',
    limit: { atLeast: 1 },
    measured: ({ entryUpdates }) =>
      entryUpdates === undefined ? [] : [entryUpdates.entriesPerSecond / entryUpdates.cli.entriesPerSecond],
  },
];

/** The worst of several measurements counts. */
export function judgeTargets(report: BenchReport): readonly TargetResult[] {
  return TARGETS.flatMap(({ target, limit, measured }) => {
    const values = measured(report);
    if (values.length === 0) return [];
    if ('atMost' in limit) {
      const worst = Math.max(...values);
      return [{ target, limit: `≤ ${limit.atMost}`, measured: worst, met: worst <= limit.atMost }];
    }
    const worst = Math.min(...values);
    return [{ target, limit: `≥ ${limit.atLeast}`, measured: worst, met: worst >= limit.atLeast }];
  });
}
