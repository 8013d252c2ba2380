// Which authorities of a trust domain are active, prepared and old, and how does an operator rotate them by hand?
import type { SpireServer } from './spire-server.ts';

export interface AuthorityState {
  readonly authorityId: string;
  /** SPIRE 1.15.3 does not say it in its answers to taint and revoke. */
  readonly expiresAt: Date | undefined;
}

export interface AuthorityStates {
  readonly active: AuthorityState | undefined;
  readonly prepared: AuthorityState | undefined;
  readonly old: AuthorityState | undefined;
}

/** Each step resolves to the authority it was about; SPIRE's own sentence is in the error when it refuses. */
export interface LocalAuthority {
  show(): Promise<AuthorityStates>;
  /** A new authority, in the bundle at once. Replaces an earlier prepared one, whose root stays in the bundle. */
  prepare(): Promise<AuthorityState>;
  /** It signs from now on. Default: the one that is prepared. */
  activate(authorityId?: string): Promise<AuthorityState>;
  /** SVIDs signed by it are replaced. Default: the old one. */
  taint(authorityId?: string): Promise<AuthorityState>;
  /** Takes it out of the bundle; it must be tainted. Default: the old one. */
  revoke(authorityId?: string): Promise<AuthorityState>;
}

type Json = Readonly<Record<string, { readonly authority_id: string; readonly expires_at: string } | null>>;

export function localAuthority(server: SpireServer, kind: 'x509' | 'jwt'): LocalAuthority {
  const call = (verb: string, ...args: readonly string[]): Promise<Json> =>
    server.cliJson<Json>(['localauthority', kind, verb, ...args]);
  const show = async (): Promise<AuthorityStates> => {
    const answer = await call('show');
    return { active: state(answer['active']), prepared: state(answer['prepared']), old: state(answer['old']) };
  };
  const step = async (verb: string, answerName: string, authorityId?: string): Promise<AuthorityState> => {
    const answer = await call(verb, ...(authorityId === undefined ? [] : ['-authorityID', authorityId]));
    const authority = state(answer[answerName]);
    if (authority === undefined) throw new Error(`localauthority ${kind} ${verb} answered ${JSON.stringify(answer)}`);
    return authority;
  };
  const required = async (slot: keyof AuthorityStates): Promise<string> => {
    const authority = (await show())[slot];
    if (authority === undefined) throw new Error(`${server.trustDomain} has no ${slot} ${kind} authority`);
    return authority.authorityId;
  };
  return {
    show,
    prepare: () => step('prepare', 'prepared_authority'),
    activate: async (id) => step('activate', 'activated_authority', id ?? (await required('prepared'))),
    taint: async (id) => step('taint', 'tainted_authority', id ?? (await required('old'))),
    revoke: async (id) => step('revoke', 'revoked_authority', id ?? (await required('old'))),
  };
}

function state(json: Json[string] | undefined): AuthorityState | undefined {
  if (json == null) return undefined;
  const expiresAtSeconds = Number(json.expires_at);
  return {
    authorityId: json.authority_id,
    expiresAt: expiresAtSeconds === 0 ? undefined : new Date(expiresAtSeconds * 1000),
  };
}
