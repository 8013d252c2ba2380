// Does the embedded SPIRE Server behave as the real one?
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { startDevSpire } from '../../src/dev-spire/dev-spire.ts';
import { describeSpireServer } from '../contract/spire-server-contract.ts';

describeSpireServer('embedded SPIRE Server', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'dev-spire-'));
  const trustDomain = parseTrustDomain('east.test');
  const dev = await startDevSpire({ trustDomain, socketPath: join(folder, 'api.sock') });
  return {
    socketPath: dev.socketPath,
    trustDomain,
    async stop() {
      await dev.stop();
      await rm(folder, { recursive: true });
    },
  };
});
