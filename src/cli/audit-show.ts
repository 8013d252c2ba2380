// What was changed, why, who asked for it, and how did it end? The records as people read them, or as they are.
import type { AuditRecord } from '../audit/chain.ts';
import { verifyChain } from '../audit/verify-chain.ts';
import { systemClock } from '../federation/clock.ts';
import { parseDurationSeconds } from '../federation/duration.ts';
import { UsageError, type CommandContext, type ExitCode } from './command.ts';

interface ShowRequest {
  readonly path: string;
  readonly json: boolean;
  /** Name or trust domain. */
  readonly peer: string | undefined;
  /** RFC 3339, or how long ago. */
  readonly since: string | undefined;
}

export async function showAudit({ print, explain }: CommandContext, request: ShowRequest): Promise<ExitCode> {
  const since = sinceOf(request.since);
  /** Also the trust domains that a declaration of this name ever had. */
  const names = new Set(request.peer === undefined ? [] : [request.peer]);
  let shown = 0;
  const { fault, open } = await verifyChain({
    path: request.path,
    anyBeginning: true,
    onRecord: (record) => {
      if ('peer' in record && names.has(record.peer)) for (const name of record.trustDomains) names.add(name);
      const isMeant = names.size === 0 || trustDomainsOf(record).some((name) => names.has(name));
      if (!isMeant || (since !== undefined && new Date(record.at) < since)) return;
      shown += 1;
      print(request.json ? `${JSON.stringify(record)}\n` : `${recordText(record)}\n`);
    },
  });
  if (shown === 0) explain('no such record\n');
  for (const { record, change, trustDomains, writer } of open) {
    if (names.size > 0 && !trustDomains.some((name) => names.has(name))) continue;
    explain(
      `the outcome of record ${record} (${change}) is not known: ${writer} is at it, or ended before it could record it\n`,
    );
  }
  if (fault === undefined) return 0;
  explain(
    `the records end here, NOT WHOLE (${fault.code}): ${fault.file}, line ${fault.line ?? ''}: ${fault.message}\n`,
  );
  return 1;
}

function sinceOf(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const seconds = parseDurationSeconds(text);
  const time = seconds === undefined ? new Date(text) : new Date(systemClock.now().getTime() - seconds * 1000);
  if (Number.isNaN(time.getTime())) {
    throw new UsageError(`--since must be a time like 2030-01-31T12:00:00Z or a duration like 24h, not "${text}"`);
  }
  return time;
}

function trustDomainsOf(record: AuditRecord): readonly string[] {
  return 'trustDomains' in record ? record.trustDomains : [];
}

const SHORT_DIGEST = 12;

function recordText(record: AuditRecord): string {
  const head = `${String(record.record).padStart(6)}  ${record.at}`;
  const about = trustDomainsOf(record).join(', ');
  return [head, record.kind, about, factsOf(record), `(${record.writer})`].filter((part) => part !== '').join('  ');
}

function factsOf(record: AuditRecord): string {
  switch (record.kind) {
    case 'ChangeIntended': {
      const { change, subject, cause, by, why, before, after } = record;
      const digests = before === undefined && after === undefined ? '' : ` ${short(before)} → ${short(after)}`;
      const what = subject === undefined ? change : `${change} ${subject}`;
      return `${what}${digests}: ${why} [${cause}${by === undefined ? '' : ` ${by}`}]`;
    }
    case 'ChangeEnded': {
      const { intention, result, message } = record;
      return `of ${intention}: ${result}${message === undefined ? '' : `, ${message}`}`;
    }
    case 'VerdictChanged': {
      const { peer, verdict, reason, digest, message } = record;
      const why = [reason, message].filter((part) => part !== undefined).join(': ');
      return `${peer}: ${verdict} ${short(digest)}${why === '' ? '' : ` (${why})`}`;
    }
    case 'DeclarationTakenUp':
    case 'DeclarationChanged':
    case 'DeclarationWithdrawn':
      return `${record.peer} ${short(record.declaration)}`;
    case 'RecordsLost':
      return `${record.count} records could not be written since ${record.since}: ${record.reason}`;
    case 'TornRecordRemoved':
      return `${record.bytes} bytes of a record that was never finished`;
    case 'ChainBegun':
      return '';
    case 'FileContinued':
      return `${record.state.peers.length} peers`;
  }
}

function short(digest: string | undefined): string {
  return digest?.slice(0, SHORT_DIGEST) ?? 'none';
}
