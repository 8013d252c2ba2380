// Which authorities sign for us, which comes next, and which peers hold them? Asked of the running broker.
import { askStatus } from './ask-broker.ts';
import { onlyPositional, UsageError, wantsJson, type Command } from './command.ts';
import { readRotationAnswer } from './rotation-answer.ts';
import { rotationText } from './rotation-text.ts';

export const rotationCommand: Command = {
  name: 'rotation',
  usage: 'status [--output json]',
  summary: 'show which peers hold the authorities that sign for us; exit 1 on an alarm',
  flags: { output: 'Text' },
  async run(context) {
    const verb = onlyPositional(context, '"status"');
    if (verb !== 'status') throw new UsageError(`"${verb}" is nothing that can be asked of a rotation; "status" is`);
    const json = wantsJson(context);
    const answer = readRotationAnswer(await askStatus(context));
    context.print(json ? `${jsonText(answer)}\n` : rotationText(answer));
    return answer.kinds.every(({ alarms }) => alarms.length === 0) ? 0 : 1;
  },
};

function jsonText(value: unknown): string {
  return JSON.stringify(value, (_name, each: unknown) => (typeof each === 'bigint' ? each.toString() : each), 2);
}
