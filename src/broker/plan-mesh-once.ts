// What would be changed in the mesh now? The keeper's first look at everything; writes nothing anywhere.
import { setMaxListeners } from 'node:events';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { systemClock, type Clock } from '../federation/clock.ts';
import { MeshKeeper, type MeshGround, type MeshParts, type MeshReport } from './mesh-keeper.ts';

export interface PlanMeshParts extends MeshParts {
  readonly trustDomain: TrustDomain;
  readonly ground: MeshGround;
  readonly clock?: Clock;
}

/** With every object and survey read once, or after `timeoutMs` with what was read by then. */
export async function planMeshOnce(
  { ground, clock = systemClock, ...parts }: PlanMeshParts,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<MeshReport | undefined> {
  const enough = new AbortController();
  const until = AbortSignal.any([enough.signal, signal]);
  setMaxListeners(0, until);
  let latest: MeshReport | undefined;
  let fault: Error | undefined;
  const keeper = new MeshKeeper({
    ...parts,
    clock,
    facts: () => ground,
    isUpkeepOnly: () => false,
    auditor: undefined,
    mayWrite: () => false,
    onReport: (report) => {
      latest = report;
      if (isWhole(report)) enough.abort();
    },
    onFault: (error) => {
      fault = error;
      enough.abort();
    },
  });
  const cancel = clock.after(timeoutMs, () => {
    enough.abort();
  });
  await keeper.run(until);
  cancel();
  if (fault !== undefined) throw fault;
  return latest;
}

function isWhole({ facts: { shared, gatewayCas, referencedCas, meshRoots } }: MeshReport): boolean {
  const facts = [
    ...shared.flatMap(({ object, base }) => [object, base]),
    ...gatewayCas.values(),
    referencedCas,
    meshRoots,
  ];
  return facts.every((fact) => fact?.state !== 'Unreadable' || fact.reason !== 'NotReadYet');
}
