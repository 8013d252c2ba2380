// How do our entries get into a mesh config that belongs to others? Every byte that is not of our entries stays.
import { CST, isMap, isScalar, isSeq, parseDocument, type Pair, type YAMLSeq } from 'yaml';
import { fingerprint } from '../bundle/bundle.ts';
import { parseMeshContent, sameMeshContent, serializeMeshContent, type MeshContent } from './mesh-content.ts';
import { anchorPrints, contentOf, type Published } from './published.ts';

const FIELD = 'caCertificates';
/** Protobuf's JSON takes either name, and refuses both in one message. */
const FIELD_NAMES: readonly unknown[] = [FIELD, 'ca_certificates'];

/** A part of the text, by offsets. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Puts `wanted` in the place of what is recorded as ours; entries of others, comments and everything else stay as they
 * are. Undefined where that cannot be done: the text is no YAML, or does not write its lists one item a line.
 */
export function patchMeshText(text: string, ours: Published, wanted: Published): string | undefined {
  const content = contentOf(wanted);
  if (sameMeshContent(presentIn(text, ours), content)) return text;
  const document = parseDocument(text, { keepSourceTokens: true, uniqueKeys: false, logLevel: 'silent' });
  if (document.errors.length > 0) return undefined;
  const root = document.contents;
  if (root === null) return appended(text, content, 0);
  if (!isMap(root) || root.flow === true) return undefined;
  const pair = root.items.find(({ key }) => isScalar(key) && FIELD_NAMES.includes(key.value));
  if (pair === undefined) return appended(text, content, columnOf(text, root.range[0]));
  const list = pair.value;
  if (isSeq(list) && list.items.length > 0) {
    return list.flow === true ? undefined : patchedList(text, pair, list, ours, content);
  }
  return isSeq(list) || (isScalar(list) && list.value === null) ? replacedField(text, pair, content) : undefined;
}

/** Of ours, what the text has. */
export function presentIn(text: string, { listed, anchors }: Published): MeshContent {
  const { trustDomains, anchors: ders } = parseMeshContent(text).content;
  const prints = anchorPrints({ listed, anchors });
  return {
    trustDomains: trustDomains.filter((name) => listed.has(name)),
    anchors: ders.filter((der) => prints.has(fingerprint(der))),
  };
}

function patchedList(text: string, pair: Pair, list: YAMLSeq, ours: Published, content: MeshContent): string {
  const items = itemSpans(text, list);
  const kept = items.filter((span) => !isOurs(text.slice(span.start, span.end), ours));
  if (kept.length === 0) return replacedField(text, pair, content);
  const removed = items.filter((span) => !kept.includes(span));
  const at = items.at(-1)?.end ?? text.length;
  const indent = columnOf(text, indicatorsOf(list)[0] ?? 0);
  const before = cutOut(text.slice(0, at), removed);
  return `${endedLine(before)}${itemsText(content, indent)}${text.slice(at)}`;
}

/** An entry as we write it, with nothing in it that the record does not name. */
function isOurs(itemText: string, ours: Published): boolean {
  const list = `${FIELD}:\n${itemText}`;
  const root = parseDocument(list).contents;
  const entries: unknown = isMap(root) ? root.get(FIELD) : undefined;
  const item: unknown = isSeq(entries) ? entries.items[0] : undefined;
  if (!isMap(item) || item.items.length !== 1) return false;
  const found = parseMeshContent(list).content;
  const present = presentIn(list, ours);
  return found.trustDomains.length + found.anchors.length > 0 && sameMeshContent(found, present);
}

/** With the value, or without field at all when there is nothing to say. */
function replacedField(text: string, pair: Pair, content: MeshContent): string {
  const key = isScalar(pair.key) ? (pair.key.range?.[0] ?? 0) : 0;
  const value = isSeq(pair.value) || isScalar(pair.value) ? pair.value.range?.[1] : undefined;
  const start = lineStart(text, key);
  const end = lineEnd(text, Math.max(value ?? key, key));
  const indent = columnOf(text, key);
  return `${text.slice(0, start)}${fieldText(content, indent)}${text.slice(end)}`;
}

function appended(text: string, content: MeshContent, indent: number): string {
  return `${endedLine(text)}${fieldText(content, indent)}`;
}

function fieldText(content: MeshContent, indent: number): string {
  const items = itemsText(content, indent + 2);
  return items === '' ? '' : `${' '.repeat(indent)}${FIELD}:\n${items}`;
}

/** Without the field's own line, at another indent. */
function itemsText(content: MeshContent, indent: number): string {
  if (content.trustDomains.length + content.anchors.length === 0) return '';
  const [, ...lines] = serializeMeshContent(content).trimEnd().split('\n');
  return lines.map((line) => `${' '.repeat(indent)}${line.slice(2)}\n`).join('');
}

/** Each from the line of its dash to the end of the line where its value ends. Comments between them are in none. */
function itemSpans(text: string, list: YAMLSeq): readonly Span[] {
  const dashes = indicatorsOf(list);
  return list.items.map((item, index) => {
    const dash = dashes[index] ?? 0;
    const value = isMap(item) || isSeq(item) || isScalar(item) ? item.range?.[1] : undefined;
    return { start: lineStart(text, dash), end: lineEnd(text, value ?? dash) };
  });
}

function indicatorsOf(list: YAMLSeq): readonly number[] {
  const token = list.srcToken;
  if (token?.type !== 'block-seq') return [];
  return token.items.flatMap(({ start }) =>
    start.filter((part) => CST.tokenType(part.source) === 'seq-item-ind').map(({ offset }) => offset),
  );
}

function cutOut(text: string, spans: readonly Span[]): string {
  return [...spans].reverse().reduce((rest, { start, end }) => rest.slice(0, start) + rest.slice(end), text);
}

function lineStart(text: string, offset: number): number {
  return text.lastIndexOf('\n', offset - 1) + 1;
}

/** After the line's end; a block of text ends behind its last one already. */
function lineEnd(text: string, offset: number): number {
  if (text[offset - 1] === '\n') return offset;
  const end = text.indexOf('\n', offset);
  return end === -1 ? text.length : end + 1;
}

function columnOf(text: string, offset: number): number {
  return offset - lineStart(text, offset);
}

function endedLine(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}
