// What is looked at in a mesh before peers are let into it, as far as the API server tells? Implemented by
// src/kubernetes. (Istio 1.31: security and networking v1; Deployments of istiod, Pods with a proxy)
import type { Fact } from './facts.ts';
import type { MeshObjectRef } from './mesh-objects.ts';

/** A Deployment of istiod, of which each revision has one. */
export interface IstiodDeployment {
  readonly name: string;
  /** Label `istio.io/rev`; `default` without one. */
  readonly revision: string;
  /** The variables of its containers that federation depends on, by name. */
  readonly environment: Readonly<Record<string, string>>;
  /** Those of them that take their value from another object, which is not read. */
  readonly unreadVariables: readonly string[];
}

/** Who certifies the workloads, and what roots they take. Pods that have ended do not count. */
export interface ProxyCounts {
  /** Their proxy has SPIRE's socket, and takes certificates and roots from SPIRE alone. */
  readonly certifiedBySpire: number;
  readonly certifiedByIstiod: number;
  /** Of those certified by istiod, how many take roots of mesh config beside istiod's own. */
  readonly takingMeshRoots: number;
  /** `namespace/name` of some of the others. */
  readonly notTakingMeshRoots: readonly string[];
}

/** Under which names SPIRE Agents serve roots to Envoy, with SPIRE's defaults where nothing is said. */
export interface SpireAgentSds {
  /** The agent's own bundle alone. */
  readonly defaultBundleName: string;
  /** The own bundle and all federated ones. */
  readonly defaultAllBundlesName: string;
  /** Roots are served as one flat list, which says of no root whose it is. */
  readonly spiffeValidationDisabled: boolean;
}

/** Where an object of the mesh is. */
export interface MeshPlace {
  readonly namespace: string;
  readonly name: string;
}

/** An AuthorizationPolicy, as far as it tells identities apart. */
export interface AuthorizationPolicy extends MeshPlace {
  readonly action: string;
  /** It is for some workloads or services of its namespace only. */
  readonly isSelective: boolean;
  readonly rules: readonly PolicyRule[];
}

export interface PolicyRule {
  /** One of them must hold; empty: any. */
  readonly sources: readonly PolicySource[];
  /** Each of them must hold; of `when`, those about identities. */
  readonly conditions: readonly PolicySource[];
  /** It looks at nothing else than at identities. */
  readonly isAboutIdentitiesAlone: boolean;
}

/** Patterns, of which one must fit in each list that has any, and none of the lists named `not…`. */
export type PolicySource = Readonly<Record<PolicySourceField, readonly string[]>>;

export const POLICY_SOURCE_FIELDS = [
  'principals',
  'notPrincipals',
  'namespaces',
  'notNamespaces',
  'serviceAccounts',
  'notServiceAccounts',
  'trustDomains',
  'notTrustDomains',
] as const;

export type PolicySourceField = (typeof POLICY_SOURCE_FIELDS)[number];

export interface MeshGateway extends MeshPlace {
  readonly servers: readonly MeshGatewayServer[];
}

export interface MeshGatewayServer {
  /** `SIMPLE`, `MUTUAL`, `ISTIO_MUTUAL`, …; undefined without TLS. */
  readonly tlsMode: string | undefined;
  readonly port: number | undefined;
  /** As written: `credentialName`, `credentialNames` and `caCertCredentialName`. */
  readonly credentialNames: readonly string[];
}

export interface MeshServiceEntry extends MeshPlace {
  readonly hosts: readonly string[];
  readonly location: string;
  readonly subjectAltNames: readonly string[];
}

export interface MeshDestinationRule extends MeshPlace {
  readonly host: string;
  /** Of all its TLS settings, as written. */
  readonly credentialNames: readonly string[];
  /** Of the TLS settings for the whole host; undefined: nothing is said. */
  readonly tlsMode: string | undefined;
  /** The same. */
  readonly subjectAltNames: readonly string[];
}

/** A resource of the Gateway API, as far as it takes CAs from objects. */
export interface CaReferrer extends MeshPlace {
  readonly caObjects: readonly MeshObjectRef[];
}

/** Of the lists of Istio's resources, undefined: the API server does not serve that resource. */
export interface MeshSurvey {
  readonly istiods: Fact<readonly IstiodDeployment[]>;
  readonly proxies: Fact<ProxyCounts>;
  /** Namespaces that are ambient, or in which some pods are; sorted. */
  readonly ambientNamespaces: Fact<readonly string[]>;
  /** Undefined: nobody said where the configuration of SPIRE Agents is. */
  readonly spireAgent: Fact<SpireAgentSds> | undefined;
  readonly authorizationPolicies: Fact<readonly AuthorizationPolicy[]> | undefined;
  readonly gateways: Fact<readonly MeshGateway[]> | undefined;
  readonly serviceEntries: Fact<readonly MeshServiceEntry[]> | undefined;
  readonly destinationRules: Fact<readonly MeshDestinationRule[]> | undefined;
  /** Gateways, sets of listeners and BackendTLSPolicies; undefined: the API server serves none of them. */
  readonly gatewayApi: Fact<readonly CaReferrer[]> | undefined;
}

/** Looks at a mesh again and again. */
export interface MeshSurveys {
  /** Reports a whole survey now and then, until the signal aborts; what cannot be read is a fact of it. */
  watch(report: (survey: MeshSurvey) => void, signal: AbortSignal): Promise<void>;
}
