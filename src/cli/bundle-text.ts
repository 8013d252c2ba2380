// How is a bundle shown to people? Fingerprints, subjects, dates and key ids; never the keys.
import { bundleDigest, type Bundle } from '../bundle/bundle.ts';
import { summarizeRoot } from '../bundle/certificate.ts';

export function bundleText(bundle: Bundle): string[] {
  const { sequenceNumber, refreshHintSeconds } = bundle;
  return [
    `trust domain   ${bundle.trustDomain}`,
    `digest         ${bundleDigest(bundle)}`,
    `sequence       ${sequenceNumber?.toString() ?? 'none'}`,
    `refresh hint   ${refreshHintSeconds === undefined ? 'none' : `${refreshHintSeconds} s`}`,
    ...bundle.x509Authorities.map((der) => {
      const { fingerprint, subject, notAfter } = summarizeRoot(der);
      return `X.509 root     ${fingerprint}  until ${notAfter.toISOString()}  ${subject}`;
    }),
    ...bundle.jwtAuthorities.map(({ keyId }) => `JWT key        ${keyId}`),
  ];
}
