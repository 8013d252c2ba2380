// Is deploy/crd what the schema of declarations says? Writes it; with --check only compares. Needs: node --import tsx
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { stringify } from 'yaml';
import { peerTrustDomainDefinition } from '../src/kubernetes/peer-trust-domain-crd.ts';

const file = 'deploy/crd/peertrustdomains.fedbroker.dev.yaml';
const path = fileURLToPath(new URL(`../${file}`, import.meta.url));

const text = await format(
  `# Made by "npm run crd" from the schema in src/federation/peer-declaration.ts; do not edit.\n${stringify(
    peerTrustDomainDefinition(),
    // Anchors are legal YAML, but nobody reads a definition with them.
    { lineWidth: 0, aliasDuplicateObjects: false },
  )}`,
  { ...(await resolveConfig(path)), parser: 'yaml' },
);

if (!process.argv.includes('--check')) {
  writeFileSync(path, text);
} else if (readFileSync(path, 'utf8') !== text) {
  console.error(`${file} is not what the schema says. Run "npm run crd" and commit it.`);
  process.exitCode = 1;
}
