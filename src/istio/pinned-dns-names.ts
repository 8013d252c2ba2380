// Which clients in the mesh ask a peer's server for a DNS name? With anchors: Constrained no certificate that has one is
// accepted. (Istio 1.31: subjectAltNames of ServiceEntry and DestinationRule; one of them must fit)
import type { Fact } from '../federation/facts.ts';
import type { MeshDestinationRule, MeshPlace, MeshServiceEntry } from '../federation/mesh-survey.ts';
import { ok, unknown, warning, type Finding, type Question } from './preflight-check.ts';

/** So that a condition stays short. */
const TOLD_PLACES = 3;

const NONE = ok('no client in the mesh asks a server outside of it for a DNS name');

/**
 * Hosts of peers are those that ServiceEntries bring into the mesh. What a DestinationRule asks for counts where Istio's own
 * certificates are used; elsewhere it has roots of its own.
 */
export const askPinnedDnsNames: Question = ({ survey: { serviceEntries, destinationRules } }) => {
  if (serviceEntries === undefined) return [NONE];
  if (serviceEntries.state === 'Unreadable') return [notRead(serviceEntries)];
  const entries = serviceEntries.value.filter(({ location }) => location === 'MESH_INTERNAL');
  if (entries.length === 0) return [NONE];
  const rules = destinationRules?.state === 'Known' ? destinationRules.value : [];
  const found = [
    ...entries.flatMap((entry) => placesOf('ServiceEntry', entry)),
    ...rules.filter((rule) => isMutual(rule, entries)).flatMap((rule) => placesOf('DestinationRule', rule)),
  ];
  if (found.length > 0) return [warning(`${some(found)}: ${ADVICE}`)];
  return [destinationRules?.state === 'Unreadable' ? notRead(destinationRules) : NONE];
};

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

function notRead({ reason, message }: Exclude<Fact<unknown>, { readonly state: 'Known' }>): Finding {
  return unknown(`${reason}: ${message}`);
}

function some(found: readonly string[]): string {
  const more = found.length - TOLD_PLACES;
  return found.slice(0, TOLD_PLACES).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
