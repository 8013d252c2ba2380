// How is a peer's bundle set by hand, when its endpoint is signed by a root that we never learned of?
import { readFile } from 'node:fs/promises';
import { diffBundles } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { checkRebootstrap, RebootstrapError, storeRebootstrap } from '../broker/rebootstrap.ts';
import { parseBootstrapBundle } from '../federation/bootstrap.ts';
import { systemClock } from '../federation/clock.ts';
import type { Peer } from '../federation/relationship.ts';
import { bundleText } from './bundle-text.ts';
import { onlyPositional, textFlag, UsageError, type Command, type CommandContext } from './command.ts';
import { readDeclaredPeers } from './declared-peers.ts';
import { openCommandAudit, whoAsks } from './open-audit.ts';
import { connectSpire } from './wiring.ts';

export const rebootstrapCommand: Command = {
  name: 'rebootstrap',
  usage: 'PEER --bundle FILE [--dry-run]',
  summary: 'set a declared peer’s bundle in SPIRE from a file that was obtained by another way',
  flags: { bundle: 'Text', 'dry-run': 'Switch' },
  async run(context) {
    const name = onlyPositional(context, 'PEER');
    const path = textFlag(context, 'bundle');
    if (path === undefined) throw new UsageError('--bundle FILE is missing');
    const { trustDomain, spire } = await connectSpire(context.config, context.signal);
    try {
      const peer = await declaredPeer(name, trustDomain, context);
      const given = parseBootstrapBundle(await readFile(path), peer.trustDomain);
      const parts = { spire, now: systemClock.now(), maxRoots: context.config.maxRoots, signal: context.signal };
      const check = await checkRebootstrap(given, parts).catch(refusal);
      for (const { ruleId, message } of check.findings) context.explain(`${ruleId}: ${message}\n`);
      if (check instanceof RebootstrapError) {
        context.explain(`refused (${check.code}): ${check.message}; nothing was changed\n`);
        return 1;
      }
      const empty = { ...check.bundle, x509Authorities: [], jwtAuthorities: [] };
      const diff = diffBundles(check.held ?? empty, check.bundle);
      context.print(
        [
          ...bundleText(check.bundle),
          ...diff.addedRoots.map((root) => `+ root ${root}`),
          ...diff.removedRoots.map((root) => `- root ${root}`),
          '',
        ].join('\n'),
      );
      if (context.flags['dry-run'] === true) return 0;
      const by = whoAsks();
      const request = { cause: 'Command', why: `fedbroker rebootstrap ${peer.name} --bundle ${path}`, by } as const;
      const audit = openCommandAudit(context.config, 'rebootstrap', context.explain);
      await storeRebootstrap(check, {
        ...parts,
        ...{ auditor: audit?.auditor, closeEarlier: audit?.closeEarlier, request },
      });
      context.print(
        `stored; the running broker sees it within ${context.config.storedPollSeconds} s and fetches anew\n`,
      );
      return 0;
    } finally {
      spire.close();
    }
  },
};

function refusal(error: unknown): RebootstrapError {
  if (error instanceof RebootstrapError) return error;
  throw error;
}

async function declaredPeer(
  name: string,
  own: TrustDomain,
  { signal, config, explain }: CommandContext,
): Promise<Peer> {
  const { declarations, faults, where, close } = await readDeclaredPeers(config, own, signal);
  close();
  const { peers } = declarations;
  const peer = peers.find((each) => each.name === name || each.trustDomain === name);
  if (peer !== undefined) return peer;
  const declared = peers.map((each) => each.name).join(', ');
  for (const fault of faults) explain(`${fault}\n`);
  throw new UsageError(`no peer "${name}" is declared ${where}; declared are: ${declared || 'none'}`);
}
