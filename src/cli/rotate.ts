// How is a rotation of our own authority led from the command line? Nothing signs before the peers hold it.
import { servedBeforeSigningSeconds } from '../bundle-endpoint/serving-svid-choice.ts';
import { recordedRotation } from '../broker/recorded-rotation.ts';
import type { KindStatus } from '../broker/rotation-status.ts';
import { randomUUID } from 'node:crypto';
import { parseDurationSeconds } from '../federation/duration.ts';
import { sleep, systemClock } from '../federation/clock.ts';
import { leadRotation, lookAtRotation, type RotationEnd, type RotationOrder } from '../rotation/lead-rotation.ts';
import { nextRotationStep } from '../rotation/next-rotation-step.ts';
import type { RotationRecords } from '../rotation/rotation-record.ts';
import { askStatus } from './ask-broker.ts';
import { textFlag, UsageError, type Command, type CommandContext, type ExitCode } from './command.ts';
import { outcomeText, RotationProgress, stepText } from './rotate-progress.ts';
import { readRotationAnswer } from './rotation-answer.ts';
import { openCommandAudit, whoAsks } from './open-audit.ts';
import { connectSpire } from './wiring.ts';

const POLL_MS = 1_000;
const DEFAULT_TIMEOUT = '24h';
/** Three syncs of an agent. */
const SERVED_AT_LEAST_SECONDS = 15;
/** Longer than the deadline of a write. */
const CALL_ENDS_WITHIN_SECONDS = 30;
const NOT_AGAIN_WITHIN_SECONDS = 600;
/** SPIRE's `default_jwt_svid_ttl` is five minutes. */
const JWT_REVOKE_AFTER_SECONDS = 600;

export const rotateCommand: Command = {
  name: 'rotate',
  usage: '[--jwt] [--taint-old] [--revoke-old] [--revoke-after DURATION] [--timeout DURATION] [--dry-run | --abandon]',
  summary: 'lead a rotation of our authority: the next one signs when every peer holds it',
  flags: {
    jwt: 'Switch',
    'taint-old': 'Switch',
    'revoke-old': 'Switch',
    'revoke-after': 'Text',
    timeout: 'Text',
    'dry-run': 'Switch',
    abandon: 'Switch',
  },
  async run(context) {
    if (context.positionals.length > 0) throw new UsageError(`"${context.positionals.join(' ')}" is not taken`);
    const order = orderOf(context);
    const timeoutMs = durationSeconds(context, 'timeout', DEFAULT_TIMEOUT) * 1000;
    const { trustDomain, spire } = await connectSpire(context.config, context.signal);
    try {
      const { auditor, closeEarlier } = openCommandAudit(context.config, 'rotate', context.explain) ?? {};
      const request = { cause: 'Command', why: commandLine(context), by: whoAsks() } as const;
      const recorded = recordedRotation(
        { authorities: spire.localAuthorities, records: spire.rotation.records },
        { auditor, closeEarlier, trustDomain, request },
      );
      if (context.flags['abandon'] === true) return await abandon(context, recorded.records);
      const ports = { ...spire.rotation, ...recorded, askBroker: brokerQuestion(context) };
      const parts = { ports, clock: systemClock, signal: context.signal };
      if (context.flags['dry-run'] === true) {
        const view = await lookAtRotation(order, parts);
        const step = nextRotationStep(view);
        context.print(`next: ${stepText(step, view)}\nnothing was changed\n`);
        return step.step === 'Refuse' ? 1 : 0;
      }
      const progress = new RotationProgress(context.explain);
      const end = await leadRotation(order, {
        ...parts,
        ...{ pollMs: POLL_MS, timeoutMs },
        onStep: (step, view) => {
          progress.note(step, view);
        },
      });
      if (end.end === 'Done') await recorded.closeEarlier();
      return await told(end, context);
    } finally {
      spire.close();
    }
  },
};

/** As it was asked for. */
function commandLine({ flags }: CommandContext): string {
  const given = Object.entries(flags).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : typeof value === 'string' ? [`--${name} ${value}`] : [],
  );
  return ['fedbroker rotate', ...given].join(' ');
}

function orderOf(context: CommandContext): RotationOrder {
  const { flags, config } = context;
  const kind = flags['jwt'] === true ? 'jwt' : 'x509';
  const revokeOld = flags['revoke-old'] === true;
  // By then our own endpoint no longer presents an SVID of the old authority.
  const revokeAfter = kind === 'jwt' ? JWT_REVOKE_AFTER_SECONDS : 0;
  return {
    kind,
    asked: { taintOld: revokeOld || flags['taint-old'] === true, revokeOld },
    times: {
      servedAtLeastSeconds: SERVED_AT_LEAST_SECONDS,
      revokeAfterSeconds: durationSeconds(
        context,
        'revoke-after',
        `${Math.max(revokeAfter, 60, servedBeforeSigningSeconds(config.refreshHintSeconds))}s`,
      ),
      callEndsWithinSeconds: CALL_ENDS_WITHIN_SECONDS,
      notAgainWithinSeconds: NOT_AGAIN_WITHIN_SECONDS,
    },
    run: randomUUID(),
  };
}

function durationSeconds(context: CommandContext, flag: string, otherwise: string): number {
  const text = textFlag(context, flag) ?? otherwise;
  const seconds = parseDurationSeconds(text);
  if (seconds === undefined) throw new UsageError(`--${flag} must be a duration like 90s, 10m or 1h30m, not "${text}"`);
  return seconds;
}

/** Says once why the broker does not answer. */
function brokerQuestion({ config, explain }: CommandContext) {
  let told = false;
  return async (signal: AbortSignal): Promise<readonly KindStatus[] | undefined> => {
    try {
      const { kinds } = readRotationAnswer(await askStatus({ config, signal }));
      told = false;
      return kinds;
    } catch (error) {
      if (!told && !signal.aborted) explain(`${(error as Error).message}\n`);
      told = true;
      return undefined;
    }
  };
}

async function told(end: RotationEnd, context: CommandContext): Promise<ExitCode> {
  switch (end.end) {
    case 'Done':
      // The broker looks at its authorities every second; what it says then is of the state that was reached.
      await sleep(systemClock, 2 * POLL_MS, context.signal);
      context.print(outcomeText(end.view, await brokerQuestion(context)(context.signal)));
      return 0;
    case 'Refused':
      context.explain(`refused (${end.step.code}): ${end.step.message}\n`);
      return 1;
    case 'TimedOut':
      context.explain('the time limit was reached; run it again to go on. SPIRE’s clock goes on by itself\n');
      return 1;
    case 'Interrupted':
      context.explain('interrupted; run it again to go on. SPIRE’s clock goes on by itself\n');
      return 1;
  }
}

async function abandon({ print, signal }: CommandContext, records: RotationRecords): Promise<ExitCode> {
  const record = await records.read(signal);
  if (record === undefined) {
    print('no rotation is recorded\n');
    return 0;
  }
  await records.forget(signal);
  print(
    `forgotten: the rotation of ${record.startedAt.toISOString()}. What it prepared or activated stays as it is, and SPIRE’s clock goes on\n`,
  );
  return 0;
}
