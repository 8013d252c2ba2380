// How is the text of a setting read, and what is it told to look like?
import { CronTime } from 'cron';

/** One way to write a value. `form` completes the sentence "must be …", in faults and in the documentation. */
export interface ValueForm<T> {
  readonly form: string;
  /** @throws Error when the text is not of this form; a message of its own replaces "must be …". */
  readonly read: (text: string) => T;
}

/** Where a server listens. */
export interface ListenAddress {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/** Says no more than "not of this form". */
export class NotOfForm extends Error {}

interface Range {
  readonly min: number;
  readonly max: number;
}

export function wholeNumber({ min, max }: Range): ValueForm<number> {
  return numberOf(/^\d+$/, `a whole number from ${min} to ${max}`, { min, max });
}

export function decimal({ min, max }: Range): ValueForm<number> {
  return numberOf(/^\d+(\.\d+)?$/, `a number from ${min} to ${max}`, { min, max });
}

function numberOf(pattern: RegExp, form: string, { min, max }: Range): ValueForm<number> {
  return {
    form,
    read(text) {
      const number = pattern.test(text) ? Number(text) : NaN;
      if (!(number >= min && number <= max)) throw new NotOfForm();
      return number;
    },
  };
}

const BYTES_PER_UNIT = new Map([
  ['', 1],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
]);

export function byteCount({ min, max }: Range): ValueForm<number> {
  return {
    form: `a size like 4MiB, 512KiB or 65536, from ${min} to ${max} bytes`,
    read(text) {
      const [, digits = '', unit = ''] = /^(\d+)(KiB|MiB|)$/.exec(text) ?? [];
      const bytes = digits === '' ? NaN : Number(digits) * (BYTES_PER_UNIT.get(unit) ?? NaN);
      if (!(bytes >= min && bytes <= max)) throw new NotOfForm();
      return bytes;
    },
  };
}

export function oneOf<const Choice extends string>(...choices: readonly Choice[]): ValueForm<Choice> {
  return {
    form: choices.join(' or '),
    read(text) {
      const choice = choices.find((candidate) => candidate === text);
      if (choice === undefined) throw new NotOfForm();
      return choice;
    },
  };
}

/** A word that says "absent", beside the values of another form. */
export function or<T>(word: string, other: ValueForm<T>): ValueForm<T | undefined> {
  return {
    form: `${other.form}, or "${word}"`,
    read: (text) => (text === word ? undefined : other.read(text)),
  };
}

export const filePath: ValueForm<string> = {
  form: 'a path',
  read(text) {
    if (text === '' || /[\n\0]/.test(text)) throw new NotOfForm();
    return text;
  },
};

export const contextName = textLike(/^[^\s\0]{1,253}$/, 'a name without spaces');

/** RFC 1123 subdomain, as Kubernetes names objects. */
const OBJECT_NAME = '[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?';

export const objectName = textLike(new RegExp(`^${OBJECT_NAME}$`), 'a name of Kubernetes, like "spire-server"');

export const objectPath: ValueForm<{ readonly namespace: string; readonly name: string }> = {
  form: 'namespace/name of an object, like "spire-server/controller-manager"',
  read(text) {
    const [namespace = '', name = '', more] = text.split('/');
    const whole = new RegExp(`^${OBJECT_NAME}$`);
    if (more !== undefined || !whole.test(namespace) || !whole.test(name)) throw new NotOfForm();
    return { namespace, name };
  },
};

/** Of istiod: labels of Kubernetes, separated by commas. */
export const revisionNames: ValueForm<readonly string[]> = {
  form: 'names of revisions separated by commas, like "default,1-30"',
  read(text) {
    const names = text.split(',').map((name) => name.trim());
    if (!names.every((name) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name))) throw new NotOfForm();
    return [...new Set(names)].sort();
  },
};

export const httpUrl: ValueForm<string> = {
  form: 'a URL that starts with http:// or https://, without user, query or fragment',
  read(text) {
    if (!/^https?:/.test(text) || !URL.canParse(text)) throw new NotOfForm();
    const { username, search, hash, href } = new URL(text);
    if (`${username}${search}${hash}` !== '') throw new NotOfForm();
    return href;
  },
};

function textLike(pattern: RegExp, form: string): ValueForm<string> {
  return {
    form,
    read(text) {
      if (!pattern.test(text)) throw new NotOfForm();
      return text;
    },
  };
}

export const urlPath = textLike(/^\/[A-Za-z0-9._~/-]*$/, 'a URL path that starts with "/"');

export const listenAddress: ValueForm<ListenAddress> = {
  form: 'host:port, for example 127.0.0.1:9402, 0.0.0.0:8443 or [::]:8443',
  read(text) {
    const [, ipv6, name, digits = ''] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text) ?? [];
    const host = ipv6 ?? name;
    const port = Number(digits);
    if (host === undefined || port > 65535) throw new NotOfForm();
    return { host, port };
  },
};

/** Minutes. A local time would load the time zones of the world, 6 MiB of Node's data. */
const UTC = 0;

export const cronExpression: ValueForm<string> = {
  form: 'a cron expression of five fields, or six with seconds first',
  read(text) {
    // CronTime would also take a date.
    if (!/^\S+( \S+){4,5}$/.test(text)) throw new NotOfForm();
    try {
      new CronTime(text, null, UTC);
    } catch (error) {
      throw new Error(`is not a cron expression: ${(error as Error).message}`, { cause: error });
    }
    return text;
  },
};
