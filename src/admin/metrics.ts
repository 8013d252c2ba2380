// What is counted and measured? One row a metric; the broker sets values and never sees the exposition format.
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { metricText, sampleValue, type GaugeValue, type Labels, type Sample } from './metric-text.ts';
import type { Series } from './series.ts';

type Kind = 'Counter' | 'Gauge' | 'Histogram';

interface Row {
  readonly kind: Kind;
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds, for a histogram. */
  readonly buckets?: readonly number[];
}

const FETCH_BUCKETS_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 300];
const PASS_BUCKETS_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30];
const PROPAGATION_BUCKETS_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 5, 15, 60, 300, 3600];

/**
 * Names without the prefix `fedbroker_`. A label's value is always from a closed set or a declared peer. Histograms have
 * none: each would be a dozen lines a peer, at every scrape.
 */
const rows = {
  fetch_total: row('Counter', 'Fetches from a peer’s bundle endpoint by result.', ['trust_domain', 'result']),
  fetch_seconds: row('Histogram', 'Duration of a fetch, a held answer included.', [], FETCH_BUCKETS_SECONDS),
  last_success_timestamp_seconds: row('Gauge', 'When the peer’s endpoint last answered.', ['trust_domain']),
  bundle_sequence: row('Gauge', 'Sequence number of the bundle SPIRE holds of a peer.', ['trust_domain']),
  bundle_roots: row('Gauge', 'X.509 authorities of the bundle SPIRE holds of a peer.', ['trust_domain']),
  root_expiry_timestamp_seconds: row('Gauge', 'When the first root SPIRE holds of a peer expires.', ['trust_domain']),
  verdict_total: row('Counter', 'Verdicts on fetched bundles.', ['trust_domain', 'verdict', 'reason']),
  conflict: row('Gauge', '1 while somebody else also writes the peer’s bundle.', ['trust_domain']),
  peer_ready: row('Gauge', '1 while all conditions of the peer are met.', ['trust_domain']),
  peer_in_mesh: row(
    'Gauge',
    '1 while the mesh has all that is asked for of the peer, 0 while not; absent while that is not known, and where nothing is asked for.',
    ['trust_domain'],
  ),
  entries_federated: row('Gauge', 'Registration entries that federate with the peer.', ['trust_domain']),
  propagation_seconds: row(
    'Histogram',
    'From the answer of a peer’s endpoint to its bundle in SPIRE.',
    [],
    PROPAGATION_BUCKETS_SECONDS,
  ),
  peers_declared: row('Gauge', 'Declared peers in force.', []),
  leader: row('Gauge', '1 while this replica leads; absent without replicas.', []),
  declaration_faults: row('Gauge', 'Faults of declarations that are not in force.', []),
  writes_total: row('Counter', 'Writes to SPIRE by kind of step. None are made in steady state.', ['kind']),
  step_failures_total: row('Counter', 'Steps of a plan that failed.', ['step', 'reason']),
  passes_total: row('Counter', 'Passes by result.', ['result']),
  pass_seconds: row('Histogram', 'Duration of a pass.', [], PASS_BUCKETS_SECONDS),
  mesh_writes_total: row('Counter', 'Writes for the mesh, by what they change. None in steady state.', [
    'change',
    'result',
  ]),
  mesh_propagation_seconds: row(
    'Histogram',
    'From a write for the mesh until it was read back where it takes effect.',
    [],
    PROPAGATION_BUCKETS_SECONDS,
  ),
  audit_records_total: row('Counter', 'Records of changes of trust. None in steady state.', ['kind']),
  audit_failures_total: row('Counter', 'Attempts to record that failed.', ['reason']),
  audit_unwritable: row('Gauge', '1 while changes of trust cannot be recorded; absent without an audit file.', []),
  audit_lost_records: row('Gauge', 'Records that could not be written and are not told of as a gap yet.', []),
  audit_head_record: row('Gauge', 'Number of the newest record of the audit file.', []),
  peer_holds_authority: row(
    'Gauge',
    '1 when the peer’s broker has applied our authority, 0 when not yet; absent for a peer that does not tell.',
    ['trust_domain', 'kind', 'state'],
  ),
  rotation_lead_seconds: row('Gauge', 'Until SPIRE’s clock activates the prepared authority; absent while none is.', [
    'kind',
  ]),
  rotation_alarm: row('Gauge', '1 while a rotation hurts or is about to, by reason.', ['kind', 'reason']),
  own_bundle_sequence: row('Gauge', 'Sequence number of our own bundle.', []),
  own_bundle_read_timestamp_seconds: row('Gauge', 'When SPIRE last answered for our own bundle.', []),
  serving_svid_expiry_timestamp_seconds: row('Gauge', 'When the SVID of our bundle endpoint expires.', []),
  client_certificates_refused_total: row(
    'Counter',
    'Requests for our bundle with a client certificate that proves no peer, by reason. They are answered all the same.',
    ['reason'],
  ),
  waiting_requests: row('Gauge', 'Requests that wait for a change of our bundle.', []),
};

function row<const Label extends string, const K extends Kind>(
  kind: K,
  help: string,
  labels: readonly Label[],
  buckets?: readonly number[],
) {
  return { kind, help, labels, ...(buckets !== undefined && { buckets }) };
}

type Rows = typeof rows;
type LabelOf<Name extends keyof Rows> = Rows[Name]['labels'][number];
type NamesOf<K extends Kind> = { [Name in keyof Rows]: Rows[Name]['kind'] extends K ? Name : never }[keyof Rows];

export type CounterName = NamesOf<'Counter'>;
export type HistogramName = NamesOf<'Histogram'>;
/** A gauge without labels keeps its value until it is set again. */
export type GaugeName = {
  [Name in NamesOf<'Gauge'>]: Rows[Name]['labels'] extends readonly never[] ? Name : never;
}[NamesOf<'Gauge'>];
/** A gauge with labels has no memory: its series are those that a scrape measures. */
export type SeriesName = Exclude<NamesOf<'Gauge'>, GaugeName>;

/** All series of each gauge with labels, at one moment. A gauge that is not named has none. */
export type Measured = { readonly [Name in SeriesName]?: Series<LabelOf<Name>> };

export interface Metrics {
  readonly contentType: string;
  count<Name extends CounterName>(name: Name, labels: Labels<LabelOf<Name>>): void;
  /** Undefined takes the series away: no value is not 0. */
  set(name: GaugeName, value: GaugeValue | undefined): void;
  observe(name: HistogramName, value: number): void;
  /** Takes away every count of a peer that is no longer declared. */
  forgetPeer(trustDomain: string): Promise<void>;
  /** In pieces: the text of a thousand peers is never in memory as a whole. */
  exposition(measured: Measured): AsyncGenerator<string>;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  const counters = new Map<string, Counter>();
  const gauges = new Map<string, Gauge>();
  const histograms = new Map<string, Histogram>();
  for (const [name, { kind, help, labels, buckets = [] }] of Object.entries<Row>(rows)) {
    const options = { name: fullName(name), help, labelNames: [...labels], registers: [registry] };
    if (kind === 'Counter') counters.set(name, new Counter(options));
    else if (kind === 'Histogram') histograms.set(name, new Histogram({ ...options, buckets: [...buckets] }));
    else if (labels.length === 0) {
      const gauge = new Gauge(options);
      // It starts with 0, as if that had been measured.
      gauge.remove({});
      gauges.set(name, gauge);
    }
  }
  return {
    contentType: registry.contentType,
    count(name, labels) {
      counters.get(name)?.inc(labels);
    },
    set(name, value) {
      if (value === undefined) gauges.get(name)?.remove({});
      else gauges.get(name)?.set(sampleValue(value));
    },
    observe(name, value) {
      histograms.get(name)?.observe(value);
    },
    async forgetPeer(trustDomain) {
      for (const counter of counters.values()) {
        const { values } = await counter.get();
        for (const { labels } of values) if (labels['trust_domain'] === trustDomain) counter.remove(labels);
      }
    },
    async *exposition(measured) {
      const series: Readonly<Record<string, Iterable<Sample> | undefined>> = measured;
      for (const [key, { help, kind, labels }] of Object.entries<Row>(rows)) {
        const name = fullName(key);
        if (kind === 'Counter') yield* metricText({ name, help, type: 'counter' }, await counted(counters.get(key)));
        else if (kind === 'Gauge' && labels.length > 0)
          yield* metricText({ name, help, type: 'gauge' }, series[key] ?? []);
        else yield `${await registry.getSingleMetricAsString(name)}\n\n`;
      }
    },
  };
}

async function counted(counter: Counter | undefined): Promise<readonly Sample[]> {
  // Its type allows numbers as labels; `count` takes none.
  return ((await counter?.get())?.values ?? []) as readonly Sample[];
}

/** Of every metric, by its full name. */
export function labelsOfMetrics(): ReadonlyMap<string, readonly string[]> {
  return new Map(Object.entries<Row>(rows).map(([name, { labels }]) => [fullName(name), labels]));
}

function fullName(name: string): string {
  return `fedbroker_${name}`;
}
