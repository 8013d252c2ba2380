// What was read of this trust domain a moment ago? For reads that strangers can cause, so that they cannot cause many.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Clock } from '../federation/clock.ts';

interface Read<T> {
  readonly atMs: number;
  readonly value: Promise<T>;
}

/** `read` is called for one trust domain at most once within `keepMs`, also when it rejects. */
export function brieflyRemembered<T>(
  clock: Clock,
  keepMs: number,
  read: (trustDomain: TrustDomain) => Promise<T>,
): (trustDomain: TrustDomain) => Promise<T> {
  const memory = new Map<TrustDomain, Read<T>>();
  return (trustDomain) => {
    const nowMs = clock.now().getTime();
    for (const [key, { atMs }] of memory) {
      if (nowMs - atMs < keepMs) break;
      memory.delete(key);
    }
    const known = memory.get(trustDomain);
    if (known !== undefined) return known.value;
    const value = read(trustDomain);
    memory.set(trustDomain, { atMs: nowMs, value });
    return value;
  };
}
