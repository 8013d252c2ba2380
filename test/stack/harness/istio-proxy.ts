// How does a test run a sidecar: an Envoy with what istiod and its agent give it, certified by the mesh or by SPIRE?
import { makeSvid, type Issued } from '../../fakes/fake-ca.ts';
import type { Cleanup } from './cleanup.ts';
import { agentCluster, agentSecret } from './envoy-config.ts';
import { envoyFiles } from '../../../src/cli/demo/envoy-files.ts';
import { type Envoy, startEnvoy } from './envoy.ts';
import { eventually } from './eventually.ts';
import {
  type Inbound,
  type Outbound,
  OWN_CERTIFICATE,
  ROOTS,
  sidecarClusters,
  sidecarListeners,
} from '../../../src/cli/demo/istio-envoy.ts';
import type { Istiod, Push } from './istiod.ts';
import { tempFolder } from './temp-folder.ts';
import { mergedRoots } from '../../../src/cli/demo/merged-roots.ts';

/** Envoy's `--drain-time-s`, 45 in Istio: how long a connection outlives its listener. */
export const DRAIN_SECONDS = 2;

/** Who certifies the sidecar, and gives it its roots. */
export type Certifier =
  /** The mesh's own root. `PROXY_CONFIG_XDS_AGENT` is on. */
  | { readonly by: 'istiod'; readonly root: Issued; readonly spiffeId: string }
  /** SPIRE's agent at this socket; istiod's PEMs are nothing to such a sidecar. */
  | { readonly by: 'spire'; readonly agentSocketPath: string };

export interface SidecarOptions {
  readonly name: string;
  readonly certifier: Certifier;
  readonly inbound: Inbound;
  readonly outbound?: Outbound;
}

export interface Sidecar {
  readonly envoy: Envoy;
  /** LDS: how many times its listeners were written, once at the start. */
  readonly listenerWrites: () => number;
  /** How many certificates it asked istiod for: one at the start, and one for every change of the PEMs. */
  readonly certificateRequests: () => number;
  /** Until Envoy's `ROOTCA` is what the agent makes of exactly these PEMs of mesh config. Not beside SPIRE. */
  waitForAnchors(anchors: readonly string[]): Promise<void>;
}

interface SecretsDump {
  readonly configs: readonly {
    readonly name: string;
    readonly secret: { readonly validation_context?: { readonly trusted_ca: { readonly inline_bytes: string } } };
  }[];
}

/** The roots by which it judges now: what it refused is not among them. */
async function activeRoots(envoy: Envoy): Promise<string | undefined> {
  const dump = JSON.parse(await envoy.admin('/config_dump?resource=dynamic_active_secrets')) as SecretsDump;
  const roots = dump.configs.find(({ name }) => name === ROOTS)?.secret.validation_context;
  return roots === undefined ? undefined : Buffer.from(roots.trusted_ca.inline_bytes, 'base64').toString();
}

/** Resolves when Envoy has its certificate and roots and listens. */
export async function startSidecar(cleanup: Cleanup, istiod: Istiod, options: SidecarOptions): Promise<Sidecar> {
  const { name, certifier, inbound, outbound } = options;
  const files = envoyFiles(tempFolder(cleanup, `${name}-xds`));
  const secretOf = certifier.by === 'istiod' ? files.secretOf : agentSecret;
  let requests = 0;
  let rootsPem: string | undefined;

  /** As the agent does: other PEMs are other roots and, at once, another certificate. */
  const updateAgent = async ({ trustAnchors = [] }: Push): Promise<void> => {
    if (certifier.by === 'spire') return;
    const merged = mergedRoots(certifier.root.pem, trustAnchors);
    if (merged === rootsPem) return;
    rootsPem = merged;
    requests++;
    const certificate = await makeSvid(certifier.root, certifier.spiffeId);
    files.writeRoots(ROOTS, merged);
    files.writeCertificate(OWN_CERTIFICATE, certificate);
  };
  let updates: Promise<void> = Promise.resolve();
  istiod.connect(cleanup, (push) => {
    files.writeListeners(sidecarListeners(secretOf, push.sanPrefixes, { inbound, outbound }));
    updates = updates.then(() => updateAgent(push));
  });
  await updates;
  const clusters = sidecarClusters(secretOf, { inbound, outbound });
  const agent = certifier.by === 'spire' ? [agentCluster(certifier.agentSocketPath)] : [];
  const envoy = await startEnvoy(
    cleanup,
    { dynamic_resources: files.dynamicResources, static_resources: { clusters: [...clusters, ...agent] } },
    name,
    ['--drain-time-s', String(DRAIN_SECONDS)],
  );
  return {
    envoy,
    listenerWrites: files.listenerWrites,
    certificateRequests: () => requests,
    waitForAnchors: async (anchors) => {
      if (certifier.by === 'spire') throw new Error(`${name} takes its roots from SPIRE`);
      const expected = mergedRoots(certifier.root.pem, anchors);
      await eventually(`${name} has the roots expected`, async () => (await activeRoots(envoy)) === expected);
    },
  };
}
