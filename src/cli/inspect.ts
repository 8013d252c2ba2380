// What was held back of a peer, beside what is trusted now, and what can be typed next?
import type { BundleStatus } from '../broker/bundle-status.ts';
import type { EvidenceStatus } from '../broker/evidence-status.ts';
import type { PeerStatus } from '../broker/peer-status.ts';
import { askStatus, parseStatus } from './ask-broker.ts';
import { onlyPositional, UsageError, wantsJson, type Command } from './command.ts';

export const inspectCommand: Command = {
  name: 'inspect',
  usage: 'PEER [--output json]',
  summary: 'show what is held back of a peer beside what is trusted; exit 1 while something waits for a decision',
  flags: { output: 'Text' },
  async run(context) {
    const json = wantsJson(context);
    const name = onlyPositional(context, 'PEER');
    const { peers } = parseStatus(await askStatus(context));
    const peer = peers.find((each) => each.name === name || each.trustDomain === name);
    if (peer === undefined) {
      const known = peers.map((each) => each.name).join(', ');
      throw new UsageError(`the running broker knows no peer "${name}"; it knows: ${known || 'none'}`);
    }
    context.print(json ? `${JSON.stringify(peer, undefined, 2)}\n` : inspectText(peer));
    return peer.evidence.some(({ state }) => state === 'Current') ? 1 : 0;
  },
};

/** Held and new side by side, a line a root: `=` in both, `+` would come, `-` would go. */
export function inspectText(peer: PeerStatus): string {
  const accepted = peer.conditions.find(({ type }) => type === 'Accepted');
  const ready = peer.conditions.find(({ type }) => type === 'Ready');
  return [
    `${peer.name} (${peer.trustDomain}) at ${peer.bundleEndpointURL}`,
    `  ready: ${ready?.status ?? 'Unknown'} ${ready?.reason ?? ''}: ${ready?.message ?? 'no pass has looked at it yet'}`,
    ...(peer.lastSuccess === undefined ? [] : [`  last answer: ${peer.lastSuccess}`]),
    '',
    ...trustedLines(peer.bundle),
    ...peer.evidence.flatMap((evidence) => ['', ...evidenceLines(peer, evidence)]),
    ...(peer.evidence.length === 0 ? ['', 'Nothing was held or refused since this broker has started.'] : []),
    ...peer.reminders.flatMap(({ id, message }) => ['', `Reminder (${id}): ${message}`]),
    ...(accepted?.reason === 'Quarantined'
      ? ['', `To end the quarantine:  fedbroker release ${peer.name}`]
      : ['', `To cut it off at once:  fedbroker quarantine ${peer.name} --reason TEXT`]),
    '',
  ].join('\n');
}

function trustedLines(bundle: BundleStatus | undefined): string[] {
  if (bundle === undefined) return ['Trusted now: nothing; SPIRE holds no bundle of it'];
  const first = bundle.roots.map(({ notAfter }) => notAfter).sort()[0];
  return [
    `Trusted now: sequence ${bundle.sequence ?? 'none'}, digest ${bundle.digest}`,
    ...bundle.roots.map((root) => rootLine(' ', root)),
    ...bundle.jwtKeyIds.map((keyId) => `    JWT key ${keyId}`),
    ...(first === undefined ? [] : [`  the first root expires ${first}`]),
  ];
}

function evidenceLines(peer: PeerStatus, evidence: EvidenceStatus): string[] {
  const { state, verdict, reason, message, bundle, url, endpointCertificates } = evidence;
  return [
    `${state === 'Current' ? 'Waits for a decision' : state}: ${verdict} (${reason}): ${message}`,
    `  seen first ${evidence.firstSeen}, last ${evidence.lastSeen}`,
    ...(url === undefined ? [] : [`  from ${url}`]),
    ...endpointCertificates.map((each, depth) => `  certificate ${depth}: ${each}`),
    ...(bundle === undefined
      ? ['  it was no bundle that could be read']
      : [`  sequence ${bundle.sequence ?? 'none'}, digest ${bundle.digest}`, ...differenceLines(peer.bundle, bundle)]),
    ...nextLines(peer.name, evidence),
  ];
}

function differenceLines(held: BundleStatus | undefined, fresh: BundleStatus): string[] {
  const heldRoots = held?.roots ?? [];
  const has = (roots: BundleStatus['roots'], wanted: string) => roots.some(({ fingerprint }) => fingerprint === wanted);
  const keys = (bundle: BundleStatus | undefined) => bundle?.jwtKeyIds ?? [];
  return [
    ...fresh.roots.map((root) => rootLine(has(heldRoots, root.fingerprint) ? '=' : '+', root)),
    ...heldRoots.filter(({ fingerprint }) => !has(fresh.roots, fingerprint)).map((root) => rootLine('-', root)),
    ...fresh.jwtKeyIds.map((keyId) => `  ${keys(held).includes(keyId) ? '=' : '+'} JWT key ${keyId}`),
    ...keys(held)
      .filter((keyId) => !fresh.jwtKeyIds.includes(keyId))
      .map((keyId) => `  - JWT key ${keyId}`),
  ];
}

function rootLine(sign: string, { fingerprint, subject, notAfter }: BundleStatus['roots'][number]): string {
  return `  ${sign} root ${fingerprint}  until ${notAfter}  ${subject}`;
}

function nextLines(name: string, { state, releasable, bundle }: EvidenceStatus): string[] {
  if (bundle === undefined || state === 'Accepted') return [];
  const release = `  to accept it:  fedbroker release ${name} --digest ${bundle.digest}`;
  if (state === 'Rejected') return [release];
  if (!releasable) return ['  it cannot be accepted by its digest; the message says what to change'];
  return [release, `  to refuse it:  fedbroker reject ${name} --digest ${bundle.digest}`];
}
