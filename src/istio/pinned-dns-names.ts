// Which clients in the mesh ask a peer's server for a DNS name? With anchors: Constrained no certificate that has one is
// accepted. (Istio 1.31: subjectAltNames of ServiceEntry and DestinationRule; one of them must fit)
import type { Fact } from '../federation/facts.ts';
import type { MeshDestinationRule, MeshPlace, MeshServiceEntry } from '../federation/mesh-survey.ts';
import { ifKnown, ok, some, warning, type Finding, type Question } from './preflight-check.ts';

const NONE = ok('no client in the mesh asks a server outside of it for a DNS name');

/**
 * Hosts of peers are those that ServiceEntries bring into the mesh. What a DestinationRule asks for counts where Istio's own
 * certificates are used; elsewhere it has roots of its own.
 */
export const askPinnedDnsNames: Question = ({ survey: { serviceEntries, destinationRules } }) => [
  serviceEntries === undefined
    ? NONE
    : ifKnown(serviceEntries, (all) =>
        judge(
          all.filter(({ location }) => location === 'MESH_INTERNAL'),
          destinationRules,
        ),
      ),
];

function judge(
  entries: readonly MeshServiceEntry[],
  destinationRules: Fact<readonly MeshDestinationRule[]> | undefined,
): Finding {
  if (entries.length === 0) return NONE;
  const rules = destinationRules?.state === 'Known' ? destinationRules.value : [];
  const found = [
    ...entries.flatMap((entry) => placesOf('ServiceEntry', entry)),
    ...rules.filter((rule) => isMutual(rule, entries)).flatMap((rule) => placesOf('DestinationRule', rule)),
  ];
  if (found.length > 0) return warning(`${some(found, 3)}: ${ADVICE}`);
  return destinationRules === undefined ? NONE : ifKnown(destinationRules, () => NONE);
}

const ADVICE =
  'a certificate with a DNS name is refused where the roots of its trust domain are Constrained; write subjectAltNames: [spiffe://<trust domain>/ns/<namespace>/sa/<service account>], or choose anchors: SpireSds, which looks at the SPIFFE ID alone';

function placesOf(
  kind: string,
  { namespace, name, subjectAltNames }: MeshPlace & { readonly subjectAltNames: readonly string[] },
) {
  const [first] = subjectAltNames;
  if (first === undefined || subjectAltNames.some((each) => each.startsWith('spiffe://'))) return [];
  return [`${kind} ${namespace}/${name} asks for "${first}"`];
}

function isMutual({ host, tlsMode }: MeshDestinationRule, entries: readonly MeshServiceEntry[]): boolean {
  return tlsMode === 'ISTIO_MUTUAL' && entries.some(({ hosts }) => hosts.some((each) => isMeant(each, host)));
}

/** A rule's host may begin with `*`. */
function isMeant(host: string, pattern: string): boolean {
  return pattern.startsWith('*') ? host.endsWith(pattern.slice(1)) : host === pattern;
}
