// Does the client outlive everything that can happen to a real API server, and say what is wrong meanwhile?
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock, type Clock } from '../../src/federation/clock.ts';
import { openApiServer, type ApiServer, type ApiServerOptions } from '../../src/kubernetes/api-server.ts';
import { CONFIG_MAPS } from '../../src/kubernetes/core-resources.ts';
import { KubeError } from '../../src/kubernetes/kube-error.ts';
import { Reflector, type Objects, type ReflectorOptions } from '../../src/kubernetes/reflector.ts';
import { configMap, freshName, kubeError, NAMESPACE } from '../contract/kube-subject.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { type KubeApiServer, startKubeApiServer } from './harness/kube-api-server.ts';

/** What the client takes for a minute or more is over in a 45th of it: silence counts as death after 2 s. */
const hastyClock: Clock = {
  now: () => systemClock.now(),
  after: (delayMs, task) => systemClock.after(delayMs < 60_000 ? delayMs : delayMs / 45, task),
};

/** A reflector over the ConfigMaps of one namespace, and what it has told. */
function follow(cleanup: Cleanup, api: ReflectorOptions['api'], clock: Clock = systemClock) {
  const reports: (Objects | KubeError)[] = [];
  const faults: unknown[] = [];
  const reflector = new Reflector(
    { resource: CONFIG_MAPS, namespace: NAMESPACE },
    {
      api,
      clock,
      // Short pauses that are not none.
      random: () => 0.1,
      report: (report) => reports.push(report),
      onHandlerFault: (fault) => faults.push(fault),
    },
  );
  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  cleanup.add(async () => {
    stop.abort();
    await running;
    assert.deepEqual(faults, []);
  });
  const errors = () => reports.filter((report) => report instanceof KubeError);
  return {
    reflector,
    errors,
    sees: (name: string) =>
      eventually(`${name} is seen`, () => {
        const last = reports.at(-1);
        return last instanceof Map && [...(last as Objects).values()].some(({ metadata }) => metadata.name === name);
      }),
    saysSo: (code: KubeError['code'], text: string | RegExp = '') =>
      eventually(`the reflector says ${code}`, () => {
        const last = errors().at(-1);
        return last !== undefined && kubeError(code, text)(last);
      }),
  };
}

describe('the client of a real API server', () => {
  const cleanup = new Cleanup();
  let server: KubeApiServer;
  let api: ApiServer;
  let pods = 0;

  before(async () => {
    server = await startKubeApiServer(cleanup, { name: 'client' });
    api = await open({ path: server.kubeconfigPath });
  });
  after(() => cleanup.run());

  async function open(access: ApiServerOptions['access'], clock = systemClock): Promise<ApiServer> {
    const opened = await openApiServer({ access, clock, timeoutMs: 2_000 });
    cleanup.add(() => {
      opened.close();
    });
    return opened;
  }

  /** As a pod finds it: a directory with the CA and the token of its service account. */
  async function pod(name: string, lifetimeSeconds: number) {
    await server.kubectl(['create', 'serviceaccount', name]);
    const directory = join(server.folder, `pod-${++pods}`);
    mkdirSync(directory);
    writeFileSync(join(directory, 'ca.crt'), server.caPem);
    const { hostname: host, port } = new URL(server.url);
    const renew = async (seconds: number) => {
      const token = await server.serviceAccountToken({ namespace: NAMESPACE, name }, seconds);
      writeFileSync(join(directory, 'token'), token);
    };
    await renew(lifetimeSeconds);
    return { renew, access: { host, port: Number(port), directory } };
  }

  /** As soon as the API server takes it. */
  async function createConfigMap(): Promise<string> {
    const name = freshName();
    await eventually('a ConfigMap can be created', () => api.create(CONFIG_MAPS, configMap(name)));
    return name;
  }

  const allow = (name: string, verbs: string) =>
    server.kubectl(['create', 'role', name, `--verb=${verbs}`, '--resource=configmaps']);
  const bind = (role: string, account: string) =>
    server.kubectl(['create', 'rolebinding', role, `--role=${role}`, `--serviceaccount=${NAMESPACE}:${account}`]);

  it('sees what changes after a restart of kube-apiserver', async () => {
    const follower = follow(cleanup, api);
    await follower.sees(await createConfigMap());
    await server.restart();
    await follower.sees(await createConfigMap());
  });

  it('says that nobody answers when kube-apiserver is killed, and sees what changes when it is back', async () => {
    const follower = follow(cleanup, api);
    await follower.sees(await createConfigMap());
    await server.kill();
    await follower.saysSo('KubeUnreachable', 'ECONNREFUSED');
    await server.restart();
    await follower.sees(await createConfigMap());
  });

  it('keeps what it knows while etcd is away, and sees what changes when it is back', async () => {
    const follower = follow(cleanup, api);
    const known = await createConfigMap();
    await follower.sees(known);
    await server.etcd.kill();
    await assert.rejects(
      api.create(CONFIG_MAPS, configMap(freshName())),
      (error) => error instanceof KubeError && /Deadline|ServerError/.test(error.code),
    );
    await server.etcd.restart();
    await follower.sees(await createConfigMap());
    await follower.sees(known);
  });

  it('lists again, without an error, when the version that it goes on from is compacted', async () => {
    const { resourceVersion } = await api.list({ resource: CONFIG_MAPS, namespace: NAMESPACE });
    const [, newest] = [await createConfigMap(), await createConfigMap()];
    await server.etcd.compact();
    let isFirst = true;
    const follower = follow(cleanup, {
      list: async (selection, options) => {
        const listed = await api.list(selection, options);
        if (!isFirst) return listed;
        isFirst = false;
        await server.kill();
        await server.restart();
        return { ...listed, resourceVersion };
      },
      watch: (selection, request) => api.watch(selection, request),
    });
    await follower.sees(newest);
    await follower.sees(await createConfigMap());
    assert.deepEqual([follower.errors(), follower.reflector.listCount], [[], 2]);
  });

  it('notices an API server that hangs, says so, and sees what changes when it goes on', async () => {
    const follower = follow(cleanup, await open({ path: server.kubeconfigPath }, hastyClock), hastyClock);
    await follower.sees(await createConfigMap());
    server.signal('SIGSTOP');
    try {
      await follower.saysSo('KubeDeadlineExceeded', 'within 2000 ms');
    } finally {
      server.signal('SIGCONT');
    }
    await follower.sees(await createConfigMap());
  });

  it('says that its token has expired, and takes the renewed one from the file', async () => {
    const { access, renew } = await pod('expiring', -57);
    await allow('read', 'get,list,watch');
    await bind('read', 'expiring');
    const podApi = await open(access);
    const ref = { resource: CONFIG_MAPS, namespace: NAMESPACE, name: 'absent' };
    await eventually('the token is refused', () =>
      podApi.get(ref).then(
        () => false,
        (error: unknown) => kubeError('KubeUnauthorized', 'token is not expired')(error),
      ),
    );
    const follower = follow(cleanup, podApi);
    await follower.saysSo('KubeUnauthorized', 'token is not expired');
    await renew(600);
    await follower.sees(await createConfigMap());
  });

  it('says which right is missing until it is granted, one after the other', async () => {
    const { access } = await pod('stranger', 600);
    const follower = follow(cleanup, await open(access));
    await follower.saysSo('KubeForbidden', 'grant verb "list" on resource "configmaps"');
    await allow('list', 'list');
    await bind('list', 'stranger');
    await follower.saysSo('KubeForbidden', 'grant verb "watch" on resource "configmaps"');
    await allow('watch', 'watch');
    await bind('watch', 'stranger');
    await follower.sees(await createConfigMap());
  });
});
