// Does the Dockerfile make the image that the manifests count on?
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { commandOf, dockerfileStages, ROOT, valuesOf } from './dockerfile.ts';

const stages = dockerfileStages();
const build = stages[0]!;
const image = stages.at(-1)!;
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { readonly version: string };

describe('the image', () => {
  it('holds the program, its demo, their licences and nothing else of ours', () => {
    const files = ['/build/dist/fedbroker.mjs', '/build/dist/fedbroker-demo.mjs'];
    assert.deepEqual(
      valuesOf(image, 'COPY'),
      files.map((file) => `--from=build ${file} ${file}.LEGAL.txt /`),
    );
    assert.deepEqual(valuesOf(image, 'RUN'), []);
    assert.deepEqual(valuesOf(image, 'ADD'), []);
  });

  it('is built from the lock file by the command that everybody builds with', () => {
    const scripts = readFileSync(join(ROOT, 'package.json'), 'utf8');
    assert.deepEqual(valuesOf(build, 'RUN'), ['npm ci', 'node scripts/build.mjs']);
    assert.match(scripts, /"build": ".*node scripts\/build\.mjs"/);
  });

  it('runs as the numbered user of the SPIRE image, so that runAsNonRoot can be checked and the socket is open to it', () => {
    assert.deepEqual(valuesOf(image, 'USER'), ['1000:1000']);
  });

  it('starts the program itself, without a shell, with a small space for young objects', () => {
    assert.deepEqual(commandOf(image), [
      'node',
      '--heap-growing-percent=15',
      '--optimize-for-size',
      '/fedbroker.mjs',
      'run',
    ]);
  });

  it('is of a Node that the program supports, in both stages', () => {
    assert.deepEqual(
      stages.flatMap((stage) => valuesOf(stage, 'FROM')),
      ['node:22-slim AS build', 'node:22-slim'],
    );
  });

  it('carries the version of the program', () => {
    assert.deepEqual(valuesOf(image, 'ARG'), [`VERSION=${version}`]);
    assert.match(valuesOf(image, 'LABEL').join(), /org\.opencontainers\.image\.version="\$\{VERSION\}"/);
  });

  it('is built from what is copied and nothing else of the folder', () => {
    const ignored = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n');
    const allowed = ignored.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    const copied = valuesOf(build, 'COPY').flatMap((value) => value.split(' ').slice(0, -1));
    assert.ok(ignored.includes('*'));
    assert.deepEqual([...allowed].sort(), [...copied].sort());
  });
});
