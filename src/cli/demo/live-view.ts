// How is the demo shown in a terminal? One picture, drawn again in its place.
import { styleText } from 'node:util';
import type { Scene } from './scene.ts';
import { drawScene, type Line, type Size, type Tone } from './draw-scene.ts';

export interface LiveView {
  /** Leaves the last picture standing, and the terminal as it was. */
  readonly close: () => void;
}

/** The part of a terminal's stream that is used. */
export interface Terminal extends Size {
  write(text: string): unknown;
  hasColors(): boolean;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

const DRAW_EVERY_MS = 120;
const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const CLEAR_LINE_REST = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';
const CLEAR_SCREEN = '\u001b[2J\u001b[H';

const STYLES: Readonly<Record<Tone, Parameters<typeof styleText>[0]>> = {
  Plain: [],
  Title: ['bold'],
  Label: ['dim'],
  Good: ['green'],
  Bad: ['red', 'bold'],
  Next: ['yellow'],
};

/** When `signal` aborts the cursor comes back at once: who asks twice to end gets no time for anything else. */
export function openLiveView(terminal: Terminal, look: () => Scene, signal: AbortSignal): LiveView {
  // NO_COLOR and terminals without colours are answered here.
  const colours = terminal.hasColors();
  const paint = (line: Line) => line.map(({ text, tone }) => (colours ? painted(text, tone) : text)).join('');
  let drawnLines = 0;
  const draw = () => {
    const lines = drawScene(look(), terminal);
    const up = drawnLines === 0 ? '' : `\u001b[${drawnLines}A`;
    terminal.write(`${up}\r${lines.map((line) => `${paint(line)}${CLEAR_LINE_REST}\n`).join('')}${CLEAR_BELOW}`);
    drawnLines = lines.length;
  };
  const showCursor = () => {
    terminal.write(SHOW_CURSOR);
  };
  // Lines that were drawn may be broken now, so nobody knows how many there are.
  const startAnew = () => {
    terminal.write(CLEAR_SCREEN);
    drawnLines = 0;
    draw();
  };
  terminal.write(HIDE_CURSOR);
  terminal.on('resize', startAnew);
  signal.addEventListener('abort', showCursor);
  process.once('exit', showCursor);
  draw();
  const timer = setInterval(draw, DRAW_EVERY_MS);
  return {
    close() {
      clearInterval(timer);
      draw();
      terminal.off('resize', startAnew);
      signal.removeEventListener('abort', showCursor);
      process.off('exit', showCursor);
      showCursor();
    },
  };
}

function painted(text: string, tone: Tone): string {
  return tone === 'Plain' ? text : styleText(STYLES[tone], text, { validateStream: false });
}
