// How many bundle documents does the broker read in a second, when they are new and when they are not, beside go-spiffe?
import { createPublicKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FactBoard } from '../../src/broker/fact-board.ts';
import { PeerGatherer } from '../../src/broker/gather-peer.ts';
import { BUNDLE_DOCUMENT_LIMITS, parseBundleDocument, serializeBundle } from '../../src/bundle/bundle-document.ts';
import { checkBundle } from '../../src/bundle/check-bundle.ts';
import type { Bundle } from '../../src/bundle/bundle.ts';
import { RootIndexer } from '../../src/bundle/known-roots.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { systemClock } from '../../src/federation/clock.ts';
import type { BundleSource } from '../../src/federation/ports.ts';
import { generateKeys, makeRoot } from '../fakes/fake-ca.ts';
import { peerOf } from '../federation/samples.ts';
import { Cleanup } from '../stack/harness/cleanup.ts';
import { outputOf } from '../stack/harness/run-program.ts';
import { tempFolder } from '../stack/harness/temp-folder.ts';
import { programPath } from '../stack/parts.ts';
import { rounded } from './summary.ts';

const WEST = parseTrustDomain('west.example');
/** A young trust domain, one with an hourly rotation of a daily root, and the most that is accepted by default. */
const ROOT_COUNTS = [1, 24, 100];
const SECONDS_EACH = 1;
const ROUNDS = 3;

export interface ParseReport {
  readonly roots: number;
  readonly bytes: number;
  /** Documents a second, the best of the rounds; the two programs take turns. */
  readonly goSpiffe: number;
  /** Read: `parseBundleDocument`. */
  readonly parsed: number;
  /** Read, and judged by every bundle rule, which go-spiffe has no counterpart of. */
  readonly judged: number;
  /** A whole turn of the broker's loop over a document with the same bytes as before. */
  readonly unchanged: number;
  /** A whole turn over the answer "not modified". */
  readonly notModified: number;
  readonly ratio: { readonly parsed: number; readonly unchanged: number };
}

/** One document a row: EC P-256 roots and one JWT authority, as SPIRE makes them by default. */
export async function measureParsing(): Promise<readonly ParseReport[]> {
  await using cleanup = new Cleanup();
  const folder = tempFolder(cleanup, 'bench-parse');
  const reports: ParseReport[] = [];
  for (const roots of ROOT_COUNTS) {
    const document = serializeBundle(await makeBundle(roots), { refreshHintSeconds: 300 });
    const path = join(folder, `${roots}.json`);
    writeFileSync(path, document);
    reports.push(await measureDocument(roots, document, path));
  }
  return reports;
}

async function measureDocument(roots: number, document: Buffer, path: string): Promise<ParseReport> {
  const knownRoots = new RootIndexer().index(undefined, []);
  const parse = () => parseBundleDocument(document, WEST);
  const works = {
    parsed: parse,
    judged: () => checkBundle(parse(), { now: new Date(), knownRoots, maxRoots: 100 }),
    unchanged: await gathering({ kind: 'Document', waitApplied: false, etag: undefined, body: document }),
    notModified: await gathering(
      { kind: 'Document', waitApplied: false, etag: '"1"', body: document },
      { kind: 'NotModified', waitApplied: false },
    ),
  };
  const best = { goSpiffe: 0, parsed: 0, judged: 0, unchanged: 0, notModified: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    best.goSpiffe = Math.max(best.goSpiffe, await goSpiffePerSecond(path));
    for (const [name, work] of Object.entries(works) as [keyof typeof works, () => unknown][]) {
      best[name] = Math.max(best[name], await timesPerSecond(work));
    }
  }
  const ratio = {
    parsed: rounded(best.parsed / best.goSpiffe, 2),
    unchanged: rounded(best.unchanged / best.goSpiffe, 2),
  };
  return { roots, bytes: document.length, ...best, ratio };
}

async function makeBundle(roots: number): Promise<Bundle> {
  const [issued, { publicKey }] = await Promise.all([
    Promise.all(Array.from({ length: roots }, () => makeRoot(WEST))),
    generateKeys(),
  ]);
  const spki = Buffer.from(await crypto.subtle.exportKey('spki', publicKey));
  return {
    trustDomain: WEST,
    x509Authorities: issued.map(({ der }) => der),
    jwtAuthorities: [
      {
        keyId: 'jwt-1',
        publicKey: createPublicKey({ key: spki, format: 'der', type: 'spki' }).export({ format: 'der', type: 'spki' }),
      },
    ],
    sequenceNumber: BigInt(roots),
    refreshHintSeconds: 300,
  };
}

/** The loop of a peer whose endpoint gives `first` once, and then always `then`. */
async function gathering(first: Answer, then: Answer = first): Promise<() => Promise<void>> {
  let answer = first;
  const board = new FactBoard(systemClock, { changed: () => undefined, bundleReplaced: () => undefined });
  const gatherer = new PeerGatherer(peerOf(WEST, { profile: { type: 'https_web' } }), {
    board,
    source: { fetch: () => Promise.resolve(answer) },
    clock: systemClock,
    limits: { minSeconds: 15, maxSeconds: 300, defaultSeconds: 300, jitter: 0.1 },
    longPollSeconds: undefined,
    documentLimits: BUNDLE_DOCUMENT_LIMITS,
    random: Math.random,
    readBootstrap: () => Promise.resolve(undefined),
    passed: () => Promise.resolve(),
    isApplied: () => true,
    onFetch: () => undefined,
  });
  const { signal } = new AbortController();
  await gatherer.fetchOnce(signal);
  answer = then;
  return () => gatherer.fetchOnce(signal);
}

type Answer = Awaited<ReturnType<BundleSource['fetch']>>;

async function timesPerSecond(work: () => unknown): Promise<number> {
  const startMs = performance.now();
  let times = 0;
  while (performance.now() - startMs < SECONDS_EACH * 1000) {
    await work();
    times++;
  }
  return Math.round((times * 1000) / (performance.now() - startMs));
}

async function goSpiffePerSecond(path: string): Promise<number> {
  const args = ['bench-parse', '--trust-domain', WEST, '--seconds', String(SECONDS_EACH), path];
  const answer = JSON.parse(await outputOf(programPath('oracle', 'oracle'), args)) as {
    readonly documentsPerSecond: number;
  };
  return Math.round(answer.documentsPerSecond);
}
