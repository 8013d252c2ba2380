// Is every record there and unchanged, up to the head that the running broker or the operator knows?
import { HASH } from '../audit/chain.ts';
import { verifyChain, type ChainReport } from '../audit/verify-chain.ts';
import { UsageError, type CommandContext, type ExitCode } from './command.ts';
import { askStatus } from './ask-broker.ts';

interface VerifyRequest {
  readonly path: string;
  readonly json: boolean;
  /** Hashes, separated by commas. */
  readonly head: string | undefined;
  readonly after: string | undefined;
}

/** A chain to which somebody appends while it is read can look torn: a fault counts when it is there again. */
const ATTEMPTS = 3;

export async function verifyAudit(context: CommandContext, request: VerifyRequest): Promise<ExitCode> {
  const given = (request.head ?? '').split(',').filter((hash) => hash !== '');
  for (const hash of [...given, ...(request.after === undefined ? [] : [request.after])]) {
    if (!HASH.test(hash)) throw new UsageError(`"${hash}" is no hash: 64 of 0 to 9 and a to f`);
  }
  const fromBroker = given.length > 0 ? undefined : await headOfBroker(context, request.path);
  const knownHeads = [...given, ...(fromBroker === undefined ? [] : [fromBroker])];
  const options = { path: request.path, knownHeads, ...(request.after !== undefined && { after: request.after }) };
  let report = await verifyChain(options);
  for (let turn = 1; report.fault !== undefined && turn < ATTEMPTS; turn++) report = await verifyChain(options);
  const end = given.length > 0 ? 'Given' : fromBroker === undefined ? 'NotCompared' : 'OfRunningBroker';
  context.print(request.json ? `${JSON.stringify({ ...report, end }, undefined, 2)}\n` : verifyText(report, end));
  return report.fault === undefined ? 0 : 1;
}

type End = 'Given' | 'OfRunningBroker' | 'NotCompared';

const ENDS: Readonly<Record<End, string>> = {
  Given: 'the given heads are in it',
  OfRunningBroker: 'the head that the running broker tells is in it',
  NotCompared:
    'no head was compared, as no broker of this file answers and --head was not given: records that were cut off at the end cannot be seen',
};

function verifyText({ files, records, first, head, fault, open }: ChainReport, end: End): string {
  const lines = [
    `${records} records in ${files.join(', ')}${first === undefined ? '' : `, from ${first} to ${head?.record ?? first}`}`,
    ...(head === undefined ? [] : [`head ${head.hash}`]),
    ...open.map(
      ({ record, change, trustDomains, writer }) =>
        `record ${record}: ${change} ${trustDomains.join(', ')} was begun; its outcome is not known, which is no damage: ${writer} is at it, or ended before it could record it`,
    ),
    fault === undefined
      ? records === 0
        ? 'nothing was recorded yet, or auditFile names another file than the broker writes'
        : `whole; ${ENDS[end]}`
      : `NOT WHOLE (${fault.code}): ${fault.file}${fault.line === undefined ? '' : `, line ${fault.line}`}: ${fault.message}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** Asked before the file is read: what is appended meanwhile does no harm. */
async function headOfBroker({ config, signal }: CommandContext, path: string): Promise<string | undefined> {
  if (config.adminAddress === undefined) return undefined;
  try {
    const status = JSON.parse(await askStatus({ config, signal })) as {
      readonly audit?: { readonly file: string; readonly head?: { readonly hash: string } };
    };
    return status.audit?.file === path ? status.audit.head?.hash : undefined;
  } catch {
    return undefined;
  }
}
