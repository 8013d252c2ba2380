// Which calls came in, and which of them shall fail? (for tests: "no write was made", "the answer is lost")
import { status as GrpcStatus } from '@grpc/grpc-js';
import type { Agent } from '../spire/gen/spire/api/server/agent/v1/agent_pb.ts';
import type { Entry } from '../spire/gen/spire/api/server/entry/v1/entry_pb.ts';
import type { Bundle } from '../spire/gen/spire/api/server/bundle/v1/bundle_pb.ts';
import type { LocalAuthority } from '../spire/gen/spire/api/server/localauthority/v1/localauthority_pb.ts';
import type { SVID } from '../spire/gen/spire/api/server/svid/v1/svid_pb.ts';
import type { TrustDomain } from '../spire/gen/spire/api/server/trustdomain/v1/trustdomain_pb.ts';
import type { Health } from '../spire/gen/grpc/health/v1/health_pb.ts';
import type { Intercept } from './grpc-listener.ts';
import { RpcError } from './rpc-error.ts';

type Service =
  | typeof Agent
  | typeof Bundle
  | typeof Entry
  | typeof TrustDomain
  | typeof SVID
  | typeof LocalAuthority
  | typeof Health;
type MethodName<Each> = Each extends { readonly method: infer Methods } ? Extract<keyof Methods, string> : never;

/** A method by SPIRE's name for it, for example `BatchSetFederatedBundle`. */
export type RpcName = Capitalize<MethodName<Service>>;

export interface RpcCall {
  readonly rpc: RpcName;
  readonly at: Date;
}

export type Fault =
  /** Nothing is done. */
  | { readonly type: 'Refuse'; readonly code: GrpcStatus; readonly text: string }
  /** It is done after this long; the caller may have given up by then. */
  | { readonly type: 'Delay'; readonly delayMs: number }
  /** It is done, but the caller reads UNAVAILABLE, as when the server dies between commit and answer. */
  | { readonly type: 'LoseAnswer' };

/** Enough for any test; a long demo forgets its oldest calls. */
const MAX_CALLS = 10_000;

export class CallRecord {
  readonly #now: () => Date;
  readonly #calls: RpcCall[] = [];
  readonly #faults: { readonly rpc: RpcName; readonly fault: Fault }[] = [];

  constructor(now: () => Date) {
    this.#now = now;
  }

  /** Oldest first, at most the last 10,000; of one method only when named. */
  calls(rpc?: RpcName): readonly RpcCall[] {
    return this.#calls.filter((call) => rpc === undefined || call.rpc === rpc);
  }

  /** The calls that change bundles, entries or relationships. */
  writes(): readonly RpcCall[] {
    return this.#calls.filter(({ rpc }) => rpc.startsWith('Batch'));
  }

  forget(): void {
    this.#calls.length = 0;
  }

  /** The next call of `rpc` meets `fault`; several faults of one method are met in the order they were asked for. */
  failNext(rpc: RpcName, fault: Fault): void {
    this.#faults.push({ rpc, fault });
  }

  readonly intercept: Intercept = async (name, work) => {
    const rpc = name as RpcName;
    this.#calls.push({ rpc, at: this.#now() });
    if (this.#calls.length > MAX_CALLS) this.#calls.shift();
    const fault = this.#takeFault(rpc);
    switch (fault?.type) {
      case undefined:
        return work();
      case 'Refuse':
        throw new RpcError(fault.code, fault.text);
      case 'Delay':
        await new Promise((resolve) => setTimeout(resolve, fault.delayMs).unref());
        return work();
      case 'LoseAnswer':
        await work();
        throw new RpcError(GrpcStatus.UNAVAILABLE, 'the server died before it answered');
    }
  };

  #takeFault(rpc: RpcName): Fault | undefined {
    const index = this.#faults.findIndex((planned) => planned.rpc === rpc);
    return index === -1 ? undefined : this.#faults.splice(index, 1)[0]?.fault;
  }
}
