// Does a real Envoy hold a peer's CA to its own trust domain, when its root is in the mesh's one list of CAs?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { whyNotConstrainable } from '../../src/istio/constrainable-name.ts';
import { constrainedAnchor } from '../../src/istio/constrained-anchor.ts';
import { encodeNameConstraints, narrowToTrustDomain } from '../../src/istio/name-constraints.ts';
import { makeCertificate, makeRoot, makeSvid, type CertificateOptions, type Issued } from '../fakes/fake-ca.ts';
import { Cleanup } from './harness/cleanup.ts';
import { requestByTls, type ClientCertificate } from './harness/envoy-config.ts';
import { startEnvoy, type Envoy } from './harness/envoy.ts';
import { freePort } from './harness/free-ports.ts';
import { inboundListener, type Inbound } from './harness/istio-inbound.ts';

const OURS = 'ours.test';
const PEER = parseTrustDomain('peer.test');
const BELOW_PEER = 'sub.peer.test';
const FORGED = `spiffe://${OURS}/workload`;
const GOOD = `spiffe://${PEER}/workload`;

/** `BadChain`: no chain to a CA that may vouch for these names. `BadName`: no name with an accepted prefix. */
type Refusal = 'BadChain' | 'BadName';
type Verdict = 'Accepted' | Refusal;

const COUNTERS: Readonly<Record<Refusal, string>> = { BadChain: 'fail_verify_error', BadName: 'fail_verify_san' };

type Route = 'root' | 'intermediate' | 'intermediate, with the root' | 'our root';

interface Case {
  readonly leaf: string;
  readonly options: CertificateOptions;
  /** Who signed it. */
  readonly by?: Route;
  /** With the peer's root as it is in the list. */
  readonly bare: Verdict;
  /** With the constrained anchor in its place. */
  readonly anchor: Verdict;
}

const CASES: readonly Case[] = [
  { leaf: 'one of the peer', options: { uris: [GOOD] }, bare: 'Accepted', anchor: 'Accepted' },
  {
    leaf: 'one of the peer, by an intermediate',
    options: { uris: [GOOD] },
    by: 'intermediate',
    bare: 'Accepted',
    anchor: 'Accepted',
  },
  {
    leaf: 'one of the peer, sent with its root',
    options: { uris: [GOOD] },
    by: 'intermediate, with the root',
    bare: 'Accepted',
    anchor: 'Accepted',
  },
  { leaf: 'our own', options: { uris: [FORGED] }, by: 'our root', bare: 'Accepted', anchor: 'Accepted' },
  { leaf: 'a forged URI', options: { uris: [FORGED] }, bare: 'Accepted', anchor: 'BadChain' },
  {
    leaf: 'a forged URI, by an intermediate',
    options: { uris: [FORGED] },
    by: 'intermediate',
    bare: 'Accepted',
    anchor: 'BadChain',
  },
  {
    leaf: 'a forged URI, sent with the root',
    options: { uris: [FORGED] },
    by: 'intermediate, with the root',
    bare: 'Accepted',
    anchor: 'BadChain',
  },
  { leaf: 'two URIs, the peer’s first', options: { uris: [GOOD, FORGED] }, bare: 'Accepted', anchor: 'BadChain' },
  { leaf: 'two URIs, the forged first', options: { uris: [FORGED, GOOD] }, bare: 'Accepted', anchor: 'BadChain' },
  {
    leaf: 'a forged URI that goes on as a host of the peer’s',
    options: { uris: [`spiffe://${OURS}/@${PEER}:80/workload`] },
    bare: 'Accepted',
    anchor: 'BadChain',
  },
  {
    leaf: 'a URI of a trust domain below the peer’s name',
    options: { uris: [`spiffe://${BELOW_PEER}/workload`] },
    bare: 'Accepted',
    anchor: 'BadChain',
  },
  {
    leaf: 'a DNS name with the text of our ID',
    options: { uris: [GOOD], dnsNames: [FORGED] },
    bare: 'Accepted',
    anchor: 'BadChain',
  },
  {
    leaf: 'no URI, and a DNS name with the text of our ID',
    options: { uris: [], dnsNames: [FORGED] },
    bare: 'Accepted',
    anchor: 'BadChain',
  },
  {
    leaf: 'an email name with the text of our ID',
    options: { uris: [], otherNames: [{ type: 'email', value: FORGED }] },
    bare: 'Accepted',
    anchor: 'BadChain',
  },
  {
    leaf: 'a user principal name with the text of our ID',
    options: { uris: [], otherNames: [{ type: 'upn', value: FORGED }] },
    bare: 'BadName',
    anchor: 'BadName',
  },
  {
    leaf: 'a common name with the text of our ID',
    options: { uris: [], subject: `CN=${FORGED}` },
    bare: 'BadName',
    anchor: 'BadName',
  },
  {
    leaf: 'one of the peer with an ordinary DNS name, which is the price',
    options: { uris: [GOOD], dnsNames: ['web.peer.test'] },
    bare: 'Accepted',
    anchor: 'BadChain',
  },
  {
    leaf: 'one of the peer with an IP address',
    options: { uris: [GOOD], ipAddresses: ['10.0.0.1'] },
    bare: 'Accepted',
    anchor: 'Accepted',
  },
];

const LABEL = 'a'.repeat(63);

/** Names that are refused by Envoy or, as the last two, by Go alone (istiod). */
const NAMES: readonly (readonly [name: string, verdict: Verdict])[] = [
  ...[
    ...['peer.test', 'sub.peer.test', 'peer', 'p', '9peer', '9.peer', '1.2.3.4.test', '1-1', '1e3', '0x7f.test'],
    ...['peer.9a', 'peer.0xg', 'pe--er.test', 'xn--peer.test', `${LABEL}.test`, `${LABEL}.${LABEL}.${LABEL}.${LABEL}`],
  ].map((name) => [name, 'Accepted'] as const),
  ...[
    ...['under_score.test', 'peer.under_score', '_peer.test', '9', 'peer.123', '1.2.3', '1.2.3.4', '256.1.1.1'],
    ...['peer.09', 'peer.0x', 'peer.0x1f', '-peer.test', 'peer-.test', 'sub.-peer.test', 'peer.test-', '-'],
    ...['.peer.test', 'peer..test', '.', `a${LABEL}`, `a${LABEL}.test`, `peer.a${LABEL}`],
  ].map((name) => [name, 'BadChain'] as const),
  ['peer.test.', 'Accepted'],
  ['peer.', 'Accepted'],
];
const REFUSED_BY_GO_ALONE: readonly string[] = ['peer.test.', 'peer.'];

describe('a real Envoy with the mesh’s one list of CAs', () => {
  const cleanup = new Cleanup();
  const ports = new Map<string, number>();
  const rootsByName = new Map<string, Issued>();
  let ourRoot: Issued;
  let peerRoot: Issued;
  let peerIntermediate: Issued;
  let envoy: Envoy;

  before(async () => {
    [ourRoot, peerRoot] = await Promise.all([makeRoot(OURS), makeRoot(PEER)]);
    peerIntermediate = await makeCertificate({ isCa: true, uris: [`spiffe://${PEER}`] }, peerRoot);
    const trustDomains = [OURS, PEER, BELOW_PEER];
    const inbounds: Inbound[] = [
      await inbound('bare', [ourRoot.der, peerRoot.der], trustDomains),
      await inbound('anchor', [ourRoot.der, constrainedAnchor(peerRoot.der, PEER)], trustDomains),
    ];
    for (const [index, [name]] of NAMES.entries()) {
      const root = await rootHeldTo(name);
      rootsByName.set(name, root);
      inbounds.push(await inbound(`name-${index}`, [root.der], [name]));
    }
    const server = await makeSvid(ourRoot, `spiffe://${OURS}/server`);
    const listeners = inbounds.map((each) => inboundListener(each, { chainPem: server.pem, keyPem: server.keyPem }));
    envoy = await startEnvoy(cleanup, { static_resources: { listeners } });
  });
  after(() => cleanup.run());

  async function inbound(name: string, trustedCas: readonly Uint8Array[], trustDomains: readonly string[]) {
    const port = await freePort();
    ports.set(name, port);
    return { name, port, trustedCas, trustDomains };
  }

  /** Also for names of which no anchor can be made: constraints in a root of its own are judged as those of an anchor. */
  function rootHeldTo(name: string): Promise<Issued> {
    const value = encodeNameConstraints(narrowToTrustDomain(undefined, parseTrustDomain(name)));
    const extension = { id: '2.5.29.30', isCritical: true, value };
    return makeRoot(name, { subject: 'CN=root', uris: [], otherExtensions: [extension] });
  }

  async function issue({ options, by = 'root' }: Case): Promise<ClientCertificate> {
    const issuer = { root: peerRoot, 'our root': ourRoot }[by as string] ?? peerIntermediate;
    const leaf = await makeCertificate(options, issuer);
    const sent = [
      leaf,
      ...(issuer === peerIntermediate ? [issuer] : []),
      ...(by.endsWith('with the root') ? [peerRoot] : []),
    ];
    return { chainPem: sent.map(({ pem }) => pem).join(''), keyPem: leaf.keyPem };
  }

  async function verdictOf(listener: string, client: ClientCertificate): Promise<Verdict> {
    const count = (refusal: Refusal) => envoy.stat(`listener.${listener}.ssl.${COUNTERS[refusal]}`);
    const before = { BadChain: await count('BadChain'), BadName: await count('BadName') };
    const answer = await requestByTls(ports.get(listener)!, client).catch(() => 'refused');
    if (answer === 'HTTP/1.1 200 OK') return 'Accepted';
    for (const refusal of ['BadChain', 'BadName'] as const) {
      if ((await count(refusal)) === before[refusal]! + 1) return refusal;
    }
    assert.fail(`${listener} answered ${answer} and counted nothing`);
  }

  for (const row of CASES) {
    it(`says of ${row.leaf}: ${row.bare} below a bare root, ${row.anchor} below an anchor`, async () => {
      const client = await issue(row);
      const verdicts = { bare: await verdictOf('bare', client), anchor: await verdictOf('anchor', client) };
      assert.deepEqual(verdicts, { bare: row.bare, anchor: row.anchor });
    });
  }

  it('takes exactly the trust domain names that are said to be constrainable', async () => {
    for (const [index, [name, expected]] of NAMES.entries()) {
      const leaf = await makeSvid(rootsByName.get(name)!, `spiffe://${name}/workload`);
      const verdict = await verdictOf(`name-${index}`, { chainPem: leaf.pem, keyPem: leaf.keyPem });
      assert.equal(verdict, expected, name);
      const isConstrainable = whyNotConstrainable(parseTrustDomain(name)) === undefined;
      assert.equal(isConstrainable, verdict === 'Accepted' && !REFUSED_BY_GO_ALONE.includes(name), name);
    }
  });
});
