// What did the Workload API give a workload? SPIFFE Workload API §5.2
import { createPrivateKey, X509Certificate } from 'node:crypto';

export interface X509Svid {
  readonly spiffeId: string;
  /** The leaf first. */
  readonly chain: readonly X509Certificate[];
  readonly chainPem: string;
  readonly privateKeyPem: string;
}

export interface X509Context {
  /** The workload's default SVID. */
  readonly svid: X509Svid;
  readonly svids: readonly X509Svid[];
  /** The roots of the workload's own trust domain. */
  readonly roots: readonly X509Certificate[];
  /** The roots of the peers, by trust domain name. A peer with an empty bundle has an empty list. */
  readonly federatedRoots: ReadonlyMap<string, readonly X509Certificate[]>;
}

/** X509SVIDResponse as protobuf's JSON: bytes are base64, certificates are DER one after the other. */
export interface X509Answer {
  readonly svids: readonly {
    readonly spiffe_id: string;
    readonly x509_svid: string;
    readonly x509_svid_key: string;
    readonly bundle: string;
  }[];
  readonly federated_bundles: Readonly<Record<string, string>>;
}

export function parseX509Answer(answer: X509Answer): X509Context {
  const svids = answer.svids.map((svid): X509Svid => {
    const chain = splitCertificates(Buffer.from(svid.x509_svid, 'base64'));
    const key = createPrivateKey({ key: Buffer.from(svid.x509_svid_key, 'base64'), format: 'der', type: 'pkcs8' });
    return {
      spiffeId: svid.spiffe_id,
      chain,
      chainPem: pemOf(chain),
      privateKeyPem: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
    };
  });
  const [first] = answer.svids;
  if (first === undefined) throw new Error('the Workload API answered without an SVID');
  return {
    svid: svids[0]!,
    svids,
    roots: splitCertificates(Buffer.from(first.bundle, 'base64')),
    federatedRoots: new Map(
      Object.entries(answer.federated_bundles).map(([trustDomainId, der]) => [
        trustDomainId.replace(/^spiffe:\/\//, ''),
        splitCertificates(Buffer.from(der, 'base64')),
      ]),
    ),
  };
}

/** One PEM text of all. */
export function pemOf(certificates: readonly X509Certificate[]): string {
  return certificates.map((certificate) => certificate.toString()).join('');
}

/** Lower-case hex SHA-256 of the DER bytes, as the oracle and the broker print it. */
export function fingerprintOf(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase();
}

/** Each certificate is a DER SEQUENCE whose header says how long it is. */
function splitCertificates(der: Buffer): X509Certificate[] {
  const certificates: X509Certificate[] = [];
  for (let start = 0; start < der.length;) {
    const first = der[start + 1] ?? 0;
    const lengthBytes = first < 0x80 ? 0 : first - 0x80;
    const length = lengthBytes === 0 ? first : der.readUIntBE(start + 2, lengthBytes);
    const end = start + 2 + lengthBytes + length;
    certificates.push(new X509Certificate(der.subarray(start, end)));
    start = end;
  }
  return certificates;
}
