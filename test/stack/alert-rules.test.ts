// Does Prometheus take the alert rules, does each fire when it should, and none when it should not?
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse, stringify } from 'yaml';
import { ROOT } from '../deploy/dockerfile.ts';
import { Cleanup } from './harness/cleanup.ts';
import { outputOf } from './harness/run-program.ts';
import { tempFolder } from './harness/temp-folder.ts';
import { programPath } from './parts.ts';

const RULES = join(ROOT, 'deploy/prometheus/rules.yaml');

interface Rule {
  readonly alert: string;
  readonly for: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Values a minute, by series, as promtool writes them: `0x30` is 0 for half an hour, `0+1x30` one more each minute. */
type Series = Readonly<Record<string, string>>;

interface Row {
  /** Of the alert that fires. */
  readonly labels: Readonly<Record<string, string>>;
  readonly fires: Series;
  /** The minute in which it fires, and the last in which it does not yet. */
  readonly firesAt: number;
  readonly quietAt: number;
  /** Nothing is wrong, or not for long. */
  readonly quiet: Series;
}

const WEST = { trust_domain: 'west.test' };
const seriesOf = (metric: string, labels: string) => `fedbroker_${metric}{${labels}}`;
const ofWest = (metric: string, instance = 'a') => seriesOf(metric, `trust_domain="west.test", instance="${instance}"`);

const ROWS: Readonly<Record<string, Row>> = {
  FederationPeerNotReady: {
    labels: WEST,
    fires: { [ofWest('peer_ready')]: '1x1 0x100', [ofWest('peer_ready', 'b')]: '0x100' },
    ...{ firesAt: 18, quietAt: 15 },
    quiet: { [ofWest('peer_ready')]: '1x100', [ofWest('peer_ready', 'b')]: '0x100' },
  },
  FederationPeerSilent: {
    labels: WEST,
    fires: { [ofWest('last_success_timestamp_seconds')]: '0x100' },
    ...{ firesAt: 67, quietAt: 64 },
    quiet: {
      [ofWest('last_success_timestamp_seconds')]: '0x100',
      [ofWest('last_success_timestamp_seconds', 'b')]: '0+60x100',
    },
  },
  FederationRootExpiresSoon: {
    labels: WEST,
    fires: {
      [ofWest('root_expiry_timestamp_seconds')]: '99999x100',
      [ofWest('root_expiry_timestamp_seconds', 'b')]: '7200x100',
    },
    ...{ firesAt: 67, quietAt: 64 },
    quiet: { [ofWest('root_expiry_timestamp_seconds')]: '99999x100' },
  },
  FederationWriterConflict: {
    labels: WEST,
    fires: { [ofWest('conflict')]: '0x1 1x100' },
    ...{ firesAt: 13, quietAt: 10 },
    quiet: { [ofWest('conflict')]: '1x5 0x5 1x5 0x100' },
  },
  FederationRotationAlarm: {
    labels: { kind: 'x509', reason: 'PeerLags' },
    fires: { [seriesOf('rotation_alarm', 'kind="x509", reason="PeerLags"')]: '0x1 1x100' },
    ...{ firesAt: 4, quietAt: 1 },
    quiet: { [seriesOf('rotation_alarm', 'kind="x509", reason="PeerLags"')]: '0x100' },
  },
  FederationWritesInSteadyState: {
    labels: { kind: 'Bundle' },
    fires: { [seriesOf('writes_total', 'kind="Bundle"')]: '0+1x100' },
    ...{ firesAt: 63, quietAt: 59 },
    quiet: { [seriesOf('writes_total', 'kind="Bundle"')]: '0x2 1x10 2x100' },
  },
  FederationAuditUnwritable: {
    labels: { instance: 'a' },
    fires: { [seriesOf('audit_unwritable', 'instance="a"')]: '0x1 1x100' },
    ...{ firesAt: 4, quietAt: 1 },
    quiet: { [seriesOf('audit_unwritable', 'instance="a"')]: '0x100' },
  },
  FederationMeshNotTakenUp: {
    labels: WEST,
    fires: { [ofWest('peer_in_mesh')]: '1x1 0x100' },
    ...{ firesAt: 18, quietAt: 15 },
    quiet: { [ofWest('peer_in_mesh')]: '0x10 1x100', [ofWest('peer_in_mesh', 'b')]: '0x100' },
  },
};

const { groups } = parse(readFileSync(RULES, 'utf8')) as {
  readonly groups: readonly { readonly rules: readonly Rule[] }[];
};
const rules = groups.flatMap(({ rules: each }) => each);

describe('the alert rules, in Prometheus’s own tool', () => {
  const cleanup = new Cleanup();
  let folder: string;

  before(() => {
    folder = tempFolder(cleanup, 'alert-rules');
  });
  after(() => cleanup.run());

  const promtool = (...args: readonly string[]) => outputOf(programPath('promtool', 'promtool'), args);
  const test = async (tests: readonly object[], ruleFile = RULES) => {
    const file = join(folder, 'tests.yaml');
    writeFileSync(file, stringify({ rule_files: [ruleFile], evaluation_interval: '1m', tests }));
    return promtool('test', 'rules', file);
  };

  it('are rules without a fault', async () => {
    assert.match(
      await promtool('check', 'rules', '--lint=all', '--lint-fatal', RULES),
      new RegExp(`${rules.length} rules`),
    );
  });

  it('each have a row here', () => {
    assert.deepEqual(rules.map(({ alert }) => alert).sort(), Object.keys(ROWS).sort());
  });

  for (const rule of rules) {
    const row = ROWS[rule.alert]!;
    it(`${rule.alert} fires when it should, not before, and with all that it tells`, async () => {
      await test([testOf(row.fires, rule, { [row.quietAt]: [], [row.firesAt]: [alertOf(rule, row)] })]);
    });

    it(`${rule.alert} stays quiet when all is well`, async () => {
      const minutes = Array.from({ length: 10 }, (_, index) => 10 * (index + 1));
      await test([testOf(row.quiet, rule, Object.fromEntries(minutes.map((minute) => [minute, []])))]);
    });
  }

  it('would be caught when one never fired, or always', async () => {
    const [rule] = rules;
    const row = ROWS[rule!.alert]!;
    for (const wrong of ['== 2', '>= 0']) {
      const file = join(folder, 'wrong.yaml');
      writeFileSync(
        file,
        readFileSync(RULES, 'utf8').replace('(fedbroker_peer_ready) == 0', `(fedbroker_peer_ready) ${wrong}`),
      );
      const series = wrong === '== 2' ? row.fires : row.quiet;
      const expected = wrong === '== 2' ? [alertOf(rule!, row)] : [];
      await assert.rejects(test([testOf(series, rule!, { [row.firesAt]: expected })], file));
    }
  });
});

function testOf(series: Series, { alert }: Rule, expected: Readonly<Record<number, readonly object[]>>): object {
  return {
    interval: '1m',
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    alert_rule_test: Object.entries(expected).map(([minute, alerts]) => ({
      eval_time: `${minute}m`,
      alertname: alert,
      exp_alerts: alerts,
    })),
  };
}

function alertOf({ labels, annotations }: Rule, row: Row): object {
  const told = Object.entries(annotations).map(([name, text]) => [
    name,
    text.replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => row.labels[label] ?? ''),
  ]);
  return { exp_labels: { ...labels, ...row.labels }, exp_annotations: Object.fromEntries(told) as object };
}
