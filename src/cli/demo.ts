// What does federation look like when it works? Two trust domains in this process, watched while their CAs rotate.
import type { Command } from './command.ts';

export const demoCommand: Command = {
  name: 'demo',
  usage: '[--rotations N] [--kubernetes] [--mesh] [--spire embedded|real [--spire-server FILE]] [--output json]',
  summary:
    'two trust domains federate, talk and rotate before your eyes, in about 25 s; exit 1 when a handshake failed',
  flags: {
    rotations: 'Text',
    kubernetes: 'Switch',
    mesh: 'Switch',
    spire: 'Text',
    'spire-server': 'Text',
    output: 'Text',
  },
  async run(context) {
    // Nobody reads on, for example behind "| head": end in order, as after Ctrl-C.
    const unread = new AbortController();
    process.stdout.on('error', () => {
      unread.abort();
    });
    // Loaded only here: a broker that runs for months has no use for the embedded SPIRE.
    const { runDemo } = await import('./demo/run-demo.ts').catch((cause: unknown) => {
      throw new Error('the demo is not there: install fedbroker-demo.mjs beside fedbroker.mjs', { cause });
    });
    return runDemo({ ...context, signal: AbortSignal.any([context.signal, unread.signal]) });
  },
};
