// Does the fake API server behave as a real one? (the suite that test/stack runs against kube-apiserver)
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeApiServer } from '../contract/kube-api-contract.ts';
import { BEACONS } from '../contract/kube-subject.ts';
import { startFakeApiServer } from '../fakes/fake-api-server.ts';

const STRANGER = 'stranger';

describeApiServer('fake API server', async () => {
  const fake = await startFakeApiServer([
    {
      ...BEACONS,
      hasStatus: true,
      fault: ({ spec }) =>
        (spec as { colour?: string } | undefined)?.colour === undefined ? 'spec.colour: Required value' : undefined,
    },
  ]);
  fake.tokens.set('token-of-nobody', STRANGER);
  fake.isAllowed = ({ user }) => user !== STRANGER;
  const stranger = await fake.serviceAccount();
  await writeFile(join(stranger.directory, 'token'), 'token-of-nobody');
  return { admin: await fake.serviceAccount(), stranger, stop: () => fake.close() };
});
