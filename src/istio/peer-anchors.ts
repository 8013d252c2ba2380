// Which certificates stand for a peer in the mesh, and why do none? (istio.md §2: a bare root vouches for any name)
import type { X509Authority } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { AnchorError } from './anchor-error.ts';
import { whyNotBare } from './bare-root.ts';
import { whyNotConstrainable } from './constrainable-name.ts';
import { constrainedAnchor } from './constrained-anchor.ts';
import type { MeshVerdict } from './mesh-verdict.ts';

export type PeerAnchors =
  | { readonly kind: 'Anchors'; readonly ders: readonly Uint8Array[] }
  | { readonly kind: 'None'; readonly because: MeshVerdict };

/** An anchor costs three derivations and a signature; a plan asks for the same ones again and again. */
const made = new WeakMap<X509Authority, Map<TrustDomain, Uint8Array>>();

export function peerAnchors(
  roots: readonly X509Authority[],
  trustDomain: TrustDomain,
  form: 'Constrained' | 'Flat',
): PeerAnchors {
  if (form === 'Flat') return bareAnchors(roots, trustDomain);
  const fault = whyNotConstrainable(trustDomain);
  if (fault !== undefined) return { kind: 'None', because: { code: 'NameNotConstrainable', message: fault } };
  try {
    return { kind: 'Anchors', ders: roots.map((root) => anchorOf(root, trustDomain)) };
  } catch (error) {
    if (!(error instanceof AnchorError)) throw error;
    return { kind: 'None', because: { code: 'RootUnfit', message: `${error.code}: ${error.message}` } };
  }
}

/** Nothing stands between these and the parsers. */
function bareAnchors(roots: readonly X509Authority[], trustDomain: TrustDomain): PeerAnchors {
  const fault = roots.map(whyNotBare).find((each) => each !== undefined);
  if (fault === undefined) return { kind: 'Anchors', ders: roots };
  const message = `a root of it has ${fault}: istiod or Envoy could not read it, and would lose the whole list; what was published before stays. Ask the operators of ${trustDomain} for another root`;
  return { kind: 'None', because: { code: 'RootUnfit', message } };
}

function anchorOf(root: X509Authority, trustDomain: TrustDomain): Uint8Array {
  const known = made.get(root)?.get(trustDomain);
  if (known !== undefined) return known;
  const anchor = constrainedAnchor(root, trustDomain);
  const ofRoot = made.get(root) ?? new Map<TrustDomain, Uint8Array>();
  made.set(root, ofRoot.set(trustDomain, anchor));
  return anchor;
}
