// What does SPIRE's own poller do? It fetches what it has a relationship for, and stores it without judging it.
// (SPIRE 1.15.3: every 15 s or a quarter of the hint; the sequence number becomes 0)
import type { EndpointErrorCode } from '../../src/bundle-endpoint/endpoint-error.ts';
import { trustDomainOf } from '../../src/bundle/spiffe-id.ts';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import { storedAlike } from '../../src/federation/acceptance.ts';
import type { EndpointTrust, FederationRelationship } from '../../src/federation/ports.ts';
import type { Network } from './network.ts';
import type { SpireLink } from './spire-link.ts';
import type { SpireModel } from './spire-model.ts';

export interface SpirePollerParts {
  readonly model: SpireModel;
  readonly link: SpireLink;
  readonly network: Network;
  readonly nowMs: () => number;
  /** It has replaced a bundle. */
  readonly onStored: (trustDomain: TrustDomain) => void;
}

const SHORTEST_INTERVAL_MS = 15_000;
const HINT_PART = 1 / 4;

export class SpirePoller {
  /** Whose endpoints it could not verify when it asked last. */
  readonly shutOutOf = new Set<TrustDomain>();
  readonly #parts: SpirePollerParts;
  readonly #dueAtMs = new Map<TrustDomain, number>();

  constructor(parts: SpirePollerParts) {
    this.#parts = parts;
  }

  /** Asked again and again. */
  tick(): void {
    const { model, link, nowMs } = this.#parts;
    if (link.isDown) return;
    for (const relationship of model.relationships.values()) {
      const { trustDomain } = relationship;
      if (nowMs() < (this.#dueAtMs.get(trustDomain) ?? 0)) continue;
      const failure = this.#poll(relationship);
      if (failure === 'EndpointRootUnknown') this.shutOutOf.add(trustDomain);
      else this.shutOutOf.delete(trustDomain);
      const hintMs = (model.bundles.get(trustDomain)?.refreshHintSeconds ?? 0) * 1000;
      this.#dueAtMs.set(trustDomain, nowMs() + Math.max(SHORTEST_INTERVAL_MS, hintMs * HINT_PART));
    }
  }

  #poll(relationship: FederationRelationship): EndpointErrorCode | undefined {
    const { model, network, nowMs, onStored } = this.#parts;
    const { trustDomain, bundleEndpointUrl: url } = relationship;
    const answer = network.look(model.trustDomain, { url, trust: this.#trustOf(relationship) }, nowMs());
    if (typeof answer === 'string') return answer;
    const { bundle } = answer;
    if (bundle?.trustDomain !== trustDomain) return 'StatusUnexpected';
    const held = model.bundles.get(trustDomain);
    const stored = { ...bundle, sequenceNumber: undefined };
    if (held !== undefined && storedAlike(stored, held)) return undefined;
    model.setBundle(stored);
    onStored(trustDomain);
    return undefined;
  }

  #trustOf({ profile }: FederationRelationship): EndpointTrust {
    if (profile.type === 'https_web') return { type: 'https_web' };
    const { endpointSpiffeId } = profile;
    const held = this.#parts.model.bundles.get(trustDomainOf(endpointSpiffeId));
    return { type: 'https_spiffe', endpointSpiffeId, authorities: held?.x509Authorities ?? [] };
  }
}
