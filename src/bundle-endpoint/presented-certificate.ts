// What certificate does this endpoint show, though it could not be verified? For a message to people, and nothing else.
import { isIP } from 'node:net';
import { connect } from 'node:tls';

const TIMEOUT_MS = 2_000;

/**
 * Node gives no certificate away once it has refused it, so this looks a second time: a handshake after which nothing
 * is sent or read. Undefined when the endpoint shows none in time.
 */
export function presentedCertificate({ hostname, port }: URL, signal: AbortSignal): Promise<Uint8Array | undefined> {
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port: port === '' ? 443 : Number(port),
      ...(isIP(host) === 0 && { servername: host }),
      rejectUnauthorized: false,
    });
    const end = (der?: Uint8Array) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
      socket.destroy();
      resolve(der);
    };
    const giveUp = () => {
      end();
    };
    const timer = setTimeout(giveUp, TIMEOUT_MS);
    signal.addEventListener('abort', giveUp);
    socket.on('error', giveUp);
    socket.on('secureConnect', () => {
      end(socket.getPeerCertificate().raw);
    });
  });
}
