// What is a setting, before anything is read? One row of the tables in this folder.
import type { ValueForm } from './value-form.ts';

export interface Setting<T> {
  /** As an operator would write it. */
  readonly default: string;
  readonly value: ValueForm<T>;
  /** What it decides, in one or two sentences of Markdown. */
  readonly doc: string;
  /** Taken in place of the default. */
  readonly inherited?: Inherited;
}

/** What others tell every program by variables of theirs. */
export interface Inherited {
  /** The variables, for people. */
  readonly from: string;
  readonly text: (environment: Readonly<Record<string, string | undefined>>) => string | undefined;
}

export function row<T>(defaultText: string, value: ValueForm<T>, doc: string, inherited?: Inherited): Setting<T> {
  return { default: defaultText, value, doc, ...(inherited !== undefined && { inherited }) };
}
