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
  it('holds the program, what it loads when asked to, their licences, OpenSSL’s settings and nothing else of ours', () => {
    const files = ['fedbroker', 'fedbroker-kubeconfig', 'fedbroker-demo'].map((name) => `/build/dist/${name}.mjs`);
    assert.deepEqual(valuesOf(image, 'COPY'), [
      ...files.map((file) => `--from=build ${file} ${file}.LEGAL.txt /`),
      'deploy/openssl.cnf /',
    ]);
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

  it('starts the program itself, without a shell, as its own first line does', () => {
    const [line] = readFileSync(join(ROOT, 'dist/fedbroker.mjs'), 'utf8').split('\n', 1);
    const { variables, command } = /^#!\/usr\/bin\/env -S (?<variables>(?:\S+=\S+ )*)(?<command>node .*)$/.exec(
      line!,
    )!.groups!;
    assert.deepEqual(commandOf(image), [...command!.split(' '), '/fedbroker.mjs', 'run']);
    assert.deepEqual(valuesOf(image, 'ENV'), [`NODE_ENV=production ${variables!.trim()}`, 'OPENSSL_CONF=/openssl.cnf']);
    // What Linux before 5.1 reads of it.
    assert.ok(line!.length <= 127, `${line!.length} bytes`);
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
    const copied = [build, image]
      .flatMap((stage) => valuesOf(stage, 'COPY'))
      .filter((value) => !value.startsWith('--from='))
      .flatMap((value) => value.split(' ').slice(0, -1));
    assert.ok(ignored.includes('*'));
    assert.deepEqual([...allowed].sort(), [...copied].sort());
  });
});
