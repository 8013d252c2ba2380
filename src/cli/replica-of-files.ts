// How does a broker run whose peers are declared in files? Alone: it always leads.
import type { Metrics } from '../admin/metrics.ts';
import type { Logger } from '../log.ts';
import type { DirectoryDeclarations } from '../peer-files/peer-directory.ts';
import { createBroker, type BrokerGround } from './create-broker.ts';
import type { Replica } from './replica.ts';
import { peerDirectory, readBootstrap } from './wiring.ts';

export function replicaOfFiles(ground: BrokerGround): Replica {
  const { config, trustDomain, log, metrics } = ground;
  const directory = peerDirectory(config, trustDomain);
  const broker = createBroker(ground, {
    readBootstrap: (peer) => readBootstrap(peer),
    peers: {
      watch: (report, signal) =>
        directory.watch((declared) => {
          noteDeclarations(declared, log, metrics);
          report(declared);
        }, signal),
    },
  });
  return {
    start: () => broker.start(),
    stop: () => broker.stop(),
    status: () => broker.status(),
    details: () => ({ declarationFaults: directory.latest?.faults ?? [] }),
    refresh: (peer) => {
      broker.refresh(peer);
    },
    refreshAll: () => {
      broker.refreshAll();
    },
  };
}

function noteDeclarations(declared: DirectoryDeclarations | Error, log: Logger, metrics: Metrics): void {
  if (declared instanceof Error) {
    log.error({ err: declared }, 'declarations cannot be read; those before stay in force');
    return;
  }
  const { peers, faults, incompleteBecause } = declared;
  metrics.set('declaration_faults', {}, faults.length);
  log.info({ peers: peers.map(({ name }) => name), faults: faults.length, incompleteBecause }, 'declarations read');
  for (const { file, line, column, path, message } of faults) {
    log.error({ file, line, column, path }, `${file}:${line}:${column}: ${path} ${message}`);
  }
}
