// Is SPIRE Agent's section `sds` read in every way it can be written?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseSpireAgentConfig } from '../../src/kubernetes/spire-agent-config.ts';

const FEDERATED = { defaultBundleName: 'null', defaultAllBundlesName: 'ROOTCA', spiffeValidationDisabled: false };
const DEFAULTS = { defaultBundleName: 'ROOTCA', defaultAllBundlesName: 'ALL', spiffeValidationDisabled: false };

const HCL = `
# sds { default_all_bundles_name = "no" }
agent {
  server_address = "spire-server" // sds {
  /* sds { default_bundle_name = "no" } */
  trust_domain = "ours.test"
  sds {
    default_svid_name = "default"
    default_bundle_name = "null"
    default_all_bundles_name = "ROOTCA" # as Istio asks
  }
}
plugins { KeyManager "memory" { plugin_data {} } }
`;

describe('parseSpireAgentConfig', () => {
  const rows: readonly (readonly [string, string, object | undefined])[] = [
    ['HCL with comments', HCL, FEDERATED],
    [
      'JSON',
      '{"agent":{"sds":{"default_bundle_name":"null","default_all_bundles_name":"ROOTCA"},"trust_domain":"a"},"plugins":{}}',
      FEDERATED,
    ],
    [
      'JSON with a list of sections',
      '{"agent":[{"sds":[{"default_bundle_name":"null","default_all_bundles_name":"ROOTCA"}]}]}',
      FEDERATED,
    ],
    [
      'a section that is assigned',
      'agent = { sds = { disable_spiffe_cert_validation = true } }',
      { ...DEFAULTS, spiffeValidationDisabled: true },
    ],
    ['validation that is said to stay on', 'agent { sds { disable_spiffe_cert_validation = false } }', DEFAULTS],
    ['no section', 'agent { trust_domain = "sds" }', DEFAULTS],
    ['empty names', 'agent { sds { default_bundle_name = "" } }', DEFAULTS],
    ['a section that does not end', 'agent { sds { default_bundle_name = "x"', { ...DEFAULTS, defaultBundleName: 'x' }],
    ['another program’s configuration', 'server { sds { default_bundle_name = "x" } }', undefined],
    ['nothing', '', undefined],
  ];
  for (const [what, text, expected] of rows) {
    it(`reads ${what}`, () => {
      assert.deepEqual(parseSpireAgentConfig(text), expected);
    });
  }

  it('ends with any text, and soon', () => {
    const long = `agent { sds { ${'x = "y" { '.repeat(50_000)}`;
    assert.notEqual(parseSpireAgentConfig(long), undefined);
  });
});
