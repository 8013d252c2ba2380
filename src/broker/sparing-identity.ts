// To which endpoint do we prove who we are? To a broker, which has a use for it. Elsewhere it only costs: Node reads key
// and certificate anew for each connection, a fifth of what a fetch takes of the processor.
import type { BundleSource } from '../federation/ports.ts';
import { codedError } from './coded.ts';

/** How an endpoint that insists on a client certificate may answer somebody without one. */
const MAY_INSIST: ReadonlySet<string> = new Set(['TlsFailed', 'ConnectionLost', 'StatusUnexpected']);

/**
 * The same source, for one endpoint. A broker names each of its documents (ETag): whoever gives one without a name is
 * asked anonymously from then on, until it names one. If that fails in a way that can mean that it insists, it is asked
 * once more at once; and if that helps, always as ourselves.
 */
export function sparingIdentity(source: BundleSource): BundleSource {
  let identity: 'Shown' | 'Spared' | 'InsistedOn' = 'Shown';
  const fetch: BundleSource['fetch'] = async (request, signal) => {
    if (identity !== 'Spared') return source.fetch(request, signal);
    try {
      return await source.fetch({ ...request, anonymous: true }, signal);
    } catch (error) {
      identity = 'Shown';
      if (signal?.aborted === true || !MAY_INSIST.has(codedError(error).code)) throw error;
      const answer = await source.fetch(request, signal);
      identity = 'InsistedOn';
      return answer;
    }
  };
  return {
    async fetch(request, signal) {
      const answer = await fetch(request, signal);
      if (identity !== 'InsistedOn') {
        // "Not modified" names a document too.
        identity = answer.kind === 'Document' && answer.etag === undefined ? 'Spared' : 'Shown';
      }
      return answer;
    },
  };
}
