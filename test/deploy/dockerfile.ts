// What does the Dockerfile say, instruction by instruction? As far as ours uses the format.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Instruction {
  /** In capitals, for example `COPY`. */
  readonly name: string;
  /** Lines joined, the rest as it is written. */
  readonly value: string;
}

/** One stage; its `FROM` comes first. */
export type Stage = readonly Instruction[];

export const ROOT = join(import.meta.dirname, '../..');

/** The stages of the project's Dockerfile; the last one is the image. */
export function dockerfileStages(): readonly Stage[] {
  const lines = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const stages: Instruction[][] = [];
  for (const line of lines) {
    const space = line.indexOf(' ');
    const instruction = { name: line.slice(0, space), value: line.slice(space + 1) };
    if (instruction.name === 'FROM') stages.push([]);
    stages.at(-1)?.push(instruction);
  }
  return stages;
}

/** Of every instruction with this name, in their order. */
export function valuesOf(stage: Stage, name: string): readonly string[] {
  return stage.filter((instruction) => instruction.name === name).map(({ value }) => value);
}

/** What the container runs: `ENTRYPOINT` followed by `CMD`, both of which must be lists, since there is no shell. */
export function commandOf(stage: Stage): readonly string[] {
  return ['ENTRYPOINT', 'CMD'].flatMap((name) => JSON.parse(valuesOf(stage, name).at(-1) ?? '[]') as string[]);
}
