// What does this JSON text say, exactly? (RFC 8259, read strictly: I-JSON's unique names, RFC 7493 §2.3, and no limits lost)
import { BundleError } from './bundle-error.ts';
import { quoted } from './quoted.ts';

/** Numbers keep their digits: 64-bit integers do not fit into a JavaScript number. */
export interface JsonNumber {
  readonly digits: string;
}

export type JsonObject = ReadonlyMap<string, JsonValue>;

export type JsonValue = string | boolean | null | JsonNumber | readonly JsonValue[] | JsonObject;

/** `value instanceof Map` does not narrow a `ReadonlyMap`. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return value instanceof Map;
}

export function isJsonArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

export function isJsonNumber(value: JsonValue | undefined): value is JsonNumber {
  return typeof value === 'object' && value !== null && 'digits' in value;
}

/**
 * Reads one JSON value and nothing after it. Refuses what JSON.parse lets pass: a member named twice (it would keep the
 * last), bytes that are not UTF-8, a byte order mark, escapes that make half a character; and nesting deeper than `maxDepth`.
 *
 * @throws BundleError `DocumentNotUtf8`, `DocumentNotJson`, `DocumentTooDeep`, `DocumentHasDuplicateMember`
 */
export function parseStrictJson(bytes: Uint8Array, maxDepth: number): JsonValue {
  return new Reader(decodeUtf8(bytes), maxDepth).read();
}

function decodeUtf8(bytes: Uint8Array): string {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    throw new BundleError(
      'DocumentNotJson',
      'the document begins with a byte order mark; save it as UTF-8 without one',
    );
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new BundleError('DocumentNotUtf8', 'the document is not valid UTF-8', { cause: error });
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WHITE_SPACE = /[ \t\n\r]*/y;
/** Up to the next quote, escape or control character. */
const PLAIN_CHARACTERS = /[^"\\\u0000-\u001f]*/y;
/** A surrogate without its other half: UTF-8 has no bytes for it, so two such texts would become one. */
const HALF_CHARACTER = /\p{Surrogate}/u;
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);
const WORDS: readonly (readonly [string, JsonValue])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];

class Reader {
  readonly #text: string;
  readonly #maxDepth: number;
  #at = 0;

  constructor(text: string, maxDepth: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
  }

  read(): JsonValue {
    this.#skipSpace();
    const value = this.#value(1);
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#fault('something follows the end of the JSON value');
    return value;
  }

  #value(depth: number): JsonValue {
    if (depth > this.#maxDepth) {
      throw new BundleError('DocumentTooDeep', `the document is nested deeper than ${this.#maxDepth} levels`);
    }
    const next = this.#text[this.#at];
    if (next === '{') return this.#object(depth);
    if (next === '[') return this.#array(depth);
    if (next === '"') return this.#string();
    for (const [word, value] of WORDS) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    const digits = this.#match(NUMBER);
    if (digits === '') throw this.#fault(next === undefined ? 'the document ends too early' : 'this is no JSON value');
    return { digits };
  }

  #object(depth: number): JsonObject {
    const members = new Map<string, JsonValue>();
    this.#items('}', () => {
      const at = this.#at;
      if (this.#text[at] !== '"') throw this.#fault('a member name in double quotes is expected');
      const name = this.#string();
      if (members.has(name)) {
        throw new BundleError(
          'DocumentHasDuplicateMember',
          `${this.#place(at)}: member ${quoted(name)} is there twice`,
        );
      }
      this.#skipSpace();
      this.#take(':');
      this.#skipSpace();
      members.set(name, this.#value(depth + 1));
    });
    return members;
  }

  #array(depth: number): readonly JsonValue[] {
    const values: JsonValue[] = [];
    this.#items(']', () => values.push(this.#value(depth + 1)));
    return values;
  }

  /** From the opening bracket to the closing one; `item` reads one item. */
  #items(close: string, item: () => void): void {
    this.#at += 1;
    this.#skipSpace();
    if (this.#text[this.#at] === close) {
      this.#at += 1;
      return;
    }
    for (;;) {
      item();
      this.#skipSpace();
      if (this.#text[this.#at] === close) {
        this.#at += 1;
        return;
      }
      this.#take(',');
      this.#skipSpace();
    }
  }

  #string(): string {
    this.#at += 1;
    let value = '';
    for (;;) {
      value += this.#match(PLAIN_CHARACTERS);
      const next = this.#text[this.#at];
      if (next === '"') {
        if (HALF_CHARACTER.test(value)) throw this.#fault('an escape in the string stands for half a character');
        this.#at += 1;
        return value;
      }
      if (next !== '\\')
        throw this.#fault(next === undefined ? 'a string does not end' : 'a control character stands in a string');
      value += this.#escape();
    }
  }

  #escape(): string {
    const letter = this.#text[this.#at + 1] ?? '';
    if (letter === 'u') {
      const hex = this.#text.slice(this.#at + 2, this.#at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(hex)) throw this.#fault('\\u needs four hexadecimal digits');
      this.#at += 6;
      return String.fromCharCode(Number.parseInt(hex, 16));
    }
    const character = ESCAPES.get(letter);
    if (character === undefined) throw this.#fault('there is no such escape in JSON');
    this.#at += 2;
    return character;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [matched = ''] = pattern.exec(this.#text) ?? [];
    this.#at += matched.length;
    return matched;
  }

  #skipSpace(): void {
    this.#match(WHITE_SPACE);
  }

  #take(character: string): void {
    if (this.#text[this.#at] !== character) throw this.#fault(`"${character}" is expected`);
    this.#at += 1;
  }

  #fault(what: string): BundleError {
    return new BundleError('DocumentNotJson', `${this.#place(this.#at)}: ${what}`);
  }

  #place(at: number): string {
    const lines = this.#text.slice(0, at).split('\n');
    return `line ${lines.length}, column ${(lines.at(-1) ?? '').length + 1}`;
  }
}
