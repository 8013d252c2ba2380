// What if the program behind the socket answers what SPIRE Server never would?
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { handled, listenGrpc, type GrpcListener, type ServiceHandlers } from '../../src/dev-spire/grpc-listener.ts';
import { Bundle } from '../../src/spire/gen/spire/api/server/bundle/v1/bundle_pb.ts';
import { Entry } from '../../src/spire/gen/spire/api/server/entry/v1/entry_pb.ts';
import { LocalAuthority } from '../../src/spire/gen/spire/api/server/localauthority/v1/localauthority_pb.ts';
import { SVID } from '../../src/spire/gen/spire/api/server/svid/v1/svid_pb.ts';
import { openSpireServer, type SpireServerClient } from '../../src/spire/spire-server.ts';
import { errorOf, makeBundle, spireError } from '../contract/contract-subject.ts';
import { EAST, WEST } from './dev-spire-fixture.ts';

const OK = { code: 0, message: '' };

describe('an answer that cannot be used', () => {
  let folder = '';
  let listener: GrpcListener | undefined;
  let spire: SpireServerClient | undefined;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fedbroker-answers-'));
    const socketPath = join(folder, 'api.sock');
    const bundles = {
      getBundle: () => ({ trustDomain: 'Not A Name' }),
      getFederatedBundle: () => ({ trustDomain: '' }),
      batchSetFederatedBundle: () => ({ results: [{ status: OK }] }),
      batchDeleteFederatedBundle: () => ({ results: [] }),
    };
    const services = [
      handled(Bundle, bundles as unknown as ServiceHandlers<typeof Bundle>),
      handled(Entry, { batchUpdateEntry: () => ({ results: [{ status: OK }] }) } as unknown as ServiceHandlers<
        typeof Entry
      >),
      handled(SVID, { mintX509SVID: () => ({}), mintJWTSVID: () => ({}) }),
      handled(LocalAuthority, { getX509AuthorityState: () => ({}) } as unknown as ServiceHandlers<
        typeof LocalAuthority
      >),
    ];
    listener = await listenGrpc(socketPath, services, (_, work) => work());
    spire = openSpireServer({ socketPath, trustDomain: EAST });
  });
  after(async () => {
    spire?.close();
    await listener?.close();
    await rm(folder, { recursive: true });
  });

  const CASES = [
    ['an own bundle of no trust domain', () => spire!.readOwnBundle()],
    ['a federated bundle of no trust domain', () => spire!.getFederatedBundle(WEST)],
    ['no status for a deleted bundle', () => spire!.deleteFederatedBundle(WEST, 'Restrict')],
    ['an SVID without certificate', () => spire!.mintX509Svid(Uint8Array.of(1), 0)],
    ['no token', () => spire!.mintJwtSvid('spiffe://east.test/a' as never, ['x'])],
    ['no active authority', () => spire!.localAuthorities.x509.state()],
  ] as const;
  for (const [what, call] of CASES) {
    it(`is ${what}`, async () => {
      await assert.rejects(call, spireError('SpireAnswerInvalid'));
    });
  }

  it('is a written bundle or entry that is not answered', async () => {
    const [bundle] = await spire!.setFederatedBundles([await makeBundle(WEST)]);
    assert.ok(spireError('SpireAnswerInvalid', 'no bundle')(errorOf(bundle)));
    const [entry] = await spire!.updateFederatesWith([{ id: 'x', federatesWith: [] }]);
    assert.ok(spireError('SpireAnswerInvalid', 'no entry')(errorOf(entry)));
  });

  it('is not given by a method the server does not have', async () => {
    await assert.rejects(spire!.isServing(), spireError('SpireUnsupported'));
  });
});
