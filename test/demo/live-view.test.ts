// Is the demo's picture readable in any terminal, and is the terminal left as it was?
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { demoResult } from '../../src/cli/demo/demo-result.ts';
import { drawScene } from '../../src/cli/demo/draw-scene.ts';
import { openLiveView } from '../../src/cli/demo/live-view.ts';
import type { Rotation } from '../../src/cli/demo/rotation.ts';
import type { Scene, SideScene } from '../../src/cli/demo/scene.ts';

const [R1, R2, R3] = ['1a'.repeat(32), '2b'.repeat(32), '3c'.repeat(32)] as const;

function side(name: string, peerName: string): SideScene {
  return {
    trustDomain: parseTrustDomain(`${name}.example`),
    peerName,
    svidSignedBy: R2,
    ownRoots: [
      { fingerprint: R3, stage: 'Next' },
      { fingerprint: R2, stage: 'Active' },
      { fingerprint: R1, stage: 'Before' },
    ],
    peerRoots: [{ fingerprint: R2, stage: 'Active' }],
    condition: { reason: 'SequenceRollback', status: 'False' },
    objectCondition: undefined,
  };
}

const SCENE: Scene = {
  spire: '1.15.3',
  kubernetes: undefined,
  envoy: undefined,
  elapsedMs: 12_345,
  rotationsWanted: 8,
  sides: [side('east', 'west'), side('west', 'east')],
  calls: [
    { from: 'east.example', to: 'west.example', ok: 40, failures: 2, lastMs: 7.25, recent: [true, false, true] },
    { from: 'west.example', to: 'east.example', ok: 0, failures: 0, lastMs: undefined, recent: [] },
  ],
  rotations: [1, 2].map((number) => ({
    number,
    name: 'east',
    root: R3,
    publishedAtMs: number * 2_000,
    toPeerMs: number === 1 ? 112 : undefined,
    activatedAfterMs: number === 1 ? 1_200 : undefined,
  })),
  notes: [
    { atMs: 0, tone: 'Plain', topic: 'Story', text: 'it began' },
    { atMs: 2_000, tone: 'Plain', topic: 'Rotation', text: 'a line of its own' },
    { atMs: 9_000, tone: 'Bad', topic: 'Story', text: 'a call failed' },
  ],
};

function textOf(scene: Scene, columns: number, rows: number): string[] {
  return drawScene(scene, { columns, rows }).map((line) => line.map(({ text }) => text).join(''));
}

describe('the picture of the demo', () => {
  it('shows who trusts what, the calls, the rotations and what happened', () => {
    const text = textOf(SCENE, 110, 40).join('\n');
    assert.match(text, /rotation 2 of 8 {3}12\.3 s {3}SPIRE 1\.15\.3/);
    assert.match(text, /own roots +◐ 3c3c3c3c ● 2b2b2b2b ○ 1a1a1a1a/);
    assert.match(text, /trusts west by +● 2b2b2b2b/);
    assert.match(text, /peer west +SequenceRollback/);
    assert.match(text, /east\.example ─ mTLS ─▶ west\.example +40 ok +2 failed +·✗· +7\.3 ms/);
    assert.match(text, /1 east +3c3c3c3c +2\.0 s +\+112 ms ▪▪▪▪▪▪ +\+1\.2 s/);
    assert.match(text, /2 east +3c3c3c3c +4\.0 s +… +…/);
    assert.match(text, /0\.0 s {2}it began\n *! +9\.0 s {2}a call failed/);
    assert.doesNotMatch(text, /a line of its own/);
  });

  it('shows what the API server says where peers are objects, and nothing of it where they are files', () => {
    assert.doesNotMatch(textOf(SCENE, 110, 40).join('\n'), /Kubernetes|object west/);
    const sides = SCENE.sides.map((scene) => ({
      ...scene,
      objectCondition: { reason: 'Ready', status: 'True' } as const,
    }));
    const text = textOf({ ...SCENE, kubernetes: '1.36.3', sides }, 110, 40).join('\n');
    assert.match(text, /12\.3 s {3}SPIRE 1\.15\.3 {3}Kubernetes 1\.36\.3/);
    assert.match(text, /peer west +SequenceRollback[^]*object west +Ready/);
  });

  it('shows the Envoys of a mesh, and cuts no count of calls to them in 80 columns', () => {
    assert.doesNotMatch(textOf(SCENE, 110, 40).join('\n'), /Envoy/);
    const [fromEast] = SCENE.calls;
    const calls = [...SCENE.calls, { ...fromEast!, to: 'west’s Envoy' }];
    const scene = { ...SCENE, kubernetes: '1.36.3', envoy: '1.40.0', calls };
    assert.match(textOf(scene, 110, 40).join('\n'), /Kubernetes 1\.36\.3 {3}Envoy 1\.40\.0/);
    const text = textOf(scene, 80, 40).join('\n');
    assert.match(text, /rotation 2 of 8 {3}12\.3 s/);
    assert.match(text, /east\.example ─ mTLS ─▶ west’s Envoy +40 ok +2 failed +·✗· +7\.3 ms/);
  });

  it('names roots that have no room', () => {
    assert.match(textOf(SCENE, 80, 24).join('\n'), /own roots +◐ 3c3c3c3c \+2/);
  });

  it('can be drawn before anything runs', () => {
    assert.match(textOf({ ...SCENE, sides: [], rotations: [], notes: [] }, 80, 24).join('\n'), /starting …/);
  });

  it('fits into every terminal', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 250 }), fc.integer({ min: 2, max: 80 }), (columns, rows) => {
        const lines = textOf(SCENE, columns, rows);
        assert.ok(lines.length < rows, `${lines.length} lines in ${rows} rows`);
        for (const line of lines) assert.ok(line.length <= columns, line);
      }),
    );
  });
});

class FakeTerminal extends EventEmitter {
  readonly columns = 100;
  readonly rows = 40;
  readonly hasColours: boolean;
  written = '';

  constructor(hasColours: boolean) {
    super();
    this.hasColours = hasColours;
  }

  hasColors(): boolean {
    return this.hasColours;
  }

  write(text: string): boolean {
    this.written += text;
    return true;
  }
}

const COLOUR = '\u001b[31m';
const SHOW_CURSOR = '\u001b[?25h';

describe('the live view', () => {
  it('has no colours where the terminal has none or NO_COLOR is set', () => {
    for (const hasColours of [true, false]) {
      const terminal = new FakeTerminal(hasColours);
      openLiveView(terminal, () => SCENE, new AbortController().signal).close();
      assert.equal(terminal.written.includes(COLOUR), hasColours);
      assert.equal(/\u001b\[\d*m/.test(terminal.written), hasColours);
    }
  });

  it('draws again in its place, and anew after a resize', () => {
    const terminal = new FakeTerminal(false);
    const view = openLiveView(terminal, () => SCENE, new AbortController().signal);
    const lines = drawScene(SCENE, terminal).length;
    terminal.emit('resize');
    assert.ok(terminal.written.includes('\u001b[2J'));
    terminal.written = '';
    view.close();
    assert.ok(terminal.written.startsWith(`\u001b[${lines}A\r`));
    assert.equal(terminal.listenerCount('resize'), 0);
  });

  it('gives the cursor back at its end, and at once when it is asked to end', () => {
    const ending = new AbortController();
    const terminal = new FakeTerminal(false);
    const view = openLiveView(terminal, () => SCENE, ending.signal);
    assert.ok(!terminal.written.includes(SHOW_CURSOR));
    ending.abort();
    assert.ok(terminal.written.endsWith(SHOW_CURSOR));
    view.close();
    assert.ok(terminal.written.endsWith(SHOW_CURSOR));
  });
});

describe('the result of the demo', () => {
  const REST = { spire: '1.15.3', kubernetes: null, mesh: null };
  const rotation = (toPeerMs: number | undefined, activatedAfterMs: number | undefined) =>
    ({ toPeerMs, activatedAfterMs }) as Rotation;

  it('counts what was activated and takes the middle of what arrived', () => {
    const rotations = [rotation(300.4, 1), rotation(100, 1), rotation(undefined, 1), rotation(200, undefined)];
    assert.deepEqual(demoResult(rotations, [{ ok: 5, failures: 1 }], REST), {
      rotations: 3,
      handshakes: 6,
      failedHandshakes: 1,
      rotationToPeerMs: { p50: 200, max: 300 },
      spire: '1.15.3',
      kubernetes: null,
      mesh: null,
    });
  });

  it('says null, not zero, when nothing arrived', () => {
    assert.deepEqual(demoResult([], [], REST).rotationToPeerMs, { p50: null, max: null });
  });
});
