// Which peers does one file declare, and on which line is each fault? (YAML 1.2, several documents a file; JSON is YAML)
import { dirname, resolve } from 'node:path';
import {
  isCollection,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  type Document,
  type ParsedNode,
} from 'yaml';
import type { DeclaredPeer } from '../federation/judge-declarations.ts';
import { parsePeerDeclaration, type PeerDeclaration } from '../federation/peer-declaration.ts';
import type { Peer } from '../federation/relationship.ts';

/** What is wrong with a file, and where. */
export interface PeerFileFault {
  /** The file's name inside its directory. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** Field names and list positions, joined by dots; empty for the document itself. */
  readonly path: string;
  readonly message: string;
}

export interface PeerFile {
  readonly name: string;
  /** The declarations without faults, in their order. */
  readonly declared: readonly DeclaredPeer<PeerFileFault>[];
  readonly faults: readonly PeerFileFault[];
}

/**
 * Reads a file's text. A relative path of `trustDomainBundle.file` is taken from the file's own directory.
 *
 * @param path absolute path of the file
 */
export function parsePeerFile(name: string, path: string, text: string): PeerFile {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  const faultAtOffset = (offset: number, faultPath: readonly (string | number)[], message: string): PeerFileFault => {
    const { line, col } = lines.linePos(offset);
    return { file: name, line, column: col, path: faultPath.join('.'), message };
  };
  const declared: DeclaredPeer<PeerFileFault>[] = [];
  const faults: PeerFileFault[] = [];
  // Comments alone make no document; `---` at the end makes an empty one.
  const written = Array.isArray(documents) ? documents.filter(({ contents }) => !isEmpty(contents)) : [];
  for (const document of documents) {
    const problems = [...document.errors, ...document.warnings];
    faults.push(...problems.map(({ pos, message }) => faultAtOffset(pos[0], [], firstLine(message))));
  }
  for (const document of written) {
    if (document.errors.length > 0) continue;
    const faultAt = (faultPath: readonly (string | number)[], message: string) =>
      faultAtOffset(offsetOf(document, faultPath), faultPath, message);
    const declaration = readDeclaration(document);
    if (declaration.ok) declared.push({ peer: withAbsolutePath(declaration.peer, path), faultAt });
    else faults.push(...declaration.faults.map((fault) => faultAt(fault.path, fault.message)));
  }
  if (written.length === 0 && faults.length === 0) {
    faults.push(faultAtOffset(0, [], 'declares nothing; to remove a peer, delete its file'));
  }
  return { name, declared, faults };
}

function isEmpty(node: ParsedNode | null): boolean {
  return node === null || (isScalar(node) && node.value === null);
}

function readDeclaration(document: Document.Parsed): PeerDeclaration {
  try {
    // A copy: the parser's strings are slices, each of which would keep the text of the whole file.
    return parsePeerDeclaration(structuredClone(document.toJS()), 'File');
  } catch (error) {
    // Aliases that expand to more than the parser allows.
    return { ok: false, faults: [{ path: [], message: (error as Error).message }] };
  }
}

function withAbsolutePath(peer: Peer, declaringFile: string): Peer {
  if (peer.bootstrap?.type !== 'file') return peer;
  return { ...peer, bootstrap: { type: 'file', path: resolve(dirname(declaringFile), peer.bootstrap.path) } };
}

/** Where a field begins; of one that is missing, where the nearest thing around it begins. */
function offsetOf(document: Document.Parsed, path: readonly (string | number)[]): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0] ?? 0;
  for (const step of path) {
    if (!isCollection(node)) break;
    const pair = isMap(node) ? node.items.find(({ key }) => isScalar(key) && key.value === step) : undefined;
    const child = isSeq(node) ? node.items[Number(step)] : pair?.value;
    const place = pair?.key ?? child;
    if (!hasRange(place)) break;
    offset = place.range[0];
    node = child;
  }
  return offset;
}

function hasRange(node: unknown): node is { readonly range: readonly [number, number, number] } {
  return typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range);
}

/** The parser's further lines repeat the text of the file. */
function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? message;
}
