// Who holds what, as a running broker's /status says it? Read by the commands about rotation.
import * as z from 'zod';
import type { KindStatus } from '../broker/rotation-status.ts';
import { parseTrustDomain } from '../bundle/trust-domain.ts';
import { ALARM_CODES } from '../rotation/alarms.ts';

const date = z.iso.datetime().transform((text) => new Date(text));
const trustDomain = z.string().transform(parseTrustDomain);
const holder = z.object({ trustDomain, lastSeenAt: date });

const missing = holder
  .extend({ holdsSequence: z.coerce.bigint().optional() })
  .transform((said) => ({ ...said, holdsSequence: said.holdsSequence }));

const authority = z
  .object({
    state: z.enum(['Prepared', 'Active', 'Old']),
    id: z.string(),
    fingerprint: z.string().optional(),
    upstreamId: z.string().optional(),
    publishedAt: date.optional(),
    expiresAt: date.optional(),
    heldBy: z.array(holder.extend({ heldSince: date })),
    missing: z.array(missing),
    unobserved: z.array(z.object({ trustDomain, safeAt: date })),
    ready: z.boolean(),
  })
  // JSON leaves out what is undefined.
  .transform((said) => ({
    ...said,
    fingerprint: said.fingerprint,
    upstreamId: said.upstreamId,
    publishedAt: said.publishedAt,
    expiresAt: said.expiresAt,
  }));

const kind = z
  .object({
    kind: z.enum(['x509', 'jwt']),
    signedBy: z.enum(['Self', 'Upstream']),
    clock: z.object({ lifeSeconds: z.number(), preparesAt: date, activatesAt: date }).optional(),
    authorities: z.array(authority),
    alarms: z.array(
      z.object({ code: z.enum(ALARM_CODES), id: z.string(), trustDomains: z.array(trustDomain), message: z.string() }),
    ),
  })
  .transform((said) => ({ ...said, clock: said.clock }));

const rotation = z.object({ kinds: z.array(kind) });
const unreadable = z.object({ reason: z.string(), message: z.string() });
const status = z.object({ now: date, trustDomain: z.string(), rotation: z.union([rotation, unreadable]).optional() });

export interface RotationAnswer {
  readonly now: Date;
  readonly trustDomain: string;
  readonly kinds: readonly KindStatus[];
}

/** Rejects with a sentence for an operator when the answer says nothing of rotation. */
export function readRotationAnswer(body: string): RotationAnswer {
  const read = status.safeParse(JSON.parse(body));
  if (!read.success) {
    throw new Error(
      `the broker's answer is not of this version: ${z.prettifyError(read.error)}; are broker and command the same?`,
    );
  }
  const { rotation: said, ...rest } = read.data;
  if (said === undefined) {
    throw new Error(
      'this replica does not know who holds what: only the one that leads does, a few seconds after its start; ask that one',
    );
  }
  if ('reason' in said) throw new Error(`the broker cannot tell who holds what (${said.reason}): ${said.message}`);
  return { ...rest, kinds: said.kinds };
}
