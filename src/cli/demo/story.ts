// What has happened in the demo so far? Notes, each told when it is written.
import type { TrustDomain } from '../../bundle/trust-domain.ts';
import type { Rotation } from './rotation.ts';
import type { Note } from './scene.ts';

export class Story {
  readonly #startedAtMs = performance.now();
  readonly #notes: Note[] = [];
  readonly #onNote: (note: Note) => void;

  constructor(onNote: (note: Note) => void) {
    this.#onNote = onNote;
  }

  get startedAtMs(): number {
    return this.#startedAtMs;
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedAtMs;
  }

  /** Oldest first. */
  get notes(): readonly Note[] {
    return this.#notes;
  }

  tell(text: string, tone: Note['tone'] = 'Plain', topic: Note['topic'] = 'Story'): void {
    const note = { atMs: this.elapsedMs, tone, topic, text };
    this.#notes.push(note);
    this.#onNote(note);
  }

  /** Says each step of a rotation when it is seen first. */
  tellRotation(now: Rotation, before: Rotation | undefined, peer: TrustDomain): void {
    const { number, side, root, toPeerMs, activatedAfterMs } = now;
    const tell = (text: string, tone?: Note['tone']) => {
      this.tell(`rotation ${number}: ${text}`, tone, 'Rotation');
    };
    if (before === undefined) tell(`${side.trustDomain} publishes a new root, ${shortRoot(root)}`);
    if (toPeerMs !== undefined && before?.toPeerMs === undefined) {
      tell(`the SPIRE of ${peer} holds it after ${Math.round(toPeerMs)} ms`, 'Good');
    }
    if (activatedAfterMs !== undefined && before?.activatedAfterMs === undefined) {
      tell(`${side.trustDomain} signs with ${shortRoot(root)} from now on`);
    }
  }
}

export function shortRoot(fingerprint: string): string {
  return fingerprint.slice(0, 8);
}
