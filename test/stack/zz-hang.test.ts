import { it } from 'node:test';
import { Cleanup } from '/work/main/test/stack/harness/cleanup.ts';
import { startSpireServer } from '/work/main/test/stack/harness/spire-server.ts';
it('hangs', async () => {
  await startSpireServer(new Cleanup(), 'hang.test');
  if (process.env.CRASH) setTimeout(() => { throw new Error('boom'); }, 100);
  await new Promise((r) => setTimeout(r, 60000));
});
