// How do those who lead or watch a rotation reach SPIRE's authorities? Through the same calls as a broker.
import type { LocalAuthorities, LocalAuthority } from '../../src/federation/local-authority.ts';
import type { AuthorityKind } from '../../src/rotation/authority-times.ts';
import type { RotationPorts } from '../../src/rotation/lead-rotation.ts';
import type { AgentsModel } from './agents-model.ts';
import { callSpire, type CallParts } from './spire-link.ts';
import type { SpireModel } from './spire-model.ts';

/** A write, as it is asked for. */
export type RotationWrite =
  | { readonly kind: 'Prepare' }
  | { readonly kind: 'Activate' | 'Taint' | 'Revoke'; readonly id: string }
  | { readonly kind: 'Record' };

export interface AuthorityLinkParts extends CallParts {
  readonly model: SpireModel;
  /** Before it is done. */
  readonly onWrite: (write: RotationWrite) => void;
  /** After it was done, also for a caller who never learns of it. */
  readonly onDone: (write: RotationWrite) => void;
}

/** SPIRE ends a call soon after its caller's deadline. */
const LATE_WITHIN_MS = 12_000;

export function linkAuthorities(parts: AuthorityLinkParts): LocalAuthorities {
  return { x509: linkAuthority(parts, 'x509'), jwt: linkAuthority(parts, 'jwt') };
}

function linkAuthority(parts: AuthorityLinkParts, kind: AuthorityKind): LocalAuthority {
  const { model } = parts;
  const authorities = model.authorities(kind);
  const write = async (signal: AbortSignal | undefined, asked: RotationWrite, effect: () => void) => {
    await writeTo(parts, signal, asked, effect);
    return authorities.state.active;
  };
  return {
    state: (signal) => readFrom(parts, signal, () => authorities.state),
    prepare: (signal) => write(signal, { kind: 'Prepare' }, () => void model.prepare(kind)),
    activate: (id, signal) =>
      write(signal, { kind: 'Activate', id }, () => {
        authorities.activate(id);
      }),
    taint: (id, signal) =>
      write(signal, { kind: 'Taint', id }, () => {
        authorities.taint(id);
      }),
    revoke: (id, signal) =>
      write(signal, { kind: 'Revoke', id }, () => {
        authorities.revoke(id);
      }),
  };
}

/** All that leading a rotation needs of SPIRE. */
export function linkRotation(
  parts: AuthorityLinkParts & { readonly agents: AgentsModel },
): Omit<RotationPorts, 'askBroker'> {
  const { model, agents } = parts;
  return {
    authorities: linkAuthorities(parts),
    records: {
      read: (signal) => readFrom(parts, signal, () => model.rotation),
      write: (record, signal) =>
        writeTo(parts, signal, { kind: 'Record' }, () => {
          model.rotation = record;
        }),
      forget: (signal) =>
        writeTo(parts, signal, { kind: 'Record' }, () => {
          model.rotation = undefined;
        }),
    },
    readAgentExpiries: (signal) => readFrom(parts, signal, () => agents.expiries),
    readPublished: (signal) =>
      readFrom(parts, signal, () => ({
        x509: model.authorities('x509').published,
        jwt: model.authorities('jwt').published,
      })),
  };
}

function readFrom<T>(parts: AuthorityLinkParts, signal: AbortSignal | undefined, effect: () => T): Promise<T> {
  return callSpire(parts, { effect, answered: () => undefined, signal });
}

function writeTo(
  parts: AuthorityLinkParts,
  signal: AbortSignal | undefined,
  write: RotationWrite,
  effect: () => void,
): Promise<void> {
  if (parts.process.isAlive) parts.onWrite(write);
  const done = () => {
    effect();
    parts.onDone(write);
  };
  const posthumousMs = parts.chance.percent(50) ? parts.chance.between(1_000, LATE_WITHIN_MS) : 0;
  return callSpire(parts, { effect: done, answered: () => undefined, signal, isWrite: true, posthumousMs });
}
