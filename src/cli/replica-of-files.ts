// How does a broker run whose peers are declared in files? Alone: it always leads.
import type { Logger } from '../log.ts';
import type { DirectoryDeclarations } from '../peer-files/peer-directory.ts';
import { createBroker, type BrokerGround } from './create-broker.ts';
import type { Replica } from './replica.ts';
import { peerDirectory, readBootstrap } from './wiring.ts';

export function replicaOfFiles(ground: BrokerGround): Replica {
  const { config, trustDomain, log } = ground;
  const directory = peerDirectory(config, trustDomain);
  const broker = createBroker(ground, {
    readBootstrap: (peer) => readBootstrap(peer),
    peers: {
      watch: (report, signal) =>
        directory.watch((declared) => {
          logDeclarations(declared, log);
          report(declared);
        }, signal),
    },
  });
  return {
    peerBrokers: broker,
    start: () => broker.start(),
    stop: () => broker.stop(),
    status: () => broker.status(),
    declarationFaults: () => directory.latest?.faults,
    details: () => ({}),
    refresh: (peer) => {
      broker.refresh(peer);
    },
    refreshAll: () => {
      broker.refreshAll();
    },
  };
}

function logDeclarations(declared: DirectoryDeclarations | Error, log: Logger): void {
  if (declared instanceof Error) {
    log.error({ err: declared }, 'declarations cannot be read; those before stay in force');
    return;
  }
  const { peers, faults, incompleteBecause } = declared;
  log.info({ peers: peers.map(({ name }) => name), faults: faults.length, incompleteBecause }, 'declarations read');
  for (const { file, line, column, path, message } of faults) {
    log.error({ file, line, column, path }, `${file}:${line}:${column}: ${path} ${message}`);
  }
}
