// How much of the processor and of memory does a program take? As Linux counts it, in /proc (proc(5)).
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { rounded } from './summary.ts';

/** Linux counts in hundredths of a second towards programs, whatever its own clock (USER_HZ). */
const TICKS_PER_SECOND = 100;
/** Where `utime` is in /proc/<pid>/stat, counted from the field after the program's name. */
const USER_TIME_FIELD = 11;
const SAMPLE_EVERY_MS = 1_000;

export interface Usage {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** 100 is one core. */
  readonly cpuPercent: number;
  readonly rssMiB: { readonly mean: number; readonly max: number };
}

/** Seconds on a processor since it started, of all its threads, in user and kernel mode. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name is in parentheses and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[USER_TIME_FIELD]) + Number(fields[USER_TIME_FIELD + 1])) / TICKS_PER_SECOND;
}

function rssMiB(pid: number): number {
  return memoryMiB(pid, 'VmRSS');
}

/** Since it started. */
export function peakRssMiB(pid: number): number {
  return memoryMiB(pid, 'VmHWM');
}

function memoryMiB(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const [, kib] = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status) ?? [];
  return Number(kib) / 1024;
}

/** Of the next `seconds`; memory is looked at once a second. */
export async function usageDuring(pid: number, seconds: number): Promise<Usage> {
  const [startMs, cpuBefore] = [performance.now(), cpuSeconds(pid)];
  const memory: number[] = [];
  while (performance.now() - startMs < seconds * 1000) {
    await pause(SAMPLE_EVERY_MS);
    memory.push(rssMiB(pid));
  }
  const elapsed = (performance.now() - startMs) / 1000;
  const cpu = cpuSeconds(pid) - cpuBefore;
  return {
    seconds: rounded(elapsed, 1),
    cpuSeconds: rounded(cpu, 2),
    cpuPercent: rounded((cpu / elapsed) * 100, 2),
    rssMiB: {
      mean: rounded(memory.reduce((sum, each) => sum + each, 0) / memory.length, 1),
      max: rounded(Math.max(...memory), 1),
    },
  };
}
