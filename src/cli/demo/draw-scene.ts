// What does the demo look like at one instant? Lines of text with a tone, for any width; a pure function of the scene.
import { noteLine } from './note-line.ts';
import type { CallsScene, RootScene, RotationScene, Scene, SideScene } from './scene.ts';

export type Tone = 'Plain' | 'Title' | 'Label' | 'Good' | 'Bad' | 'Next';

export interface Span {
  readonly text: string;
  readonly tone: Tone;
}

export type Line = readonly Span[];

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

const MARKS: Readonly<Record<RootScene['stage'], { readonly mark: string; readonly tone: Tone }>> = {
  Next: { mark: '◐', tone: 'Next' },
  Active: { mark: '●', tone: 'Good' },
  Before: { mark: '○', tone: 'Label' },
};

const SIDE_BY_SIDE_COLUMNS = 96;
const LABEL_COLUMNS = 16;
const ROOTS_SHOWN = 3;
const ROTATIONS_SHOWN = 8;
const BAR_MS = 20;
const BAR_COLUMNS = 20;

/** Fits into `size`: what does not fit is left out at the right, and of the notes the oldest. */
export function drawScene(scene: Scene, { columns, rows }: Size): Line[] {
  const fixed = [
    title(scene),
    [],
    ...sides(scene.sides, columns),
    legend(),
    [],
    ...scene.calls.map((calls) => callsLine(calls, columns)),
    [],
    ...rotationLines(scene.rotations),
    [],
  ];
  // The cursor stands below the last line.
  const room = Math.max(rows - fixed.length - 1, 1);
  const notes = scene.notes
    .slice(-room)
    .map((note) => [span(noteLine(note), note.tone === 'Plain' ? 'Plain' : note.tone)]);
  return [...fixed, ...notes].slice(-Math.max(rows - 1, 1)).map((line) => cut(line, columns));
}

function title({ spire, elapsedMs, rotations, rotationsWanted }: Scene): Line {
  const spireName = spire === 'embedded' ? 'embedded SPIRE' : `SPIRE ${spire}`;
  return [
    span(' fedbroker demo', 'Title'),
    span(`   ${spireName}   rotation ${rotations.length} of ${rotationsWanted}   ${seconds(elapsedMs)}`, 'Label'),
  ];
}

function sides(scenes: readonly SideScene[], columns: number): Line[] {
  const panels = scenes.map(panel);
  const [left, right] = panels;
  if (left === undefined || right === undefined) return [[span(' starting …', 'Label')], []];
  if (columns < SIDE_BY_SIDE_COLUMNS) return [...left, [], ...right, []];
  const half = Math.floor(columns / 2);
  return [...left.map((line, index) => [...padded(cut(line, half), half), ...(right[index] ?? [])]), []];
}

function panel({ trustDomain, peerName, svidSignedBy, ownRoots, peerRoots, condition }: SideScene): Line[] {
  const signer = svidSignedBy === undefined ? span('none yet', 'Label') : span(short(svidSignedBy), 'Good');
  return [
    [span(` ${trustDomain}`, 'Title')],
    [label('SVID signed by'), signer],
    [label('own roots'), ...roots(ownRoots)],
    [label(`trusts ${peerName} by`), ...roots(peerRoots)],
    [label(`peer ${peerName}`), span(condition.reason, condition.ok ? 'Good' : 'Bad')],
  ];
}

function roots(scenes: readonly RootScene[]): Line {
  if (scenes.length === 0) return [span('none yet', 'Label')];
  const shown = scenes.slice(0, ROOTS_SHOWN).map(({ fingerprint, stage }) => {
    const { mark, tone } = MARKS[stage];
    return span(`${mark}${short(fingerprint)} `, tone);
  });
  const more = scenes.length - shown.length;
  return more > 0 ? [...shown, span(`+${more}`, 'Label')] : shown;
}

function legend(): Line {
  return [span('   a root  ◐ is published, signs next   ● signs   ○ signed before', 'Label')];
}

function callsLine({ from, to, ok, failures, lastMs, recent }: CallsScene, columns: number): Line {
  const head = ` ${from} ─mTLS▶ ${to} `;
  const counts = `${String(ok).padStart(5)} ok `;
  const failed = `${String(failures).padStart(3)} failed `;
  const took = lastMs === undefined ? '' : ` ${lastMs.toFixed(1).padStart(5)} ms`;
  const room = Math.max(columns - head.length - counts.length - failed.length - took.length - 1, 0);
  return [
    span(head, 'Plain'),
    span(counts, 'Good'),
    span(failed, failures === 0 ? 'Label' : 'Bad'),
    ...recent.slice(-Math.min(room, recent.length)).map((good) => (good ? span('·', 'Good') : span('✗', 'Bad'))),
    span(took, 'Label'),
  ];
}

function rotationLines(rotations: readonly RotationScene[]): Line[] {
  const head = ' rotation   new root   published   held by the other SPIRE             signs';
  return [[span(head, 'Label')], ...rotations.slice(-ROTATIONS_SHOWN).map(rotationLine)];
}

function rotationLine({ number, name, root, publishedAtMs, toPeerMs, activatedAfterMs }: RotationScene): Line {
  const bar = toPeerMs === undefined ? '' : '▪'.repeat(Math.min(Math.ceil(toPeerMs / BAR_MS), BAR_COLUMNS));
  const arrived = toPeerMs === undefined ? '…' : `+${Math.round(toPeerMs)} ms`;
  const active = activatedAfterMs === undefined ? '…' : `+${seconds(activatedAfterMs)}`;
  return [
    span(`${String(number).padStart(3)}  ${name.padEnd(6)} ${short(root)}   `, 'Plain'),
    span(seconds(publishedAtMs).padStart(9), 'Label'),
    span(`   ${arrived.padStart(8)} ${bar.padEnd(BAR_COLUMNS)}`, 'Good'),
    span(`   ${active}`, activatedAfterMs === undefined ? 'Next' : 'Plain'),
  ];
}

function label(text: string): Span {
  return span(`   ${text.padEnd(LABEL_COLUMNS)} `, 'Label');
}

function span(text: string, tone: Tone): Span {
  return { text, tone };
}

function padded(line: Line, columns: number): Line {
  const used = line.reduce((sum, { text }) => sum + text.length, 0);
  return [...line, span(' '.repeat(Math.max(columns - used, 0)), 'Plain')];
}

/** Every character used here takes one column. */
function cut(line: Line, columns: number): Line {
  let left = columns;
  const kept: Span[] = [];
  for (const { text, tone } of line) {
    if (left <= 0) break;
    kept.push(span(text.slice(0, left), tone));
    left -= text.length;
  }
  return kept;
}

function short(fingerprint: string): string {
  return fingerprint.slice(0, 8);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
