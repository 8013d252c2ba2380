// What does every sentence of the contract talk to?
import { randomBytes } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Bundle } from '../../src/bundle/bundle.ts';
import { parseSpiffeId, type SpiffeId } from '../../src/bundle/spiffe-id.ts';
import { parseTrustDomain, type TrustDomain } from '../../src/bundle/trust-domain.ts';
import { makeJwtAuthority } from '../../src/dev-spire/jwt-authority.ts';
import { makeX509Authority } from '../../src/dev-spire/x509-authority.ts';
import type { ItemOutcome } from '../../src/federation/ports.ts';
import { openChannel } from '../../src/spire/channel.ts';
import { spiffeIdToMessage } from '../../src/spire/entry-messages.ts';
import { Bundle as BundleService } from '../../src/spire/gen/spire/api/server/bundle/v1/bundle_pb.ts';
import { Entry as EntryService } from '../../src/spire/gen/spire/api/server/entry/v1/entry_pb.ts';
import { TrustDomain as TrustDomainService } from '../../src/spire/gen/spire/api/server/trustdomain/v1/trustdomain_pb.ts';
import type { Entry, EntrySchema } from '../../src/spire/gen/spire/api/types/entry_pb.ts';
import { unaryClient, type CallSettings } from '../../src/spire/grpc-service.ts';
import { SpireError, type SpireErrorCode } from '../../src/spire/spire-error.ts';
import { openSpireServer } from '../../src/spire/spire-server.ts';

/** A running SPIRE Server, real or embedded. */
export interface RunningSpire {
  readonly socketPath: string;
  readonly trustDomain: string;
  stop(): Promise<void>;
}

/** Long enough for any machine: a safety net, not a measure. */
export const CALL: CallSettings = { deadlineMs: 20_000 };

export type Subject = ReturnType<typeof openSubject>;

export function openSubject({ socketPath, trustDomain: name }: RunningSpire) {
  const trustDomain = parseTrustDomain(name);
  const channel = openChannel(socketPath);
  const spire = openSpireServer({ socketPath, trustDomain });
  return {
    trustDomain,
    spire,
    /** The API as it is, for what the port does not ask. */
    bundles: unaryClient(BundleService, channel),
    entries: unaryClient(EntryService, channel),
    trustDomains: unaryClient(TrustDomainService, channel),
    ownId: (path: string): SpiffeId => parseSpiffeId(`spiffe://${trustDomain}${path}`),
    close() {
      spire.close();
      channel.close();
    },
  };
}

/** A trust domain nobody has used: the sentences share one server. */
export function freshTrustDomain(): TrustDomain {
  return parseTrustDomain(`peer-${randomBytes(6).toString('hex')}.test`);
}

export interface BundleParts {
  readonly roots?: number;
  readonly jwtKeys?: number;
  readonly sequenceNumber?: bigint;
  readonly refreshHintSeconds?: number;
}

export async function makeBundle(trustDomain: TrustDomain, parts: BundleParts = {}): Promise<Bundle> {
  const life = { from: new Date(), until: new Date(Date.now() + 3_600_000) };
  const roots = Array.from({ length: parts.roots ?? 1 }, () => makeX509Authority(trustDomain, life));
  const jwtKeys = Array.from({ length: parts.jwtKeys ?? 0 }, () => makeJwtAuthority(life));
  return {
    trustDomain,
    x509Authorities: (await Promise.all(roots)).map(({ certificate }) => new Uint8Array(certificate.rawData)),
    jwtAuthorities: jwtKeys.map(({ id, publicKey }) => ({ keyId: id, publicKey: new Uint8Array(publicKey) })),
    sequenceNumber: parts.sequenceNumber,
    refreshHintSeconds: parts.refreshHintSeconds,
  };
}

/** Stores one bundle and answers what SPIRE says it holds afterwards. */
export async function storeBundle({ spire }: Subject, bundle: Bundle): Promise<Bundle> {
  const [outcome] = await spire.setFederatedBundles([bundle]);
  if (outcome?.ok !== true) throw outcome?.error ?? new Error('no outcome');
  return outcome.value;
}

type EntryInit = Exclude<MessageInitShape<typeof EntrySchema>, Entry>;

/** An entry that SPIRE accepts, with an id and a path of its own. */
export function makeEntry(subject: Subject, parts: EntryInit = {}): EntryInit & { readonly id: string } {
  const unique = randomBytes(6).toString('hex');
  return {
    id: `contract.${unique}`,
    spiffeId: spiffeIdToMessage(subject.ownId(`/workload/${unique}`)),
    parentId: spiffeIdToMessage(subject.ownId('/node')),
    selectors: [{ type: 'unix', value: 'uid:0' }],
    ...parts,
  };
}

/** Creates one entry; answers the result as it came. */
export async function createEntry({ entries }: Subject, entry: EntryInit) {
  const { results } = await entries.batchCreateEntry({ entries: [entry] }, CALL);
  return results[0]!;
}

export function getEntry({ entries }: Subject, id: string): Promise<Entry> {
  return entries.getEntry({ id }, CALL);
}

/** For `assert.rejects` and for outcomes: this code, and a message that has this text. */
export function spireError(code: SpireErrorCode, text: string | RegExp = ''): (error: unknown) => boolean {
  return (error) => {
    if (!(error instanceof SpireError)) throw error;
    const says = typeof text === 'string' ? error.message.includes(text) : text.test(error.message);
    if (error.code === code && says) return true;
    throw new Error(`expected ${code} with ${String(text)}, got ${error.code}: ${error.message}`);
  };
}

/** The error of an outcome that must not be ok. */
export function errorOf(outcome: ItemOutcome<unknown> | undefined): unknown {
  if (outcome === undefined || outcome.ok) throw new Error('expected an outcome with an error');
  return outcome.error;
}
