// How is content that is held let in, and how does a quarantine end?
import { endQuarantine, releaseDigest } from '../federation/declaration-edit.ts';
import { onlyPositional, type Command } from './command.ts';
import { digestFlag, editDeclaration } from './edit-declaration.ts';

export const releaseCommand: Command = {
  name: 'release',
  usage: 'PEER [--digest D]',
  summary: 'accept the held content with this digest; without --digest: end the peer’s quarantine',
  flags: { digest: 'Text' },
  async run(context) {
    const name = onlyPositional(context, 'PEER');
    const digest = digestFlag(context);
    const where = await editDeclaration(context, name, (declaration) =>
      digest === undefined ? endQuarantine(declaration) : releaseDigest(declaration, digest),
    );
    const what =
      digest === undefined
        ? 'the quarantine has ended; the peer is fetched, judged and federated as declared'
        : `content ${digest} is accepted when the peer publishes it`;
    context.print(`${where}: ${what}\n`);
    return 0;
  },
};
