// How many bytes of a handshake do the subjects of CAs take?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { certificateParts } from '../../src/istio/certificate-parts.ts';
import {
  SUBJECT_BYTES_ENVOY_MAX,
  SUBJECT_BYTES_MAX,
  SUBJECT_BYTES_WARN,
  subjectListBytes,
} from '../../src/istio/subject-budget.ts';
import { makeRoot } from '../fakes/fake-ca.ts';

describe('the list of subjects', () => {
  it('takes each subject and two bytes for its length', async () => {
    const roots = await Promise.all(
      ['east.test', 'north.test'].map((name) => makeRoot(name, { subject: `CN=${name}` })),
    );
    // SEQUENCE, SET, SEQUENCE, OBJECT IDENTIFIER of 3 bytes and a text: 13 bytes and the name.
    const expected = [9, 10].reduce((sum, length) => sum + 13 + length + 2, 0);
    assert.equal(subjectListBytes(roots.map(({ der }) => der)), expected);
  });

  it('has a subject once, however many certificates have it', async () => {
    const subject = 'CN=root';
    const roots = await Promise.all(['east.test', 'west.test'].map((name) => makeRoot(name, { subject })));
    const [first] = roots;
    assert.equal(subjectListBytes(roots.map(({ der }) => der)), certificateParts(first!.der).subject.length + 2);
  });

  it('takes nothing without certificates', () => {
    assert.equal(subjectListBytes([]), 0);
  });

  it('is warned of and refused long before Envoy breaks', () => {
    assert.ok(SUBJECT_BYTES_WARN < SUBJECT_BYTES_MAX && SUBJECT_BYTES_MAX < SUBJECT_BYTES_ENVOY_MAX);
  });
});
