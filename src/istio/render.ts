// What does somebody put into their own files who does not let the broker write mesh config? (Helm's istiod chart, Sail's Istio, a ConfigMap)
import { MESH_KEY, serializeMeshContent, type MeshContent } from './mesh-content.ts';

export type RenderForm = 'HelmValues' | 'SailIstio' | 'ConfigMap';

interface Form {
  /** The lines above. */
  readonly head: readonly string[];
  readonly indent: number;
}

export interface RenderedObject {
  readonly namespace: string;
  readonly name: string;
}

const FORMS: Readonly<Record<RenderForm, (object: RenderedObject) => Form>> = {
  HelmValues: () => ({ head: ['meshConfig:'], indent: 2 }),
  SailIstio: ({ name }) => ({
    head: [
      'apiVersion: sailoperator.io/v1',
      'kind: Istio',
      'metadata:',
      `  name: ${JSON.stringify(name)}`,
      'spec:',
      '  values:',
      '    meshConfig:',
    ],
    indent: 6,
  }),
  ConfigMap: ({ namespace, name }) => ({
    head: [
      'apiVersion: v1',
      'kind: ConfigMap',
      'metadata:',
      `  namespace: ${JSON.stringify(namespace)}`,
      `  name: ${JSON.stringify(name)}`,
      'data:',
      `  ${MESH_KEY}: |`,
    ],
    indent: 4,
  }),
};

/** YAML that says the same as our ConfigMap would. For Helm and Sail it takes the place of a `caCertificates` there. */
export function renderMesh(form: RenderForm, content: MeshContent, object: RenderedObject): string {
  const { head, indent } = FORMS[form](object);
  const body = serializeMeshContent(content).replaceAll(/^(?=.)/gm, ' '.repeat(indent));
  return `${head.join('\n')}\n${body}`;
}
