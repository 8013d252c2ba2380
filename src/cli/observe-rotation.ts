// What is logged of the authorities that sign for us? Each change once: what is prepared and active, and alarms.
import type { KindStatus, RotationStatus } from '../broker/rotation-status.ts';
import type { Logger } from '../log.ts';

export function observeRotation(log: Logger): (status: RotationStatus) => void {
  const lastAuthorities = new Map<string, string>();
  const lastAlarms = new Map<string, string>();
  let lastFailure: string | undefined;
  return (status) => {
    const failure = 'reason' in status ? status.reason : undefined;
    if (failure !== lastFailure && 'reason' in status) {
      log.warn({ reason: status.reason }, `the authorities of SPIRE Server cannot be looked at: ${status.message}`);
    }
    lastFailure = failure;
    if ('reason' in status) return;
    for (const kind of status.kinds) {
      logAuthorities(kind, lastAuthorities, log);
      logAlarms(kind, lastAlarms, log);
    }
  };
}

function logAuthorities({ kind, authorities, clock }: KindStatus, last: Map<string, string>, log: Logger): void {
  const ids = authorities.map(({ state, id }) => `${state} ${id}`).join(', ');
  if (last.get(kind) === ids) return;
  last.set(kind, ids);
  const activatesAt = authorities.some(({ state }) => state === 'Prepared') ? clock?.activatesAt : undefined;
  log.info({ kind, authorities: ids, activatesAt }, 'authorities that sign for us');
}

function logAlarms({ kind, alarms }: KindStatus, last: Map<string, string>, log: Logger): void {
  const mark = alarms.map(({ code, id, trustDomains }) => `${code} ${id} ${trustDomains.join(' ')}`).join(', ');
  const before = last.get(kind) ?? '';
  if (before === mark) return;
  last.set(kind, mark);
  for (const { code, id, trustDomains, message } of alarms) {
    log.warn({ kind, reason: code, authority: id, trustDomains }, message);
  }
  if (alarms.length === 0) log.info({ kind }, 'every peer has what it needs again');
}
