// What does the reference page of the settings say? Written from the table, so that it cannot be out of date.
import { flagName, settingNames, settings, variableName } from './settings.ts';

const INTRODUCTION = `# Settings

Written by \`npm run -s fedbroker -- settings > docs/settings.md\` from \`src/settings/settings.ts\`; a test fails when it is out of date.

Each setting can be given as a flag, as an environment variable, or in the YAML file that \`--config\` (or \`FEDBROKER_CONFIG\`) names.
A flag wins over a variable, a variable over the file, the file over the default. The unit is in the name.
A name that does not exist is a fault, and all faults are reported together. \`--print-config\` shows every value in force and where it comes from.
No setting holds a secret: keys are in files, which settings name.`;

/** Markdown, as Prettier formats it. */
export function settingsDocument(): string {
  const header = ['Setting', 'Default', 'Value', 'What it decides'];
  const lines = settingNames.map((name) => {
    const { default: defaultText, value, doc, inherited } = settings[name];
    const initial = inherited === undefined ? `\`${defaultText}\`` : `\`${inherited.from}\`, else \`${defaultText}\``;
    const spellings = [`\`${name}\``, `\`--${flagName(name)}\``, `\`${variableName(name)}\``].join('<br>');
    return [spellings, initial, value.form, doc].map((cell) => cell.replaceAll('|', '\\|'));
  });
  const widths = header.map((_, column) => Math.max(...[header, ...lines].map((line) => line[column]?.length ?? 0)));
  const written = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const rule = written(widths.map((width) => '-'.repeat(width)));
  return [INTRODUCTION, '', written(header), rule, ...lines.map(written), ''].join('\n');
}
