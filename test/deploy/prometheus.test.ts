// Do the alert rules name metrics and labels that there are?
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { labelsOfMetrics } from '../../src/admin/metrics.ts';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}

const file = new URL('../../deploy/prometheus/rules.yaml', import.meta.url);
const { groups } = parse(await readFile(file, 'utf8')) as {
  readonly groups: readonly { readonly rules: readonly Rule[] }[];
};
const rules = groups.flatMap(({ rules: each }) => each);

/** What of a rule no metric of ours has. */
function strangersOf({ expr, annotations }: Rule): readonly string[] {
  const labelsOf = labelsOfMetrics();
  const metrics = [...expr.matchAll(/fedbroker_\w+/g)].map(([name]) => name);
  const labels = new Set(['instance', ...metrics.flatMap((name) => labelsOf.get(name) ?? [])]);
  const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, names = '']) => names.split(/,\s*/));
  const told = [
    ...Object.values(annotations)
      .join(' ')
      .matchAll(/\$labels\.(\w+)/g),
  ].map(([, name = '']) => name);
  return [
    ...(metrics.length === 0 ? ['no metric'] : metrics.filter((name) => !labelsOf.has(name))),
    ...grouped.filter((name) => !labels.has(name)),
    // What the expression leaves out, the alert cannot tell.
    ...told.filter((name) => !grouped.includes(name)),
  ];
}

describe('the alert rules', () => {
  for (const rule of rules) {
    it(`${rule.alert} asks for what there is`, () => {
      assert.deepEqual(strangersOf(rule), []);
    });
  }

  it('would be caught with a metric or a label that there is not', () => {
    const annotations = { summary: '{{ $labels.peer }}' };
    const rule = { alert: 'A', expr: 'max by (colour) (fedbroker_peer_happy)', annotations };
    assert.deepEqual(strangersOf(rule), ['fedbroker_peer_happy', 'colour', 'peer']);
  });
});
