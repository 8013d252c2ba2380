// What is asked of a mesh before peers are let in, how may it end, and of what is it asked?
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Fact } from '../federation/facts.ts';
import type { IstiodDeployment, MeshSurvey } from '../federation/mesh-survey.ts';
import type { MeshAnchors } from '../federation/relationship.ts';
import { MESH_KEY } from './mesh-content.ts';
import type { MeshLimits, SharedMeshConfig } from './mesh-facts.ts';
import { mergeMesh, type MergedMesh } from './mesh-merge.ts';

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
  | 'AmbientDetected'
  | 'DnsNamesPinned';

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

/** What is checked of one revision of istiod; what is in our ConfigMap plays no part. */
export type RevisionConfig = Omit<SharedMeshConfig, 'object'>;

export interface PreflightFacts {
  readonly ownTrustDomain: TrustDomain;
  readonly target: MeshLimits['target'];
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
  judge: (base: MergedMesh, config: RevisionConfig, facts: PreflightFacts) => Finding | undefined,
): Question {
  return askRevisions((config, facts) => {
    if (config.base === undefined) return unknown('the mesh config of istiod is not read');
    return ifKnown(config.base, (object) => {
      const base = mergeMesh({ shared: undefined, base: object?.data[MESH_KEY] });
      if (base.ignored.base === undefined) return judge(base, config, facts);
      return unknown(`istiod cannot read its own mesh config: ${base.ignored.base}; mend it`);
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

/** `most` of them, so that a condition stays short, and how many more there are. */
export function some(names: readonly string[], most: number): string {
  const more = names.length - most;
  return names.slice(0, most).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
