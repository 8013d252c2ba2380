// Which names may a CA vouch for, and how is that narrowed to one trust domain? (RFC 5280 §4.2.1.10)
import { contentOf, DER_TAG, DerError, readAsciiText, readDer, readDerValues } from '../bundle/der.ts';
import { quoted } from '../bundle/quoted.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { AnchorError } from './anchor-error.ts';
import { encodeDer } from './write-der.ts';

/** GeneralSubtree := SEQUENCE { base GeneralName, minimum [0] DEFAULT 0, maximum [1] OPTIONAL }. */
interface Subtree {
  /** The tag of the base, which tells the form of name. */
  readonly form: number;
  readonly base: Uint8Array;
  /** The whole value. */
  readonly der: Uint8Array;
}

export interface NameConstraints {
  readonly permitted: readonly Subtree[];
  readonly excluded: readonly Subtree[];
}

const TAG = { permitted: 0xa0, excluded: 0xa1 } as const;
const FORM = { email: 0x81, dns: 0x82, uri: 0x86, ip: 0x87 } as const;

const UNCONSTRAINED: NameConstraints = { permitted: [], excluded: [] };

/** Istio's matchers of names look at DNS and email names too: measured on Envoy 1.40.0, URI constraints alone leak. */
const NO_OTHER_TEXT = [subtree(FORM.dns, ''), subtree(FORM.email, '')];

/** Forms of which nothing of the CA's own is left to say: all excluded, or narrowed to one host. */
const DECIDED: readonly number[] = [FORM.dns, FORM.email, FORM.uri];

/**
 * The constraints of a CA, narrowed to the trust domain: of URIs only those of exactly this host, no DNS and no email
 * names, and of every other form what the CA was allowed before. Never wider than `constraints`.
 *
 * @param constraints The value of the CA's own nameConstraints, undefined where it has none.
 * @throws AnchorError `RootExcludesTrustDomain`, `RootNameConstraintsUnreadable`
 */
export function narrowToTrustDomain(constraints: Uint8Array | undefined, trustDomain: TrustDomain): NameConstraints {
  const { permitted, excluded } = constraints === undefined ? UNCONSTRAINED : readNameConstraints(constraints);
  const isUri = ({ form }: Subtree) => form === FORM.uri;
  const permittedUris = permitted.filter(isUri);
  if (permittedUris.length > 0 && !permittedUris.some((uri) => surelyPermits(uri, trustDomain))) {
    throw excludes(trustDomain, 'its own name constraints permit only other hosts in URIs');
  }
  if (excluded.filter(isUri).some((uri) => mayExclude(uri, trustDomain))) {
    throw excludes(trustDomain, 'its own name constraints exclude that host in URIs');
  }
  const isLeftToSay = ({ form }: Subtree) => !DECIDED.includes(form);
  return {
    permitted: [subtree(FORM.uri, trustDomain), ...permitted.filter(isLeftToSay)],
    excluded: [...NO_OTHER_TEXT, ...excluded.filter(isLeftToSay)],
  };
}

/** The value of the extension. */
export function encodeNameConstraints({ permitted, excluded }: NameConstraints): Uint8Array {
  const list = (tag: number, subtrees: readonly Subtree[]) => encodeDer(tag, ...subtrees.map(({ der }) => der));
  return encodeDer(DER_TAG.sequence, list(TAG.permitted, permitted), list(TAG.excluded, excluded));
}

/** @throws AnchorError `RootNameConstraintsUnreadable` */
export function readNameConstraints(value: Uint8Array): NameConstraints {
  try {
    const lists = readDerValues(readDer(value, DER_TAG.sequence));
    if (lists.some(({ tag }) => tag !== TAG.permitted && tag !== TAG.excluded)) throw new DerError('an unknown list');
    const listOf = (tag: number) =>
      lists.filter((list) => list.tag === tag).flatMap(({ content }) => readList(content));
    return { permitted: listOf(TAG.permitted), excluded: listOf(TAG.excluded) };
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new AnchorError(
      'RootNameConstraintsUnreadable',
      `the root's name constraints cannot be read (${error.message}), so they cannot be kept; ask the peer for another root`,
      { cause: error },
    );
  }
}

function readList(content: Uint8Array): readonly Subtree[] {
  return readDerValues(content).map((value) => {
    const [base, ...bounds] = readDerValues(contentOf(value, DER_TAG.sequence));
    if (base === undefined) throw new DerError('a subtree without a name');
    if (bounds.length > 0) throw new DerError('a subtree with a minimum or a maximum, which RFC 5280 forbids');
    if (base.tag === FORM.uri) readAsciiText(base.content);
    if (base.tag === FORM.ip && !isAddressRange(base.content))
      throw new DerError('a range of IP addresses that is none');
    return { form: base.tag, base: base.content, der: encodeDer(value.tag, value.content) };
  });
}

/** An IPv4 or IPv6 address and a mask of the same length, all ones before all zeros. */
function isAddressRange(range: Uint8Array): boolean {
  const mask = Buffer.from(range.subarray(range.length / 2));
  const bits = [...mask].map((octet) => octet.toString(2).padStart(8, '0')).join('');
  return (range.length === 8 || range.length === 32) && /^1*0*$/.test(bits);
}

/** RFC 5280 gives a host, or with a dot in front every host below it. Where verifiers differ: no. */
function surelyPermits(uri: Subtree, trustDomain: TrustDomain): boolean {
  return uri.base.length > 0 && isWithin(uri, trustDomain);
}

/** Where verifiers differ (an empty host is for some of them every host): yes. */
function mayExclude(uri: Subtree, trustDomain: TrustDomain): boolean {
  return uri.base.length === 0 || isWithin(uri, trustDomain);
}

function isWithin({ base }: Subtree, trustDomain: TrustDomain): boolean {
  const host = readAsciiText(base).toLowerCase();
  return host.startsWith('.') ? trustDomain.endsWith(host) && trustDomain !== host : trustDomain === host;
}

function subtree(form: number, name: string): Subtree {
  const base = Buffer.from(name, 'latin1');
  return { form, base, der: encodeDer(DER_TAG.sequence, encodeDer(form, base)) };
}

function excludes(trustDomain: TrustDomain, why: string): AnchorError {
  return new AnchorError(
    'RootExcludesTrustDomain',
    `the root may not vouch for ${quoted(trustDomain)}: ${why}; ask the peer for another root`,
  );
}
