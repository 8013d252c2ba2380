// Are settings found in the right order, and all their faults reported together?
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { ConfigError, describeConfig, loadConfig, resolveConfig, type ConfigInput } from '../src/config.ts';
import { settingsDocument } from '../src/settings/settings-document.ts';
import { flagName, settingNames, settings, settingsRules, variableName } from '../src/settings/settings.ts';

interface Given extends Partial<Omit<ConfigInput, 'readFile'>> {
  /** The text of `config.yaml`. */
  readonly file?: string;
}

function resolve({ argv = [], environment = {}, file, ...rest }: Given = {}) {
  const readFile = (path: string) => {
    if (path !== 'config.yaml' || file === undefined) throw new Error('no such file');
    return file;
  };
  const fileFlag = file === undefined ? [] : ['--config', 'config.yaml'];
  return resolveConfig({ argv: [...argv, ...fileFlag], environment, readFile, ...rest });
}

function faultsOf(given: Given): readonly string[] {
  try {
    resolve(given);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.faults;
  }
  return [];
}

describe('a setting', () => {
  it('has its default when nothing is given', () => {
    const { config, origins } = resolve();
    assert.equal(config.refreshMinSeconds, 15);
    assert.equal(config.trustDomain, undefined);
    assert.equal(config.maxDocumentBytes, 4 * 2 ** 20);
    assert.deepEqual(config.adminAddress, { host: '127.0.0.1', port: 9402 });
    assert.ok(settingNames.every((name) => origins[name].place === 'default'));
    assert.ok(Object.isFrozen(config));
  });

  it('comes from the flag before the variable, the variable before the file, the file before the default', () => {
    const file = 'refreshMinSeconds: 11\nrefreshMaxSeconds: 12\nrefreshDefaultSeconds: 12\nmaxRoots: 7\n';
    const environment = { FEDBROKER_REFRESH_MIN_SECONDS: '10', FEDBROKER_REFRESH_MAX_SECONDS: '21' };
    const { config, origins } = resolve({ argv: ['--refresh-max-seconds=31'], environment, file });
    assert.equal(config.refreshMaxSeconds, 31);
    assert.equal(config.refreshMinSeconds, 10);
    assert.equal(config.maxRoots, 7);
    assert.equal(config.maxRedirects, 3);
    assert.equal(origins.refreshMaxSeconds.place, '--refresh-max-seconds');
    assert.equal(origins.refreshMinSeconds.place, 'FEDBROKER_REFRESH_MIN_SECONDS');
    assert.equal(origins.maxRoots.place, 'config.yaml:4');
    assert.equal(origins.maxRedirects.place, 'default');
  });

  it('may be absent by its own word', () => {
    const { config } = resolve({ argv: ['--long-poll-seconds', 'off'], file: 'adminAddress: off\n' });
    assert.equal(config.longPollSeconds, undefined);
    assert.equal(config.adminAddress, undefined);
  });

  it('may listen on IPv6', () => {
    const { config } = resolve({ argv: ['--serve-spiffe-address', '[::]:0'] });
    assert.deepEqual(config.serveSpiffeAddress, { host: '::', port: 0 });
  });

  it('is what Kubernetes tells every container, before the default', () => {
    const environment = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' };
    const { config, origins } = resolve({ environment });
    assert.deepEqual(config.apiServerAddress, { host: 'fd00::1', port: 6443 });
    assert.equal(origins.apiServerAddress.place, 'KUBERNETES_SERVICE_HOST:KUBERNETES_SERVICE_PORT');
    const flagged = resolve({ environment, argv: ['--api-server-address', '10.0.0.1:443'] });
    assert.deepEqual(flagged.config.apiServerAddress, { host: '10.0.0.1', port: 443 });
  });

  it('that names an object has its namespace and name', () => {
    const { config } = resolve({ argv: ['--controller-manager-config', 'spire/manager'] });
    assert.deepEqual(config.controllerManagerConfig, { namespace: 'spire', name: 'manager' });
  });

  it('may be in a file that a variable names, also an empty one', () => {
    const input = { argv: [], environment: { FEDBROKER_CONFIG: 'a.yaml' }, readFile: () => 'maxRoots: 5' };
    assert.equal(resolveConfig(input).config.maxRoots, 5);
    assert.equal(resolveConfig({ ...input, readFile: () => '# nothing\n' }).config.maxRoots, 100);
  });

  it('has flag, variable and key for one name', () => {
    assert.equal(flagName('serveWebCertFile'), 'serve-web-cert-file');
    assert.equal(variableName('serveWebCertFile'), 'FEDBROKER_SERVE_WEB_CERT_FILE');
  });
});

describe('the command line', () => {
  it('keeps the flags and arguments of the command apart from the settings', () => {
    const commandFlags = { output: 'Text', quiet: 'Switch' } as const;
    const argv = ['west', '--output', 'json', '--quiet', '--max-roots', '5', '--print-config', '--', '--odd'];
    const resolved = resolve({ argv, commandFlags });
    assert.deepEqual(resolved.flags, { output: 'json', quiet: true });
    assert.deepEqual(resolved.positionals, ['west', '--odd']);
    assert.equal(resolved.config.maxRoots, 5);
    assert.equal(resolved.printConfig, true);
  });

  it('gives a flag to the command rather than to the setting of the same name', () => {
    const argv = ['--trust-domain', 'west.example'];
    const { flags, config } = resolve({ argv, commandFlags: { 'trust-domain': 'Text' } });
    assert.deepEqual(flags, { 'trust-domain': 'west.example' });
    assert.equal(config.trustDomain, undefined);
  });

  it('is read with the environment of the process', () => {
    assert.equal(loadConfig(['--max-roots', '9']).config.maxRoots, 9);
    assert.throws(() => loadConfig(['--config', '/nowhere/at/all']), ConfigError);
  });
});

const FAULTS: readonly (readonly [sentence: string, given: Given, fault: RegExp])[] = [
  [
    'an unknown flag',
    { argv: ['--refresh-mni-seconds', '1'] },
    /^--refresh-mni-.*did you mean --refresh-min-seconds\?$/,
  ],
  ['an unknown short flag', { argv: ['-x'] }, /^-x: unknown flag$/],
  ['a flag without a value', { argv: ['--max-roots'] }, /^--max-roots: needs a value$/],
  ['a flag that swallows the next', { argv: ['--max-roots', '--print-config'] }, /^--max-roots: needs a value$/],
  ['a value for a switch', { argv: ['--print-config=yes'] }, /^--print-config: takes no value$/],
  [
    'an unknown variable',
    { environment: { FEDBROKER_MAX_ROOT: '1' } },
    /^FEDBROKER_MAX_ROOT: .*FEDBROKER_MAX_ROOTS\?$/,
  ],
  [
    'an unknown key',
    { file: '\nmaxRoot: 1\n' },
    /^config\.yaml:2: unknown setting "maxRoot"; did you mean maxRoots\?$/,
  ],
  ['a key without a value', { file: 'maxRoots:\n' }, /^config\.yaml:1: maxRoots must be a single value$/],
  ['a key with a list', { file: 'maxRoots: [1]\n' }, /^config\.yaml:1: maxRoots must be a single value$/],
  ['a file that is a list', { file: '- 1\n' }, /^config\.yaml:1: must be settings/],
  ['a file that says a name twice', { file: 'maxRoots: 1\nmaxRoots: 2\n' }, /^config\.yaml:2: Map keys must be unique/],
  ['a file that is not there', { argv: ['--config', 'b.yaml'] }, /^--config: cannot read .*b\.yaml: no such file$/],
  ['a word for a number', { argv: ['--max-roots=many'] }, /^--max-roots: must be a whole number .*not "many"$/],
  ['a number out of range', { file: 'maxRoots: 0\n' }, /^config\.yaml:1: maxRoots: must be a whole number from 1/],
  ['a negative number', { argv: ['--max-roots=-1'] }, /^--max-roots: must be a whole number/],
  ['an empty text for a number', { environment: { FEDBROKER_MAX_ROOTS: '' } }, /^FEDBROKER_MAX_ROOTS: must be/],
  ['a share above its limit', { argv: ['--refresh-jitter', '0.6'] }, /from 0 to 0\.5, not "0\.6"$/],
  ['a size without a known unit', { argv: ['--max-document-bytes', '4MB'] }, /a size like 4MiB/],
  ['an address without a port', { argv: ['--admin-address', '127.0.0.1'] }, /^--admin-address: must be host:port/],
  ['a port that cannot be', { argv: ['--admin-address', 'a:65536'] }, /^--admin-address: must be host:port/],
  ['an empty path', { argv: ['--spire-socket='] }, /^--spire-socket: must be a path/],
  ['a URL path without slash', { argv: ['--serve-path', 'bundle'] }, /^--serve-path: must be a URL path/],
  [
    'a trust domain with a scheme',
    { argv: ['--trust-domain', 'spiffe://a.b'] },
    /^--trust-domain: .*without the scheme/,
  ],
  ['a cron expression of one field', { argv: ['--resync-schedule', '*'] }, /^--resync-schedule: must be a cron/],
  ['a cron expression that cannot be', { argv: ['--resync-schedule', '99 * * * *'] }, /is not a cron expression: /],
  ['a log level that is none', { argv: ['--log-level', 'loud'] }, /^--log-level: must be trace or debug or/],
  ['a floor above the ceiling', { argv: ['--refresh-min-seconds', '400'] }, /^--refresh-min-seconds: must not be more/],
  [
    'a default outside of both',
    { file: 'refreshDefaultSeconds: 5\n' },
    /^config\.yaml:1: refreshDefaultSeconds: must be b/,
  ],
  [
    'a connect deadline above the whole',
    { argv: ['--fetch-timeout-ms=900'] },
    /^default: connectTimeoutMs: must not be/,
  ],
  [
    'kubeconfig without a file',
    { argv: ['--kubernetes', 'kubeconfig', '--kubernetes-namespace', 'spire'] },
    /^--kubernetes: is "kubeconfig", which needs kubeconfig/,
  ],
  [
    'in-cluster outside of a pod',
    { argv: ['--kubernetes', 'in-cluster', '--kubernetes-namespace', 'spire'] },
    /^--kubernetes: .*KUBERNETES_SERVICE_HOST is not set/,
  ],
  ['a ConfigMap without namespace', { argv: ['--controller-manager-config', 'a'] }, /must be namespace\/name/],
  ['a Lease that Kubernetes cannot name', { argv: ['--lease-name', 'A_b'] }, /must be a name of Kubernetes/],
  ['https_web without a key', { argv: ['--serve-web-address', 'a:1', '--serve-web-cert-file', 'c'] }, /KeyFile too$/],
];

describe('a fault is reported with its place', () => {
  for (const [sentence, given, fault] of FAULTS) {
    it(`for ${sentence}`, () => {
      const faults = faultsOf(given);
      assert.equal(faults.length, 1, faults.join('\n'));
      assert.match(faults[0]!, fault);
    });
  }

  it('together with all others', () => {
    const faults = faultsOf({
      argv: ['--max-roots=x', '--nonsense'],
      environment: { FEDBROKER_MAX_REDIRECTS: 'y' },
      file: 'servePath: z\nunheardOf: 1\nrefreshMinSeconds: 301\n',
    });
    assert.equal(faults.length, 6, faults.join('\n'));
  });

  it('but not for the variables of a Kubernetes Service with our name', () => {
    const environment = {
      FEDBROKER_SERVICE_HOST: '10.0.0.1',
      FEDBROKER_SERVICE_PORT_HTTPS: '8443',
      FEDBROKER_PORT: 'tcp://10.0.0.1:8443',
      FEDBROKER_PORT_8443_TCP: 'tcp://10.0.0.1:8443',
      FEDBROKER_WEB_PORT_8443_TCP_ADDR: '10.0.0.1',
    };
    assert.deepEqual(faultsOf({ environment }), []);
  });

  it('and never repeats a pasted key', () => {
    const key = '-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----';
    const faults = faultsOf({ argv: ['--serve-web-key-file', key, '--trust-domain', key] });
    assert.equal(faults.length, 2);
    assert.doesNotMatch(faults.join('\n'), /MC4CAQ/);
  });
});

describe('--print-config', () => {
  it('shows every setting with its value and place', () => {
    const printed = describeConfig(resolve({ argv: ['--max-roots', '5'], file: 'maxRedirects: 1\n' }));
    assert.equal(printed.trimEnd().split('\n').length, settingNames.length);
    assert.match(printed, /^maxRoots +=\s5 {2}\(--max-roots\)$/m);
    assert.match(printed, /^maxRedirects +=\s1 {2}\(config\.yaml:1\)$/m);
    assert.match(printed, /^longPollSeconds +=\s240 {2}\(default\)$/m);
  });

  it('masks what looks like a secret', () => {
    const text = 'https://user:hunter2@host/';
    const printed = describeConfig(resolve({ argv: ['--peers-directory', text] }));
    assert.doesNotMatch(printed, /hunter2/);
  });
});

describe('the table of settings', () => {
  it('has defaults that are of their own form and fit together', () => {
    for (const name of settingNames) assert.doesNotThrow(() => settings[name].value.read(settings[name].default), name);
    const { config } = resolve();
    for (const rule of settingsRules) assert.ok(rule.holds(config), rule.message);
  });

  it('has no name that Kubernetes could give to a Service variable', () => {
    const environment = Object.fromEntries(settingNames.map((name) => [variableName(name), settings[name].default]));
    const { origins } = resolve({ environment });
    assert.ok(settingNames.every((name) => origins[name].place === variableName(name)));
  });

  it('is what docs/settings.md says (npm run -s fedbroker -- settings > docs/settings.md)', () => {
    assert.equal(readFileSync(new URL('../docs/settings.md', import.meta.url), 'utf8'), settingsDocument());
  });
});
