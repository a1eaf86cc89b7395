// test/bench/monitor.ts — one run of a monitor, as a user starts it, on a pseudo-terminal: boot, rest, work, end. Reads
// /proc: Linux only.
import { readFileSync } from "node:fs";
import { TerminalSession } from "../support/hv.ts";

const MiB = 2 ** 20;
const RAM = 512 * MiB;
/** The prompt; BusyBox may ask the terminal for its size behind it. */
const PROMPT = /\/ # (?:\x1b\[6n)?$/;
const LIMIT_MS = 240_000;
const SETTLE_SECONDS = 2;
export const IDLE_SECONDS = 8;
/** Jiffies of /proc: USER_HZ is 100 on every Linux. */
const TICK = 0.01;
/** Work at the guest's prompt: what a shell does, and what a compiled loop does. */
export const LOADS = {
  shell: "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done",
  sha256sum: "dd if=/dev/zero bs=64k count=128 2>/dev/null | sha256sum",
} as const;
export type Load = keyof typeof LOADS;

export interface Run {
  /** Seconds from the start of the process to the prompt. */
  readonly boot: number;
  /** CPU seconds of all threads up to the prompt. */
  readonly cpu: number;
  /** Bytes: the largest resident size up to the prompt, and how much of that is guest RAM. */
  readonly peak: number;
  readonly touched: number;
  readonly seconds: Readonly<Record<Load, number>>;
  /** Share of one host core while the guest idles. */
  readonly idle: number;
  /** Guest instructions, where the monitor tells. */
  readonly instructions?: { readonly boot: number } & Readonly<Record<Load, number>>;
  /** The programs of guest/: check value and seconds. */
  readonly rows: ReadonlyMap<string, { readonly check: string; readonly seconds: number }>;
}

/** CPU seconds of a process, all threads, kernel and user. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK;
}
/** The peak resident size, and what of the mapping that is guest RAM is resident. */
function memory(pid: number): { peak: number; touched: number } {
  const peak = Number(/^VmHWM:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
  let touched = 0, size = 0;
  for (const mapping of readFileSync(`/proc/${pid}/smaps`, "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
    const [from, to] = (/^([0-9a-f]+)-([0-9a-f]+) /.exec(mapping) ?? []).slice(1).map(text => Number.parseInt(text, 16)) as [number, number];
    // the smallest mapping that could hold it: others of that size are reservations of the JavaScript heap
    if (!(to - from >= RAM && to - from < RAM + 64 * MiB) || (size !== 0 && to - from > size)) continue;
    size = to - from;
    touched = Number(/^Rss:\s*(\d+) kB/m.exec(mapping)?.[1]) * 1024;
  }
  return { peak, touched };
}

const now = (): number => performance.now() / 1000;
/** Runs a command at the prompt; the seconds until the next prompt. */
async function timed(session: TerminalSession, line: string): Promise<number> {
  session.shown = "";
  const from = now();
  session.type(`${line}\n`);
  await session.shows(/\n\/ # (?:\x1b\[6n)?$/, LIMIT_MS);
  return now() - from;
}
/** hv's Ctrl-A s says how many instructions the core has executed. */
async function instructionsOf(session: TerminalSession): Promise<number> {
  session.shown = "";
  session.type("\x01s");
  return Number((await session.shows(/cpu 0 .*instructions (\d+)/))[1]);
}

/** Boots, measures, ends. `programs`: the names of guest programs to run. */
export async function measure(command: readonly string[], countsInstructions: boolean, programs: readonly string[]): Promise<Run> {
  const from = now();
  await using session = new TerminalSession(command);
  await session.shows(PROMPT, LIMIT_MS);
  const boot = now() - from;
  const { pid } = session.child;
  const cpu = cpuSeconds(pid);
  const { peak, touched } = memory(pid);
  const count = async (): Promise<number> => (countsInstructions ? await instructionsOf(session) : 0);
  const booted = await count();

  await Bun.sleep(SETTLE_SECONDS * 1000);
  const idleFrom = cpuSeconds(pid), idleStart = now();
  await Bun.sleep(IDLE_SECONDS * 1000);
  const idle = (cpuSeconds(pid) - idleFrom) / (now() - idleStart);

  const seconds = {} as Record<Load, number>, executed = {} as Record<Load, number>;
  for (const load of Object.keys(LOADS) as Load[]) {
    const before = await count();
    seconds[load] = await timed(session, LOADS[load]);
    executed[load] = (await count()) - before;
  }
  const rows = new Map<string, { check: string; seconds: number }>();
  if (programs.length > 0) {
    await timed(session, `bench ${programs.join(" ")}`);
    for (const [, name = "", check = "", time] of session.shown.matchAll(/^row (\S+) ([0-9a-f]{16}) ([0-9.]+)\r?$/gm)) rows.set(name, { check, seconds: Number(time) });
  }
  session.type("\x01x"); // ends all of them
  await session.ended();
  return { boot, cpu, peak, touched, seconds, idle, rows, ...(countsInstructions ? { instructions: { boot: booted, ...executed } } : {}) };
}
