// Where does a declared peer's bundle for the first contact come from? (SPIFFE Federation §5.2.2.2)
import * as z from 'zod';
import { section } from './declaration-fault.ts';
import { namesOfferedBy, offeredBy, type DeclarationPlace } from './declaration-place.ts';
import type { BootstrapSource, ObjectKey } from './relationship.ts';

const SOURCES = ['inline', 'file', 'configMapRef', 'secretRef'] as const;

/** `trustDomainBundle`: exactly one of the sources that the place offers. */
export function bootstrapField(place: DeclarationPlace) {
  return section({
    inline: z
      .string({ error: (issue) => (typeof issue.input === 'string' ? undefined : INLINE_IS_TEXT) })
      .min(1)
      .max(1024 * 1024)
      .optional()
      .describe('The bundle itself, as text: SPIFFE format (JSON) or PEM certificates.'),
    file: offeredBy(
      place,
      'file',
      z
        .string()
        .min(1)
        .describe('Path of a file with the bundle; a relative one is taken from the declaration’s folder.'),
    ),
    configMapRef: offeredBy(place, 'configMapRef', objectKey('ConfigMap')),
    secretRef: offeredBy(place, 'secretRef', objectKey('Secret')),
  })
    .transform((sources, context): BootstrapSource => {
      const given = SOURCES.filter((name) => sources[name] !== undefined);
      if (given.length === 1) {
        const { inline, file, configMapRef, secretRef } = sources;
        if (inline !== undefined) return { type: 'inline', text: inline };
        if (file !== undefined) return { type: 'file', path: file };
        if (configMapRef !== undefined) return { type: 'configMap', ...configMapRef };
        if (secretRef !== undefined) return { type: 'secret', ...secretRef };
      }
      const message = `needs exactly one of ${namesOfferedBy(place, SOURCES).join(', ')}`;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    })
    .describe(
      'The peer’s bundle for the first contact, obtained from its operators; https_spiffe cannot begin without one ' +
        '(Federation §5.2.2.2). Never written over a newer accepted bundle. Exactly one source.',
    );
}

const INLINE_IS_TEXT = 'must be the bundle document as text: put it in quotes or use a block scalar ("|")';

const DNS_LABEL = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

/** `metadata.name` of most kinds. */
export const objectName = z.string().max(253).regex(DNS_SUBDOMAIN, {
  error: 'must be a DNS-1123 name: lower-case letters, digits, dashes and dots, at most 253 characters',
});

function objectKey(kind: 'ConfigMap' | 'Secret'): z.ZodType<ObjectKey> {
  return section({
    namespace: z
      .string()
      .max(63)
      .regex(DNS_LABEL, { error: 'must be a DNS-1123 label: lower-case letters, digits and dashes' })
      .describe(`Namespace of the ${kind}.`),
    name: objectName.describe(`Name of the ${kind}.`),
    key: z
      .string()
      .max(253)
      .regex(/^[-._a-zA-Z0-9]+$/, { error: 'must be a key: letters, digits, dashes, dots and underscores' })
      .describe(`Key in its data whose value is the bundle: SPIFFE format (JSON) or PEM certificates.`),
  }).describe(`A ${kind} that holds the bundle. It is read by its name; no others are looked at.`);
}
