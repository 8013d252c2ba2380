// Which certificates does istiod say that it uses?
import { fingerprint } from '../bundle/bundle.ts';
import { remembered } from '../bundle/remembered.ts';
import type { MergedAnchors } from '../federation/mesh-ports.ts';
import { certificatesIn } from './mesh-content.ts';

/** By fingerprint; read once an answer, not once a peer. */
export const mergedPrints = remembered(
  ({ pems }: MergedAnchors): ReadonlySet<string> =>
    new Set(pems.flatMap((pem) => certificatesIn(pem).map(fingerprint))),
);
