// What can be asked of the authorities that sign for our own trust domain? (SPIRE's LocalAuthority API)

export interface Authority {
  /** X.509: subject key id in hex. JWT: key id. */
  readonly id: string;
  /** Undefined where SPIRE does not say: after a JWT authority was tainted or any was revoked. */
  readonly expiresAt: Date | undefined;
  /** Subject key id of the upstream's root that signed it, with an UpstreamAuthority plugin. */
  readonly upstreamId?: string;
}

/** SPIRE has one slot beside the active one: it holds what comes next or what was active before. */
export interface AuthorityState {
  readonly active: Authority;
  readonly prepared: Authority | undefined;
  readonly old: Authority | undefined;
}

/**
 * The life of one kind of authority: prepare (published, not yet signing) → activate → old → taint → revoke. Every step
 * but activate raises the sequence number of the bundle. A second prepare leaves the first one's key in the bundle, and
 * nothing can be done with it any more.
 */
export interface LocalAuthority {
  state(signal?: AbortSignal): Promise<AuthorityState>;
  prepare(signal?: AbortSignal): Promise<Authority>;
  /** Only what `prepare` answered last. */
  activate(id: string, signal?: AbortSignal): Promise<Authority>;
  /** Only the old one. */
  taint(id: string, signal?: AbortSignal): Promise<Authority>;
  /** Only the old one, and only after it was tainted. */
  revoke(id: string, signal?: AbortSignal): Promise<Authority>;
}

export interface LocalAuthorities {
  readonly x509: LocalAuthority;
  readonly jwt: LocalAuthority;
}
