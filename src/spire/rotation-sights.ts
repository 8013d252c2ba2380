// How far did our own trust domain follow a rotation? Its agents' SVIDs, and what is tainted in its own bundle.
import { readCertificate } from '../bundle/certificate.ts';
import type { RotationSights } from '../rotation/lead-rotation.ts';
import { Agent as AgentService } from './gen/spire/api/server/agent/v1/agent_pb.ts';
import { Bundle as BundleService } from './gen/spire/api/server/bundle/v1/bundle_pb.ts';
import { unaryClient } from './grpc-service.ts';
import { readAllPages } from './pages.ts';
import type { SpireContext } from './spire-context.ts';

const PAGE_AGENTS = 500;

export function rotationSights(context: SpireContext): RotationSights {
  const agents = unaryClient(AgentService, context.caller);
  const bundle = unaryClient(BundleService, context.caller);
  const { readMs, listMs } = context.deadlines;
  return {
    async readAgentExpiries(signal) {
      const listed = await readAllPages('ListAgents', async (pageToken) => {
        const outputMask = { x509svidExpiresAt: true, banned: true };
        const request = { outputMask, pageSize: PAGE_AGENTS, pageToken };
        const answer = await agents.listAgents(request, { deadlineMs: listMs, signal });
        return { items: answer.agents, nextPageToken: answer.nextPageToken };
      });
      return listed
        .filter(({ banned }) => !banned)
        .map(({ x509svidExpiresAt }) => new Date(Number(x509svidExpiresAt) * 1000));
    },

    async readPublished(signal) {
      const outputMask = { x509Authorities: true, jwtAuthorities: true };
      const own = await bundle.getBundle({ outputMask }, { deadlineMs: readMs, signal });
      return {
        x509: new Map(
          own.x509Authorities.flatMap(({ asn1, tainted }) => {
            const { subjectKeyId } = readCertificate(asn1);
            return subjectKeyId === undefined ? [] : [[subjectKeyId, { tainted }] as const];
          }),
        ),
        jwt: new Map(own.jwtAuthorities.map(({ keyId, tainted }) => [keyId, { tainted }] as const)),
      };
    },
  };
}
