// What is a command of `fedbroker`?
import type { Readable } from 'node:stream';
import type { ConfigInput, ResolvedConfig } from '../config.ts';

/** 0: done, or accepted. 1: it failed, or the answer is no. 2: it was called wrongly. */
export type ExitCode = 0 | 1 | 2;

export interface CommandContext extends Pick<ResolvedConfig, 'config' | 'flags' | 'positionals'> {
  readonly stdin: Readable;
  /** Where programs of this user keep what can be made again (XDG Base Directory Specification). */
  readonly cacheFolder: string;
  /** Results: what another program may read. */
  readonly print: (text: string) => void;
  /** What people should know beside the result. */
  readonly explain: (text: string) => void;
  /** Aborts when the process is asked to end. */
  readonly signal: AbortSignal;
}

export interface Command {
  readonly name: string;
  /** What follows the name, for the usage text. */
  readonly usage: string;
  readonly summary: string;
  readonly flags: NonNullable<ConfigInput['commandFlags']>;
  readonly run: (context: CommandContext) => Promise<ExitCode>;
}

/** The command was called wrongly: the message says what is missing, the program adds the usage line. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** By its name: the demo is a file of its own when it is installed, and has a class of its own. */
export function isUsageError(error: unknown): error is UsageError {
  return error instanceof Error && error.name === 'UsageError';
}

/** The value of a text flag, or undefined when it was not given. */
export function textFlag({ flags }: Pick<CommandContext, 'flags'>, name: string): string | undefined {
  const value = flags[name];
  return typeof value === 'string' ? value : undefined;
}

/** `--output json` or the default for people. */
export function wantsJson(context: Pick<CommandContext, 'flags'>): boolean {
  const output = textFlag(context, 'output') ?? 'text';
  if (output !== 'json' && output !== 'text')
    throw new UsageError(`--output must be "text" or "json", not "${output}"`);
  return output === 'json';
}

/** The one positional argument. */
export function onlyPositional({ positionals }: Pick<CommandContext, 'positionals'>, what: string): string {
  const [first, ...rest] = positionals;
  if (first === undefined) throw new UsageError(`${what} is missing`);
  if (rest.length > 0) throw new UsageError(`only one ${what} can be given, not also "${rest.join('", "')}"`);
  return first;
}
