// How do the settings become an audit trail? For the broker, and for a command that changes trust itself.
import { hostname, userInfo } from 'node:os';
import type { Metrics } from '../admin/metrics.ts';
import { AuditFile } from '../audit/audit-file.ts';
import { Auditor, type CloseEarlier } from '../broker/auditor.ts';
import type { Config } from '../config.ts';
import { systemClock } from '../federation/clock.ts';
import type { Logger } from '../log.ts';

/** Undefined: nothing is recorded. A file that cannot be written is told of; whether that stops changes is the policy's. */
export async function openBrokerAudit(config: Config, log: Logger, metrics: Metrics): Promise<Auditor | undefined> {
  const file = auditFileOf(config, `broker@${config.replicaIdentity ?? hostname()}`);
  if (file === undefined) return undefined;
  let told: string | undefined;
  const auditor = new Auditor({
    trail: file,
    isRequired: config.auditRequired === 'on',
    clock: systemClock,
    onRecorded: (events) => {
      for (const { kind } of events) metrics.count('audit_records_total', { kind });
    },
    onFailure: (error) => {
      metrics.count('audit_failures_total', { reason: error.code });
      if (told === error.code) return;
      told = error.code;
      const consequence =
        config.auditRequired === 'on'
          ? 'changes of trust cannot be recorded and are not made'
          : 'changes of trust cannot be recorded; they are made all the same';
      log.error({ reason: error.code, err: error }, consequence);
    },
    onMended: () => {
      told = undefined;
      log.info({ file: file.place }, 'changes of trust can be recorded again');
    },
  });
  await auditor.attend(() => file.closeOwnChanges());
  log.info({ file: file.place, required: config.auditRequired, head: file.head }, 'audit file opened');
  return auditor;
}

export interface CommandAudit {
  readonly auditor: Auditor;
  readonly closeEarlier: CloseEarlier;
}

/** Of a command; it says so once when it is not recorded. */
export function openCommandAudit(
  config: Config,
  command: string,
  explain: (text: string) => void,
): CommandAudit | undefined {
  const trail = auditFileOf(config, `${command}@${hostname()}`);
  if (trail === undefined) return undefined;
  const isRequired = config.auditRequired === 'on';
  let told: string | undefined;
  const auditor = new Auditor({
    trail,
    isRequired,
    clock: systemClock,
    onFailure: ({ code, message }) => {
      if (told !== code) explain(`not recorded (${code}): ${message}\n`);
      told = code;
    },
    onMended: () => {
      told = undefined;
    },
  });
  return { auditor, closeEarlier: (found) => auditor.attend(() => trail.closeOwnChanges(found)) };
}

/** `user@host`. */
export function whoAsks(): string {
  return `${userName()}@${hostname()}`;
}

function auditFileOf({ auditFile, auditMaxBytes }: Config, writer: string): AuditFile | undefined {
  return auditFile === undefined ? undefined : new AuditFile({ path: auditFile, maxBytes: auditMaxBytes, writer });
}

/** A container's user need not have a name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown');
  }
}
