// Are the definition, its copy in the Helm chart and its page what the schema of declarations says? --check only compares.
// Reads TypeScript: node --import tsx
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { stringify } from 'yaml';
import { peerTrustDomainDefinition } from '../src/kubernetes/peer-trust-domain-crd.ts';
import { peerTrustDomainDocument } from '../src/kubernetes/peer-trust-domain-document.ts';

// Anchors are legal YAML, but nobody reads a definition with them.
const definition = stringify(peerTrustDomainDefinition(), { lineWidth: 0, aliasDuplicateObjects: false });

const manifest = `# Written by "npm run crd" from the schema in src/federation; do not edit.\n${definition}`;

const contents = {
  'deploy/crd/peertrustdomains.fedbroker.dev.yaml': manifest,
  'deploy/helm/spire-federation-broker/crds/peertrustdomains.fedbroker.dev.yaml': manifest,
  'docs/peer-trust-domain.md': peerTrustDomainDocument(),
};

const isCheck = process.argv.includes('--check');
for (const [file, content] of Object.entries(contents)) {
  const path = fileURLToPath(new URL(`../${file}`, import.meta.url));
  const text = await format(content, { ...(await resolveConfig(path)), filepath: path });
  if (!isCheck) {
    writeFileSync(path, text);
  } else if (textOf(path) !== text) {
    console.error(`${file} is not what the schema says. Run "npm run crd" and commit it.`);
    process.exitCode = 1;
  }
}

/** Of a file that is not there: nothing. */
function textOf(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
