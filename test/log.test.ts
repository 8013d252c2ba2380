// Does a log line say what happened, and never a secret?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLogger, type Logger } from '../src/log.ts';

const PEM = '-----BEGIN CERTIFICATE-----\nMIIBsecret\n-----END CERTIFICATE-----\n';
const JWT = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzcGlmZmUifQ.c2VjcmV0';
const NOW = new Date('2030-01-01T00:00:00Z');

/** What is written when `use` logs. */
function written(use: (log: Logger) => void, format: 'json' | 'text' = 'json', level = 'info'): string {
  let lines = '';
  use(createLogger({ level, format, write: (line) => (lines += line), now: () => NOW }));
  return lines;
}

function parsed(use: (log: Logger) => void): Record<string, unknown> {
  return JSON.parse(written(use)) as Record<string, unknown>;
}

class CodedError extends Error {
  override readonly name = 'CodedError';
  readonly code = 'Refused';
}

describe('a log line', () => {
  it('is one JSON object with level, time, message and fields', () => {
    const line = parsed((log) => {
      log.child({ peer: 'west' }).info({ sequence: 2n ** 64n - 1n, trustDomain: 'west.example' }, 'bundle stored');
    });
    assert.deepEqual(line, {
      level: 'info',
      time: '2030-01-01T00:00:00.000Z',
      peer: 'west',
      sequence: '18446744073709551615',
      trustDomain: 'west.example',
      msg: 'bundle stored',
    });
  });

  it('is one line for people in the format text', () => {
    const line = written((log) => {
      log.warn({ peer: 'west', reason: 'HttpStatus', detail: 'two words' }, 'fetch failed');
    }, 'text');
    assert.equal(line, '2030-01-01T00:00:00.000Z WARN  fetch failed peer=west reason=HttpStatus detail="two words"\n');
  });

  it('is left out below the level', () => {
    const use = (log: Logger) => {
      log.debug('x');
    };
    assert.equal(written(use), '');
    assert.notEqual(written(use, 'json', 'debug'), '');
  });

  it('gives an error with its code and the chain of its causes, without a stack', () => {
    const root = Object.assign(new Error('connect failed'), { code: 'ECONNREFUSED' });
    const { err } = parsed((log) => {
      log.error({ err: new CodedError('no answer', { cause: root }) }, 'fetch failed');
    });
    assert.deepEqual(err, {
      type: 'CodedError',
      code: 'Refused',
      message: 'no answer',
      causes: [{ type: 'Error', code: 'ECONNREFUSED', message: 'connect failed' }],
    });
  });

  it('gives an error without a code with its stack, also when it is all that was logged', () => {
    const { err } = parsed((log) => {
      log.error(new Error('a fault of ours'));
    });
    assert.match((err as { stack: string }).stack, /log\.test/);
  });

  it('survives what cannot be logged', () => {
    const endless: Record<string, unknown> = {};
    endless['self'] = endless;
    const error = new Error('its own cause');
    error.cause = error;
    const line = parsed((log) => {
      log.info({ endless, err: error, thrown: { err: 'text' }, at: new Date(NaN), set: new Set([1n]) }, 'odd');
    });
    assert.equal(line['msg'], 'odd');
    assert.deepEqual(line['set'], ['1']);
  });
});

describe('a log line never has', () => {
  const cases: readonly (readonly [string, (log: Logger) => void])[] = [
    [
      'PEM in the message',
      (log) => {
        log.info(`got ${PEM} from west`);
      },
    ],
    [
      'PEM in a field',
      (log) => {
        log.info({ text: PEM }, 'x');
      },
    ],
    [
      'PEM that was cut off',
      (log) => {
        log.info({ text: PEM.slice(0, 40) }, 'x');
      },
    ],
    [
      'PEM in an error',
      (log) => {
        log.error({ err: new Error(`cannot read ${PEM}`) }, 'x');
      },
    ],
    [
      'PEM in a child’s field',
      (log) => {
        log.child({ text: PEM }).info('x');
      },
    ],
    [
      'a JWT in the message',
      (log) => {
        log.info(`token ${JWT}`);
      },
    ],
    [
      'a field with a secret’s name',
      (log) => {
        log.info({ spec: { webCaPem: 'secret', token: 'c2VjcmV0', privateKey: 'MIIB' } }, 'x');
      },
    ],
    [
      'bytes',
      (log) => {
        log.info({ der: Buffer.from('secret') }, 'x');
      },
    ],
  ];
  for (const [what, use] of cases) {
    for (const format of ['json', 'text'] as const) {
      it(`${what} (${format})`, () => {
        const line = written(use, format);
        assert.notEqual(line, '');
        assert.doesNotMatch(line, /MIIB|c2VjcmV0|secret|115,101/);
      });
    }
  }

  it('but it has key ids and fingerprints', () => {
    const { keyId, fingerprint } = parsed((log) => {
      log.info({ keyId: 'abc', fingerprint: 'f00d' }, 'x');
    });
    assert.deepEqual([keyId, fingerprint], ['abc', 'f00d']);
  });
});
