// Under which names does a SPIRE Agent serve roots to Envoy? (section `sds` of its configuration; HCL 1 or JSON, SPIRE
// 1.15) A scan for that section, which takes no notice of what else stands there.
import type { SpireAgentSds } from '../federation/mesh-survey.ts';

/** Comments, texts in quotes, names and other words, and single signs, in this order. */
const TOKENS = /\/\*[\s\S]*?\*\/|(?:#|\/\/)[^\n]*|"(?:[^"\\\n]|\\.)*"|[\w.-]+|[^\s\w]/g;

/** SPIRE's own, for Envoy. */
const DEFAULTS = { defaultBundleName: 'ROOTCA', defaultAllBundlesName: 'ALL', spiffeValidationDisabled: false };

/** Undefined when the text is no configuration of an agent. */
export function parseSpireAgentConfig(text: string): SpireAgentSds | undefined {
  const tokens = [...text.matchAll(TOKENS)].map(([token]) => token).filter((token) => !/^(\/\*|#|\/\/)/.test(token));
  if (sectionOf(tokens, 'agent') === undefined) return undefined;
  const sds = membersOf(sectionOf(tokens, 'sds') ?? []);
  return {
    defaultBundleName: nonEmpty(sds.get('default_bundle_name')) ?? DEFAULTS.defaultBundleName,
    defaultAllBundlesName: nonEmpty(sds.get('default_all_bundles_name')) ?? DEFAULTS.defaultAllBundlesName,
    spiffeValidationDisabled: sds.get('disable_spiffe_cert_validation') === 'true',
  };
}

/** What stands between the braces of the section: `sds {`, `sds = {`, `"sds": {` or `"sds": [{`. */
function sectionOf(tokens: readonly string[], name: string): readonly string[] | undefined {
  for (const [index, token] of tokens.entries()) {
    if (unquoted(token) !== name) continue;
    const open = tokens.slice(index + 1, index + 4).findIndex((each) => !['=', ':', '['].includes(each));
    const start = index + 1 + open;
    if (open >= 0 && tokens[start] === '{') return tokens.slice(start + 1, closingOf(tokens, start));
  }
  return undefined;
}

function closingOf(tokens: readonly string[], start: number): number {
  let depth = 0;
  for (let index = start; index < tokens.length; index += 1) {
    if (tokens[index] === '{') depth += 1;
    if (tokens[index] === '}') depth -= 1;
    if (depth === 0) return index;
  }
  return tokens.length;
}

function membersOf(tokens: readonly string[]): ReadonlyMap<string, string> {
  const isAssigned = (index: number) => ['=', ':'].includes(tokens[index + 1] ?? '');
  return new Map(
    tokens.flatMap((token, index): [string, string][] =>
      isAssigned(index) ? [[unquoted(token), unquoted(tokens[index + 2] ?? '')]] : [],
    ),
  );
}

function unquoted(token: string): string {
  return token.startsWith('"') ? token.slice(1, -1) : token;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
