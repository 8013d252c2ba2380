// @ts-nocheck
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { stringify } from 'yaml';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { startDevSpire } from '../../src/dev-spire/dev-spire.ts';
import { Cleanup } from '../stack/harness/cleanup.ts';
import { freePort } from '../stack/harness/free-ports.ts';
import { tempFolder } from '../stack/harness/temp-folder.ts';
import { startPeers } from './many-peers.ts';
import { cpuSeconds, usageDuring, rssMiB } from './process-usage.ts';
const OWN = parseTrustDomain('east.example');
const cleanup = new Cleanup();
const kind = (process.argv[2] ?? 'Plain') as never;
const seconds = Number(process.argv[3] ?? 120);
const variants = process.argv.slice(4); // name=dist|options|flags
const peers = await startPeers(cleanup, 1000, kind, () => undefined);
const runs = await Promise.all(variants.map(async (v) => {
  const [name, dist, options, flags = '', env = ''] = v.split('|');
  const folder = tempFolder(cleanup, 'var-' + name);
  cpSync(dist, join(folder, 'dist'), { recursive: true });
  const program = join(folder, 'dist/fedbroker.mjs');
  const text = readFileSync(program, 'utf8');
  writeFileSync(program, `#!/usr/bin/env -S MALLOC_ARENA_MAX=1 ${env} node ${options}\n` + text.slice(text.indexOf('\n') + 1), { mode: 0o755 });
  const socketPath = join(folder, 'spire.sock');
  const spire = await startDevSpire({ trustDomain: OWN, socketPath });
  cleanup.add(() => spire.stop());
  const peersFolder = join(folder, 'peers'); mkdirSync(peersFolder);
  for (const { trustDomain, url, endpointSpiffeId, document } of peers) writeFileSync(join(peersFolder, `${trustDomain}.yaml`), stringify({ apiVersion: 'fedbroker.dev/v1alpha1', kind: 'PeerTrustDomain', metadata: { name: String(trustDomain) }, spec: { trustDomain, bundleEndpointURL: url, bundleEndpointProfile: { type: 'https_spiffe', endpointSPIFFEID: endpointSpiffeId }, trustDomainBundle: { inline: document } } }));
  const [ep, ad] = [await freePort(), await freePort()];
  const out = openSync(join('/tmp', `var-${name}.log`), 'w');
  const child = spawn(program, ['run', '--spire-socket', socketPath, '--peers-directory', peersFolder, '--serve-spiffe-address', `127.0.0.1:${ep}`, '--admin-address', `127.0.0.1:${ad}`, '--log-level', 'warn', ...flags.split(' ').filter(Boolean)], { stdio: ['ignore', out, out] });
  cleanup.add(() => { child.kill('SIGKILL'); });
  for (;;) { await pause(3000); const s = await fetch(`http://127.0.0.1:${ad}/status`, { headers: { connection: 'close' } }).then((r) => r.json()).catch(() => ({ peers: [] })); const n = s.peers.filter((p) => p.bundle !== undefined).length; if (n === 1000) break; }
  return { name, pid: child.pid!, ad };
}));
const stop = new AbortController();
for (const r of runs) void (async () => { while (!stop.signal.aborted) { await (await fetch(`http://127.0.0.1:${r.ad}/metrics`)).text(); await pause(15000); } })();
await pause(15000);
const used = await Promise.all(runs.map(async (r) => ({ name: r.name, before: cpuSeconds(r.pid), ...(await usageDuring(r.pid, seconds)) })));
for (const u of used) console.log(u.name, 'cpu', u.cpuPercent, 'rss mean', u.rssMiB.mean, 'max', u.rssMiB.max);
for (const r of runs) { const sums = { file: 0, heap: 0, anon: 0 }; let k = 'anon'; const big = []; for (const l of readFileSync(`/proc/${r.pid}/smaps`, 'utf8').split('\n')) { const h = /^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+\s*(.*)$/.exec(l); if (h) k = h[1] === '' ? 'anon' : h[1].startsWith('[heap') ? 'heap' : h[1].startsWith('/') ? 'file' : 'anon'; const m = /^Rss:\s+(\d+) kB/.exec(l); if (m) { sums[k] += Number(m[1]) / 1024; } } const st = await fetch(`http://127.0.0.1:${r.ad}/metrics`, {headers:{connection:'close'}}).then((x) => x.text()); console.log(r.name, JSON.stringify(sums), st.split('\n').filter((l) => /^nodejs_(heap|external)|^process_.*memory|held|event_loop|loop/.test(l)).join(' | ').slice(0, 900), st.length); }
stop.abort();
await cleanup.run?.();
process.exit(0);
