// How does an operator want fetched bundles to be judged, and silence? (`spec.policy` of a PeerTrustDomain)
import * as z from 'zod';
import { parsePin } from '../bundle/spki-pin.ts';
import { section, textReadBy } from './declaration-fault.ts';
import { parseDurationSeconds } from './duration.ts';
import type { Peer, PeerPolicy } from './relationship.ts';

const MAX_PINS = 16;

const duration = textReadBy((text) => {
  const seconds = parseDurationSeconds(text);
  if (seconds === undefined) throw new Error(`"${text}" is not a duration; write it like "30s", "5m" or "1h"`);
  return seconds;
}, 32);

const PIN_FAULT =
  'is not a pin; write "sha256/" and the SHA-256 over a root’s public key (SubjectPublicKeyInfo) in base64';

const pin = z
  .string()
  .regex(/^sha256\/[A-Za-z0-9+/]{43}=$/, { error: PIN_FAULT })
  .transform((text, context): string => {
    const read = parsePin(text);
    if (read !== undefined) return read;
    context.addIssue({ code: 'custom', message: PIN_FAULT });
    return z.NEVER;
  });

function authorities(what: string) {
  return z
    .int()
    .min(1)
    .max(10_000)
    .default(5)
    .describe(`From how many authorities that ${what} at once, X.509 and JWT together, a change is large.`);
}

const policy = section({
  onEmptyBundle: z
    .enum(['Hold', 'Revoke'])
    .default('Hold')
    .describe(
      'An authenticated bundle without keys withdraws the trust domain (Trust Domain and Bundle §4.1.3). ' +
        'Hold: keep the last good one and report. Revoke: take the peer’s trust away.',
    ),
  onDisjointRoots: z
    .enum(['Accept', 'Hold'])
    .default('Accept')
    .describe('A bundle that shares no root with the held one: accept it, or hold it until acceptDigest names it.'),
  onLargeChange: z
    .enum(['Accept', 'Hold'])
    .default('Accept')
    .describe('A bundle that differs from the held one by as much as largeChange says: accept it, or hold it.'),
  largeChange: section({ added: authorities('come'), removed: authorities('go') })
    .prefault({})
    .describe('What onLargeChange calls a large change.'),
  onSequenceReuse: z
    .enum(['Accept', 'Hold'])
    .default('Accept')
    .describe(
      'A bundle with the held sequence number and other keys (Federation §4.2): the newest fetch counts, or it is held.',
    ),
  staleAfter: duration
    .prefault('1h')
    .describe(
      'The peer is reported as stale after this long without a successful fetch: hours, minutes and seconds like "1h30m".',
    ),
  expireAfter: duration
    .optional()
    .describe(
      'The peer is expired after this long without a successful fetch; longer than staleAfter. Default: never.',
    ),
  onExpired: z
    .enum(['Keep', 'Cut'])
    .default('Keep')
    .describe(
      'Keep: what is held of an expired peer stays. Cut: its trust is taken away until its endpoint answers again; ' +
        'needs expireAfter and mode Own.',
    ),
  pin: z
    .array(pin.describe('"sha256/" and the SHA-256 over the public key (SubjectPublicKeyInfo) in base64.'))
    .max(MAX_PINS)
    .optional()
    .describe(
      'For the first contact: a root with one of these keys must be in the bundle. An https_spiffe endpoint then needs ' +
        'no trustDomainBundle: it must present an SVID issued by such a root. Mode Own only.',
    ),
  requireConsent: z
    .boolean()
    .default(false)
    .describe(
      'true: a peer that SPIRE holds nothing of is taken up only when its broker has asked our bundle endpoint and proved ' +
        'who it is, which shows that it declares us too.',
    ),
  acceptDigest: z
    .string()
    .regex(/^[0-9a-fA-F]{64}$/, { error: 'must be the SHA-256 of the bundle to accept: 64 hexadecimal digits' })
    .toLowerCase()
    .optional()
    .describe(
      'SHA-256 of one bundle, 64 hexadecimal digits: this content is accepted whatever held it or rolled it back. ' +
        'The condition BundleVerified names the digest.',
    ),
}).describe('How fetched bundles are judged.');

export const policyField = policy
  // Looked at when its fields are readable; a fault of theirs is reported alone.
  .superRefine(({ onExpired, expireAfter, staleAfter }, context) => {
    const fault = (path: string, message: string) => {
      context.addIssue({ code: 'custom', path: [path], message });
    };
    if (onExpired === 'Cut' && expireAfter === undefined) fault('expireAfter', 'is required with onExpired: Cut');
    if (expireAfter !== undefined && expireAfter <= staleAfter) fault('expireAfter', 'must be longer than staleAfter');
  });

/** As a peer has it. */
export function policyOf(fields: z.output<typeof policyField>): Pick<Peer, 'policy' | 'acceptDigest'> {
  const { acceptDigest, staleAfter, expireAfter, pin: pins = [], ...others } = fields;
  const read: PeerPolicy = { pins, staleAfterSeconds: staleAfter, expireAfterSeconds: expireAfter, ...others };
  return { policy: read, acceptDigest };
}
