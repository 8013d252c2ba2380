// What does go-spiffe, the reference implementation, say about a bundle document, an endpoint or an SVID?
import { programPath } from '../parts.ts';
import { outputOf } from './run-program.ts';

/** A bundle as go-spiffe understood it, or why it did not. */
export interface OracleBundle {
  /** Only of {@link oracleParse}. */
  readonly file?: string;
  readonly ok: boolean;
  readonly error?: string;
  /** Lower-case hex SHA-256 of each X.509 authority's DER bytes, in the document's order. */
  readonly roots: readonly string[];
  /** Key IDs of the JWT authorities, sorted. */
  readonly jwtKeys: readonly string[];
  /** Decimal; absent when the document has none. */
  readonly sequence?: string;
  readonly refreshHintSeconds?: number;
}

export interface OracleSvid {
  readonly ok: boolean;
  readonly error?: string;
  readonly id?: string;
}

export type OracleEndpoint =
  | {
      readonly profile: 'https_spiffe';
      readonly endpointId: string;
      /** A bundle document of the endpoint ID's trust domain. */
      readonly bundleFile: string;
    }
  | {
      readonly profile: 'https_web';
      /** PEM roots instead of the system's. */
      readonly caFile?: string;
    };

/** federation.FetchBundle: one fetch, as a go-spiffe client does it. */
export async function oracleFetch(trustDomain: string, url: string, endpoint: OracleEndpoint): Promise<OracleBundle> {
  const args = ['fetch', '--trust-domain', trustDomain, '--url', url, '--profile', endpoint.profile];
  if (endpoint.profile === 'https_spiffe')
    args.push('--endpoint-id', endpoint.endpointId, '--bundle', endpoint.bundleFile);
  else if (endpoint.caFile !== undefined) args.push('--ca', endpoint.caFile);
  return JSON.parse(await oracle(args)) as OracleBundle;
}

/** spiffebundle.Load of each file, in their order. */
export async function oracleParse(trustDomain: string, files: readonly string[]): Promise<readonly OracleBundle[]> {
  const lines = (await oracle(['parse', '--trust-domain', trustDomain, ...files])).trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as OracleBundle);
}

/** x509svid.ParseAndVerify. `svidFile`: PEM, the leaf first. `bundleFile`: the bundle document of `trustDomain`. */
export async function oracleVerifyX509(trustDomain: string, bundleFile: string, svidFile: string): Promise<OracleSvid> {
  const args = ['verify-x509', '--trust-domain', trustDomain, '--bundle', bundleFile, svidFile];
  return JSON.parse(await oracle(args)) as OracleSvid;
}

/** jwtsvid.ParseAndValidate of the token in `tokenFile`. */
export async function oracleVerifyJwt(
  trustDomain: string,
  bundleFile: string,
  audience: string,
  tokenFile: string,
): Promise<OracleSvid> {
  const args = ['verify-jwt', '--trust-domain', trustDomain, '--bundle', bundleFile, '--audience', audience, tokenFile];
  return JSON.parse(await oracle(args)) as OracleSvid;
}

export interface OracleCertificate {
  readonly ok: boolean;
  readonly error?: string;
}

/** x509.ParseCertificate and CertPool.AppendCertsFromPEM of each text of a file that holds a JSON array of PEM texts. */
export async function oracleCertificates(file: string): Promise<readonly OracleCertificate[]> {
  const lines = (await oracle(['certificates', file])).trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as OracleCertificate);
}

function oracle(args: readonly string[]): Promise<string> {
  return outputOf(programPath('oracle', 'oracle'), args);
}
