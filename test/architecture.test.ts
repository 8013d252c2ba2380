// Do imports go one way, and does every file say which question it answers?
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, sep } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

/** Files by path from the project's root, for example `src/bundle/bundle.ts`, and their text. */
type Sources = ReadonlyMap<string, string>;

const CORE = ['bundle', 'federation'];
const ADAPTERS = ['bundle-endpoint', 'spire', 'peer-files', 'kubernetes', 'istio', 'audit', 'admin'];
const BROKER_PARTS = [...CORE, 'rotation', 'settings', 'config', 'log', 'version', ...ADAPTERS];

/**
 * What each part of `src` may import beside itself. A part is a folder, or a file without its ending; one that is not
 * listed is a part that nobody has decided on yet.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  bundle: [],
  federation: ['bundle'],
  rotation: CORE,
  settings: CORE,
  config: [...CORE, 'settings'],
  log: CORE,
  version: [],
  ...Object.fromEntries(ADAPTERS.map((adapter) => [adapter, CORE])),
  spire: [...CORE, 'rotation'],
  'dev-spire': [...CORE, 'spire'],
  broker: BROKER_PARTS,
  cli: [...BROKER_PARTS, 'broker', 'dev-spire'],
  main: [...BROKER_PARTS, 'broker', 'cli'],
};

const ENVIRONMENT_READERS = ['src/config.ts', 'src/main.ts'];
const DRAWERS = ['utils', 'util', 'helpers', 'helper', 'types', 'common', 'misc', 'shared'];
const GENERATED = 'src/spire/gen/';

/** `src/spire/bundles.ts` → `spire`, `src/main.ts` → `main`. */
function partOf(path: string): string {
  return (path.split('/')[1] ?? '').replace(/\.ts$/, '');
}

/** The relative imports of a file, as paths from the project's root. */
function importsOf(path: string, text: string): string[] {
  const specifiers = text.matchAll(/^(?:import|export)\b[^;]*?\bfrom\s+'(\.[^']+)'|^import\s+'(\.[^']+)'/gm);
  const dynamic = text.matchAll(/\bimport\(\s*'(\.[^']+)'\s*\)/g);
  return [...specifiers, ...dynamic].map((match) => {
    const specifier = match[1] ?? match[2] ?? '';
    return normalize(join(dirname(path), specifier))
      .split(sep)
      .join('/');
  });
}

/** One sentence an offence, naming the offender. */
function offences(sources: Sources): string[] {
  return [...sources].flatMap(([path, text]) => [
    ...importOffences(path, text),
    ...(!isGenerated(path) && DRAWERS.some((drawer) => path.split(/[/.]/).includes(drawer))
      ? [`${path} is a drawer: name what it answers`]
      : []),
    ...(/\bprocess\s*(\.|\?\.)\s*env\b|\bprocess\[/.test(text) && !ENVIRONMENT_READERS.includes(path)
      ? [`${path} reads the environment: settings come from src/config.ts`]
      : []),
    ...(isGenerated(path) || /^\/\/ \S.{15,}/.test(text)
      ? []
      : [`${path} does not start with a comment that says which question it answers`]),
  ]);
}

function importOffences(path: string, text: string): string[] {
  const part = partOf(path);
  const allowed = MAY_IMPORT[part];
  if (allowed === undefined)
    return [`${path} is in no known part: decide in test/architecture.test.ts what it may import`];
  return importsOf(path, text)
    .filter((imported) => partOf(imported) !== part && !allowed.includes(partOf(imported)))
    .map((imported) => `${path} imports ${imported}: ${part} may import ${allowed.join(', ') || 'nothing'}`);
}

function isGenerated(path: string): boolean {
  return path.startsWith(GENERATED);
}

function readSources(): Sources {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..');
  const paths = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .map((path) => `src/${path.split(sep).join('/')}`)
    .filter((path) => path.endsWith('.ts'));
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
}

describe('the source tree', () => {
  it('imports one way, reads the environment in one place, and every file says what it answers', () => {
    const sources = readSources();
    assert.ok(sources.size > 10, 'the sources were not found');
    assert.deepEqual(offences(sources), []);
  });
});

const QUESTION = '// What is this file for?\n';

const OFFENDERS: readonly (readonly [sentence: string, path: string, text: string, offence: RegExp])[] = [
  [
    'the core uses an adapter',
    'src/federation/plan.ts',
    "import { a } from '../spire/channel.ts';",
    /imports src\/spire/,
  ],
  [
    'bundle looks up to federation',
    'src/bundle/a.ts',
    "import type { A } from '../federation/plan.ts';",
    /may import nothing/,
  ],
  ['adapters meet', 'src/spire/a.ts', "import { b } from '../bundle-endpoint/b.ts';", /^src\/spire\/a\.ts imports/],
  [
    'an import takes several lines',
    'src/spire/a.ts',
    "import {\n  b,\n  c,\n} from '../admin/b.ts';",
    /imports src\/admin/,
  ],
  ['an export passes it on', 'src/spire/a.ts', "export { b } from '../admin/b.ts';", /imports src\/admin/],
  ['an import is for its effect', 'src/spire/a.ts', "import '../admin/b.ts';", /imports src\/admin/],
  ['an import is dynamic', 'src/spire/a.ts', "await import('../admin/b.ts');", /imports src\/admin/],
  [
    'the product uses the embedded server',
    'src/broker/a.ts',
    "import { b } from '../dev-spire/b.ts';",
    /imports src\/dev/,
  ],
  ['somebody imports main', 'src/cli/a.ts', "import '../main.ts';", /imports src\/main/],
  ['nobody decided on a part', 'src/new-part/a.ts', '', /in no known part/],
  ['the environment is read elsewhere', 'src/spire/a.ts', 'const home = process.env.HOME;', /reads the environment/],
  ['a file is a drawer', 'src/spire/utils.ts', '', /is a drawer/],
  ['a folder is a drawer', 'src/spire/helpers/a.ts', '', /is a drawer/],
];

describe('the check of the source tree fails when', () => {
  for (const [sentence, path, text, offence] of OFFENDERS) {
    it(sentence, () => {
      const found = offences(new Map([[path, `${QUESTION}${text}\n`]]));
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found[0]!, offence);
    });
  }

  it('a file does not say what it answers', () => {
    const found = offences(new Map([['src/spire/a.ts', 'export const a = 1;\n']]));
    assert.deepEqual(found, ['src/spire/a.ts does not start with a comment that says which question it answers']);
  });
});

describe('the check of the source tree allows', () => {
  for (const [sentence, path, text] of [
    ['the broker to use adapters', 'src/broker/a.ts', "import { b } from '../spire/b.ts';"],
    ['the demo to use the embedded server', 'src/cli/demo/run-demo.ts', "import { b } from '../dev-spire/b.ts';"],
    ['main to pass the environment on', 'src/main.ts', 'run(process.argv, process.env);'],
    ['packages', 'src/spire/a.ts', "import grpc from '@grpc/grpc-js';"],
  ] as const) {
    it(sentence, () => {
      assert.deepEqual(offences(new Map([[path, `${QUESTION}${text}\n`]])), []);
    });
  }
});
