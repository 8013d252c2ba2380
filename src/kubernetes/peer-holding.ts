// Which of our bundles does a peer hold, as the replica that its broker asked last has told the others?
import * as z from 'zod';
import { remembered } from '../bundle/remembered.ts';
import { parseTrustDomain } from '../bundle/trust-domain.ts';
import type { Acknowledgement, ServedBundle } from '../federation/acknowledgement.ts';
import { cutToCharacters } from './cut-text.ts';
import type { KubeObject } from './kube-object.ts';

/** Own to `status.holding`, beside that of the leader: all replicas share it, and none leaves anything when it ends. */
export const HOLDING_FIELD_MANAGER = 'spire-federation-broker-holding';

const time = z.iso.datetime();

/** Flat: server-side apply leaves the empty object behind whose every field went. */
export const peerHolding = z
  .object({
    at: time.describe('When the peer was last seen; told at once with a new version, else every five minutes.'),
    replica: z.string().describe('The replica that was asked.'),
    etag: z
      .string()
      .optional()
      .describe('Entity tag of the version of our bundle that the peer has applied. Absent: none, or an unknown one.'),
    digest: z.string().optional().describe('SHA-256 over that bundle’s authorities, hexadecimal.'),
    sequence: z.string().optional().describe('Its spiffe_sequence in decimal digits.'),
    roots: z
      .array(z.string().describe('SHA-256 of the certificate, hexadecimal.'))
      .optional()
      .describe('Its X.509 authorities.'),
    jwtKeyIds: z.array(z.string().describe('The key’s kid.')).optional().describe('Key IDs of its JWT authorities.'),
    servedSince: time.optional().describe('When the replica first served it.'),
  })
  .describe('What the peer’s broker said it holds of us when it last asked our endpoint, proved by its X.509-SVID.');

type PeerHolding = z.output<typeof peerHolding>;

/** At most as many as a reader may be given; beyond it nobody reads them one by one. */
const LISTED = 64;
const NAME_CHARACTERS = 1_024;

/** What is told on the object. */
export function holdingOf({ at, holds: held }: Acknowledgement, replica: string): PeerHolding {
  return { at: at.toISOString(), replica, ...(held !== undefined && versionOf(held)) };
}

function versionOf(held: ServedBundle): Partial<PeerHolding> {
  const { etag, digest, sequenceNumber, x509Authorities, jwtKeyIds, servedSince } = held;
  return {
    ...{ etag, digest },
    ...(sequenceNumber !== undefined && { sequence: sequenceNumber.toString() }),
    roots: x509Authorities.slice(0, LISTED),
    jwtKeyIds: jwtKeyIds.slice(0, LISTED).map((keyId) => cutToCharacters(keyId, NAME_CHARACTERS)),
    servedSince: servedSince.toISOString(),
  };
}

const told = z.object({
  spec: z.object({ trustDomain: z.string().transform((text) => parseTrustDomain(text)) }),
  status: z.object({ holding: peerHolding }),
});

/** Undefined: nothing is told, or nothing that fits the schema. Read once from each version of an object. */
export const toldHolding = remembered((object: KubeObject): Acknowledgement | undefined => {
  try {
    const { data } = told.safeParse(object);
    if (data === undefined) return undefined;
    const { spec, status } = data;
    return { trustDomain: spec.trustDomain, at: new Date(status.holding.at), holds: servedBundleOf(status.holding) };
  } catch {
    // A name that is none: the declaration says so.
    return undefined;
  }
});

function servedBundleOf(told: PeerHolding): ServedBundle | undefined {
  const { etag, digest, sequence, roots = [], jwtKeyIds = [], servedSince } = told;
  if (etag === undefined || digest === undefined || servedSince === undefined) return undefined;
  return {
    ...{ etag, digest, jwtKeyIds },
    sequenceNumber: sequence !== undefined && /^\d{1,20}$/.test(sequence) ? BigInt(sequence) : undefined,
    x509Authorities: roots,
    servedSince: new Date(servedSince),
  };
}
