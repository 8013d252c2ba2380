// Is the table of rules whole? (What each rule objects to is shown by its documents: vectors.test.ts)
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BUNDLE_RULES, findingOf, type BundleRule } from '../../src/bundle/bundle-rules.ts';

const rules: readonly BundleRule[] = BUNDLE_RULES;

describe('the bundle rules', () => {
  it('have ids that differ, as reasons and metric labels must', () => {
    assert.equal(new Set(rules.map(({ id }) => id)).size, rules.length);
    for (const { id } of rules) assert.match(id, /^[A-Z][A-Za-z]+$/);
  });

  it('each cite a section and complete the sentence "a bundle passes when …"', () => {
    for (const { id, section, demand } of rules) {
      assert.ok(section.length > 0, id);
      assert.match(demand, /^[a-z].*[^.]$/, id);
    }
  });

  it('refuse before they ignore, and ignore before they warn, among those that look at roots', () => {
    const order = ['refuse', 'ignore-key', 'warn'];
    const ranks = rules.filter(({ looksAt }) => looksAt === 'root').map(({ severity }) => order.indexOf(severity));
    assert.deepEqual(
      ranks,
      ranks.toSorted((a, b) => a - b),
    );
  });

  it('give their findings the severity of their row', () => {
    const finding = { ruleId: 'UnusableJwtKey', severity: 'ignore-key', message: 'why', subject: 'keys[1]' };
    assert.deepEqual(findingOf('UnusableJwtKey', 'why', 'keys[1]'), finding);
    assert.throws(() => findingOf('NoSuchRule' as 'WeakKey', 'why', undefined), /NoSuchRule/);
  });
});
