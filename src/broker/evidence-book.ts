// Which evidence is there of each declared peer? In this process; in Kubernetes the object's status keeps it longer.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Verdict } from '../federation/acceptance.ts';
import { withEvidence, type Evidence } from '../federation/evidence.ts';
import type { FetchedDocument, Facts } from '../federation/facts.ts';
import type { FederationPlan } from '../federation/plan.ts';

interface Entry {
  readonly evidence: readonly Evidence[];
  readonly verdict: Verdict | undefined;
  /** What the verdict is about. */
  readonly content: FetchedDocument['content'] | undefined;
}

export class EvidenceBook {
  readonly #byPeer = new Map<TrustDomain, Entry>();

  notePass({ fetched }: Pick<Facts, 'fetched'>, { peers }: Pick<FederationPlan, 'peers'>): void {
    const declared = new Set(peers.map(({ peer }) => peer.trustDomain));
    for (const name of this.#byPeer.keys()) if (!declared.has(name)) this.#byPeer.delete(name);
    for (const { peer, verdict } of peers) {
      const document = fetched.get(peer.trustDomain)?.document;
      const evidence = withEvidence(this.of(peer.trustDomain), verdict, document);
      this.#byPeer.set(peer.trustDomain, { evidence, verdict, content: document?.content });
    }
  }

  /** Content that was judged and fetched again since is no matter for a pass, but it was seen. */
  noteSeen({ fetched }: Pick<Facts, 'fetched'>): void {
    for (const [name, entry] of this.#byPeer) {
      const document = fetched.get(name)?.document;
      if (document?.content !== entry.content) continue;
      this.#byPeer.set(name, { ...entry, evidence: withEvidence(entry.evidence, entry.verdict, document) });
    }
  }

  /** Newest first. */
  of(trustDomain: TrustDomain): readonly Evidence[] {
    return this.#byPeer.get(trustDomain)?.evidence ?? [];
  }
}
