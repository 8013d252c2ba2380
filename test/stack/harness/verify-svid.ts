// Do two workloads accept each other's X.509-SVIDs? A real TLS handshake with both certificates decides.
import type { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { pemOf, type X509Svid } from './x509-context.ts';

export interface Side {
  readonly svid: X509Svid;
  /** The roots that it accepts the other side's SVID by. */
  readonly roots: readonly X509Certificate[];
}

/** What one side makes of the other's SVID. */
export type Verdict =
  | { readonly ok: true; readonly spiffeId: string }
  /** OpenSSL's code, for example `UNABLE_TO_VERIFY_LEAF_SIGNATURE`. */
  | { readonly ok: false; readonly reason: string };

export interface HandshakeVerdicts {
  /** What the client says about the server. */
  readonly client: Verdict;
  /** What the server says about the client. */
  readonly server: Verdict;
}

const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Both sides say what they think, so neither's refusal hides the other's. */
export async function mutualHandshake(client: Side, server: Side): Promise<HandshakeVerdicts> {
  const listener = createServer({ ...credentials(server), requestCert: true, rejectUnauthorized: false });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const signal = AbortSignal.timeout(HANDSHAKE_TIMEOUT_MS);
  const { port } = listener.address() as AddressInfo;
  const accepted = once(listener, 'secureConnection', { signal });
  const socket = connect({
    ...credentials(client),
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
    checkServerIdentity,
  });
  try {
    const [[atServer]] = (await Promise.all([accepted, once(socket, 'secureConnect', { signal })])) as [
      [TLSSocket],
      unknown,
    ];
    return { client: verdictOn(socket), server: verdictOn(atServer) };
  } finally {
    socket.destroy();
    listener.close();
  }
}

/** Would a workload with these roots accept the SVID? Its own SVID serves as the other side of the handshake. */
export async function verifySvid(svid: X509Svid, roots: readonly X509Certificate[]): Promise<Verdict> {
  const { client } = await mutualHandshake({ svid, roots }, { svid, roots });
  return client;
}

/** For TLS of Node, on either side. */
export function credentials({ svid, roots }: Side): { cert: string; key: string; ca: string[] } {
  return { cert: svid.chainPem, key: svid.privateKeyPem, ca: roots.map((root) => pemOf([root])) };
}

/** An SVID has no host name to check. */
export function checkServerIdentity(): undefined {
  return undefined;
}

/** Of one end of a handshake that is over: what it makes of the other. */
export function verdictOn(socket: TLSSocket): Verdict {
  if (!socket.authorized) return { ok: false, reason: String(socket.authorizationError) };
  const names = socket.getPeerX509Certificate()?.subjectAltName?.split(', ') ?? [];
  const spiffeIds = names.filter((name) => name.startsWith('URI:')).map((name) => name.slice('URI:'.length));
  const [spiffeId, ...others] = spiffeIds;
  if (spiffeId === undefined || others.length > 0)
    return { ok: false, reason: `${spiffeIds.length} SPIFFE IDs in one SVID` };
  return { ok: true, spiffeId };
}
