// Which commands are there? One row each; usage text and look-up follow from it.
import type { Command } from './command.ts';
import { checkCommand } from './check.ts';
import { demoCommand } from './demo.ts';
import { fetchCommand } from './fetch.ts';
import { planCommand } from './plan.ts';
import { rebootstrapCommand } from './rebootstrap.ts';
import { runCommand } from './run.ts';
import { settingsCommand } from './settings.ts';
import { statusCommand } from './status.ts';
import { versionCommand } from './version.ts';

export const COMMANDS: readonly Command[] = [
  runCommand,
  demoCommand,
  checkCommand,
  fetchCommand,
  planCommand,
  statusCommand,
  rebootstrapCommand,
  settingsCommand,
  versionCommand,
];

export function usageText(): string {
  const rows = COMMANDS.map(({ name, usage, summary }) => [`  ${name} ${usage}`.trimEnd(), summary] as const);
  const width = Math.max(...rows.map(([left]) => left.length));
  return [
    'fedbroker keeps SPIFFE trust domains federated, beside spire-server.',
    '',
    'Usage: fedbroker COMMAND [--setting value …]',
    '',
    ...rows.map(([left, summary]) => `${left.padEnd(width)}  ${summary}`),
    '',
    'Settings are flags, FEDBROKER_… variables or keys of the --config file: "fedbroker settings" lists them,',
    'and --print-config with any command shows those in force and where each comes from.',
    '',
  ].join('\n');
}
