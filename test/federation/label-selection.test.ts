// Does a label selector choose what Kubernetes would choose by it? (metav1.LabelSelector)
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { selectsLabels } from '../../src/federation/label-selection.ts';
import type { LabelRequirement, LabelSelector } from '../../src/federation/relationship.ts';

const labels = (matchLabels: Record<string, string>): LabelSelector => ({ matchLabels, matchExpressions: [] });
const where = (key: string, operator: LabelRequirement['operator'], ...values: string[]): LabelSelector => ({
  matchLabels: {},
  matchExpressions: [{ key, operator, values }],
});

const OBJECT = { federate: 'west', tier: '', 'fedbroker.dev/zone': 'a' };

const ROWS: readonly (readonly [what: string, selector: LabelSelector, chosen: boolean])[] = [
  ['a label with its value', labels({ federate: 'west' }), true],
  ['a label with another value', labels({ federate: 'north' }), false],
  ['a label that is not there', labels({ region: 'west' }), false],
  ['all of several labels', labels({ federate: 'west', 'fedbroker.dev/zone': 'a' }), true],
  ['only one of several labels', labels({ federate: 'west', 'fedbroker.dev/zone': 'b' }), false],
  ['an empty value that is there', labels({ tier: '' }), true],
  ['an empty value of a label that is not there', labels({ region: '' }), false],
  ['In with the value among others', where('federate', 'In', 'north', 'west'), true],
  ['In without the value', where('federate', 'In', 'north'), false],
  ['In of a label that is not there', where('region', 'In', 'west'), false],
  ['NotIn with the value', where('federate', 'NotIn', 'west'), false],
  ['NotIn without the value', where('federate', 'NotIn', 'north'), true],
  ['NotIn of a label that is not there', where('region', 'NotIn', 'west'), true],
  ['Exists of an empty value', where('tier', 'Exists'), true],
  ['Exists of a label that is not there', where('region', 'Exists'), false],
  ['DoesNotExist of a label that is not there', where('region', 'DoesNotExist'), true],
  ['DoesNotExist of an empty value', where('tier', 'DoesNotExist'), false],
  ['a key that every object of JavaScript has', where('constructor', 'Exists'), false],
  [
    'a label that fits and an expression that does not',
    { ...where('tier', 'DoesNotExist'), matchLabels: { federate: 'west' } },
    false,
  ],
  [
    'a label that does not fit and an expression that does',
    { ...where('tier', 'Exists'), matchLabels: { federate: 'north' } },
    false,
  ],
];

describe('selectsLabels', () => {
  for (const [what, selector, chosen] of ROWS) {
    it(`${chosen ? 'chooses' : 'leaves out'} by ${what}`, () => {
      assert.equal(selectsLabels(selector, OBJECT), chosen);
    });
  }
});
