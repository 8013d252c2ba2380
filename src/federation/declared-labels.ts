// Which objects does a label selector choose? (Kubernetes' LabelSelector, metav1; here it must choose by something)
import * as z from 'zod';
import { section } from './declaration-fault.ts';
import type { LabelRequirement, LabelSelector } from './relationship.ts';

const NAME = /^([A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?)$/;
const VALUE = /^([A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?)?$/;
const PREFIX = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

const labelKey = z
  .string()
  .max(317)
  .refine(isLabelKey, { error: 'must be a label key like "federate" or "fedbroker.dev/federate"' });

function isLabelKey(text: string): boolean {
  const slash = text.indexOf('/');
  const name = text.slice(slash + 1);
  if (name.length > 63 || !NAME.test(name)) return false;
  return slash === -1 || (slash <= 253 && PREFIX.test(text.slice(0, slash)));
}

const labelValue = z
  .string()
  .max(63)
  .regex(VALUE, { error: 'must be a label value: letters, digits, dashes, dots and underscores, at most 63' })
  .describe('A label’s value.');

const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const satisfies readonly LabelRequirement['operator'][];

const labelRequirement = section({
  key: labelKey.min(1).describe('The label’s key.'),
  operator: z.enum(OPERATORS).describe('How the label’s value relates to values.'),
  values: z.array(labelValue).max(64).optional().describe('For In and NotIn at least one; for the others none.'),
})
  .transform(({ key, operator, values = [] }, context): LabelRequirement => {
    const takesValues = operator === 'In' || operator === 'NotIn';
    if (takesValues !== values.length > 0) {
      const message = takesValues ? `${operator} needs at least one value` : `${operator} takes no values`;
      context.addIssue({ code: 'custom', path: ['values'], message });
    }
    return { key, operator, values };
  })
  .describe('A requirement on one label.');

const MAX_LABELS = 64;

export const labelSelector = section({
  matchLabels: z
    .record(labelKey, labelValue)
    .refine((labels) => Object.keys(labels).length <= MAX_LABELS, { error: `must have at most ${MAX_LABELS} labels` })
    .meta({ maxProperties: MAX_LABELS })
    .optional()
    .describe('Labels that must all be there with exactly these values.'),
  matchExpressions: z.array(labelRequirement).max(64).optional().describe('Requirements that must all hold.'),
}).transform(({ matchLabels = {}, matchExpressions = [] }, context): LabelSelector => {
  if (Object.keys(matchLabels).length + matchExpressions.length === 0) {
    const message = 'needs at least one label or expression; an empty selector would choose every ClusterSPIFFEID';
    context.addIssue({ code: 'custom', message });
  }
  return { matchLabels, matchExpressions };
});
