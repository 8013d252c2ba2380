// What exactly does a real API server answer, above all when it says no? A fake one copies it from
// test/vectors/kubernetes/status-answers.json, which `node --import tsx test/stack/status-answers.ts` writes anew.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BEACON_DEFINITION, beacon, BEACONS_PATH } from './harness/beacon-resource.ts';
import { Cleanup } from './harness/cleanup.ts';
import { type KubeApiServer, startKubeApiServer } from './harness/kube-api-server.ts';
import { type KubeRequest, kubeRequest } from './harness/kube-request.ts';
import { untilServed } from './harness/until-served.ts';

export const STATUS_ANSWERS_FILE = join(import.meta.dirname, '../vectors/kubernetes/status-answers.json');

/** `admin` may do everything, `stranger` nothing. */
export type Asker = 'admin' | 'stranger' | 'wrong token';

export interface StatusAnswer {
  readonly about: string;
  readonly as: Asker;
  readonly request: KubeRequest;
  readonly status: number;
  readonly contentType: string | undefined;
  /** Parsed where it is JSON; a watch is a list of its events. UIDs, times and new resource versions are all alike. */
  readonly body: unknown;
}

interface Question {
  readonly about: string;
  /** Default `admin`. */
  readonly as?: Asker;
  readonly request: KubeRequest;
}

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
const APPLY = 'application/apply-patch+yaml';
const MERGE = 'application/merge-patch+json';
const OTHER_UID = '11111111-1111-4111-8111-111111111111';

/** No object here breaks two rules of its schema, which the server would name in no stable order. */
const QUESTIONS: readonly Question[] = [
  { about: 'a token nobody knows', as: 'wrong token', request: { path: CONFIG_MAPS } },
  { about: 'a list by a user without rights', as: 'stranger', request: { path: CONFIG_MAPS } },
  { about: 'a watch by a user without rights', as: 'stranger', request: { path: `${BEACONS_PATH}?watch=true` } },
  {
    about: 'a change of the status by a user without rights',
    as: 'stranger',
    request: { method: 'PATCH', path: `${BEACONS_PATH}/tower/status`, contentType: MERGE, body: { status: {} } },
  },
  { about: 'an object that is not there', request: { path: `${CONFIG_MAPS}/absent` } },
  { about: 'a custom object that is not there', request: { path: `${BEACONS_PATH}/absent` } },
  { about: 'a kind that is not there', request: { path: '/apis/absent.test/v1/things' } },
  { about: 'a verb the kind does not have', request: { method: 'PATCH', path: CONFIG_MAPS, body: {} } },
  { about: 'a body that is not JSON', request: { method: 'POST', path: CONFIG_MAPS, body: '{' } },
  { about: 'a custom object that is not JSON', request: { method: 'POST', path: BEACONS_PATH, body: '{' } },
  {
    about: 'a patch of a type that does not exist',
    request: { method: 'PATCH', path: `${CONFIG_MAPS}/taken`, contentType: 'application/json', body: {} },
  },
  {
    about: 'a field the kind does not have, under fieldValidation=Strict',
    request: {
      method: 'POST',
      path: `${BEACONS_PATH}?fieldValidation=Strict`,
      body: beacon('extra', { colour: 'red', size: 3 }),
    },
  },
  {
    about: 'a create of what is there',
    request: { method: 'POST', path: CONFIG_MAPS, body: configMap({ name: 'taken' }) },
  },
  {
    about: 'an update of an older version',
    request: { method: 'PUT', path: `${CONFIG_MAPS}/taken`, body: configMap({ name: 'taken', resourceVersion: '1' }) },
  },
  {
    about: 'an update of an older version of a lease: somebody else leads',
    request: { method: 'PUT', path: `${LEASES}/leader`, body: lease({ name: 'leader', resourceVersion: '1' }) },
  },
  {
    about: 'a merge patch of an older version of a custom object',
    request: {
      method: 'PATCH',
      path: `${BEACONS_PATH}/tower`,
      contentType: MERGE,
      body: { metadata: { resourceVersion: '1' }, spec: { height: 9 } },
    },
  },
  {
    about: 'an update of a custom object without its version',
    request: { method: 'PUT', path: `${BEACONS_PATH}/tower`, body: beacon('tower', { colour: 'red' }) },
  },
  {
    about: 'a delete of another object of the same name',
    request: { method: 'DELETE', path: `${CONFIG_MAPS}/taken`, body: { preconditions: { uid: OTHER_UID } } },
  },
  {
    about: 'an apply over a field of another manager',
    request: {
      method: 'PATCH',
      path: `${BEACONS_PATH}/tower?fieldManager=second`,
      contentType: APPLY,
      body: beacon('tower', { colour: 'red', height: 7 }),
    },
  },
  {
    about: 'an apply without a field manager',
    request: {
      method: 'PATCH',
      path: `${BEACONS_PATH}/tower`,
      contentType: APPLY,
      body: beacon('tower', { colour: 'red' }),
    },
  },
  {
    about: 'a custom object that breaks a rule of its schema',
    request: { method: 'POST', path: BEACONS_PATH, body: beacon('bad', { colour: 'Red' }) },
  },
  {
    about: 'a custom object without what is required',
    request: { method: 'POST', path: BEACONS_PATH, body: beacon('bad', { height: 3 }) },
  },
  {
    about: 'a change that a rule in CEL forbids',
    request: {
      method: 'PATCH',
      path: `${BEACONS_PATH}/tower`,
      contentType: MERGE,
      body: { spec: { colour: 'blue' } },
    },
  },
  {
    about: 'a name that is none',
    request: { method: 'POST', path: CONFIG_MAPS, body: configMap({ name: 'Not_A_Name' }) },
  },
  {
    about: 'a list as of a version that is forgotten',
    request: { path: `${BEACONS_PATH}?resourceVersion=1&resourceVersionMatch=Exact` },
  },
  {
    about: 'the next page of a list that is forgotten',
    request: { path: `${BEACONS_PATH}?limit=1&continue=${continueToken(1, 'lamp')}` },
  },
  {
    about: 'a watch from a version that is forgotten',
    request: { path: `${BEACONS_PATH}?watch=true&resourceVersion=1&timeoutSeconds=2` },
  },
  {
    about: 'a watch from a version that is forgotten, of a kind without a cache',
    request: { path: '/api/v1/namespaces/default/events?watch=true&resourceVersion=1&timeoutSeconds=2' },
  },
  {
    about: 'a watch from a version that is still to come',
    request: { path: `${BEACONS_PATH}?watch=true&resourceVersion=999999999&timeoutSeconds=2` },
  },
  { about: 'the first page of a list', request: { path: `${BEACONS_PATH}?limit=1` } },
  {
    about: 'a watch that begins with what is there',
    request: {
      path: `${BEACONS_PATH}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=2`,
    },
  },
  {
    about: 'a delete, done',
    request: { method: 'DELETE', path: `${BEACONS_PATH}/lamp` },
  },
];

/** Asks everything of a server that has no {@link BEACON_DEFINITION} yet, and makes it forget its past. */
export async function askForStatusAnswers(server: KubeApiServer): Promise<readonly StatusAnswer[]> {
  await prepare(server);
  const kubeconfigs = {
    admin: server.kubeconfigPath,
    stranger: await server.userKubeconfig({ user: 'stranger', groups: ['visitors'] }),
    'wrong token': server.kubeconfig({ token: 'wrong' }),
  };
  const answers: StatusAnswer[] = [];
  for (const { about, as = 'admin', request } of QUESTIONS) {
    const { status, headers, body } = await kubeRequest(kubeconfigs[as], request);
    const contentType = headers['content-type']?.toString();
    answers.push({ about, as, request, status, contentType, body: parsed(request, status, alike(body)) });
  }
  return answers;
}

async function prepare(server: KubeApiServer): Promise<void> {
  const apply = (object: object): Promise<string> =>
    server.kubectl(['apply', '--server-side', '--field-manager=first', '-f', '-'], { input: JSON.stringify(object) });
  await apply(BEACON_DEFINITION);
  await untilServed(server, 'beacons.stack.test');
  await apply(beacon('lamp', { colour: 'red' }));
  await apply(beacon('tower', { colour: 'red', height: 3 }));
  await apply(configMap({ name: 'taken' }));
  await apply(lease({ name: 'leader' }));
  await server.etcd.compact();
}

function configMap(metadata: object): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'default', ...metadata } };
}

function lease(metadata: object): object {
  const spec = { holderIdentity: 'first', leaseDurationSeconds: 15 };
  return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { namespace: 'default', ...metadata }, spec };
}

/** As the server writes them: a version, and the key after which the next page starts. */
function continueToken(resourceVersion: number, name: string): string {
  const token = { v: 'meta.k8s.io/v1', rv: resourceVersion, start: `${name}\0` };
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

function alike(text: string): string {
  return text
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (uid) =>
      uid === OTHER_UID ? uid : '00000000-0000-4000-8000-000000000000',
    )
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, '2040-01-01T00:00:00Z')
    .replaceAll(/("continue":)"[^"]+"/g, '$1"eyJ2Ijoi..."')
    .replaceAll(/("resourceVersion":)"\d+"/g, '$1"1000"')
    .replaceAll(/(too old resource version: \d+) \(\d+\)/g, '$1 (1000)')
    .replaceAll(/(Too large resource version: \d+), current: \d+/g, '$1, current: 1000');
}

function parsed({ path }: KubeRequest, status: number, text: string): unknown {
  if (!path.includes('watch=true') || status !== 200) return text.startsWith('{') ? JSON.parse(text) : text;
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as unknown);
}

async function record(): Promise<void> {
  await using cleanup = new Cleanup();
  const answers = await askForStatusAnswers(await startKubeApiServer(cleanup));
  mkdirSync(dirname(STATUS_ANSWERS_FILE), { recursive: true });
  writeFileSync(STATUS_ANSWERS_FILE, `${JSON.stringify(answers, undefined, 2)}\n`);
}

if (process.argv[1] === import.meta.filename) await record();
