// Which version is this?
import { productVersion } from '../version.ts';
import type { Command } from './command.ts';

export const versionCommand: Command = {
  name: 'version',
  usage: '',
  summary: 'print the version',
  flags: {},
  run: ({ print }) => {
    print(`spire-federation-broker ${productVersion()} (Node ${process.versions.node})\n`);
    return Promise.resolve(0);
  },
};
