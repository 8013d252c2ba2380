// How does a person read the resource? (docs/peer-trust-domain.md, made from the same definition as the API server's)
import { PEER_TRUST_DOMAIN } from './peer-trust-domain.ts';
import { peerTrustDomainSchema } from './peer-trust-domain-crd.ts';
import { RESOURCE_RULES } from './peer-trust-domain-rules.ts';
import type { StructuralSchema } from './structural-schema.ts';

const { group, version, kind, shortName } = PEER_TRUST_DOMAIN;

/** Markdown: every field of spec and status, then what the API server refuses by rules. */
export function peerTrustDomainDocument(): string {
  const { spec = {}, status = {} } = peerTrustDomainSchema().properties ?? {};
  return `# ${kind}

Written by \`npm run crd\` from the schema in \`src/federation\`; \`npm run crd:check\` fails when it is out of date.

One object declares one foreign trust domain: \`${group}/${version}\`, cluster-scoped, \`kubectl get ${shortName}\`. The same document is
read from the files of the peers directory. Two things differ there: \`trustDomainBundle.file\` names a path, and
\`configMapRef\`, \`secretRef\` and \`clusterSPIFFEIDs\` are refused because they need Kubernetes.

The API server checks types, sizes and the rules below (Kubernetes 1.29 or newer); the broker checks all of it again.

## spec

${tableOf(spec)}
Bold fields are required.

## What the API server answers to what breaks a rule

| Field | Answer |
| --- | --- |
${RESOURCE_RULES.map(({ at, fieldPath = '', message }) => `| ${codeOf(at + fieldPath)} | ${cell(message)} |`).join('\n')}

## status

${tableOf(status)}`;
}

function tableOf(schema: StructuralSchema): string {
  const rows = rowsBelow(schema, '');
  return ['| Field | Value | Default | Meaning |', '| --- | --- | --- | --- |', ...rows].join('\n') + '\n';
}

/** A row a field, in the order of the schema; items of lists and values of maps are told with the field itself. */
function rowsBelow({ properties = {}, required = [] }: StructuralSchema, path: string): string[] {
  return Object.entries(properties).flatMap(([name, field]) => {
    const fieldPath = path + name;
    const label = required.includes(name) ? `**${codeOf(fieldPath)}**` : codeOf(fieldPath);
    const fallback = 'default' in field ? codeOf(JSON.stringify(field.default)) : '';
    const own = `| ${label} | ${cell(valueOf(field))} | ${fallback} | ${cell(field.description ?? '')} |`;
    return [own, ...rowsBelow(field, `${fieldPath}.`), ...rowsBelow(field.items ?? {}, `${fieldPath}[].`)];
  });
}

function valueOf({
  type,
  format,
  maxLength,
  maxItems,
  items,
  additionalProperties,
  ...schema
}: StructuralSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => codeOf(String(value))).join(', ');
  if (format === 'date-time') return 'time (RFC 3339)';
  if (items !== undefined)
    return `list of ${items.type ?? ''}s${maxItems === undefined ? '' : `, at most ${maxItems}`}`;
  if (additionalProperties !== undefined) return `map to ${additionalProperties.type ?? ''}s`;
  return `${type ?? ''}${maxLength === undefined ? '' : `, at most ${maxLength} characters`}`;
}

function codeOf(text: string): string {
  return `\`${text}\``;
}

/** Text that cannot end its cell or turn into markup. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('*', '\\*');
}
