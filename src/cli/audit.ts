// Is the record of changes whole, and what does it say? `fedbroker audit verify`, `fedbroker audit show`
import { showAudit } from './audit-show.ts';
import { verifyAudit } from './audit-verify.ts';
import { onlyPositional, textFlag, UsageError, wantsJson, type Command } from './command.ts';

const FLAGS_OF: Readonly<Record<string, readonly string[]>> = {
  verify: ['head', 'after', 'output'],
  show: ['peer', 'since', 'output'],
};

export const auditCommand: Command = {
  name: 'audit',
  usage: 'verify [--head HASH[,HASH…]] [--after HASH] | show [--peer PEER] [--since TIME|DURATION] [--output json]',
  summary: 'verify the audit file, or show what it records; exit 1 when a record is missing or changed',
  flags: { head: 'Text', after: 'Text', peer: 'Text', since: 'Text', output: 'Text' },
  async run(context) {
    const verb = onlyPositional(context, 'verify or show');
    const known = FLAGS_OF[verb];
    if (known === undefined) throw new UsageError(`"${verb}" is neither verify nor show`);
    const foreign = Object.keys(context.flags).find((flag) => !known.includes(flag));
    if (foreign !== undefined) throw new UsageError(`--${foreign} is not for "audit ${verb}"`);
    const path = context.config.auditFile;
    if (path === undefined) throw new UsageError('auditFile is "none": name the file by --audit-file');
    const json = wantsJson(context);
    if (verb === 'verify') {
      return verifyAudit(context, { path, json, head: textFlag(context, 'head'), after: textFlag(context, 'after') });
    }
    return showAudit(context, { path, json, peer: textFlag(context, 'peer'), since: textFlag(context, 'since') });
  },
};
