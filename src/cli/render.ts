// What does somebody write into mesh config who does not let the broker do it? Printed as the files of their own tools.
import { stringify } from 'yaml';
import type { MeshObjectContent, MeshObjectRef } from '../federation/mesh-objects.ts';
import { systemClock } from '../federation/clock.ts';
import { freshMesh } from '../istio/fresh-mesh.ts';
import { stateOf } from '../istio/mesh-verdict.ts';
import { renderMesh, type RenderForm } from '../istio/render.ts';
import { textFlag, UsageError, type Command, type CommandContext } from './command.ts';
import { readDeclaredPeers } from './declared-peers.ts';
import { connectSpire } from './wiring.ts';

const FORMS: ReadonlyMap<string, RenderForm> = new Map([
  ['helm', 'HelmValues'],
  ['sail', 'SailIstio'],
  ['configmap', 'ConfigMap'],
]);

/** The API knows none of this name: it stands for the one that nobody named. */
const NO_NAMESPACE = '';

export const renderCommand: Command = {
  name: 'render',
  usage: '[--form helm|sail|configmap]',
  summary:
    'print what Istio needs to accept the declared peers, to write it yourself; exit 1 when one is missing in it',
  flags: { form: 'Text' },
  async run(context) {
    const form = formFlag(context);
    const { config, signal } = context;
    const { trustDomain, spire } = await connectSpire(config, signal);
    try {
      const declared = await readDeclaredPeers(config, trustDomain, signal);
      declared.close();
      for (const fault of declared.faults) context.explain(`${fault}\n`);
      const bundles = await spire.listFederatedBundles(signal);
      const ref: MeshObjectRef = { kind: 'ConfigMap', namespace: config.istioNamespace, name: config.istioConfigMap };
      const mesh = freshMesh({
        now: systemClock.now(),
        ownBundle: await spire.readOwnBundle(signal),
        declarations: declared.declarations,
        stored: new Map(bundles.map((bundle) => [bundle.trustDomain, bundle])),
        ref,
        namespace: config.kubernetesNamespace ?? NO_NAMESPACE,
      });
      const missing = mesh.peers.filter(({ verdict }) => stateOf(verdict.code) !== 'Accepted');
      for (const { peer, verdict } of missing) {
        context.explain(`${peer.name} (${peer.trustDomain}) is missing: ${verdict.code}: ${verdict.message}\n`);
      }
      for (const { peer, warnings } of mesh.peers) {
        for (const { code, message } of warnings) context.explain(`${peer.name}: ${code}: ${message}\n`);
      }
      if (form === 'ConfigMap' && mesh.gatewayCas.some(({ ref: { namespace } }) => namespace === NO_NAMESPACE)) {
        context.explain(`${NAMESPACE_UNSAID}\n`);
      }
      const object = form === 'SailIstio' ? { ...ref, name: 'default' } : ref;
      const documents = [
        renderMesh(form, mesh.content, object),
        ...(form === 'ConfigMap' ? mesh.gatewayCas.map(manifestOf) : []),
      ];
      context.print(documents.join('---\n'));
      return missing.length === 0 && declared.faults.length === 0 ? 0 : 1;
    } finally {
      spire.close();
    }
  },
};

function formFlag(context: CommandContext): RenderForm {
  const text = textFlag(context, 'form') ?? 'configmap';
  const form = FORMS.get(text);
  if (form === undefined) throw new UsageError(`--form must be ${[...FORMS.keys()].join(' or ')}, not "${text}"`);
  return form;
}

function manifestOf({ ref, content }: { readonly ref: MeshObjectRef; readonly content: MeshObjectContent }): string {
  const { kind, namespace, name } = ref;
  const data = kind === 'Secret' ? { stringData: content.data } : { data: content.data };
  if (namespace !== NO_NAMESPACE) return stringify({ apiVersion: 'v1', kind, metadata: { namespace, name }, ...data });
  return `# ${NAMESPACE_UNSAID}\n${stringify({ apiVersion: 'v1', kind, metadata: { name }, ...data })}`;
}

const NAMESPACE_UNSAID =
  'Apply CA ConfigMaps to the namespace that your Gateways name in configmap://<namespace>/<name>; set kubernetesNamespace to have it written here.';
