// Do the workloads of the demo really refuse who they should? Otherwise its zero failures would say nothing.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parseSpiffeId } from '../../src/bundle/spiffe-id.ts';
import { callOverMtls, MtlsServer, type MtlsIdentity } from '../../src/cli/demo/mtls.ts';
import { makeCertificate, makeRoot, type Issued } from '../fakes/fake-ca.ts';

const EAST = parseSpiffeId('spiffe://east.test/workload');
const WEST = parseSpiffeId('spiffe://west.test/workload');

describe('a call between workloads', () => {
  let [eastRoot, westRoot]: Issued[] = [];
  let server: MtlsServer;
  let port = 0;

  const identity = async (id: string, root: Issued, trusted: readonly Issued[]): Promise<MtlsIdentity> => {
    const { keyPem, pem } = await makeCertificate({ uris: [id] }, root);
    return { svid: { keyPem, chainPem: pem, signedBy: '' }, peerAuthorities: trusted.map(({ der }) => der) };
  };
  const call = (caller: MtlsIdentity, expected = WEST) =>
    callOverMtls({ port, caller: EAST, identity: caller, expected }, AbortSignal.timeout(10_000));

  before(async () => {
    [eastRoot, westRoot] = [await makeRoot('east.test'), await makeRoot('west.test')];
    server = new MtlsServer(EAST);
    server.use(await identity(WEST, westRoot, [eastRoot]));
    port = await server.listen();
  });
  after(() => server.close());

  it('succeeds when each holds the root of the other', async () => {
    await call(await identity(EAST, eastRoot!, [westRoot!]));
  });

  it('fails when the caller lacks the root of the server', async () => {
    await assert.rejects(call(await identity(EAST, eastRoot!, [eastRoot!])));
  });

  it('fails when the caller trusts nobody', async () => {
    await assert.rejects(call(await identity(EAST, eastRoot!, [])));
  });

  it('fails when the server lacks the root of the caller', async () => {
    const stranger = await makeRoot('east.test');
    await assert.rejects(call(await identity(EAST, stranger, [westRoot!])));
  });

  it('fails when the server is somebody else of the same trust domain', async () => {
    const other = parseSpiffeId('spiffe://west.test/other');
    await assert.rejects(call(await identity(EAST, eastRoot!, [westRoot!]), other), /the peer is spiffe:\/\/west/);
  });

  it('fails when the caller is somebody else of the same trust domain', async () => {
    const caller = await identity('spiffe://east.test/other', eastRoot!, [westRoot!]);
    await assert.rejects(call(caller));
  });

  it('is verified anew after the server got other authorities', async () => {
    server.use(await identity(WEST, westRoot!, [westRoot!]));
    const caller = await identity(EAST, eastRoot!, [westRoot!]);
    await assert.rejects(call(caller));
    server.use(await identity(WEST, westRoot!, [eastRoot!]));
    await call(caller);
  });
});
