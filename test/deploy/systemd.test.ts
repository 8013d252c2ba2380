// Does the systemd unit name the files that its own first lines have the operator copy?
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { ROOT } from './dockerfile.ts';

const unit = readFileSync(join(ROOT, 'deploy/systemd/fedbroker.service'), 'utf8');
const instructions = unit.split('\n[Unit]')[0]!.replaceAll(/\n?# /g, ' ').replaceAll(/ +/g, ' ');

/** Of the line that begins with it. */
function setting(name: string): string {
  return new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? assert.fail(`the unit has no ${name}`);
}

describe('the systemd unit', () => {
  it('starts the program where it is said to be copied to, with the declarations', () => {
    const [program, command, flag, peers] = setting('ExecStart').split(' ');
    assert.match(instructions, new RegExp(`Copy dist/fedbroker\\.mjs to ${program!},`));
    assert.deepEqual([command, flag], ['run', '--peers-directory']);
    assert.match(instructions, new RegExp(`the declarations to ${peers!};`));
  });

  it('has OpenSSL read the file of the checkout that is said to be copied', () => {
    const [variable, path] = setting('Environment').split('=');
    assert.equal(variable, 'OPENSSL_CONF');
    assert.equal(basename(path!), 'openssl.cnf');
    assert.ok(existsSync(join(ROOT, 'deploy/openssl.cnf')));
    assert.match(instructions, new RegExp(`deploy/openssl\\.cnf to ${path!.replace(/\/[^/]*$/, '')},`));
  });
});
