// Would what is written for a peer take effect in this mesh? One row a check, read before the first write and on every
// survey after it. (Istio 1.29 to 1.31, SPIRE 1.15)
import type { MeshObjectRef } from '../federation/mesh-objects.ts';
import type { IstiodDeployment, ProxyCounts, SpireAgentSds } from '../federation/mesh-survey.ts';
import type { MeshAnchors } from '../federation/relationship.ts';
import { isTrue, ofFlag, ofVariable } from './istiod-environment.ts';
import { askPinnedDnsNames } from './pinned-dns-names.ts';
import {
  askBases,
  askIstiods,
  failed,
  ifKnown,
  ok,
  some,
  unknown,
  warning,
  type Finding,
  type PreflightCheck,
  type PreflightFacts,
  type Question,
} from './preflight-check.ts';

interface Row extends Pick<PreflightCheck, 'id' | 'anchors'> {
  readonly ask: Question;
}

const ALL: readonly MeshAnchors[] = ['SpireSds', 'Constrained', 'Flat'];
const BY_SPIRE: readonly MeshAnchors[] = ['SpireSds'];
const WITHOUT_DNS_NAMES: readonly MeshAnchors[] = ['Constrained'];
const BY_ISTIOD: readonly MeshAnchors[] = ['Constrained', 'Flat'];

/** As Envoys of Istio ask for their roots. */
const ROOTS_NAME = 'ROOTCA';

const ROWS: readonly Row[] = [
  {
    id: 'MultiRootEnabled',
    anchors: BY_ISTIOD,
    ask: askIstiods((istiod) =>
      ofFlag(istiod, 'ISTIO_MULTIROOT_MESH', {
        on: ok('istiod gives its proxies the roots of mesh config'),
        off: failed(
          'istiod ignores the roots in mesh config; set ISTIO_MULTIROOT_MESH to "true" in its environment (Helm value pilot.env.ISTIO_MULTIROOT_MESH), which restarts it',
        ),
      }),
    ),
  },
  {
    id: 'XdsAgentEnabled',
    anchors: BY_ISTIOD,
    ask: ({ survey }) => [ifKnown(survey.proxies, xdsAgentFinding)],
  },
  {
    id: 'SharedMeshConfigWired',
    anchors: ALL,
    ask: askIstiods((istiod, { ref }, { target }) =>
      target === 'SharedConfigMap' ? sharedMeshConfigFinding(istiod, ref) : undefined,
    ),
  },
  {
    id: 'BaseSetsCaCertificates',
    anchors: ALL,
    ask: askBases(({ caCertificatesOf }, { ref }, { target }) => {
      if (target !== 'SharedConfigMap') return undefined;
      if (caCertificatesOf === undefined)
        return ok('the mesh config of istiod leaves caCertificates to shared mesh config');
      return failed(
        `the mesh config of istiod has caCertificates itself, which wins over "${ref.name}" even when it is empty; take that field out (Helm value meshConfig.caCertificates), or choose istio: patch-base`,
      );
    }),
  },
  {
    id: 'SpireSocketMounted',
    anchors: BY_SPIRE,
    ask: ({ survey }) => [ifKnown(survey.proxies, spireSocketFinding)],
  },
  {
    id: 'SpireSdsAllBundles',
    anchors: BY_SPIRE,
    ask: askSpireAgent(({ defaultBundleName, defaultAllBundlesName }) => {
      // SPIRE Agent ignores the name of all bundles when both are the same.
      if (defaultAllBundlesName === ROOTS_NAME && defaultBundleName !== ROOTS_NAME) {
        return ok(`SPIRE Agent serves federated bundles under ${ROOTS_NAME}`);
      }
      return failed(
        `SPIRE Agent serves its own bundle alone under ${ROOTS_NAME}, so no peer is accepted; set default_bundle_name = "null" and default_all_bundles_name = "${ROOTS_NAME}" in section sds of its configuration, and restart it`,
      );
    }),
  },
  {
    id: 'SpiffeValidationOn',
    anchors: BY_SPIRE,
    ask: askSpireAgent(({ spiffeValidationDisabled }) =>
      spiffeValidationDisabled
        ? failed(
            'SPIRE Agent is told not to bind roots to trust domains, and then serves no federated bundles to Istio; take disable_spiffe_cert_validation out of section sds of its configuration, and restart it',
          )
        : ok('SPIRE Agent serves each root for its own trust domain'),
    ),
  },
  {
    id: 'TrustDomainMatches',
    anchors: ALL,
    ask: askBases(({ trustDomain }, _config, { ownTrustDomain }) =>
      trustDomain === ownTrustDomain
        ? ok(`the trust domain of the mesh is that of SPIRE, ${ownTrustDomain}`)
        : failed(
            `the trust domain of the mesh is "${trustDomain}", that of SPIRE "${ownTrustDomain}", so workloads of the mesh do not have the names that peers are told; install Istio with meshConfig.trustDomain: ${ownTrustDomain}`,
          ),
    ),
  },
  {
    id: 'CrlEnforced',
    anchors: BY_ISTIOD,
    ask: askIstiods((istiod) =>
      ofFlag(istiod, 'PILOT_ENABLE_CA_CRL', {
        on: warning(
          'proxies check the revocation list of istiod’s CA, and refuse every certificate of a peer whose CA has none in it; unset PILOT_ENABLE_CA_CRL (Helm value pilot.env.PILOT_ENABLE_CA_CRL) or use anchors: SpireSds',
        ),
        off: ok('no revocation list is asked of peers'),
      }),
    ),
  },
  {
    id: 'AliasesPresent',
    anchors: ALL,
    ask: askBases(({ trustDomainAliases: aliases }) =>
      aliases.length === 0
        ? ok('the mesh has no trust domain aliases')
        : warning(
            `for every policy, identities of ${aliases.join(', ')} are the same as ours; take from meshConfig.trustDomainAliases what is no former name of this mesh`,
          ),
    ),
  },
  {
    id: 'SpiffeBundleUrlPresent',
    anchors: ALL,
    ask: askBases(({ caCertificates }) => {
      const urls = caCertificates.flatMap(({ spiffeBundleUrl }) => spiffeBundleUrl ?? []);
      return urls.length === 0
        ? ok('istiod fetches no bundles itself')
        : warning(
            `istiod fetches roots itself (${urls.join(', ')}), for no trust domain in particular, and drops them when a fetch fails; take spiffeBundleUrl out of meshConfig.caCertificates and declare these peers here`,
          );
    }),
  },
  {
    id: 'AmbientDetected',
    anchors: ALL,
    ask: ({ survey }) => [
      ifKnown(survey.ambientNamespaces, (namespaces) =>
        namespaces.length === 0
          ? ok('no namespace is ambient')
          : warning(
              `ztunnel accepts no other trust domain, so peers do not reach ambient workloads (${some(namespaces, 5)}); take these into the mesh with sidecars, or let peers end at a gateway (gatewayCAs)`,
            ),
      ),
    ],
  },
  { id: 'DnsNamesPinned', anchors: WITHOUT_DNS_NAMES, ask: askPinnedDnsNames },
];

/** One result a check, or a check and revision; in the order of the rows. */
export function preflight(facts: PreflightFacts): readonly PreflightCheck[] {
  return ROWS.flatMap(({ id, anchors, ask }) => ask(facts).map((finding) => ({ id, anchors, ...finding })));
}

function xdsAgentFinding({ certifiedByIstiod, takingMeshRoots, notTakingMeshRoots }: ProxyCounts): Finding {
  const share = `${takingMeshRoots} of ${certifiedByIstiod} proxies that istiod certifies take roots of mesh config`;
  if (takingMeshRoots === certifiedByIstiod) return ok(share);
  const advice = `set PROXY_CONFIG_XDS_AGENT: "true" in meshConfig.defaultConfig.proxyMetadata and restart the others, for example ${notTakingMeshRoots.join(', ')}`;
  return takingMeshRoots === 0 ? failed(`${share}; ${advice}`) : warning(`${share}; ${advice}`);
}

function spireSocketFinding({ certifiedBySpire, certifiedByIstiod }: ProxyCounts): Finding {
  const all = certifiedBySpire + certifiedByIstiod;
  const share = `${certifiedBySpire} of ${all} proxies have SPIRE’s socket`;
  if (certifiedBySpire > 0 || all === 0) return ok(share);
  return failed(
    `${share}, so none takes roots from SPIRE; mount the volume of csi.spiffe.io at /run/secrets/workload-spiffe-uds into the workloads (an injection template of Istio), or use anchors: Constrained`,
  );
}

function sharedMeshConfigFinding(istiod: IstiodDeployment, { name }: MeshObjectRef): Finding {
  const variable = 'SHARED_MESH_CONFIG';
  return ofVariable(istiod, variable, (value) => {
    if (value === name) return ok(`istiod reads "${name}" beside its own mesh config`);
    if (value !== '') {
      return failed(
        `istiod reads "${value}" beside its own mesh config, and can read no second; put there what "fedbroker render" prints, or name that ConfigMap in istioConfigMap`,
      );
    }
    const advice = `set ${variable} to "${name}" in its environment (Helm value pilot.env.${variable}), which restarts it`;
    if (!isTrue(istiod.environment['PILOT_SKIP_VALIDATE_TRUST_DOMAIN'])) {
      return failed(`istiod does not read "${name}"; ${advice}`);
    }
    return warning(
      `istiod does not read "${name}"; workloads on SPIRE do without it, since PILOT_SKIP_VALIDATE_TRUST_DOMAIN is set, others need it: ${advice}`,
    );
  });
}

function askSpireAgent(judge: (sds: SpireAgentSds) => Finding): Question {
  return ({ survey: { spireAgent } }) => [
    spireAgent === undefined
      ? unknown('nobody said where the configuration of SPIRE Agent is; set spireAgentConfig')
      : ifKnown(spireAgent, judge),
  ];
}
