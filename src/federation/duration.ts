// How many seconds are `1h30m`? (the part of Go's duration syntax that Kubernetes users write)

const DURATION_PATTERN = /^(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?$/;

/** Whole seconds of a duration like `1h`, `90s` or `1h30m`; undefined when the text is none, or not longer than zero. */
export function parseDurationSeconds(text: string): number | undefined {
  const parts = DURATION_PATTERN.exec(text);
  if (parts === null) return undefined;
  const [hours, minutes, seconds] = parts.slice(1).map((digits?: string) => Number(digits ?? 0));
  const total = (hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (seconds ?? 0);
  return total > 0 && Number.isSafeInteger(total) ? total : undefined;
}
