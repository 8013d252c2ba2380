// Which ConfigMaps and Secrets do resources of the Gateway API take CAs from? (gateway.networking.k8s.io: Gateway since v1,
// its listeners' frontendValidation before 1.4 and spec.tls.frontend since; BackendTLSPolicy v1 since 1.4, v1alpha3 before)
import type { CaReferrer } from '../federation/mesh-survey.ts';
import type { KubeObject, Resource } from './kube-object.ts';
import { fieldsOf, textOf } from './object-fields.ts';
import { listOf } from './pod-template.ts';

export const GATEWAY_API_GATEWAYS = gatewayApiResource('v1', 'gateways', 'Gateway');

/** The newest first: of the versions that are served, any has every object. */
export const BACKEND_TLS_POLICIES: readonly Resource[] = ['v1', 'v1alpha3'].map((version) =>
  gatewayApiResource(version, 'backendtlspolicies', 'BackendTLSPolicy'),
);

/** Of a Gateway: what clients at its listeners must have certificates of. */
export function gatewayReferrerOf({ metadata, ...object }: KubeObject): CaReferrer {
  const { listeners, tls } = fieldsOf(object['spec']);
  const frontend = fieldsOf(fieldsOf(tls)['frontend']);
  return referrer(metadata, [
    ...listOf(listeners).map((listener) => fieldsOf(listener['tls'])['frontendValidation']),
    fieldsOf(frontend['default'])['validation'],
    ...listOf(frontend['perPort']).map((port) => fieldsOf(port['tls'])['validation']),
  ]);
}

/** Of a BackendTLSPolicy: what backends must have certificates of. */
export function policyReferrerOf({ metadata, ...object }: KubeObject): CaReferrer {
  return referrer(metadata, [fieldsOf(object['spec'])['validation']]);
}

function referrer({ name, namespace: own = '' }: KubeObject['metadata'], validations: readonly unknown[]): CaReferrer {
  const refs = validations.flatMap((validation) => listOf(fieldsOf(validation)['caCertificateRefs']));
  const caObjects = refs.flatMap((ref) => {
    const kind = textOf(ref['kind']);
    if ((kind !== 'ConfigMap' && kind !== 'Secret') || (textOf(ref['group']) ?? '') !== '') return [];
    return [{ kind, namespace: textOf(ref['namespace']) ?? own, name: textOf(ref['name']) ?? '' } as const];
  });
  return { namespace: own, name, caObjects };
}

function gatewayApiResource(version: string, plural: string, kind: string): Resource {
  return { group: 'gateway.networking.k8s.io', version, plural, kind, namespaced: true };
}
