// What do release, reject and quarantine write into a peer's declaration? Pure: what it says now in, what changes out.
import { MAX_REJECTED_DIGESTS, PEER_ANNOTATIONS, rejectedDigests, type Annotations } from './peer-annotations.ts';
import type { CodedError } from './ports.ts';

/** A declaration as it is written, whether it counts or not: a peer must be cut off also when its spec has a fault. */
export interface WrittenDeclaration {
  readonly name: string;
  readonly trustDomain: string;
  readonly annotations: Annotations;
  /** `spec.suspend` as it stands there. */
  readonly suspend: unknown;
}

export interface DeclarationEdit {
  /** Undefined takes the annotation away; those that are not named stay. */
  readonly annotations: Readonly<Record<string, string | undefined>>;
  /** Undefined: stays as it is. */
  readonly suspend?: false | 'Revoke';
}

/** Where declarations can be changed: a directory of files, or an API server. */
export interface DeclarationStore {
  /** Those of this name or trust domain. */
  find(nameOrTrustDomain: string, signal: AbortSignal): Promise<readonly WrittenDeclaration[]>;
  /** Says where it was written; rejects when it cannot be, or when the declaration was changed since it was found. */
  edit(declaration: WrittenDeclaration, edit: DeclarationEdit, signal: AbortSignal): Promise<string>;
}

export class DeclarationEditError extends Error implements CodedError {
  override readonly name = 'DeclarationEditError';
  readonly code: 'NotQuarantined' | 'DeclarationUnwritable' | 'DeclarationChanged';

  constructor(code: DeclarationEditError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** All annotations of a Kubernetes object together may have 256 KiB. */
export const MAX_LAST_GOOD_BYTES = 200 * 1024;

/** Accepts this content and takes back that it was rejected. */
export function releaseDigest({ annotations }: WrittenDeclaration, digest: string): DeclarationEdit {
  const rejected = rejectedDigests(annotations).filter((each) => each !== digest);
  return { annotations: { [PEER_ANNOTATIONS.acceptDigest]: digest, ...rejecting(rejected) } };
}

/** Refuses this content and takes back that it was accepted. */
export function rejectDigest({ annotations }: WrittenDeclaration, digest: string): DeclarationEdit {
  const rejected = [...rejectedDigests(annotations).filter((each) => each !== digest), digest];
  const accepted = annotations[PEER_ANNOTATIONS.acceptDigest]?.toLowerCase() === digest;
  return {
    annotations: {
      ...rejecting(rejected.slice(-MAX_REJECTED_DIGESTS)),
      ...(accepted && { [PEER_ANNOTATIONS.acceptDigest]: undefined }),
    },
  };
}

/**
 * Cuts the peer off, links, mesh and bundle.
 *
 * @param lastGood bundle document that is held now, for the way back; undefined keeps one that stands there already
 */
export function quarantine(reason: string, lastGood: string | undefined): DeclarationEdit {
  return {
    annotations: {
      [PEER_ANNOTATIONS.quarantineReason]: reason,
      ...(lastGood !== undefined && { [PEER_ANNOTATIONS.lastGoodBundle]: lastGood }),
    },
    suspend: 'Revoke',
  };
}

/**
 * The peer is in force again. The last good bundle stays: its endpoint must prove itself with it.
 *
 * @throws DeclarationEditError `NotQuarantined`
 */
export function endQuarantine({ name, annotations }: WrittenDeclaration): DeclarationEdit {
  if (annotations[PEER_ANNOTATIONS.quarantineReason] === undefined) {
    const message = `${name} is not quarantined; to accept content that is held, name it: --digest D, as "fedbroker inspect ${name}" shows it`;
    throw new DeclarationEditError('NotQuarantined', message);
  }
  return { annotations: { [PEER_ANNOTATIONS.quarantineReason]: undefined }, suspend: false };
}

function rejecting(digests: readonly string[]): DeclarationEdit['annotations'] {
  return { [PEER_ANNOTATIONS.rejectDigest]: digests.length === 0 ? undefined : digests.join(',') };
}
