// Which command was asked for? argv in, exit code out; nothing else.
import { homedir } from 'node:os';
import { join } from 'node:path';
import { COMMANDS, usageText } from './cli/commands.ts';
import { isUsageError, type Command, type ExitCode } from './cli/command.ts';
import { nearestName } from './federation/nearest-name.ts';
import { ConfigError, describeConfig, loadConfig } from './config.ts';

const HELP = new Set(['help', '--help', '-h']);

async function main([name, ...argv]: readonly string[]): Promise<ExitCode> {
  if (name === undefined || HELP.has(name)) {
    process.stdout.write(usageText());
    return name === undefined ? 2 : 0;
  }
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command === undefined) {
    const near = nearestName(
      name,
      COMMANDS.map((each) => each.name),
    );
    explain(
      `fedbroker: there is no command "${name}"${near === undefined ? '' : `; did you mean "${near}"?`}\n\n${usageText()}`,
    );
    return 2;
  }
  if (argv.some((argument) => HELP.has(argument) && argument !== 'help')) {
    process.stdout.write(commandUsage(command));
    return 0;
  }
  return runCommand(command, argv);
}

async function runCommand(command: Command, argv: readonly string[]): Promise<ExitCode> {
  try {
    const resolved = loadConfig(argv, command.flags);
    if (resolved.printConfig) {
      process.stdout.write(describeConfig(resolved));
      return 0;
    }
    return await command.run({
      config: resolved.config,
      flags: resolved.flags,
      positionals: resolved.positionals,
      stdin: process.stdin,
      cacheFolder: process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
      print: (text) => process.stdout.write(text),
      explain,
      signal: endRequested(),
    });
  } catch (error) {
    if (error instanceof ConfigError) {
      explain(
        `fedbroker ${command.name}: the settings cannot be used:\n${error.faults.map((fault) => `  ${fault}`).join('\n')}\n`,
      );
      return 2;
    }
    if (isUsageError(error)) {
      explain(`fedbroker ${command.name}: ${error.message}\n\n${commandUsage(command)}`);
      return 2;
    }
    explain(`fedbroker ${command.name}: ${failureText(error)}\n`);
    return 1;
  }
}

/** The code first, unless the message has it already, as Node's own do. */
function failureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { readonly code?: unknown };
  return typeof code !== 'string' || error.message.includes(code) ? error.message : `${code}: ${error.message}`;
}

function commandUsage({ name, usage, summary }: Command): string {
  return `Usage: fedbroker ${name} ${usage}`.trimEnd() + `\n${summary}\n`;
}

function explain(text: string): void {
  process.stderr.write(text);
}

/** The first signal asks to end in order; a second one, by Node's default, ends at once. */
function endRequested(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.once(name, () => {
      controller.abort();
    });
  }
  return controller.signal;
}

// Whoever reads our output may stop early, as "fedbroker settings | head" does; there is nobody left to tell.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

process.exitCode = await main(process.argv.slice(2));
