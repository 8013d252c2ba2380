// Does the real SPIRE Server behave as the embedded one, and as the client expects?
import { describeSpireServer } from '../contract/spire-server-contract.ts';
import { Cleanup } from './harness/cleanup.ts';
import { startSpireServer } from './harness/spire-server.ts';

describeSpireServer('real SPIRE Server', async () => {
  const cleanup = new Cleanup();
  const { socketPath, trustDomain } = await startSpireServer(cleanup, 'contract.test');
  return { socketPath, trustDomain, stop: () => cleanup.run() };
});
