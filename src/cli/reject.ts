// How is content refused for good, whatever else speaks for it?
import { rejectDigest } from '../federation/declaration-edit.ts';
import { onlyPositional, UsageError, type Command } from './command.ts';
import { digestFlag, editDeclaration } from './edit-declaration.ts';

export const rejectCommand: Command = {
  name: 'reject',
  usage: 'PEER --digest D',
  summary: 'never accept the content with this digest; what is trusted already stays',
  flags: { digest: 'Text' },
  async run(context) {
    const name = onlyPositional(context, 'PEER');
    const digest = digestFlag(context);
    if (digest === undefined) throw new UsageError(`--digest D is missing; "fedbroker inspect ${name}" shows it`);
    const where = await editDeclaration(context, name, (declaration) => rejectDigest(declaration, digest));
    context.print(`${where}: content ${digest} is refused from now on\n`);
    return 0;
  },
};
