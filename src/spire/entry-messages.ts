// How does a registration entry look on SPIRE's wire? (spire.api.types.Entry)
import type { MessageInitShape } from '@bufbuild/protobuf';
import { parseSpiffeId, pathOf, trustDomainOf, type SpiffeId } from '../bundle/spiffe-id.ts';
import { parseTrustDomain } from '../bundle/trust-domain.ts';
import type { RegistrationEntry } from '../federation/ports.ts';
import type { Entry as EntryMessage, EntryMaskSchema } from './gen/spire/api/types/entry_pb.ts';
import type { SPIFFEID, SPIFFEIDSchema } from './gen/spire/api/types/spiffeid_pb.ts';

/** What a `RegistrationEntry` is made of. */
export const ENTRY_MASK: MessageInitShape<typeof EntryMaskSchema> = {
  spiffeId: true,
  parentId: true,
  selectors: true,
  federatesWith: true,
  hint: true,
};

/** @throws BundleError when a SPIFFE ID or trust domain in it is not one */
export function entryFromMessage(message: EntryMessage): RegistrationEntry {
  return {
    id: message.id,
    spiffeId: spiffeIdFromMessage(message.spiffeId),
    parentId: spiffeIdFromMessage(message.parentId),
    selectors: message.selectors.map(({ type, value }) => ({ type, value })),
    federatesWith: message.federatesWith.map(parseTrustDomain),
    hint: message.hint === '' ? undefined : message.hint,
  };
}

/** @throws BundleError `SpiffeIdInvalid` */
export function spiffeIdFromMessage(message: SPIFFEID | undefined): SpiffeId {
  return parseSpiffeId(`spiffe://${message?.trustDomain ?? ''}${message?.path ?? ''}`);
}

export function spiffeIdToMessage(id: SpiffeId): MessageInitShape<typeof SPIFFEIDSchema> {
  return { trustDomain: trustDomainOf(id), path: pathOf(id) ?? '' };
}
