// What does the running broker answer? One page of its admin address, as text.
import { request } from 'node:http';
import type { Config } from '../config.ts';

const TIMEOUT_MS = 5_000;
const MAX_ANSWER_BYTES = 64 * 2 ** 20;

/** Rejects with a sentence for an operator when it does not answer. */
export async function askBroker({ adminAddress }: Config, path: string, signal: AbortSignal): Promise<string> {
  if (adminAddress === undefined) throw new Error('adminAddress is "off": a broker without it cannot be asked');
  return get(adminAddress, path, signal);
}

function get(address: { host: string; port: number }, path: string, signal: AbortSignal): Promise<string> {
  const where = `${address.host}:${address.port}`;
  return new Promise((resolve, reject) => {
    const failed = (why: string) => {
      reject(
        new Error(
          `the broker does not answer at http://${where}${path}: ${why}; check that it runs and that --admin-address is the one it listens on`,
        ),
      );
    };
    const call = request({ ...address, path, timeout: TIMEOUT_MS, signal, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MAX_ANSWER_BYTES) call.destroy(new Error('the answer is too large'));
        chunks.push(chunk);
      });
      response.on('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString('utf8'));
        else failed(`status ${response.statusCode ?? 'unknown'}`);
      });
    });
    call.on('timeout', () => call.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    call.on('error', (error) => {
      failed(error.message);
    });
    call.end();
  });
}
