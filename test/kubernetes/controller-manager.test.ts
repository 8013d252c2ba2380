// Are spire-controller-manager's settings read as it reads them itself, and is it said why not?
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import type { CodedError, ControllerManager } from '../../src/federation/ports.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import { CLUSTER_SPIFFE_IDS } from '../../src/kubernetes/cluster-spiffeids.ts';
import {
  ControllerManagerConfig,
  parseControllerManagerConfig,
  type ControllerManagerOptions,
} from '../../src/kubernetes/controller-manager.ts';
import { CONFIG_MAPS } from '../../src/kubernetes/core-resources.ts';
import { KubeError } from '../../src/kubernetes/kube-error.ts';
import { startFakeApiServer, type FakeApiServer } from '../fakes/fake-api-server.ts';
import { FakeClock } from '../fakes/fake-clock.ts';

const EAST = parseTrustDomain('east.example');
const CONFIG = { namespace: 'spire', name: 'controller-manager' };
const TEXT = 'trustDomain: east.example\nentryIDPrefix: cluster\nclassName: spire\n';

describe('parseControllerManagerConfig', () => {
  const all = { clusterSpiffeIds: true, clusterFederatedTrustDomains: true, clusterStaticEntries: true };
  const base: ControllerManager = {
    entryIdPrefix: undefined,
    reconciles: all,
    className: undefined,
    watchClassless: false,
  };
  const rows: readonly (readonly [string, string, ControllerManager])[] = [
    ['defaults', 'trustDomain: east.example', base],
    ['a prefix without its dot', TEXT, { ...base, entryIdPrefix: 'cluster.', className: 'spire' }],
    ['a prefix with its dot', 'trustDomain: east.example\nentryIDPrefix: a.b.', { ...base, entryIdPrefix: 'a.b.' }],
    [
      'an empty prefix',
      'trustDomain: east.example\nentryIDPrefix: ""\nwatchClassless: true',
      { ...base, watchClassless: true },
    ],
    [
      'kinds, of which those that are not named are left alone',
      'trustDomain: east.example\nreconcile:\n  clusterSPIFFEIDs: true\n  clusterStaticEntries: false',
      {
        ...base,
        reconciles: { clusterSpiffeIds: true, clusterFederatedTrustDomains: false, clusterStaticEntries: false },
      },
    ],
    ['JSON', '{"trustDomain":"east.example","kind":"ControllerManagerConfig"}', base],
  ];
  for (const [what, text, expected] of rows) {
    it(`reads ${what}`, () => {
      assert.deepEqual(parseControllerManagerConfig(text, EAST), expected);
    });
  }

  const faults: readonly (readonly [string, string, RegExp])[] = [
    ['no YAML', 'a: [', /it is no YAML/],
    ['a list', '- a', /no trustDomain/],
    [
      'another trust domain, whose SPIRE is not ours',
      'trustDomain: west.example',
      /for trust domain "west.example", ours is/,
    ],
    ['what only its process can expand', TEXT.replace('cluster', '"$NAME"'), /only .* itself can expand/],
  ];
  for (const [what, text, message] of faults) {
    it(`refuses ${what}`, () => {
      assert.throws(() => parseControllerManagerConfig(text, EAST), {
        code: 'ControllerManagerConfigInvalid',
        message,
      });
    });
  }
});

describe('ControllerManagerConfig', () => {
  let kube: FakeApiServer;
  let api: ApiServer;
  let clock: FakeClock;

  const open = async (resources: Parameters<typeof startFakeApiServer>[0]) => {
    kube = await startFakeApiServer(resources);
    clock = new FakeClock();
    api = await openApiServer({ access: await kube.serviceAccount(), clock, timeoutMs: 5_000 });
  };
  beforeEach(() => open([CLUSTER_SPIFFE_IDS]));
  afterEach(async () => {
    api.close();
    await kube.close();
  });
  const reader = (
    configMap: ControllerManagerOptions['configMap'] = CONFIG,
    from: ControllerManagerOptions['api'] = api,
  ) => new ControllerManagerConfig({ api: from, clock, ownTrustDomain: EAST, configMap });
  const read = (configMap?: ControllerManagerOptions['configMap']) =>
    reader(configMap).read(new AbortController().signal);
  const store = (key: string, text = TEXT) => api.create(CONFIG_MAPS, { metadata: CONFIG, data: { [key]: text } });

  it('reads its ConfigMap, under its usual key or the one that is given', async () => {
    await store('own.yaml');
    assert.equal((await read({ ...CONFIG, key: 'own.yaml' }))?.className, 'spire');
    await assert.rejects(read(), {
      code: 'ControllerManagerConfigMissing',
      message: /has no key "controller-manager-config\.yaml"/,
    });
  });

  it('is absent where its resources are not served', async () => {
    api.close();
    await kube.close();
    await open([]);
    assert.equal(await read(), undefined);
  });

  it('asks for the place of its settings, and says what is not there or not allowed', async () => {
    const unset = new ControllerManagerConfig({ api, clock, ownTrustDomain: EAST, configMap: undefined });
    await assert.rejects(unset.read(new AbortController().signal), { code: 'ControllerManagerConfigUnset' });
    await assert.rejects(read(), { code: 'ControllerManagerConfigMissing', message: /there is no configmaps/ });
    kube.isAllowed = ({ resource }) => resource !== 'configmaps';
    await assert.rejects(read(), { code: 'KubeForbidden', message: /grant verb "get" on resource "configmaps"/ });
  });

  it('keeps what is known while the API server fails, and reports what an operator can mend', async () => {
    await store('controller-manager-config.yaml');
    const reports: (ControllerManager | CodedError | undefined)[] = [];
    let wake: () => void = () => undefined;
    const next = async (task: () => void) => {
      const told = new Promise<void>((resolve) => (wake = resolve));
      task();
      await told;
      return reports.at(-1);
    };
    const stop = new AbortController();
    let [down, asked] = [false, 0];
    const failing: ControllerManagerOptions['api'] = {
      get(ref, options) {
        if (ref.resource === CLUSTER_SPIFFE_IDS) asked += 1;
        return down ? Promise.reject(new KubeError('KubeUnreachable', 'no connection')) : api.get(ref, options);
      },
    };
    let watching: Promise<void> | undefined;
    const first = await next(() => {
      watching = reader(CONFIG, failing).watch((found) => {
        reports.push(found);
        wake();
      }, stop.signal);
    });
    assert.equal((first as ControllerManager).className, 'spire');

    down = true;
    clock.advance(30_000);
    await new Promise(setImmediate);
    assert.deepEqual([asked, reports.length], [2, 1]);
    down = false;

    kube.isAllowed = ({ resource }) => resource !== 'configmaps';
    const refused = await next(() => {
      clock.advance(30_000);
    });
    assert.equal((refused as CodedError).code, 'KubeForbidden');
    stop.abort();
    await watching;
  });
});
