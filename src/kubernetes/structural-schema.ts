// How does a zod schema become one that the API server takes? (CustomResourceDefinitions: structural schemas)
import * as z from 'zod';

/** The part of OpenAPI 3.0 that structural schemas have and this project uses. */
export interface StructuralSchema {
  readonly description?: string;
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly items?: StructuralSchema;
  readonly additionalProperties?: StructuralSchema;
  readonly [extension: `x-kubernetes-${string}`]: unknown;
}

/** Every member that may stay as it is, in the order in which it is printed. */
const KEPT_MEMBERS = [
  'description',
  'type',
  'format',
  'enum',
  'default',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'pattern',
  'minItems',
  'maxItems',
  'maxProperties',
  'required',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
] as const;

type Json = Readonly<Record<string, unknown>>;

/**
 * The schema of what may be written (before defaults are filled in and texts are read).
 *
 * @throws Error for a member that has no place in a structural schema, so that none is lost silently
 */
export function structuralSchema(schema: z.ZodType): StructuralSchema {
  return convert(z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input' }));
}

function convert(source: Json): StructuralSchema {
  const { properties, items, additionalProperties, ...others } = normalized(source);
  const unknown = Object.keys(others).filter((name) => !KEPT_MEMBERS.some((kept) => kept === name));
  if (unknown.length > 0) throw new Error(`no structural form is known for ${unknown.join(', ')}`);
  return {
    ...Object.fromEntries(KEPT_MEMBERS.flatMap((name) => (name in others ? [[name, others[name]]] : []))),
    // Values of several types have no "type"; a structural schema allows that only where it keeps whatever is there.
    ...(others['type'] === undefined && { 'x-kubernetes-preserve-unknown-fields': true }),
    ...(properties !== undefined && { properties: convertAll(properties as Record<string, Json>) }),
    ...(items !== undefined && { items: convert(items as Json) }),
    ...(additionalProperties !== undefined && { additionalProperties: convert(additionalProperties as Json) }),
  };
}

function convertAll(properties: Readonly<Record<string, Json>>): Record<string, StructuralSchema> {
  const possible = Object.entries(properties).filter(([, property]) => !isImpossible(property));
  return Object.fromEntries(possible.map(([name, property]) => [name, convert(property)]));
}

/** A field that the place refuses: for the API server it does not exist. */
function isImpossible({ not }: Json): boolean {
  return typeof not === 'object' && not !== null && Object.keys(not).length === 0;
}

/** Without what the API server says in another way. */
function normalized(source: Json): Json {
  const dropped = new Set(['$schema']);
  // Unknown fields are dropped (pruned) or refused by the API server itself, as the client asks for.
  if (source['additionalProperties'] === false) dropped.add('additionalProperties');
  // The format says it already, and zod's pattern refuses time zones that metav1.Time allows.
  if (source['format'] === 'date-time') dropped.add('pattern');
  // The limits of JavaScript's numbers.
  if (source['maximum'] === Number.MAX_SAFE_INTEGER) dropped.add('maximum');
  if (source['minimum'] === Number.MIN_SAFE_INTEGER) dropped.add('minimum');
  const kept = Object.fromEntries(Object.entries(source).filter(([name]) => !dropped.has(name)));
  return kept['type'] === 'integer' ? { ...kept, format: 'int64' } : kept;
}
