// May the mesh's list of trust domains be changed in this minute? By a cron expression, whose matches are the open ones.
import { CronTime } from 'cron';

export interface ListWindow {
  readonly isOpen: boolean;
  /** When the next one opens; undefined while one is open. */
  readonly opensAt: Date | undefined;
}

const MINUTE_MS = 60_000;
/** As an offset: a named zone loads ICU's time zones, which cost memory for as long as the broker runs. */
const UTC = 0;

/** In UTC. Undefined: always open. */
export function listWindow(schedule: string | undefined, now: Date): ListWindow {
  if (schedule === undefined) return { isOpen: true, opensAt: undefined };
  const minute = Math.floor(now.getTime() / MINUTE_MS) * MINUTE_MS;
  const next = new CronTime(schedule, null, UTC).getNextDateFrom(new Date(minute - 1)).toJSDate();
  const isOpen = next.getTime() < minute + MINUTE_MS;
  return { isOpen, opensAt: isOpen ? undefined : next };
}
