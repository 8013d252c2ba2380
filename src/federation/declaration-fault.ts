// What is wrong with a declared document, where, and what should be written instead? Zod's issues in an operator's words.
import * as z from 'zod';
import { nearestName } from './nearest-name.ts';

/** One thing that is wrong with a document: where, and what to write instead. */
export interface DeclarationFault {
  /** Field names and list positions from the document's root, for example `['spec', 'federatesWith', 'entries', 0]`. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** An object that refuses unknown fields and names the known one that was probably meant. */
export function section<Shape extends z.ZodRawShape>(shape: Shape) {
  const known = Object.keys(shape);
  const unknownField = (name: string) => {
    const nearest = nearestName(name, known);
    return `unknown field; ${nearest === undefined ? `known here: ${known.join(', ')}` : `did you mean "${nearest}"?`}`;
  };
  return z.strictObject(shape, {
    // One line a key: an issue has one message for all of them, which faultsOf takes apart.
    error: (issue) => (issue.code === 'unrecognized_keys' ? issue.keys.map(unknownField).join('\n') : undefined),
  });
}

/** Text of at most `maxCharacters`, read by a function that throws on a fault. */
export function textReadBy<T>(parse: (text: string) => T, maxCharacters: number) {
  return z
    .string()
    .max(maxCharacters)
    .transform((text, context): T => {
      try {
        return parse(text);
      } catch (error) {
        context.addIssue({ code: 'custom', message: (error as Error).message });
        return z.NEVER;
      }
    });
}

/** Zod's issue in an operator's words; undefined leaves the words to Zod. */
export function describeIssue(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.input === undefined) return 'is missing';
  if (issue.code === 'invalid_type') return `must be ${withArticle(issue.expected)}, not ${kindOf(issue.input)}`;
  if (issue.code === 'invalid_value') return `must be ${issue.values.map((value) => String(value)).join(' or ')}`;
  if (issue.code === 'too_small') return 'must not be empty';
  if (issue.code === 'too_big') return tooBig(issue.origin, issue.maximum);
  return undefined;
}

function tooBig(origin: string, maximum: number | bigint): string {
  return origin === 'string' ? `must have at most ${maximum} characters` : `must have at most ${maximum} items`;
}

function withArticle(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return withArticle(Array.isArray(value) ? 'array' : typeof value);
}

/** Zod reports all unknown fields of an object as one issue, and a bad key of a map around what is wrong with it. */
export function faultsOf(issue: z.core.$ZodIssue): DeclarationFault[] {
  const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
  if (issue.code === 'invalid_key') return issue.issues.map(({ message }) => ({ path, message }));
  if (issue.code !== 'unrecognized_keys') return [{ path, message: issue.message }];
  const messages = issue.message.split('\n');
  return issue.keys.map((key, index) => ({ path: [...path, key], message: messages[index] ?? 'unknown field' }));
}
