// Can name constraints hold a CA to this trust domain? (measured with Envoy 1.40.0 and Go 1.26: SPIFFE allows more names than verifiers take for a host)
import { quoted } from '../bundle/quoted.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';

interface NameRule {
  readonly forbids: (labels: readonly string[]) => boolean;
  /** Completes "the trust domain …". */
  readonly fault: string;
}

/** RFC 1035 §2.3.4, as Envoy applies it. */
const LABEL_MAX_CHARACTERS = 63;

/**
 * With any of these Envoy refuses every leaf below the anchor, good ones too. A dot at the end, and an IPv4 address,
 * are worse: Go does not read such a certificate, and an istiod that finds one in its list does not start.
 */
const NAME_RULES: readonly NameRule[] = [
  { fault: 'has an underscore', forbids: some((label) => label.includes('_')) },
  { fault: 'begins or ends with a dot, or has two in a row', forbids: some((label) => label === '') },
  {
    fault: 'has a part that begins or ends with a dash',
    forbids: some((label) => label.startsWith('-') || label.endsWith('-')),
  },
  {
    fault: `has a part of more than ${LABEL_MAX_CHARACTERS} characters`,
    forbids: some((label) => label.length > LABEL_MAX_CHARACTERS),
  },
  {
    fault: 'ends with a number, as an IPv4 address does',
    forbids: (labels) => /^(?:[0-9]+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? ''),
  },
];

/** A sentence for the operator when no constrained anchor can be made for this trust domain, whatever its root. */
export function whyNotConstrainable(trustDomain: TrustDomain): string | undefined {
  const labels = trustDomain.split('.');
  const broken = NAME_RULES.find(({ forbids }) => forbids(labels));
  if (broken === undefined) return undefined;
  return (
    `the trust domain ${quoted(trustDomain)} ${broken.fault}: Envoy cannot hold a CA to such a name; ` +
    'take the roots from SPIRE’s SDS instead (anchors: SpireSds)'
  );
}

function some(test: (label: string) => boolean): NameRule['forbids'] {
  return (labels) => labels.some(test);
}
