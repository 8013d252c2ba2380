// When is a peer asked again? (SPIFFE Federation §4.1 refresh hint, §6.2 failures)

export interface RefreshLimits {
  /** No peer is asked more often than this by its hint. */
  readonly minSeconds: number;
  /** No peer is asked less often than this, whatever its hint says. */
  readonly maxSeconds: number;
  /** When the bundle has no hint; Federation §4.1 recommends five minutes. */
  readonly defaultSeconds: number;
  /** Share by which the interval varies to either side, so that many peers do not fall into step. */
  readonly jitter: number;
}

/** A peer that tells of changes by itself is worth asking again soon after its connection broke. */
const FIRST_RETRY_OF_WAITING_PEER_MS = 1_000;

/** After an answered wait: bounds the requests of an endpoint that answers its waits too early. */
const PAUSE_BETWEEN_WAITS_MS = 100;

export interface RefreshState {
  readonly limits: RefreshLimits;
  /** Of the newest bundle; undefined when it has none or there is no bundle yet. */
  readonly hintSeconds: number | undefined;
  /** The endpoint holds its answer until something changes, and what it served last has been applied. */
  readonly waits: boolean;
  /** Failed attempts in a row; 0 after a success. */
  readonly failedAttempts: number;
  /** 0 ≤ random < 1. */
  readonly random: number;
}

/**
 * Milliseconds until the next fetch. After a failure the interval is never longer than the regular one and never
 * shorter than the floor, except for endpoints that wait: those start at one second and double.
 */
export function nextFetchDelayMs(state: RefreshState): number {
  const intervalMs = refreshIntervalSeconds(state.hintSeconds, state.limits) * 1000;
  const jittered = (ms: number) => Math.round(ms * (1 + state.limits.jitter * (2 * state.random - 1)));
  if (state.failedAttempts > 0) {
    const firstMs = state.waits ? FIRST_RETRY_OF_WAITING_PEER_MS : state.limits.minSeconds * 1000;
    return jittered(Math.min(firstMs * 2 ** Math.min(state.failedAttempts - 1, 30), intervalMs));
  }
  return state.waits ? PAUSE_BETWEEN_WAITS_MS : jittered(intervalMs);
}

/** The regular interval: the hint within the limits. */
export function refreshIntervalSeconds(hintSeconds: number | undefined, limits: RefreshLimits): number {
  return Math.min(Math.max(hintSeconds ?? limits.defaultSeconds, limits.minSeconds), limits.maxSeconds);
}
