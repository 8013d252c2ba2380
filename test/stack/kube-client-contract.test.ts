// Does the real API server behave as the fake one, and as the client expects?
import { describeApiServer } from '../contract/kube-api-contract.ts';
import { BEACON_DEFINITION } from './harness/beacon-resource.ts';
import { Cleanup } from './harness/cleanup.ts';
import { startKubeApiServer } from './harness/kube-api-server.ts';
import { untilServed } from './harness/until-served.ts';

describeApiServer('real kube-apiserver', async () => {
  const cleanup = new Cleanup();
  const server = await startKubeApiServer(cleanup);
  await server.kubectl(['apply', '-f', '-'], { input: JSON.stringify(BEACON_DEFINITION) });
  await untilServed(server, 'beacons.stack.test');
  return {
    admin: { path: server.kubeconfigPath },
    stranger: { path: await server.userKubeconfig({ user: 'stranger' }) },
    stop: () => cleanup.run(),
  };
});
