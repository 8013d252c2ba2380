// Which ConfigMaps and Secrets do resources of the Gateway API take CAs from? (gateway.networking.k8s.io: Gateway since v1,
// its listeners' frontendValidation before 1.4 and spec.tls.frontend since; ListenerSet v1 since 1.5, XListenerSet before;
// BackendTLSPolicy v1 since 1.4, v1alpha3 before. Istio reads the CA beside a listener's certificate as well)
import type { CaReferrer } from '../federation/mesh-survey.ts';
import type { KubeObject, Resource } from './kube-object.ts';
import { fieldsOf, textOf } from './object-fields.ts';
import { listOf } from './pod-template.ts';

export interface CaReferrerKind {
  /** The newest first: of the versions that are served, any has every object. */
  readonly versions: readonly Resource[];
  readonly referrerOf: (object: KubeObject) => CaReferrer;
}

const GROUP = 'gateway.networking.k8s.io';

export const CA_REFERRER_KINDS: readonly CaReferrerKind[] = [
  { versions: [resource(GROUP, 'v1', 'gateways', 'Gateway')], referrerOf: gatewayReferrerOf },
  { versions: [resource(GROUP, 'v1', 'listenersets', 'ListenerSet')], referrerOf: gatewayReferrerOf },
  {
    versions: [resource('gateway.networking.x-k8s.io', 'v1alpha1', 'xlistenersets', 'XListenerSet')],
    referrerOf: gatewayReferrerOf,
  },
  {
    versions: ['v1', 'v1alpha3'].map((version) => resource(GROUP, version, 'backendtlspolicies', 'BackendTLSPolicy')),
    referrerOf: policyReferrerOf,
  },
];

/**
 * Of a Gateway or a set of listeners for one: what clients at its listeners must have certificates of. Where a listener's
 * option `gateway.istio.io/tls-terminate-mode` is MUTUAL, that stands in the Secret of its certificate, or in
 * `<name>-cacert`.
 */
function gatewayReferrerOf({ metadata, ...object }: KubeObject): CaReferrer {
  const { listeners, tls } = fieldsOf(object['spec']);
  const ofListeners = listOf(listeners).map((listener) => fieldsOf(listener['tls']));
  const frontend = fieldsOf(fieldsOf(tls)['frontend']);
  const validations = [
    ...ofListeners.map(({ frontendValidation }) => frontendValidation),
    fieldsOf(frontend['default'])['validation'],
    ...listOf(frontend['perPort']).map((port) => fieldsOf(port['tls'])['validation']),
  ];
  const certificates = ofListeners.flatMap(({ certificateRefs }) =>
    listOf(certificateRefs).map((ref) => ({ kind: 'Secret', ...ref })),
  );
  return referrer(metadata, [...caRefsOf(validations), ...certificates]);
}

/** Of a BackendTLSPolicy: what backends must have certificates of. */
function policyReferrerOf({ metadata, ...object }: KubeObject): CaReferrer {
  return referrer(metadata, caRefsOf([fieldsOf(object['spec'])['validation']]));
}

type Fields = Readonly<Record<string, unknown>>;

function caRefsOf(validations: readonly unknown[]): readonly Fields[] {
  return validations.flatMap((validation) => listOf(fieldsOf(validation)['caCertificateRefs']));
}

function referrer({ name, namespace: own = '' }: KubeObject['metadata'], refs: readonly Fields[]): CaReferrer {
  const caObjects = refs.flatMap((ref) => {
    const kind = textOf(ref['kind']);
    if ((kind !== 'ConfigMap' && kind !== 'Secret') || (textOf(ref['group']) ?? '') !== '') return [];
    return [{ kind, namespace: textOf(ref['namespace']) ?? own, name: textOf(ref['name']) ?? '' } as const];
  });
  return { namespace: own, name, caObjects };
}

function resource(group: string, version: string, plural: string, kind: string): Resource {
  return { group, version, plural, kind, namespaced: true };
}
