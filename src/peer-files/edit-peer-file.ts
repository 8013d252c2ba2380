// How is one declaration in a directory of files changed, so that comments and everything else stay? (YAML 1.2)
import { randomUUID } from 'node:crypto';
import { chmod, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isMap, parseAllDocuments, type Document } from 'yaml';
import {
  DeclarationEditError,
  type DeclarationEdit,
  type DeclarationStore,
  type WrittenDeclaration,
} from '../federation/declaration-edit.ts';
import { readSignature, readTexts } from './read-directory.ts';

/** Longer lines are not folded: a bundle document is one line. */
const AS_WRITTEN = { lineWidth: 0 } as const;

/** The directory must be one that may be written to: a mounted ConfigMap is not. */
export function peerFileStore(directory: string): DeclarationStore {
  return {
    async find(wanted) {
      const found = await findAll(directory, wanted);
      return found.map(({ written }) => written);
    },
    async edit(declaration, edit) {
      const [found, ...others] = await findAll(directory, declaration.name);
      if (found === undefined || others.length > 0 || !isSame(found.written, declaration)) {
        const message = `the declaration of ${declaration.name} was changed meanwhile; nothing was written, try again`;
        throw new DeclarationEditError('DeclarationChanged', message);
      }
      applyEdit(found.document, edit);
      await replaceFile(join(directory, found.file), textOf(found));
      return found.file;
    },
  };
}

interface Found {
  readonly file: string;
  /** The file is JSON, which is YAML too, and stays JSON. */
  readonly isJson: boolean;
  /** All of the file, of which one is meant. */
  readonly documents: readonly Document.Parsed[];
  readonly document: Document.Parsed;
  readonly written: WrittenDeclaration;
}

async function findAll(directory: string, wanted: string): Promise<readonly Found[]> {
  const { names } = await readSignature(directory);
  const texts = await readTexts(directory, names);
  return [...texts].flatMap(([file, content]) => {
    if (!('text' in content)) return [];
    const parsed = parseAllDocuments(content.text, { prettyErrors: false });
    const documents = Array.isArray(parsed) ? parsed : [];
    return documents.flatMap((document): Found[] => {
      const written = writtenIn(document);
      const isWanted = written?.name === wanted || written?.trustDomain === wanted;
      return written !== undefined && isWanted
        ? [{ file, isJson: isJson(content.text), documents, document, written }]
        : [];
    });
  });
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function textOf({ isJson, documents, document }: Found): string {
  if (isJson) return `${JSON.stringify(document.toJS(), undefined, 2)}\n`;
  return documents.map((each) => each.toString(AS_WRITTEN)).join('');
}

function writtenIn(document: Document.Parsed): WrittenDeclaration | undefined {
  if (document.errors.length > 0 || !isMap(document.contents)) return undefined;
  const name = document.getIn(['metadata', 'name']);
  const trustDomain = document.getIn(['spec', 'trustDomain']);
  if (typeof name !== 'string' || typeof trustDomain !== 'string') return undefined;
  const annotations = document.getIn(['metadata', 'annotations']);
  const pairs = isMap(annotations) ? Object.entries(annotations.toJSON() as Record<string, unknown>) : [];
  return {
    name,
    trustDomain,
    annotations: Object.fromEntries(pairs.filter((pair): pair is [string, string] => typeof pair[1] === 'string')),
    suspend: document.getIn(['spec', 'suspend']),
  };
}

function isSame(a: WrittenDeclaration, b: WrittenDeclaration): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function applyEdit(document: Document.Parsed, { annotations, suspend }: DeclarationEdit): void {
  for (const [annotation, value] of Object.entries(annotations)) {
    const path = ['metadata', 'annotations', annotation];
    if (value !== undefined) document.setIn(path, value);
    else if (document.hasIn(path)) document.deleteIn(path);
  }
  if (suspend !== undefined) document.setIn(['spec', 'suspend'], suspend);
}

/** At once, as the broker may read it at any moment; a name with a dot in front is not read. */
async function replaceFile(path: string, text: string): Promise<void> {
  try {
    const target = await realpath(path);
    const { mode } = await stat(target);
    const fresh = join(dirname(target), `.${basename(target)}.${randomUUID()}`);
    try {
      await writeFile(fresh, text, { flag: 'wx', flush: true });
      await chmod(fresh, mode);
      await rename(fresh, target);
    } finally {
      await rm(fresh, { force: true });
    }
  } catch (error) {
    const message = `${path} cannot be written (${(error as Error).message}); change it where it comes from`;
    throw new DeclarationEditError('DeclarationUnwritable', message, { cause: error });
  }
}
