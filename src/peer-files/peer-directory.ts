// Which peers does a directory of PeerTrustDomain files declare, now and after each change?
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { sleep, type Clock } from '../federation/clock.ts';
import type { Declarations } from '../federation/facts.ts';
import { judgeDeclarations, type DeclaringUnit, type EarlierPeers } from '../federation/judge-declarations.ts';
import type { CodedError, PeerSource } from '../federation/ports.ts';
import { ChangeHint } from './change-hint.ts';
import { parsePeerFile, type PeerFile, type PeerFileFault } from './parse-peer-file.ts';
import { readSignature, readTexts, type DirectorySignature, type FileText } from './read-directory.ts';

export interface PeerDirectoryOptions {
  readonly directory: string;
  /** Cannot be declared as a peer; entry patterns must be in it. */
  readonly ownTrustDomain: TrustDomain;
  readonly clock: Clock;
  /** How often the directory is looked at where the system tells of no change (network mounts). */
  readonly pollMs: number;
}

/** The declarations in force, with the faults of those that are not. */
export interface DirectoryDeclarations extends Declarations {
  readonly faults: readonly PeerFileFault[];
}

/** The directory cannot be read at all; what it declared before stays in force. */
export class PeerDirectoryError extends Error implements CodedError {
  override readonly name = 'PeerDirectoryError';
  readonly code = 'PeersDirectoryUnreadable';
}

/**
 * New content counts when it is the same twice with this pause between: a file that is just being written, or a mount
 * that is just being exchanged, must not look like declarations that were taken back.
 */
const SETTLE_MS = 200;
/** Content that never settles is looked at again after the regular pause. */
const MAX_SETTLE_LOOKS = 25;

export class PeerDirectory implements PeerSource {
  readonly #options: PeerDirectoryOptions;
  readonly #directory: string;
  #inForce: EarlierPeers = new Map();
  /** The directory that declared peers since we started. An empty one in its place is a lost mount. */
  #identityWithPeers: string | undefined;
  #latest: DirectoryDeclarations | undefined;

  constructor(options: PeerDirectoryOptions) {
    this.#options = options;
    this.#directory = resolve(options.directory);
  }

  /** What was read last; undefined before the first reading. */
  get latest(): DirectoryDeclarations | undefined {
    return this.#latest;
  }

  async watch(
    report: (declared: DirectoryDeclarations | PeerDirectoryError) => void,
    signal: AbortSignal,
  ): Promise<void> {
    let reported: string | undefined;
    while (!signal.aborted) {
      // Before the look, so that no change falls between.
      using hint = new ChangeHint(this.#directory);
      const change = await this.#changeSince(reported, signal);
      if (change !== undefined) {
        reported = change.mark;
        report(change.result);
      }
      await sleep(this.#options.clock, this.#options.pollMs, AbortSignal.any([signal, hint.signal]));
    }
  }

  /**
   * Reads the directory once, as it is when it has settled.
   *
   * @throws PeerDirectoryError
   */
  async read(signal: AbortSignal): Promise<DirectoryDeclarations> {
    try {
      const settled = await this.#settle(signal);
      if (settled === undefined) throw new Error('its files keep changing');
      return this.#judge(settled);
    } catch (error) {
      throw asDirectoryError(this.#directory, error);
    }
  }

  /** Undefined while the directory is as the mark says: the signature of what was reported, or its error. */
  async #changeSince(mark: string | undefined, signal: AbortSignal): Promise<Change | undefined> {
    const { clock } = this.#options;
    try {
      // Between two renames that exchange directories there is none.
      const seen = await readSignature(this.#directory).catch(() => sleep(clock, SETTLE_MS, signal));
      const { signature } = seen ?? (await readSignature(this.#directory));
      if (signature === mark) return undefined;
      const settled = await this.#settle(signal);
      return settled === undefined ? undefined : { mark: settled.signature, result: this.#judge(settled) };
    } catch (error) {
      const result = asDirectoryError(this.#directory, error);
      return result.message === mark ? undefined : { mark: result.message, result };
    }
  }

  async #settle(signal: AbortSignal): Promise<Reading | undefined> {
    let before: Reading | undefined;
    for (let looks = 0; looks < MAX_SETTLE_LOOKS && !signal.aborted; looks++) {
      const reading = await this.#read();
      if (before?.digest === reading.digest) return reading;
      before = reading;
      await sleep(this.#options.clock, SETTLE_MS, signal);
    }
    return undefined;
  }

  async #read(): Promise<Reading> {
    const seen = await readSignature(this.#directory);
    const texts = await readTexts(this.#directory, seen.names);
    const hash = createHash('sha256').update(seen.identity);
    for (const [name, content] of texts) hash.update(JSON.stringify([name, content]));
    return { ...seen, texts, digest: hash.digest('hex') };
  }

  #judge({ identity, texts }: Reading): DirectoryDeclarations {
    if (texts.size === 0 && identity !== this.#identityWithPeers) {
      const incompleteBecause =
        `${this.#directory} has no *.yaml, *.yml or *.json file, which looks like a missing mount; ` +
        'to remove a peer, delete its file while the broker runs';
      this.#latest = { peers: this.#latest?.peers ?? [], faults: [], incompleteBecause };
      return this.#latest;
    }
    const files = [...texts].map(([name, content]) => this.#parse(name, content));
    const judgement = judgeFiles(files, this.#inForce, this.#options.ownTrustDomain);
    const { declarations, inForce } = judgement;
    if (declarations.peers.length > 0) this.#identityWithPeers = identity;
    this.#inForce = inForce;
    this.#latest = { ...declarations, faults: judgement.units.flatMap(({ faults }) => faults) };
    return this.#latest;
  }

  #parse(name: string, content: FileText): PeerFile {
    if ('text' in content) return parsePeerFile(name, join(this.#directory, name), content.text);
    return { name, declared: [], faults: [{ file: name, line: 1, column: 1, path: '', message: content.unreadable }] };
  }
}

/** In the order of their names. What a faulty file declared before a restart, nobody knows. */
export function judgeFiles(files: readonly PeerFile[], before: EarlierPeers, own: TrustDomain) {
  const units = files.map(({ name, ...file }): DeclaringUnit<PeerFileFault> => {
    return { ...file, id: name, title: name, mayHide: () => true };
  });
  const inOrder = units.sort((a, b) => (a.id < b.id ? -1 : 1));
  return judgeDeclarations(inOrder, before, own);
}

interface Change {
  readonly mark: string;
  readonly result: DirectoryDeclarations | PeerDirectoryError;
}

interface Reading extends DirectorySignature {
  readonly texts: ReadonlyMap<string, FileText>;
  readonly digest: string;
}

function asDirectoryError(directory: string, error: unknown): PeerDirectoryError {
  if (error instanceof PeerDirectoryError) return error;
  const { message } = error as Error;
  return new PeerDirectoryError(`Cannot read the peers directory ${directory}: ${message}`, { cause: error });
}
