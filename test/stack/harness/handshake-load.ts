// Do workloads go on meeting under load? New mTLS connections at a fixed rate, whether those before have ended or not.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createSecureContext, createServer, type SecureContext } from 'node:tls';
import type { Cleanup } from './cleanup.ts';
import { checkServerIdentity, credentials, verdictOn, type Side, type Verdict } from './verify-svid.ts';
import { fingerprintOf } from './x509-context.ts';

/** One that is due while so many have not ended is not begun, and counted as such. */
const MAX_OPEN = 400;
const TICK_MS = 5;
/** A safety net: so many at once take seconds on a machine that is busy. */
const ENDS_WITHIN_MS = 30_000;

export interface Refusal {
  readonly atMs: number;
  /** One sentence for each side that refused the other. */
  readonly reason: string;
}

/** Of one pair of workloads. */
export interface LoadCount {
  /** Connections that both sides accepted, by fingerprint of the certificate that the client presented. */
  readonly accepted: ReadonlyMap<string, number>;
  readonly refusals: readonly Refusal[];
}

export interface HandshakeLoad {
  /** What the two workloads of this name present and trust from now on; the first time makes the pair. */
  present(name: string, client: Side, server: Side): Promise<void>;
  /** So far. */
  count(name: string): LoadCount;
  /** Due, but not begun. */
  readonly notBegun: () => number;
  /** Resolves when every connection has ended. */
  end(): Promise<void>;
}

interface Pair {
  readonly accepted: Map<string, number>;
  readonly refusals: Refusal[];
  readonly listener: ReturnType<typeof createServer>;
  readonly port: number;
  client: { readonly context: SecureContext; readonly fingerprint: string };
}

/** Connections take turns among the pairs. */
export function startHandshakeLoad(cleanup: Cleanup, perSecond: number): HandshakeLoad {
  const pairs = new Map<string, Pair>();
  const open = new Set<Promise<void>>();
  const startMs = performance.now();
  let due = 0;
  let notBegun = 0;
  const timer = setInterval(() => {
    for (const total = ((performance.now() - startMs) * perSecond) / 1000; due < total; due++) {
      const pair = [...pairs.values()][due % Math.max(pairs.size, 1)];
      if (pair === undefined) continue;
      if (open.size >= MAX_OPEN) notBegun++;
      else begin(pair);
    }
  }, TICK_MS);
  const begin = (pair: Pair) => {
    const meeting = meet(pair).finally(() => open.delete(meeting));
    open.add(meeting);
  };
  const end = async () => {
    clearInterval(timer);
    await Promise.all(open);
    for (const { listener } of pairs.values()) listener.close();
  };
  cleanup.add(end);
  return {
    present: async (name, client, server) => {
      const { ca, ...own } = credentials(client);
      const presented = {
        context: createSecureContext({ ...own, ca }),
        fingerprint: fingerprintOf(client.svid.chain[0]!),
      };
      const pair = pairs.get(name);
      if (pair === undefined) pairs.set(name, { ...(await listen(server)), client: presented });
      else {
        pair.client = presented;
        pair.listener.setSecureContext(credentials(server));
      }
    },
    count: (name) => pairs.get(name) ?? { accepted: new Map(), refusals: [] },
    notBegun: () => notBegun,
    end,
  };
}

/** Says to each client what it makes of it, and closes. */
async function listen(server: Side): Promise<Omit<Pair, 'client'>> {
  const listener = createServer({ ...credentials(server), requestCert: true, rejectUnauthorized: false }, (socket) => {
    socket.on('error', () => undefined).end(JSON.stringify(verdictOn(socket)));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return { accepted: new Map(), refusals: [], listener, port: (listener.address() as AddressInfo).port };
}

async function meet({ client, port, accepted, refusals }: Pair): Promise<void> {
  const reasons = await verdicts(client.context, port).then(
    ({ ours, theirs }) => [
      ...(ours.ok ? [] : [`the client refuses: ${ours.reason}`]),
      ...(theirs.ok ? [] : [`the server refuses: ${theirs.reason}`]),
    ],
    (error: unknown) => [`no handshake: ${String(error)}`],
  );
  if (reasons.length > 0) refusals.push({ atMs: performance.now(), reason: reasons.join(', ') });
  else accepted.set(client.fingerprint, (accepted.get(client.fingerprint) ?? 0) + 1);
}

async function verdicts(
  secureContext: SecureContext,
  port: number,
): Promise<{ readonly ours: Verdict; readonly theirs: Verdict }> {
  const place = { host: '127.0.0.1', port };
  const socket = connect({ ...place, secureContext, rejectUnauthorized: false, checkServerIdentity });
  const timeout = setTimeout(() => socket.destroy(new Error(`not over after ${ENDS_WITHIN_MS} ms`)), ENDS_WITHIN_MS);
  try {
    let ours: Verdict = { ok: false, reason: 'the connection ended before the handshake' };
    socket.once('secureConnect', () => {
      ours = verdictOn(socket);
    });
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    return { ours, theirs: JSON.parse(answer) as Verdict };
  } finally {
    clearTimeout(timeout);
    socket.destroy();
  }
}
