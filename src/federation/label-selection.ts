// Does a label selector choose an object with these labels? (Kubernetes' LabelSelector, metav1)
import type { LabelRequirement, LabelSelector } from './relationship.ts';

type Labels = Readonly<Record<string, string>>;

/** Every requirement must hold. As in Kubernetes, `NotIn` holds for an object without the label too. */
export function selectsLabels({ matchLabels, matchExpressions }: LabelSelector, labels: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => valueOf(labels, key) === value) &&
    matchExpressions.every((requirement) =>
      OPERATORS[requirement.operator](valueOf(labels, requirement.key), requirement),
    )
  );
}

type Holds = (value: string | undefined, requirement: LabelRequirement) => boolean;

const OPERATORS: Readonly<Record<LabelRequirement['operator'], Holds>> = {
  In: (value, { values }) => value !== undefined && values.includes(value),
  NotIn: (value, { values }) => value === undefined || !values.includes(value),
  Exists: (value) => value !== undefined,
  DoesNotExist: (value) => value === undefined,
};

/** A label may be called like a member that every object of JavaScript has. */
function valueOf(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}
