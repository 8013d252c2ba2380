// Which settings are there? Prints their reference page.
import { settingsDocument } from '../settings/settings-document.ts';
import type { Command } from './command.ts';

export const settingsCommand: Command = {
  name: 'settings',
  usage: '',
  summary: 'print every setting with its flag, variable, default and meaning',
  flags: {},
  run: ({ print }) => {
    print(settingsDocument());
    return Promise.resolve(0);
  },
};
