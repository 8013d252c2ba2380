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

const CONDITION_TONES: Readonly<Record<SideScene['condition']['status'], Tone>> = {
  True: 'Good',
  False: 'Bad',
  Unknown: 'Label',
};

/** From here on there is room for a root or more on each side. */
const SIDE_BY_SIDE_COLUMNS = 72;
const LABEL_COLUMNS = 17;
const ROOT_COLUMNS = 10;
const MAX_ROOTS_SHOWN = 6;
const MAX_ROTATIONS_SHOWN = 10;
const NOTES_KEPT = 5;
/** Below the picture: the cursor, and in the end the result. */
const ROWS_LEFT = 5;
const BAR_MS = 20;
const BAR_COLUMNS = 15;

/** Fits into `size`: what does not fit is left out at the right, and of rotations and notes the oldest. */
export function drawScene(scene: Scene, { columns, rows }: Size): Line[] {
  const head = [
    title(scene),
    [],
    ...sides(scene.sides, columns),
    [span('  roots: ◐ published, signs next   ● signs   ○ signed before', 'Label')],
    [],
    ...scene.calls.map((calls) => callsLine(calls, columns)),
    [],
    [span('  rotation    new root    published    in the other SPIRE          signs', 'Label')],
  ];
  const room = rows - ROWS_LEFT - head.length - 1;
  const rotations = scene.rotations
    .slice(-Math.min(Math.max(room - NOTES_KEPT, 1), MAX_ROTATIONS_SHOWN))
    .map(rotationLine);
  const notes = scene.notes
    .filter(({ topic }) => topic === 'Story')
    .slice(-Math.max(room - rotations.length, 1))
    .map((note) => [span(` ${noteLine(note)}`, note.tone)]);
  return [...head, ...rotations, [], ...notes].slice(-Math.max(rows - 1, 1)).map((line) => cut(line, columns));
}

function title({ spire, kubernetes, envoy, elapsedMs, rotations, rotationsWanted }: Scene): Line {
  const spireName = spire === 'embedded' ? 'embedded SPIRE' : `SPIRE ${spire}`;
  const kubernetesName = kubernetes === undefined ? '' : `   Kubernetes ${kubernetes}`;
  const envoyName = envoy === undefined ? '' : `   Envoy ${envoy}`;
  const progress = `   rotation ${rotations.length} of ${rotationsWanted}   ${seconds(elapsedMs)}`;
  return [span('  fedbroker demo', 'Title'), span(`${progress}   ${spireName}${kubernetesName}${envoyName}`, 'Label')];
}

function sides(scenes: readonly SideScene[], columns: number): Line[] {
  const [left, right] = scenes;
  if (left === undefined || right === undefined) return [[span('  starting …', 'Label')], []];
  if (columns < SIDE_BY_SIDE_COLUMNS) return [...panel(left, columns), [], ...panel(right, columns), []];
  const half = Math.floor(columns / 2);
  const rightLines = panel(right, half);
  return [
    ...panel(left, half).map((line, index) => [...padded(cut(line, half), half), ...(rightLines[index] ?? [])]),
    [],
  ];
}

function panel(
  { trustDomain, peerName, svidSignedBy, ownRoots, peerRoots, condition, objectCondition }: SideScene,
  columns: number,
): Line[] {
  const signer = svidSignedBy === undefined ? span('none yet', 'Label') : span(`  ${short(svidSignedBy)}`, 'Good');
  return [
    [span(`  ${trustDomain}`, 'Title')],
    [label('SVID signed by'), signer],
    [label('own roots'), ...roots(ownRoots, columns)],
    [label(`trusts ${peerName} by`), ...roots(peerRoots, columns)],
    [label(`peer ${peerName}`), span(condition.reason, CONDITION_TONES[condition.status])],
    ...(objectCondition === undefined
      ? []
      : [[label(`object ${peerName}`), span(objectCondition.reason, CONDITION_TONES[objectCondition.status])]]),
  ];
}

function roots(scenes: readonly RootScene[], columns: number): Line {
  if (scenes.length === 0) return [span('none yet', 'Label')];
  const room = Math.floor((columns - 2 - LABEL_COLUMNS - 3) / (ROOT_COLUMNS + 1));
  const shown = scenes.slice(0, Math.min(Math.max(room, 1), MAX_ROOTS_SHOWN)).map(({ fingerprint, stage }) => {
    const { mark, tone } = MARKS[stage];
    return span(`${mark} ${short(fingerprint)} `, tone);
  });
  const more = scenes.length - shown.length;
  return more > 0 ? [...shown, span(`+${more}`, 'Label')] : shown;
}

function callsLine({ from, to, ok, failures, lastMs, recent }: CallsScene, columns: number): Line {
  const head = `  ${from} ─ mTLS ─▶ ${to}`;
  const good = `${String(ok).padStart(6)} ok`;
  const failed = `${String(failures).padStart(4)} failed  `;
  const took = lastMs === undefined ? '' : `  ${lastMs.toFixed(1)} ms`;
  const room = Math.max(columns - head.length - good.length - failed.length - 10, 0);
  return [
    span(head, 'Plain'),
    span(good, 'Good'),
    span(failed, failures === 0 ? 'Label' : 'Bad'),
    ...(room === 0 ? [] : recent.slice(-room)).map((ok) => (ok ? span('·', 'Good') : span('✗', 'Bad'))),
    span(took, 'Label'),
  ];
}

function rotationLine({ number, name, root, publishedAtMs, toPeerMs, activatedAfterMs }: RotationScene): Line {
  const bar = toPeerMs === undefined ? '' : '▪'.repeat(Math.min(Math.ceil(toPeerMs / BAR_MS), BAR_COLUMNS));
  const arrived = toPeerMs === undefined ? '…' : `+${Math.round(toPeerMs)} ms`;
  const active = activatedAfterMs === undefined ? '…' : `+${seconds(activatedAfterMs)}`;
  return [
    span(`${String(number).padStart(5)} ${name.padEnd(6)}  ${short(root)}`, 'Plain'),
    span(seconds(publishedAtMs).padStart(13), 'Label'),
    span(`${arrived.padStart(12)} ${bar.padEnd(BAR_COLUMNS)}`, 'Good'),
    span(`    ${active}`, activatedAfterMs === undefined ? 'Next' : 'Plain'),
  ];
}

function label(text: string): Span {
  return span(`    ${text.padEnd(LABEL_COLUMNS - 2)} `, 'Label');
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
