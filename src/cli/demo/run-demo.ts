// How is the demo run and its result told? Flags in, lines, the live view or one JSON object out.
import { textFlag, UsageError, wantsJson, type CommandContext, type ExitCode } from '../command.ts';
import { BuiltPrograms } from './built-programs.ts';
import { ChildPrograms } from './child-programs.ts';
import { peerFiles } from './declaration-place.ts';
import { DemoRun, type DemoOptions } from './demo-run.ts';
import type { DemoResult } from './demo-result.ts';
import { findEnvoy } from './envoy-program.ts';
import { kubeDeclarations } from './kube-declarations.ts';
import { openLiveView } from './live-view.ts';
import type { MeshResult } from './mesh-leg.ts';
import { noteLine } from './note-line.ts';
import { realSpire } from './real-spire.ts';
import { embeddedSpire, type SpireStarter } from './spire-starter.ts';

const DEFAULT_ROTATIONS = 8;
const MAX_ROTATIONS = 1_000;

/** `change` is for tests: other paces, and what must make the demo fail. */
export async function runDemo(
  context: CommandContext,
  change: Pick<DemoOptions, 'pace' | 'withoutBrokers'> = {},
): Promise<ExitCode> {
  wantsJson(context);
  const rotations = rotationsFlag(context);
  const built = new BuiltPrograms(context.cacheFolder);
  const programs = new ChildPrograms(context.signal);
  try {
    const starter = await spireFlag(context, { built, programs });
    const withIstio = context.flags['mesh'] === true;
    const mesh = withIstio ? { envoy: await findEnvoy(built), programs } : undefined;
    // The configuration of Istio is objects of Kubernetes.
    const withKubernetes = withIstio || context.flags['kubernetes'] === true;
    const places = withKubernetes ? await kubeDeclarations({ built, programs, withIstio }) : peerFiles;
    return await play(context, { ...change, starter, places, mesh, rotations });
  } finally {
    programs.close();
  }
}

async function play(context: CommandContext, options: Omit<DemoOptions, 'onNote'>): Promise<ExitCode> {
  const json = wantsJson(context);
  const terminal = json || !process.stdout.isTTY ? undefined : process.stdout;
  // Where JSON is asked for, stdout has nothing else.
  const tell = json ? context.explain : context.print;
  const demo = new DemoRun({
    ...options,
    onNote: (note) => {
      if (terminal === undefined) tell(`${noteLine(note)}\n`);
    },
  });
  const view = terminal === undefined ? undefined : openLiveView(terminal, () => demo.scene(), context.signal);
  const { result, faults, brokerLog } = await demo.run(context.signal).finally(() => view?.close());
  tell(`\n${resultText(result)}\n`);
  if (context.signal.aborted) context.explain('fedbroker demo: ended early\n');
  for (const fault of faults) context.explain(`fedbroker demo: ${fault}\n`);
  if (faults.length > 0 && brokerLog.length > 0) context.explain(`The brokers warned:\n${brokerLog.join('\n')}\n`);
  if (json) context.print(`${JSON.stringify(result)}\n`);
  return faults.length === 0 && !context.signal.aborted ? 0 : 1;
}

function rotationsFlag(context: CommandContext): number {
  const text = textFlag(context, 'rotations') ?? String(DEFAULT_ROTATIONS);
  const rotations = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (rotations >= 1 && rotations <= MAX_ROTATIONS) return rotations;
  throw new UsageError(`--rotations must be a whole number from 1 to ${MAX_ROTATIONS}, not "${text}"`);
}

async function spireFlag(context: CommandContext, parts: Parameters<typeof realSpire>[1]): Promise<SpireStarter> {
  const spire = textFlag(context, 'spire') ?? 'embedded';
  const program = textFlag(context, 'spire-server');
  if (spire === 'real') return realSpire(program, parts);
  if (spire !== 'embedded') throw new UsageError(`--spire must be "embedded" or "real", not "${spire}"`);
  if (program !== undefined) throw new UsageError('--spire-server needs --spire real');
  return embeddedSpire;
}

function resultText({
  rotations,
  handshakes,
  failedHandshakes,
  rotationToPeerMs,
  spire,
  kubernetes,
  mesh,
}: DemoResult): string {
  const { p50, max } = rotationToPeerMs;
  const arrival =
    p50 === null || max === null
      ? 'No new root reached the SPIRE of the other trust domain.'
      : `Half of the new roots reached the SPIRE of the other trust domain within ${p50} ms, all within ${max} ms.`;
  return `${rotations} CA rotation${rotations === 1 ? '' : 's'} (${kubernetes === null ? '' : `Kubernetes ${kubernetes}, `}SPIRE ${spire}), ${handshakes} mTLS handshakes, ${failedHandshakes} failed.\n${arrival}${mesh === null ? '' : `\n${meshText(mesh)}`}`;
}

function meshText({ envoy, requests, failed, forgedRefused, listWrites }: MeshResult): string {
  return `${requests} requests to Envoy ${envoy}, ${failed} failed; forged identities refused: ${forgedRefused}; lists of trust domains written: ${listWrites}.`;
}
