// What does a SPIRE Server or Agent of these tests run with? The examples of spire-config/, filled in.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { STACK_FOLDER } from '../parts.ts';

const CONFIG_FOLDER = join(STACK_FOLDER, '../../spire-config');
/** Bytes that Linux allows, without the terminating zero. */
const MAX_SOCKET_PATH_BYTES = 107;

/** The file with every `${NAME}` replaced. Throws for a name without a value and for a value that has no name. */
export function renderConfig(fileName: string, values: Readonly<Record<string, string | number>>): string {
  const unused = new Set(Object.keys(values));
  const text = withoutComments(readFileSync(join(CONFIG_FOLDER, fileName), 'utf8'));
  const rendered = text.replace(/\$\{(\w+)\}/g, (_placeholder, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`spire-config/${fileName} asks for ${name}`);
    unused.delete(name);
    return String(value);
  });
  if (unused.size > 0) throw new Error(`spire-config/${fileName} does not ask for ${[...unused].join(', ')}`);
  const { SOCKET_PATH: socketPath } = values;
  if (Buffer.byteLength(String(socketPath ?? '')) > MAX_SOCKET_PATH_BYTES) {
    throw new Error(
      `the socket path ${String(socketPath)} is longer than ${MAX_SOCKET_PATH_BYTES} bytes: set TMPDIR to a shorter folder`,
    );
  }
  return rendered;
}

/** Comments may show placeholders that are not to be replaced. */
function withoutComments(text: string): string {
  return text.replace(/^\s*#.*\n/gm, '');
}
