// How are the peers of the running broker? Asks its /status and prints it for people.
import type { PeerStatus } from '../broker/peer-status.ts';
import type { BrokerStatus } from '../broker/status.ts';
import { ALARM_CODES } from '../rotation/alarms.ts';
import type { StartingStatus } from './admin-pages.ts';
import { askStatus, parseStatus } from './ask-broker.ts';
import { wantsJson, type Command } from './command.ts';
import { controllerManagerLine } from './controller-manager-line.ts';
import { meshStatusLines } from './mesh-lines.ts';
import { table } from './table.ts';

export const statusCommand: Command = {
  name: 'status',
  usage: '[--output json]',
  summary: 'show what the running broker knows; exit 1 when a peer is not ready',
  flags: { output: 'Text' },
  async run(context) {
    const json = wantsJson(context);
    const body = await askStatus(context);
    const status = parseStatus(body);
    context.print(json ? body : statusText(status));
    return status.unreadable.length === 0 && status.peers.every(isReady) ? 0 : 1;
  },
};

/** The document as people read it: a line a peer, then every condition that is not met. */
export function statusText(status: BrokerStatus | StartingStatus): string {
  const own = status.ownBundle;
  const trustDomain = status.trustDomain ?? 'trust domain not known yet';
  const lines = [
    'reason' in own
      ? `${trustDomain}: own bundle unreadable: ${own.message}`
      : `${trustDomain}: own bundle sequence ${own.sequence ?? 'none'}, ${own.roots.length} ${own.roots.length === 1 ? 'root' : 'roots'}, read ${own.readAt}`,
    ...status.unreadable.map(({ fact, reason, message }) => `! ${fact} cannot be read (${reason}): ${message}`),
    ...auditLines(status),
    ...status.heldRemovals.map((name) => `! ${name} is not declared any more but kept: ${status.heldBecause ?? ''}`),
    '',
    ...table(
      COLUMNS.map(([head]) => head),
      status.peers.map((peer) => COLUMNS.map(([, cell]) => cell(peer))),
    ),
  ];
  const problems = status.peers.flatMap(({ name, conditions }) =>
    problemsOf(conditions).map(({ type, reason, message }) => `  ${name} ${type} (${reason}): ${message}`),
  );
  const manager = status.controllerManager === undefined ? [] : [controllerManagerLine(status.controllerManager)];
  const mesh = status.mesh === undefined ? [] : meshStatusLines(status.mesh);
  if (status.peers.length === 0) lines.push(noPeerLine(status));
  const reminders = status.peers.flatMap(({ name, reminders: each }) =>
    each.map(({ id, message }) => `  ${name} reminder (${id}): ${message}`),
  );
  const notes = [...problems, ...reminders, ...manager, ...mesh];
  return [...lines, ...(notes.length > 0 ? ['', ...notes] : [])].join('\n') + '\n';
}

const COLUMNS: readonly (readonly [head: string, cell: (peer: PeerStatus) => string])[] = [
  ['PEER', ({ name }) => name],
  ['TRUST DOMAIN', ({ trustDomain }) => trustDomain],
  ['READY', (peer) => readyOf(peer)?.status ?? 'Unknown'],
  ['REASON', (peer) => readyOf(peer)?.reason ?? ''],
  ['SEQUENCE', ({ bundle }) => bundle?.sequence ?? '-'],
  ['ROOTS', ({ bundle }) => String(bundle?.roots.length ?? '-')],
  ['ENTRIES', ({ entriesFederated }) => String(entriesFederated)],
  ['HOLDS OURS', holdsText],
  ['LAST FETCH', ({ lastFetch }) => (lastFetch === undefined ? '-' : `${lastFetch.at} ${lastFetch.result}`)],
  ['NEXT FETCH', ({ nextFetch }) => nextFetch ?? 'under way'],
];

const STOPPED: ReadonlySet<string> = new Set(['Suspended', 'Quarantined', 'Revoked']);
const ALARMS: ReadonlySet<string> = new Set(ALARM_CODES);

/** A peer that an operator has stopped fails at every step after that: one line says why. */
function problemsOf(conditions: PeerStatus['conditions']): PeerStatus['conditions'] {
  const accepted = conditions.find(({ type }) => type === 'Accepted');
  if (accepted?.status === 'False' && STOPPED.has(accepted.reason)) return [accepted];
  return conditions.filter(({ type, status, reason }) => {
    // That a peer only fetches, or that SPIRE cannot tell, is so of most or of all: the table says it.
    if (type === 'HoldsOurAuthorities') return ALARMS.has(reason);
    return status !== 'True' && type !== 'Ready';
  });
}

function noPeerLine({ unreadable, rotation }: Pick<BrokerStatus, 'unreadable' | 'rotation'>): string {
  if (rotation !== undefined && 'reason' in rotation && rotation.reason === 'StandsBy') return rotation.message;
  return unreadable.length === 0 ? 'no peer is declared' : 'no peer is known';
}

function auditLines({ audit }: Pick<BrokerStatus, 'audit'>): string[] {
  if (audit?.unwritable === undefined) return [];
  const { reason, message, since } = audit.unwritable;
  return [`! changes of trust cannot be recorded since ${since} (${reason}): ${message}`];
}

/** Which version of our bundle its broker has told that it has applied, and since when it says so. */
function holdsText({ holding }: PeerStatus): string {
  if (holding === undefined) return 'not observed';
  const { bundle, since } = holding;
  if (bundle === undefined) return `none known, ${since}`;
  return `${bundle.isNewest ? 'newest' : `sequence ${bundle.sequence ?? 'unknown'}`} since ${since}`;
}

function readyOf({ conditions }: PeerStatus): PeerStatus['conditions'][number] | undefined {
  return conditions.find(({ type }) => type === 'Ready');
}

function isReady(peer: PeerStatus): boolean {
  return readyOf(peer)?.status === 'True';
}
