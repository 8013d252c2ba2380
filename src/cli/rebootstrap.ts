// How is a peer's bundle set by hand, when its endpoint is signed by a root that we never learned of?
import { readFile } from 'node:fs/promises';
import { checkBundle } from '../bundle/check-bundle.ts';
import { diffBundles } from '../bundle/bundle.ts';
import { RootIndexer } from '../bundle/known-roots.ts';
import { parseBootstrapBundle } from '../federation/bootstrap.ts';
import { systemClock } from '../federation/clock.ts';
import type { Peer } from '../federation/relationship.ts';
import { bundleText } from './bundle-text.ts';
import { onlyPositional, textFlag, UsageError, type Command, type CommandContext } from './command.ts';
import { connectSpire, peerDirectory } from './wiring.ts';

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
      const peer = await declaredPeer(name, peerDirectory(context.config, trustDomain), context);
      const given = parseBootstrapBundle(await readFile(path), peer.trustDomain);
      const stored = await spire.listFederatedBundles(context.signal);
      const held = stored.find((bundle) => bundle.trustDomain === peer.trustDomain);
      const check = checkBundle(
        { bundle: given, findings: [] },
        {
          now: systemClock.now(),
          knownRoots: new RootIndexer().index(await spire.readOwnBundle(context.signal), stored),
          maxRoots: context.config.maxRoots,
        },
      );
      for (const { ruleId, message } of check.findings) context.explain(`${ruleId}: ${message}\n`);
      if (check.refusedBy !== undefined) {
        context.explain(`refused (${check.refusedBy.ruleId}): nothing was changed\n`);
        return 1;
      }
      if (check.bundle.x509Authorities.length === 0) {
        context.explain(`refused: ${path} holds no X.509 authority that can be used; nothing was changed\n`);
        return 1;
      }
      const empty = { ...check.bundle, x509Authorities: [], jwtAuthorities: [] };
      const diff = diffBundles(held ?? empty, check.bundle);
      context.print(
        [
          ...bundleText(check.bundle),
          ...diff.addedRoots.map((root) => `+ root ${root}`),
          ...diff.removedRoots.map((root) => `- root ${root}`),
          '',
        ].join('\n'),
      );
      if (context.flags['dry-run'] === true) return 0;
      const [outcome] = await spire.setFederatedBundles([check.bundle], context.signal);
      if (outcome?.ok !== true) throw outcome?.error ?? new Error('SPIRE did not answer for the bundle');
      context.print(
        `stored; the running broker sees it within ${context.config.storedPollSeconds} s and fetches anew\n`,
      );
      return 0;
    } finally {
      spire.close();
    }
  },
};

async function declaredPeer(
  name: string,
  directory: ReturnType<typeof peerDirectory>,
  { signal, config }: CommandContext,
): Promise<Peer> {
  const { peers } = await directory.read(signal);
  const peer = peers.find((each) => each.name === name || each.trustDomain === name);
  if (peer !== undefined) return peer;
  const declared = peers.map((each) => each.name).join(', ');
  throw new UsageError(
    `no peer "${name}" is declared in ${config.peersDirectory}; declared are: ${declared || 'none'}`,
  );
}
