// How does the broker run beside spire-server? It is started, and ended when the process is asked to end.
import { untilAborted } from '../federation/clock.ts';
import { createLogger } from '../log.ts';
import type { Command } from './command.ts';
import { startBroker } from './start-broker.ts';

export const runCommand: Command = {
  name: 'run',
  usage: '[--setting value …]',
  summary: 'run the broker beside spire-server until it is asked to end; SIGHUP fetches from every peer now',
  flags: {},
  async run(context) {
    const { config, signal } = context;
    const log = createLogger({ level: config.logLevel, format: config.logFormat, write: context.print });
    const broker = await startBroker(config, log, signal);
    const refresh = () => {
      log.info('asked to fetch from every peer now');
      broker?.refreshAll();
    };
    process.on('SIGHUP', refresh);
    await untilAborted(signal);
    process.off('SIGHUP', refresh);
    log.info('ending');
    await broker?.stop();
    log.info('ended');
    return 0;
  },
};
