// What are the bytes of this answer, if they are not too many? Counted after decoding, so that a small answer cannot
// become a large one.
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { EndpointError } from './endpoint-error.ts';

/** @throws EndpointError `BodyTooLarge`, `EncodingUnsupported`, or what broke the connection */
export async function readBody(response: IncomingMessage, url: URL, maxBytes: number): Promise<Uint8Array> {
  const declared = Number(response.headers['content-length'] ?? 0);
  const tooLarge = () =>
    new EndpointError('BodyTooLarge', `${url.href}: the document is larger than ${maxBytes} bytes`);
  if (declared > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of decoded(response, url) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  if (!response.complete)
    throw new EndpointError('ConnectionLost', `${url.href}: the connection was cut within the document`);
  return Buffer.concat(chunks);
}

function decoded(response: IncomingMessage, url: URL): Readable {
  const encoding = (response.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (encoding === 'identity' || encoding === '') return response;
  if (encoding !== 'gzip' && encoding !== 'x-gzip') {
    throw new EndpointError(
      'EncodingUnsupported',
      `${url.href}: content encoding "${encoding.slice(0, 40)}" was not asked for`,
    );
  }
  const gunzip = createGunzip();
  // Unlike pipeline, this leaves the reading side's own error first: the limit, not the stop that follows it.
  response.on('error', (error) => gunzip.destroy(error));
  return response.pipe(gunzip);
}
