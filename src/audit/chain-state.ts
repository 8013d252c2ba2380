// What holds after a row of records: the newest of each peer, and the changes of which no outcome is known?
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { AuditedPeer } from '../federation/audit-trail.ts';
import { headOf, type AuditRecord } from './chain.ts';

/** An intended change whose outcome was not recorded. */
export interface OpenChange {
  readonly record: number;
  readonly writer: string;
  readonly change: string;
  readonly trustDomains: readonly TrustDomain[];
  /** Digest of what was to be written. */
  readonly after?: string;
}

/** Plain data: it begins each file of the row but the first. */
export interface ChainState {
  readonly peers: readonly AuditedPeer[];
  readonly open: readonly OpenChange[];
}

export class ChainFold {
  readonly #peers = new Map<TrustDomain, AuditedPeer>();
  readonly #open = new Map<number, OpenChange>();

  peer(trustDomain: TrustDomain): AuditedPeer | undefined {
    return this.#peers.get(trustDomain);
  }

  peers(): Iterable<AuditedPeer> {
    return this.#peers.values();
  }

  get open(): readonly OpenChange[] {
    return [...this.#open.values()];
  }

  get state(): ChainState {
    return { peers: [...this.#peers.values()], open: this.open };
  }

  /** The next record of the row. */
  add(record: AuditRecord): void {
    if (record.kind === 'FileContinued') this.#replace(record.state);
    if (!('trustDomains' in record)) return;
    const ended = record.kind === 'ChangeEnded' ? this.#open.get(record.intention) : undefined;
    for (const trustDomain of record.trustDomains) {
      const before = this.#peers.get(trustDomain) ?? { trustDomain, head: headOf(record) };
      this.#peers.set(trustDomain, { ...peerAfter(record, ended, before), head: headOf(record) });
    }
    if (record.kind === 'ChangeIntended') {
      const { record: number, writer, change, trustDomains, after } = record;
      this.#open.set(number, { record: number, writer, change, trustDomains, ...(after !== undefined && { after }) });
    } else if (record.kind === 'ChangeEnded') this.#open.delete(record.intention);
  }

  #replace({ peers, open }: ChainState): void {
    this.#peers.clear();
    this.#open.clear();
    for (const peer of peers) this.#peers.set(peer.trustDomain, peer);
    for (const change of open) this.#open.set(change.record, change);
  }
}

function peerAfter(record: AuditRecord, ended: OpenChange | undefined, before: AuditedPeer): AuditedPeer {
  if (record.kind === 'DeclarationTakenUp' || record.kind === 'DeclarationChanged') {
    const { peer: name, declaration } = record;
    return { ...before, name, ...(declaration !== undefined && { declaration }) };
  }
  if (record.kind === 'DeclarationWithdrawn') return without(before, 'declaration', 'verdict');
  if (record.kind === 'VerdictChanged') {
    const { verdict, reason = '' } = record;
    return verdict === 'accepted' ? without(before, 'verdict') : { ...before, verdict: `${verdict} ${reason}`.trim() };
  }
  const isDone = record.kind === 'ChangeEnded' && record.result === 'Done';
  return isDone && ended !== undefined ? peerAfterChange(ended, before) : before;
}

const BUNDLE_WRITES: ReadonlySet<string> = new Set(['StoreBundle', 'Rebootstrap']);

function peerAfterChange({ change, after }: OpenChange, before: AuditedPeer): AuditedPeer {
  if (change === 'DeleteBundle') return without(before, 'stored');
  return BUNDLE_WRITES.has(change) && after !== undefined ? { ...before, stored: after } : before;
}

function without(peer: AuditedPeer, ...fields: readonly ('declaration' | 'verdict' | 'stored')[]): AuditedPeer {
  const kept = Object.entries(peer).filter(([name]) => fields.every((field) => field !== name));
  return Object.fromEntries(kept) as unknown as AuditedPeer;
}
