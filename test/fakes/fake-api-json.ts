// What does a patch make of an object? (RFC 7386 merge patch, RFC 6902 JSON patch, the operations in use)

export type Json = Record<string, unknown>;

export function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function without(value: Json, ...names: readonly string[]): Json {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)));
}

export function mergePatched(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const result: Json = isRecord(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(result, name);
    else result[name] = mergePatched(result[name], value);
  }
  return result;
}

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly value?: unknown;
}

/** Undefined when an operation does not fit. */
export function jsonPatched(target: unknown, operations: readonly Operation[]): unknown {
  const document = structuredClone(target);
  for (const operation of operations) if (!operate(document, operation)) return undefined;
  return document;
}

function operate(document: unknown, { op, path, value }: Operation): boolean {
  const names = path
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = names.pop() ?? '';
  const parent = names.reduce<unknown>((at, name) => (at as Json | undefined)?.[name], document);
  if (Array.isArray(parent)) return operateOnList(parent as unknown[], op, last, value);
  if (!isRecord(parent) || (op !== 'add' && !(last in parent))) return false;
  if (op === 'test') return JSON.stringify(parent[last]) === JSON.stringify(value);
  if (op === 'remove') return Reflect.deleteProperty(parent, last);
  parent[last] = value;
  return true;
}

function operateOnList(list: unknown[], op: string, last: string, value: unknown): boolean {
  const index = last === '-' ? list.length : Number(last);
  if (!Number.isInteger(index) || index < 0 || index > list.length - (op === 'add' ? 0 : 1)) return false;
  if (op === 'test') return JSON.stringify(list[index]) === JSON.stringify(value);
  if (op === 'remove') list.splice(index, 1);
  else list.splice(index, op === 'add' ? 0 : 1, value);
  return true;
}

/** The members that hold something else than an object, by path; lists count as one value. */
export function leavesOf(value: unknown, path: readonly string[] = []): Map<string, unknown> {
  if (!isRecord(value) || Object.keys(value).length === 0) return new Map([[JSON.stringify(path), value]]);
  return new Map(Object.entries(value).flatMap(([name, member]) => [...leavesOf(member, [...path, name])]));
}

export function withLeaf(target: Json, leaf: string, value: unknown): void {
  const path = JSON.parse(leaf) as string[];
  const last = path.pop()!;
  const parent = path.reduce<Json>((at, name) => {
    if (!isRecord(at[name])) at[name] = {};
    return at[name] as Json;
  }, target);
  if (value === undefined) Reflect.deleteProperty(parent, last);
  else parent[last] = value;
}
