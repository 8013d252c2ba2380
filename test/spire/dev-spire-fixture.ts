// A running embedded SPIRE Server and a client of it, for one test file.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach } from 'node:test';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { startDevSpire, type DevSpire } from '../../src/dev-spire/dev-spire.ts';
import { openSpireServer, type SpireServerClient } from '../../src/spire/spire-server.ts';
import type { SkippedItem } from '../../src/spire/spire-context.ts';
import { openSubject, type Subject } from '../contract/contract-subject.ts';

export const EAST = parseTrustDomain('east.test');
export const WEST = parseTrustDomain('west.test');

export interface Fixture {
  readonly dev: DevSpire;
  readonly spire: SpireServerClient;
  readonly subject: Subject;
  /** What the client could not read since the test began. */
  readonly skipped: SkippedItem[];
}

/** Registers hooks of the file; the function answers the fixture while a test runs. Every test has a fresh server. */
export function useDevSpire(): () => Fixture {
  let folder = '';
  let fixture: Fixture | undefined;
  const close = async () => {
    fixture?.spire.close();
    fixture?.subject.close();
    await fixture?.dev.stop();
  };
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fedbroker-spire-'));
  });
  beforeEach(async () => {
    await close();
    const dev = await startDevSpire({ trustDomain: EAST, socketPath: join(folder, 'api.sock') });
    const skipped: SkippedItem[] = [];
    const spire = openSpireServer({
      socketPath: dev.socketPath,
      trustDomain: EAST,
      onSkipped: (item) => {
        skipped.push(item);
      },
    });
    fixture = { dev, spire, subject: openSubject(dev), skipped };
  });
  after(async () => {
    await close();
    await rm(folder, { recursive: true });
  });
  return () => fixture!;
}
