// What does SPIRE Server answer about its agents? (spire.api.server.agent.v1.Agent; nobody attests here)
import { clone, create } from '@bufbuild/protobuf';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Agent as AgentService } from '../spire/gen/spire/api/server/agent/v1/agent_pb.ts';
import { AgentSchema } from '../spire/gen/spire/api/types/agent_pb.ts';
import type { ServiceHandlers } from './grpc-listener.ts';
import { unixSeconds } from './jwt-authority.ts';
import type { Store } from './store.ts';

export interface DevAgent {
  /** Of its SPIFFE ID. */
  readonly path: string;
  readonly svidExpiresAt: Date;
  readonly banned?: boolean;
}

export function noteAgent(store: Store, trustDomain: TrustDomain, { path, svidExpiresAt, banned }: DevAgent): void {
  const agent = {
    id: { trustDomain, path },
    x509svidExpiresAt: BigInt(unixSeconds(svidExpiresAt)),
    banned: banned ?? false,
  };
  store.agents.set(path, create(AgentSchema, agent));
}

export function agentService(store: Store): ServiceHandlers<typeof AgentService> {
  return {
    listAgents({ outputMask, pageSize, pageToken }) {
      const { rows, nextPageToken } = store.agents.page(pageSize, pageToken);
      const agents = rows.map((row) => {
        const agent = clone(AgentSchema, row);
        if (outputMask?.x509svidExpiresAt === false) agent.x509svidExpiresAt = 0n;
        if (outputMask?.banned === false) agent.banned = false;
        return agent;
      });
      return { agents, nextPageToken };
    },
  };
}
