// What does one ConfigMap of mesh config mean for one peer: all there, waiting for a time, or kept out?
import { fingerprint } from '../bundle/bundle.ts';
import type { MeshLimits } from './mesh-facts.ts';
import type { Timing } from './mesh-timing.ts';
import { isFulfilled, type MeshVerdict } from './mesh-verdict.ts';
import type { Wanted } from './wanted-trust.ts';

/** Whether this peer has anything to do with mesh config; else what is said of it is said elsewhere. */
export function concernsConfig({ verdict: { code } }: Wanted): boolean {
  return code !== 'AcceptedAtGateways' && code !== 'NotAskedFor';
}

export function verdictIn(
  wanted: Wanted,
  { published, listDueAt, rootsDueAt }: Timing,
  objection: MeshVerdict | undefined,
  limits: MeshLimits,
): MeshVerdict {
  const { trustDomain, verdict, list, anchors } = wanted;
  if (!isFulfilled(verdict) || !concernsConfig(wanted)) return verdict;
  if (objection !== undefined) return objection;
  if (rootsDueAt !== undefined && anchors !== 'Keep' && !hasAll(published.anchors.get(trustDomain), anchors)) {
    const message = `roots of it are written ${rootsDueAt.toISOString()}, together with others: each change costs every proxy a certificate`;
    return { code: 'WaitsForRootInterval', message, until: rootsDueAt };
  }
  const waits = listDueAt !== undefined && list === 'On' && !published.listed.has(trustDomain);
  return waits ? waitsForList(listDueAt, limits) : verdict;
}

function hasAll(published: readonly Uint8Array[] = [], wanted: readonly Uint8Array[]): boolean {
  const prints = new Set(published.map(fingerprint));
  return wanted.every((der) => prints.has(fingerprint(der)));
}

function waitsForList(listDueAt: Date, { isListWindowOpen, nextListWindowAt }: MeshLimits): MeshVerdict {
  const until = isListWindowOpen ? listDueAt : nextListWindowAt;
  const when =
    until === undefined
      ? 'in the next window'
      : `${isListWindowOpen ? '' : 'in the window of '}${until.toISOString()}, together with others`;
  const message = `its name is put on the list ${when}: every change of the list drains the connections of every proxy; set istio.urgent: true to have it now`;
  return { code: 'WaitsForListWindow', message, until };
}
