// How long may a fetch take, and how much may it bring?

export interface FetchLimits {
  /** Until TLS is up. */
  readonly connectTimeoutMs: number;
  /** Of the whole fetch, redirects included; the wait that was asked for comes on top. */
  readonly totalTimeoutMs: number;
  /** Counted after decoding. */
  readonly maxBodyBytes: number;
  readonly maxRedirects: number;
}
