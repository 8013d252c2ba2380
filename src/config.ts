// Which values are in force, and where does each come from? Flags win over environment, file and defaults, in this order.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { isMap, isScalar, LineCounter, parseDocument, type Document } from 'yaml';
import { nearestName } from './federation/nearest-name.ts';
import {
  flagName,
  settingNames,
  settings,
  settingsRules,
  VARIABLE_PREFIX,
  variableName,
  type Config,
  type SettingName,
} from './settings/settings.ts';
import { NotOfForm } from './settings/value-form.ts';

export type { Config } from './settings/settings.ts';

/** Settings or the command line cannot be used. `faults` has every fault, each with its place. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code = 'ConfigInvalid';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join('\n'));
    this.faults = faults;
  }
}

export interface ConfigInput {
  /** What follows the command's name. */
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The text of a file. Throws when it cannot be read. */
  readonly readFile: (path: string) => string;
  /** Flags of the command itself, which are no settings: without their dashes. */
  readonly commandFlags?: Readonly<Record<string, 'Text' | 'Switch'>>;
}

export interface ResolvedConfig {
  readonly config: Config;
  /** For each setting, its value as it was written and the place: a flag, a variable, a line of the file, `default`. */
  readonly origins: Readonly<Record<SettingName, Origin>>;
  /** The command's own flags that were given; a switch is `true`. */
  readonly flags: Readonly<Record<string, string | true>>;
  readonly positionals: readonly string[];
  readonly printConfig: boolean;
}

export interface Origin {
  readonly text: string;
  readonly place: string;
}

type Origins = Map<string, Origin>;

/** Kubernetes gives every container such variables for a Service named `fedbroker` or `fedbroker-…`. */
const SERVICE_LINK_PATTERN = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;

/** Reads this process's environment and files. @throws ConfigError */
export function loadConfig(
  argv: readonly string[],
  commandFlags: NonNullable<ConfigInput['commandFlags']> = {},
): ResolvedConfig {
  const readFile = (path: string) => readFileSync(path, 'utf8');
  return resolveConfig({ argv, environment: process.env, readFile, commandFlags });
}

/** Finds every setting's value. Reads nothing but what it is given. @throws ConfigError with all faults together */
export function resolveConfig(input: ConfigInput): ResolvedConfig {
  const faults: string[] = [];
  const commandLine = readCommandLine(input, faults);
  const variables = readVariables(input.environment, faults);
  const configFile = commandLine.settings.get('config') ?? variables.get('config');
  const file = configFile === undefined ? new Map<string, Origin>() : readSettingsFile(configFile, input, faults);

  const origins = Object.fromEntries(
    settingNames.map((name) => {
      const given = commandLine.settings.get(name) ?? variables.get(name) ?? file.get(name);
      return [name, given ?? defaultOf(name, input)];
    }),
  ) as Record<SettingName, Origin>;
  const config = readValues(origins, faults);
  if (config === undefined || faults.length > 0) throw new ConfigError(faults);
  const { flags, positionals, printConfig } = commandLine;
  return { config, origins, flags, positionals, printConfig };
}

function defaultOf(name: SettingName, { environment }: ConfigInput): Origin {
  const { default: text, inherited } = settings[name];
  const given = inherited?.text(environment);
  return inherited === undefined || given === undefined
    ? { text, place: 'default' }
    : { text: given, place: inherited.from };
}

/** One line a setting: its value as it was written, and its place. */
export function describeConfig({ origins }: Pick<ResolvedConfig, 'origins'>): string {
  const width = Math.max(...settingNames.map((name) => name.length));
  const lines = settingNames.map((name) => {
    const { text, place } = origins[name];
    return `${name.padEnd(width)} = ${masked(text)}  (${place})`;
  });
  return `${lines.join('\n')}\n`;
}

type CommandLine = Pick<ResolvedConfig, 'flags' | 'positionals' | 'printConfig'> & { readonly settings: Origins };

function readCommandLine({ argv, commandFlags = {} }: ConfigInput, faults: string[]): CommandLine {
  const settingOfFlag = new Map(['config', ...settingNames].map((name) => [flagName(name), name]));
  const isSwitch = (flag: string) => flag === 'print-config' || commandFlags[flag] === 'Switch';
  const known = [...settingOfFlag.keys(), 'print-config', ...Object.keys(commandFlags)];
  const { tokens } = parseArgs({
    args: [...argv],
    strict: false,
    tokens: true,
    options: Object.fromEntries(known.map((flag) => [flag, { type: isSwitch(flag) ? 'boolean' : 'string' }])),
  });
  const found: Origins = new Map();
  const flags: Record<string, string | true> = {};
  const positionals: string[] = [];
  let printConfig = false;
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const { name, rawName, value } = token;
    // A command's own flag hides the setting of the same name.
    const setting = name in commandFlags ? undefined : settingOfFlag.get(name);
    if (!known.includes(name)) faults.push(`${rawName}: unknown flag${suggestion(name, known, '--')}`);
    else if (isSwitch(name)) {
      if (value !== undefined) faults.push(`${rawName}: takes no value`);
      if (name === 'print-config') printConfig = true;
      else flags[name] = true;
    } else if (value === undefined || (!token.inlineValue && value.startsWith('-'))) {
      faults.push(`${rawName}: needs a value`);
    } else if (setting === undefined) flags[name] = value;
    else found.set(setting, { text: value, place: rawName });
  }
  return { settings: found, flags, positionals, printConfig };
}

function readVariables(environment: ConfigInput['environment'], faults: string[]): Origins {
  const settingOfVariable = new Map(['config', ...settingNames].map((name) => [variableName(name), name]));
  const found: Origins = new Map();
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(VARIABLE_PREFIX) || text === undefined || SERVICE_LINK_PATTERN.test(variable)) continue;
    const setting = settingOfVariable.get(variable);
    if (setting !== undefined) found.set(setting, { text, place: variable });
    else faults.push(`${variable}: unknown variable${suggestion(variable, settingOfVariable.keys())}`);
  }
  return found;
}

function readSettingsFile({ text: path, place }: Origin, { readFile }: ConfigInput, faults: string[]): Origins {
  const found: Origins = new Map();
  const lines = new LineCounter();
  let document: Document.Parsed;
  try {
    document = parseDocument(readFile(path), { lineCounter: lines, prettyErrors: false });
  } catch (error) {
    faults.push(`${place}: cannot read the settings file ${path}: ${(error as Error).message}`);
    return found;
  }
  const placeAt = (offset: number) => `${path}:${lines.linePos(offset).line}`;
  for (const error of document.errors) faults.push(`${placeAt(error.pos[0])}: ${masked(error.message)}`);
  if (document.contents === null || document.errors.length > 0) return found;
  if (!isMap(document.contents)) {
    faults.push(`${placeAt(document.contents.range[0])}: must be settings as "name: value", one a line`);
    return found;
  }
  for (const { key, value } of document.contents.items) {
    const name = isScalar(key) ? String(key.value) : '';
    const here = placeAt(isScalar(key) ? key.range[0] : 0);
    if (!settingNames.some((setting) => setting === name)) {
      faults.push(`${here}: unknown setting "${name}"${suggestion(name, settingNames)}`);
    } else if (!isScalar(value) || value.value === null) faults.push(`${here}: ${name} must be a single value`);
    else found.set(name, { text: value.source, place: here });
  }
  return found;
}

/** Undefined when a value has a fault. */
function readValues(origins: Readonly<Record<SettingName, Origin>>, faults: string[]): Config | undefined {
  const values = new Map<SettingName, unknown>();
  for (const name of settingNames) {
    try {
      values.set(name, settings[name].value.read(origins[name].text));
    } catch (error) {
      faults.push(valueFault(name, origins[name], error as Error));
    }
  }
  const config = Object.freeze(Object.fromEntries(values)) as Config;
  for (const rule of settingsRules) {
    const [first] = rule.settings;
    if (!rule.settings.every((name) => values.has(name)) || rule.holds(config)) continue;
    faults.push(`${withName(first, origins[first])}: ${rule.message}`);
  }
  return values.size === settingNames.length ? config : undefined;
}

function valueFault(name: SettingName, origin: Origin, error: Error): string {
  const message =
    error instanceof NotOfForm
      ? `must be ${settings[name].value.form}, not "${masked(origin.text)}"`
      : masked(error.message);
  return `${withName(name, origin)}: ${message}`;
}

/** A flag or variable names its setting by itself. */
function withName(name: SettingName, { place }: Origin): string {
  return place === `--${flagName(name)}` || place === variableName(name) ? place : `${place}: ${name}`;
}

function suggestion(name: string, known: Iterable<string>, prefix = ''): string {
  const nearest = nearestName(name, known);
  return nearest === undefined ? '' : `; did you mean ${prefix}${nearest}?`;
}

/** Settings name files and hold no secret; a key that was pasted where its path belongs is not repeated. */
function masked(text: string): string {
  return /-----BEGIN|:\/\/[^/\s]*:[^/\s]*@/.test(text) ? '********' : text;
}
