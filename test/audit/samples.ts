// What do records look like in tests? A chain of any length, each record another.
import { createHash } from 'node:crypto';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import type { AuditEvent } from '../../src/federation/audit-trail.ts';
import { GENESIS, sealRecord, type RecordedEvent, type SealedRecord } from '../../src/audit/chain.ts';

export const WEST = parseTrustDomain('west.example');
export const NORTH = parseTrustDomain('north.example');

export function storing(text: string, trustDomain = WEST): AuditEvent {
  const after = createHash('sha256').update(text).digest('hex');
  const why = `${text} is published`;
  return { kind: 'ChangeIntended', change: 'StoreBundle', cause: 'Peer', trustDomains: [trustDomain], why, after };
}

export function ended(intention: number, result = 'Done', trustDomain = WEST): AuditEvent {
  return { kind: 'ChangeEnded', intention, result, trustDomains: [trustDomain] };
}

/** Sealed one after the other, the first as the beginning of a chain. */
export function chainOf(events: readonly RecordedEvent[], writer = 'broker@test'): SealedRecord[] {
  let head = GENESIS;
  return events.map((event, index) => {
    const sealed = sealRecord(head, { at: new Date(Date.UTC(2030, 0, 1, 0, 0, index)), writer }, event);
    head = sealed.head;
    return sealed;
  });
}

/** Intentions and outcomes by turns. */
export function eventsOf(count: number): RecordedEvent[] {
  return Array.from({ length: count }, (_, index) => (index % 2 === 0 ? storing(`bundle ${index}`) : ended(index)));
}
