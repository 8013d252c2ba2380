// How is SPIRE made to fetch a peer's bundle itself? By its API; beside spire-controller-manager by an object of its kind.
import type { Bundle } from '../bundle/bundle.ts';
import { remembered } from '../bundle/remembered.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { besideUs, handledOf, relationshipsBy } from './controller-manager.ts';
import type { Facts } from './facts.ts';
import type { ClusterFederatedTrustDomain, FederatedTrustDomainDeclaration, FederationRelationship } from './ports.ts';
import type { Peer } from './relationship.ts';

export interface StoreBundleStep {
  readonly kind: 'StoreBundle';
  readonly trustDomain: TrustDomain;
  readonly bundle: Bundle;
}

export type DelegationStep =
  | {
      readonly kind: 'CreateRelationship';
      readonly trustDomain: TrustDomain;
      readonly relationship: FederationRelationship;
      /** Only when SPIRE holds no bundle yet: it would overwrite the one it holds. */
      readonly bootstrap: Bundle | undefined;
    }
  | {
      readonly kind: 'UpdateRelationship';
      readonly trustDomain: TrustDomain;
      readonly relationship: FederationRelationship;
    }
  | { readonly kind: 'DeleteRelationship'; readonly trustDomain: TrustDomain }
  | {
      readonly kind: 'ApplyFederatedTrustDomain';
      readonly trustDomain: TrustDomain;
      /** With a bundle only while SPIRE holds none: the controller-manager would write it over a newer one. */
      readonly declaration: FederatedTrustDomainDeclaration;
    }
  | {
      readonly kind: 'DeleteFederatedTrustDomain';
      readonly trustDomain: TrustDomain;
      readonly object: ClusterFederatedTrustDomain;
    };

/** What SPIRE holds of it. */
export interface DelegatedState {
  readonly stored: ReadonlyMap<TrustDomain, Bundle>;
  readonly relationships: ReadonlyMap<TrustDomain, FederationRelationship>;
}

/** So that SPIRE fetches this peer as declared. None while it is not known who looks after relationships. */
export function delegationSteps(peer: Peer, facts: Facts, spire: DelegatedState): (DelegationStep | StoreBundleStep)[] {
  const { trustDomain, bundleEndpointUrl, profile } = peer;
  const relationship: FederationRelationship = { trustDomain, bundleEndpointUrl, profile };
  const by = relationshipsBy(besideUs(facts.controllerManager));
  if (by === 'Unknown') return [];
  const bootstrap = bootstrapOf(peer, facts, spire);
  if (by === 'ControllerManager') return declarationSteps(peer, relationship, bootstrap, facts, spire);
  const current = spire.relationships.get(trustDomain);
  if (current === undefined) {
    return bootstrap === 'NotRead' ? [] : [{ kind: 'CreateRelationship', trustDomain, relationship, bootstrap }];
  }
  const given = givenOf(bootstrap);
  return [
    ...(sameRelationship(current, relationship)
      ? []
      : [{ kind: 'UpdateRelationship', trustDomain, relationship } as const]),
    // Deleted by whomever: without one SPIRE can verify no endpoint, and would fetch nothing for good.
    ...(given === undefined ? [] : [{ kind: 'StoreBundle', trustDomain, bundle: given } as const]),
  ];
}

/** So that SPIRE fetches this trust domain no longer. The relationship itself goes too: it is ours in either case. */
export function undelegationSteps(trustDomain: TrustDomain, facts: Facts, spire: DelegatedState): DelegationStep[] {
  const object = indexOf(facts).ours.get(trustDomain);
  return [
    ...(object === undefined ? [] : [{ kind: 'DeleteFederatedTrustDomain', trustDomain, object } as const]),
    ...(spire.relationships.has(trustDomain) ? [{ kind: 'DeleteRelationship', trustDomain } as const] : []),
  ];
}

/** Whether it can be seen what makes SPIRE fetch: a relationship that is deleted would otherwise be made again. */
export function knowsDelegation({ controllerManager, federatedTrustDomains }: Facts): boolean {
  return controllerManager?.state !== 'Unreadable' && federatedTrustDomains?.state !== 'Unreadable';
}

/** An object of somebody else that stands where ours would, or makes SPIRE fetch what we fetch. */
export function foreignDeclaration(
  { trustDomain, mode, name }: Peer,
  facts: Facts,
): ClusterFederatedTrustDomain | undefined {
  if (relationshipsBy(besideUs(facts.controllerManager)) !== 'ControllerManager') return undefined;
  const index = indexOf(facts);
  const named = index.foreignByName.get(name);
  return index.foreign.get(trustDomain) ?? (mode === 'Delegate' ? named : undefined);
}

function declarationSteps(
  { trustDomain, name }: Peer,
  relationship: FederationRelationship,
  bootstrap: Bundle | 'NotRead' | undefined,
  facts: Facts,
  { stored }: DelegatedState,
): DelegationStep[] {
  const { controllerManager, federatedTrustDomains } = facts;
  if (controllerManager?.state !== 'Known' || federatedTrustDomains?.state !== 'Known') return [];
  const { className } = controllerManager.value;
  const current = indexOf(facts).ours.get(trustDomain);
  if (current === undefined && bootstrap === 'NotRead') return [];
  const same =
    current?.profile !== undefined &&
    current.brokerOf !== undefined &&
    current.className === className &&
    sameRelationship({ ...current, profile: current.profile }, relationship);
  const given = givenOf(bootstrap);
  const carriesBundle = !stored.has(trustDomain) && (given !== undefined || current?.carriesBundle === true);
  if (same && current.carriesBundle === carriesBundle) return [];
  const declaration: FederatedTrustDomainDeclaration = {
    name: current?.name ?? name,
    relationship,
    className,
    bootstrap: given,
  };
  return [{ kind: 'ApplyFederatedTrustDomain', trustDomain, declaration }];
}

/** The declared bundle for the first contact; none where SPIRE holds one. */
function bootstrapOf(peer: Peer, facts: Facts, { stored }: DelegatedState): Bundle | 'NotRead' | undefined {
  if (stored.has(peer.trustDomain)) return undefined;
  if (peer.bootstrap === undefined && peer.lastGoodBundle === undefined) return undefined;
  const bootstrap = facts.bootstraps.get(peer.trustDomain);
  return bootstrap?.state === 'Known' ? bootstrap.value : 'NotRead';
}

function givenOf(bootstrap: Bundle | 'NotRead' | undefined): Bundle | undefined {
  return bootstrap === 'NotRead' ? undefined : bootstrap;
}

type Endpoint = Pick<FederationRelationship, 'bundleEndpointUrl' | 'profile'>;

function sameRelationship(a: Endpoint, b: Endpoint): boolean {
  const endpointId = ({ profile }: Endpoint) =>
    profile.type === 'https_spiffe' ? profile.endpointSpiffeId : undefined;
  return (
    a.bundleEndpointUrl === b.bundleEndpointUrl && a.profile.type === b.profile.type && endpointId(a) === endpointId(b)
  );
}

interface DeclarationIndex {
  readonly ours: ReadonlyMap<string, ClusterFederatedTrustDomain>;
  readonly foreign: ReadonlyMap<string, ClusterFederatedTrustDomain>;
  readonly foreignByName: ReadonlyMap<string, ClusterFederatedTrustDomain>;
}

const NO_OBJECTS: readonly ClusterFederatedTrustDomain[] = [];

function indexOf(facts: Facts): DeclarationIndex {
  const beside = besideUs(facts.controllerManager);
  return indexDeclarations(beside.kind === 'Found' ? handledOf(facts.federatedTrustDomains, beside) : NO_OBJECTS);
}

const indexDeclarations = remembered((list: readonly ClusterFederatedTrustDomain[]): DeclarationIndex => {
  const [ours, foreign] = [list.filter((each) => each.ours), list.filter((each) => !each.ours)];
  return {
    ours: new Map(ours.map((object) => [object.trustDomain, object])),
    foreign: new Map(foreign.map((object) => [object.trustDomain, object])),
    foreignByName: new Map(foreign.map((object) => [object.name, object])),
  };
});
