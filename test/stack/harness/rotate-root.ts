// How does an operator rotate the root of one of two trust domains so that nobody meets a root that they do not hold?
import { setTimeout as pause } from 'node:timers/promises';
import type { FederatedSide } from './federated-pair.ts';
import { localAuthority } from './local-authority.ts';
import { fingerprintOf } from './x509-context.ts';

/** Envoy takes the new SVID from the agent within half a second. */
const UNTIL_ENVOY_HAS_IT_MS = 2_000;

type Rotating = Pick<FederatedSide, 'trustDomain' | 'server' | 'agent'>;

/** A root is used only when the other side's workloads hold it, and goes when nobody's SVID needs it. */
export async function rotateRoot(own: Rotating, other: Rotating): Promise<void> {
  const authority = localAuthority(own.server, 'x509');
  const known = new Set((await own.agent.fetchX509()).roots.map(fingerprintOf));
  await authority.prepare();
  const holds = (roots: readonly Parameters<typeof fingerprintOf>[0][] | undefined): boolean =>
    roots?.some((root) => !known.has(fingerprintOf(root))) === true;
  await Promise.all([
    other.agent.waitForX509(({ federatedRoots }) => holds(federatedRoots.get(own.trustDomain))),
    own.agent.waitForX509(({ roots }) => holds(roots)),
  ]);
  await authority.activate();
  const before = (await own.agent.fetchX509()).svid.chainPem;
  await authority.taint();
  await own.agent.waitForX509(({ svid }) => svid.chainPem !== before);
  await pause(UNTIL_ENVOY_HAS_IT_MS);
  await authority.revoke();
}
