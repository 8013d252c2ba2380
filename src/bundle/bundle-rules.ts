// Is this bundle fit to be trusted for its trust domain, and for nothing else? One row a rule.
import { fingerprint, type Bundle } from './bundle.ts';
import { ROOT_RULES, type RootRule } from './root-rules.ts';
import type { RuleContext, RuleHead, Severity } from './rule.ts';

export interface Finding {
  readonly ruleId: string;
  readonly severity: Severity;
  /** For people. */
  readonly message: string;
  /** The place in the document, a root's fingerprint or a key id; undefined for the bundle as a whole. */
  readonly subject: string | undefined;
}

/** Rules of documents have no objection of their own: whoever reads the document makes their findings. */
export type BundleRule =
  | (RuleHead & { readonly looksAt: 'document' })
  | (RuleHead & {
      readonly looksAt: 'bundle';
      readonly objection: (bundle: Bundle, context: RuleContext) => string | undefined;
    })
  | RootRule;

export const BUNDLE_RULES = [
  {
    id: 'UnknownKeyType',
    section: 'Trust Domain and Bundle §4.2.1',
    severity: 'ignore-key',
    demand: 'every key has a kty that is known: EC, RSA or OKP',
    looksAt: 'document',
  },
  {
    id: 'UnknownUse',
    section: 'Trust Domain and Bundle §4.2.2',
    severity: 'ignore-key',
    demand: 'every key has use x509-svid or jwt-svid',
    looksAt: 'document',
  },
  {
    id: 'CertificateMissing',
    section: 'X509-SVID §6.2',
    severity: 'ignore-key',
    demand: 'every x509-svid key has a certificate in x5c',
    looksAt: 'document',
  },
  {
    id: 'KeyMismatch',
    section: 'RFC 7517 §4.7',
    severity: 'ignore-key',
    demand: 'every x509-svid key is the key of its certificate',
    looksAt: 'document',
  },
  {
    id: 'ExtraCertificates',
    section: 'X509-SVID §6.2',
    severity: 'warn',
    demand: 'every x509-svid key has one certificate in x5c, not more',
    looksAt: 'document',
  },
  {
    id: 'UnusableJwtKey',
    section: 'JWT-SVID §2.1, RFC 7518 §3.3–3.5',
    severity: 'ignore-key',
    demand: 'every jwt-svid key is RSA of 2048 bits or more, P-256, P-384 or P-521',
    looksAt: 'document',
  },
  {
    id: 'DuplicateKeyId',
    section: 'JWT-SVID §6.1',
    severity: 'warn',
    demand: 'no two jwt-svid keys have one kid',
    looksAt: 'document',
  },
  {
    id: 'TooManyRoots',
    section: 'a limit of this program',
    severity: 'refuse',
    demand: 'it has no more X.509 authorities than the limit',
    looksAt: 'bundle',
    objection: ({ x509Authorities }, { maxRoots }) =>
      x509Authorities.length > maxRoots
        ? `it has ${x509Authorities.length} X.509 authorities, more than ${maxRoots} (setting maxRoots)`
        : undefined,
  },
  ...ROOT_RULES,
  {
    id: 'DuplicateRoot',
    section: 'X509-SVID §6.1',
    severity: 'warn',
    demand: 'no root is there twice',
    looksAt: 'bundle',
    objection: ({ x509Authorities }) => {
      const repeated = x509Authorities.length - new Set(x509Authorities.map(fingerprint)).size;
      return repeated === 0 ? undefined : `${repeated} roots are there more than once; each counts once`;
    },
  },
] as const satisfies readonly BundleRule[];

export type BundleRuleId = (typeof BUNDLE_RULES)[number]['id'];

/** A finding of the rule with this id, with the severity that the table gives it. */
export function findingOf(ruleId: BundleRuleId, message: string, subject: string | undefined): Finding {
  const rule = BUNDLE_RULES.find(({ id }) => id === ruleId);
  if (rule === undefined) throw new Error(`no rule has the id ${ruleId}`);
  return { ruleId, severity: rule.severity, message, subject };
}
