// How are the peers of the running broker? Asks its /status and prints it for people.
import { request } from 'node:http';
import type { BrokerStatus, PeerStatus } from '../broker/status.ts';
import type { StartingStatus } from './admin-pages.ts';
import { wantsJson, type Command } from './command.ts';
import { controllerManagerLine } from './controller-manager-line.ts';
import { meshStatusLines } from './mesh-lines.ts';
import { table } from './table.ts';

const TIMEOUT_MS = 5_000;
const MAX_ANSWER_BYTES = 64 * 2 ** 20;

export const statusCommand: Command = {
  name: 'status',
  usage: '[--output json]',
  summary: 'show what the running broker knows; exit 1 when a peer is not ready',
  flags: { output: 'Text' },
  async run(context) {
    const json = wantsJson(context);
    const address = context.config.adminAddress;
    if (address === undefined) throw new Error('adminAddress is "off": a broker without it cannot be asked');
    const body = await get(address, '/status', context.signal);
    const status = JSON.parse(body) as BrokerStatus | StartingStatus;
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
      : `${trustDomain}: own bundle sequence ${own.sequence ?? 'none'}, ${own.roots.length} roots, read ${own.readAt}`,
    ...status.unreadable.map(({ fact, reason, message }) => `! ${fact} cannot be read (${reason}): ${message}`),
    ...auditLines(status),
    ...status.heldRemovals.map((name) => `! ${name} is not declared any more but kept: ${status.heldBecause ?? ''}`),
    '',
    ...table(
      ['PEER', 'TRUST DOMAIN', 'READY', 'REASON', 'SEQUENCE', 'ROOTS', 'ENTRIES', 'LAST FETCH', 'NEXT FETCH'],
      status.peers.map(peerRow),
    ),
  ];
  const problems = status.peers.flatMap(({ name, conditions }) =>
    conditions
      .filter((condition) => condition.status !== 'True' && condition.type !== 'Ready')
      .map(({ type, reason, message }) => `  ${name} ${type} (${reason}): ${message}`),
  );
  const manager = status.controllerManager === undefined ? [] : [controllerManagerLine(status.controllerManager)];
  const mesh = status.mesh === undefined ? [] : meshStatusLines(status.mesh);
  if (status.peers.length === 0)
    lines.push(status.unreadable.length === 0 ? 'no peer is declared' : 'no peer is known');
  const notes = [...problems, ...manager, ...mesh];
  return [...lines, ...(notes.length > 0 ? ['', ...notes] : [])].join('\n') + '\n';
}

function auditLines({ audit }: Pick<BrokerStatus, 'audit'>): string[] {
  if (audit?.unwritable === undefined) return [];
  const { reason, message, since } = audit.unwritable;
  return [`! changes of trust cannot be recorded since ${since} (${reason}): ${message}`];
}

function peerRow(peer: PeerStatus): string[] {
  const ready = peer.conditions.find(({ type }) => type === 'Ready');
  return [
    peer.name,
    peer.trustDomain,
    ready?.status ?? 'Unknown',
    ready?.reason ?? '',
    peer.bundle?.sequence ?? '-',
    String(peer.bundle?.roots.length ?? '-'),
    String(peer.entriesFederated),
    peer.lastFetch === undefined ? '-' : `${peer.lastFetch.at} ${peer.lastFetch.result}`,
    peer.nextFetch ?? 'under way',
  ];
}

function isReady({ conditions }: PeerStatus): boolean {
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
}

export function get(address: { host: string; port: number }, path: string, signal: AbortSignal): Promise<string> {
  const where = `${address.host}:${address.port}`;
  return new Promise((resolve, reject) => {
    const failed = (why: string) => {
      reject(
        new Error(
          `the broker does not answer at http://${where}${path}: ${why}; check that it runs and that --admin-address is the one it listens on`,
        ),
      );
    };
    const call = request({ ...address, path, timeout: TIMEOUT_MS, signal, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MAX_ANSWER_BYTES) call.destroy(new Error('the answer is too large'));
        chunks.push(chunk);
      });
      response.on('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString('utf8'));
        else failed(`status ${response.statusCode ?? 'unknown'}`);
      });
    });
    call.on('timeout', () => call.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    call.on('error', (error) => {
      failed(error.message);
    });
    call.end();
  });
}
