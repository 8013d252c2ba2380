// Does what shall be published fit, and whose is too much? (Kubernetes' 1 MiB an object, TLS' 65,535 bytes of CA names)
import { readCertificate } from '../bundle/certificate.ts';
import { fingerprint } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { serializeMeshContent } from './mesh-content.ts';
import type { MeshVerdict, MeshWarning } from './mesh-verdict.ts';
import { contentOf, isSamePublished, recordOf, withAnchors, type Published } from './published.ts';
import { SUBJECT_BYTES_ENVOY_MAX, SUBJECT_BYTES_MAX, SUBJECT_BYTES_WARN, subjectListBytes } from './subject-budget.ts';
import type { Wanted } from './wanted-trust.ts';

/** Kubernetes takes 1 MiB; the rest is for its own notes about the object. */
export const OBJECT_MAX_BYTES = 900 * 1024;
/** Measured on Envoy 1.40.0: 300 roots cost 28 MiB and 146 ms a change over 20 listeners. */
export const ROOTS_MAX = 300;

export interface Composition {
  readonly published: Published;
  /** Those that would not fit or not go together, and stay as they were. */
  readonly refused: ReadonlyMap<TrustDomain, MeshVerdict>;
}

/**
 * All that is wanted, if it fits. If not, one after the other: what goes first, then those that are published already,
 * then the new ones in the order of their names.
 */
export function compose(before: Published, wanted: readonly Wanted[], ownRoots: readonly Uint8Array[]): Composition {
  const all = wanted.reduce(change, before);
  if (isSamePublished(all, before) || whyNot(all, ownRoots) === undefined)
    return { published: all, refused: new Map() };
  const refused = new Map<TrustDomain, MeshVerdict>();
  let published = before;
  for (const each of [...wanted].sort((a, b) => rank(a, before) - rank(b, before))) {
    const next = change(published, each);
    const objection = takesAway(each) || isThere(published, each) ? undefined : whyNot(next, ownRoots);
    if (objection === undefined) published = next;
    else refused.set(each.trustDomain, objection);
  }
  return { published, refused };
}

export function budgetWarnings(published: Published, ownRoots: readonly Uint8Array[]): MeshWarning[] {
  const bytes = subjectListBytes([...contentOf(published).anchors, ...ownRoots]);
  if (bytes <= SUBJECT_BYTES_WARN) return [];
  const message = `the names of all CAs take ${bytes} bytes of every handshake; beyond ${SUBJECT_BYTES_MAX} no peer is added, beyond ${SUBJECT_BYTES_ENVOY_MAX} every handshake fails`;
  return [{ code: 'BudgetNear', message }];
}

function rank(wanted: Wanted, { listed, anchors }: Published): number {
  if (takesAway(wanted)) return 0;
  return listed.has(wanted.trustDomain) || anchors.has(wanted.trustDomain) ? 1 : 2;
}

function takesAway({ list, anchors }: Wanted): boolean {
  return list !== 'On' && (anchors === 'Keep' || anchors.length === 0);
}

function isThere({ listed, anchors }: Published, wanted: Wanted): boolean {
  const { trustDomain, list } = wanted;
  const there = new Set(anchors.get(trustDomain)?.map(fingerprint));
  const isListed = list === 'Keep' || listed.has(trustDomain) === (list === 'On');
  if (wanted.anchors === 'Keep') return isListed;
  const prints = new Set(wanted.anchors.map(fingerprint));
  return isListed && prints.size === there.size && [...prints].every((print) => there.has(print));
}

function change({ listed, anchors }: Published, wanted: Wanted): Published {
  const { trustDomain, list } = wanted;
  const names = new Set(listed);
  if (list === 'On') names.add(trustDomain);
  if (list === 'Off') names.delete(trustDomain);
  return {
    listed: names,
    anchors: wanted.anchors === 'Keep' ? anchors : withAnchors(anchors, trustDomain, wanted.anchors),
  };
}

function whyNot(published: Published, ownRoots: readonly Uint8Array[]): MeshVerdict | undefined {
  const content = contentOf(published);
  const excess =
    over('roots in mesh config', content.anchors.length, ROOTS_MAX) ??
    over(
      'bytes of CA names in every handshake',
      subjectListBytes([...content.anchors, ...ownRoots]),
      SUBJECT_BYTES_MAX,
    ) ??
    over('bytes of mesh config', serializeMeshContent(content).length + recordOf(published).length, OBJECT_MAX_BYTES);
  if (excess !== undefined) {
    const message = `${excess}; the others stay. Take peers away that are not needed, or take its roots from SPIRE’s SDS (anchors: SpireSds)`;
    return { code: 'MeshBudgetExceeded', message };
  }
  return sharedKey(published);
}

function over(what: string, amount: number, limit: number): string | undefined {
  return amount > limit ? `with it there would be ${amount} ${what}, more than ${limit}` : undefined;
}

/**
 * The first certificate of a key wins in Envoy: a bare root of one trust domain would undo the constraints of the
 * other's. The gate sees that for bundles that SPIRE holds; this is for what is still published without one.
 */
function sharedKey({ anchors }: Published): MeshVerdict | undefined {
  const owners = new Map<string, { readonly owner: TrustDomain; readonly der: string }>();
  for (const [owner, ders] of anchors) {
    for (const der of ders) {
      const { publicKey } = readCertificate(der);
      const other = owners.get(publicKey.fingerprint);
      if (other !== undefined && other.owner !== owner) {
        const message = `${owner} and ${other.owner} have a key in common (of certificates ${fingerprint(der).slice(0, 16)}… and ${other.der.slice(0, 16)}…); both cannot be trusted`;
        return { code: 'RootCollision', message };
      }
      owners.set(publicKey.fingerprint, { owner, der: fingerprint(der) });
    }
  }
  return undefined;
}
