// Which commands are there? One row each; usage text and look-up follow from it.
import type { Command } from './command.ts';
import { auditCommand } from './audit.ts';
import { checkCommand } from './check.ts';
import { demoCommand } from './demo.ts';
import { fetchCommand } from './fetch.ts';
import { inspectCommand } from './inspect.ts';
import { planCommand } from './plan.ts';
import { quarantineCommand } from './quarantine.ts';
import { rebootstrapCommand } from './rebootstrap.ts';
import { rejectCommand } from './reject.ts';
import { releaseCommand } from './release.ts';
import { renderCommand } from './render.ts';
import { rotateCommand } from './rotate.ts';
import { rotationCommand } from './rotation.ts';
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
  inspectCommand,
  releaseCommand,
  rejectCommand,
  quarantineCommand,
  rotationCommand,
  rotateCommand,
  rebootstrapCommand,
  auditCommand,
  renderCommand,
  settingsCommand,
  versionCommand,
];

export function usageText(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  return [
    'fedbroker keeps SPIFFE trust domains federated, beside spire-server.',
    '',
    'Usage: fedbroker COMMAND [--setting value …]',
    '',
    ...COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    '"fedbroker COMMAND --help" shows what a command takes. Settings are flags, FEDBROKER_… variables or keys of the',
    '--config file: "fedbroker settings" lists them; --print-config shows those in force and where each comes from.',
    '',
  ].join('\n');
}
