// What is asked of a mesh before peers are let in, how may it end, and of what is it asked?
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Fact } from '../federation/facts.ts';
import type { MeshObject, MeshObjectRef } from '../federation/mesh-objects.ts';
import type { IstiodDeployment, MeshSurvey } from '../federation/mesh-survey.ts';
import type { MeshAnchors } from '../federation/relationship.ts';
import { readBaseMeshConfig, type BaseMeshConfig } from './base-mesh-config.ts';

export type PreflightCheckId =
  | 'MultiRootEnabled'
  | 'XdsAgentEnabled'
  | 'SharedMeshConfigWired'
  | 'BaseSetsCaCertificates'
  | 'SpireSocketMounted'
  | 'SpireSdsAllBundles'
  | 'SpiffeValidationOn'
  | 'TrustDomainMatches'
  | 'CrlEnforced'
  | 'AliasesPresent'
  | 'SpiffeBundleUrlPresent'
  | 'AmbientDetected';

/** `Failed`: peers do not work, or not safely. `Warning`: some may not. `Unknown`: it could not be read, or not all of it. */
export type PreflightStatus = 'OK' | 'Failed' | 'Warning' | 'Unknown';

export interface PreflightCheck {
  readonly id: PreflightCheckId;
  /** Of istiod; absent where the check is about the whole mesh. */
  readonly revision?: string;
  readonly status: PreflightStatus;
  /** What is wrong and what to change. */
  readonly message: string;
  /** For peers with these anchors it counts. */
  readonly anchors: readonly MeshAnchors[];
}

export interface RevisionConfig {
  /** Of istiod. */
  readonly revision: string;
  /** The ConfigMap of ours that it should read. */
  readonly ref: MeshObjectRef;
  /** Its own ConfigMap; undefined: not looked at. */
  readonly base: Fact<MeshObject | undefined> | undefined;
}

export interface PreflightFacts {
  readonly ownTrustDomain: TrustDomain;
  /** Where peers are written: into a ConfigMap of ours, or into istiod's own. */
  readonly target: 'shared-config' | 'patch-base';
  readonly revisions: readonly RevisionConfig[];
  readonly survey: MeshSurvey;
}

export type Finding = Pick<PreflightCheck, 'revision' | 'status' | 'message'>;

export type Question = (facts: PreflightFacts) => readonly Finding[];

/** Of each revision's Deployment. `judge` answers undefined where the check does not apply. */
export function askIstiods(
  judge: (istiod: IstiodDeployment, config: RevisionConfig, facts: PreflightFacts) => Finding | undefined,
): Question {
  return askRevisions((config, facts) =>
    ifKnown(facts.survey.istiods, (istiods) => {
      const istiod = istiods.find(({ revision }) => revision === config.revision);
      if (istiod !== undefined) return judge(istiod, config, facts);
      const labels = `app=istiod, istio.io/rev=${config.revision}`;
      return unknown(`there is no Deployment of istiod with labels ${labels}; check istioNamespace and istioRevisions`);
    }),
  );
}

/** Of each revision's own mesh config. */
export function askBases(
  judge: (base: BaseMeshConfig, config: RevisionConfig, facts: PreflightFacts) => Finding | undefined,
): Question {
  return askRevisions((config, facts) => {
    if (config.base === undefined) return unknown('the mesh config of istiod is not read');
    return ifKnown(config.base, (object) => {
      const base = readBaseMeshConfig(object?.data['mesh'] ?? '');
      if (base !== undefined) return judge(base, config, facts);
      return unknown('the mesh config of istiod is no YAML map; istiod cannot read it either');
    });
  });
}

function askRevisions(judge: (config: RevisionConfig, facts: PreflightFacts) => Finding | undefined): Question {
  return (facts) =>
    facts.revisions.flatMap((config) => {
      const finding = judge(config, facts);
      return finding === undefined ? [] : [{ revision: config.revision, ...finding }];
    });
}

/** What cannot be read is not known, whatever is asked of it. */
export function ifKnown<T, F extends Finding | undefined>(fact: Fact<T>, judge: (value: T) => F): F | Finding {
  return fact.state === 'Known' ? judge(fact.value) : unknown(`${fact.reason}: ${fact.message}`);
}

export function ok(message: string): Finding {
  return { status: 'OK', message };
}

export function failed(message: string): Finding {
  return { status: 'Failed', message };
}

export function warning(message: string): Finding {
  return { status: 'Warning', message };
}

export function unknown(message: string): Finding {
  return { status: 'Unknown', message };
}
