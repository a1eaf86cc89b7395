// test/bench/bench.ts — `npm run bench [-- --pairs N]`: hv, hv's interpreter and QEMU on the same kernel, initramfs and
// command line. Runs are paired and interleaved, each as a user starts it, on a pseudo-terminal. What is measured in each run: the time
// to the shell prompt, the CPU time of all threads up to there, peak memory and how much of it is guest RAM, two
// computations in the guest, and the CPU share of an idle guest over ten seconds. Reads /proc: Linux only.
// The table shows medians; everything goes to .bench/ as JSON.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { debianKernel } from "../support/debian.ts";
import { HV, TerminalSession } from "../support/hv.ts";
import { ensureDebianPackages } from "../support/packages.ts";

const MiB = 2 ** 20;
const RAM = 512 * MiB;
const CMDLINE = "console=ttyAMA0";
/** The prompt; BusyBox may ask the terminal for its size behind it. */
const PROMPT = /\/ # (?:\x1b\[6n)?$/;
const BOOT_LIMIT = 120_000;
const IDLE_SECONDS = 10;
const SETTLE_SECONDS = 3;
/** Jiffies of /proc: USER_HZ is 100 on every Linux. */
const TICK = 0.01;
/** Computations at the guest's prompt: what a shell does, and what a compiled loop does. */
const LOADS = {
  shell: "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done",
  sha256: "dd if=/dev/zero bs=64k count=128 2>/dev/null | sha256sum",
} as const;
type Load = keyof typeof LOADS;

interface Run {
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
}

const NAMES = ["hv", "interpreter", "qemu"] as const;
type Monitor = (typeof NAMES)[number];
const { values: given } = parseArgs({ options: { pairs: { type: "string", default: "3" }, only: { type: "string", multiple: true } } });
const pairs = Number(given.pairs);
if (!Number.isInteger(pairs) || pairs < 1 || given.only?.some(name => !NAMES.includes(name as Monitor)) === true) {
  console.error(`usage: npm run bench -- [--pairs N] [--only ${NAMES.join("|")}]...`);
  process.exit(2);
}
if (process.platform !== "linux") {
  console.error("the benchmark reads /proc: it runs on Linux only");
  process.exit(3);
}

// --- what /proc tells --------------------------------------------------------------------------------------------

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

// --- one run -----------------------------------------------------------------------------------------------------

const now = (): number => performance.now() / 1000;

/** Runs a command at the prompt; the seconds until the next prompt. */
async function timed(session: TerminalSession, line: string): Promise<number> {
  session.shown = "";
  const from = now();
  session.type(`${line}\n`);
  await session.shows(/\n\/ # (?:\x1b\[6n)?$/, BOOT_LIMIT);
  return now() - from;
}
/** hv's Ctrl-A s says how many instructions the core has executed. */
async function instructionsOf(session: TerminalSession): Promise<number> {
  session.shown = "";
  session.type("\x01s");
  return Number((await session.shows(/cpu 0 .*instructions (\d+)/))[1]);
}

async function measure(command: readonly string[], countsInstructions: boolean): Promise<Run> {
  const from = now();
  await using session = new TerminalSession(command);
  await session.shows(PROMPT, BOOT_LIMIT);
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
  session.type("\x01x"); // ends both
  await session.ended();
  return { boot, cpu, peak, touched, seconds, idle, ...(countsInstructions ? { instructions: { boot: booted, ...executed } } : {}) };
}

// --- all runs ----------------------------------------------------------------------------------------------------

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] as number : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
};
const fixed = (value: number, digits: number): string => (Number.isNaN(value) ? "-" : value.toFixed(digits));

const { kernel, initramfs, release } = await debianKernel("6.1");
const hv = [...HV, "run", kernel, "--initrd", initramfs, "--cmdline", CMDLINE, "-m", "512M"];
const commands: Readonly<Record<Monitor, readonly string[]>> = {
  hv,
  interpreter: [...hv, "--accel", "software,engine=interpreter"],
  qemu: ["qemu-system-aarch64", "-M", "virt,gic-version=2", "-cpu", "max,pauth=off", "-m", "512", "-nographic", "-kernel", kernel, "-initrd", initramfs, "-append", CMDLINE],
};
const monitors = NAMES.filter(name => given.only?.includes(name) ?? true);
if (monitors.includes("qemu")) ensureDebianPackages(["qemu-system-arm"]);

const [cpu] = cpus();
const mhz = Math.round(Number(/^cpu MHz\s*: ([\d.]+)/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? cpu?.speed));
const load = loadavg().map(value => value.toFixed(2)).join(" ");
console.log(`kernel ${release}, ${CMDLINE}, 512 MiB; ${pairs} pairs`);
console.log(`host: ${cpu?.model ?? "unknown CPU"} at ${mhz} MHz, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB; load before: ${load}`);

const runs: Record<Monitor, Run[]> = { hv: [], interpreter: [], qemu: [] };
for (let pair = 1; pair <= pairs; pair++) {
  // who goes first changes from pair to pair
  for (const name of pair % 2 === 1 ? monitors : monitors.toReversed()) {
    const run = await measure(commands[name], name !== "qemu");
    runs[name].push(run);
    console.log(`  pair ${pair} ${name.padEnd(11)}  prompt ${fixed(run.boot, 2)} s, cpu ${fixed(run.cpu, 2)} s, peak ${fixed(run.peak / MiB, 0)} MiB of which guest RAM ${fixed(run.touched / MiB, 0)}, idle ${fixed(run.idle * 100, 2)} %, ` +
      (Object.keys(LOADS) as Load[]).map(one => `${one} ${fixed(run.seconds[one], 2)} s`).join(", "));
  }
}

/** A bound that a monitor has to keep. */
interface Target { readonly of: readonly Monitor[]; readonly text: string; readonly met: (value: number) => boolean }
interface Row { readonly what: string; readonly value: (run: Run) => number; readonly digits: number; readonly target?: Target }
const both = ["hv", "interpreter"] as const;
const rate = (one: "boot" | Load) => (run: Run): number => (run.instructions === undefined ? NaN : run.instructions[one] / (one === "boot" ? run.boot : run.seconds[one]) / 1e6);
const fast: Target = { of: ["interpreter"], text: ">= 60 on a 2.6 GHz core", met: value => value >= 60 };
const rows: readonly Row[] = [
  { what: "to the prompt, s", value: run => run.boot, digits: 2, target: { of: both, text: "< 30", met: value => value < 30 } },
  { what: "CPU time to the prompt, s", value: run => run.cpu, digits: 2 },
  { what: "peak resident memory, MiB", value: run => run.peak / MiB, digits: 0 },
  { what: "  without guest RAM, MiB", value: run => (run.peak - run.touched) / MiB, digits: 0, target: { of: both, text: "< 150", met: value => value < 150 } },
  { what: "boot, million instructions/s", value: rate("boot"), digits: 1, target: fast },
  ...(Object.keys(LOADS) as Load[]).flatMap((one): Row[] => [
    { what: `${one} loop, s`, value: run => run.seconds[one], digits: 2 },
    { what: "  million instructions/s", value: rate(one), digits: 1, target: fast },
  ]),
  { what: `idle, % of a core over ${IDLE_SECONDS} s`, value: run => run.idle * 100, digits: 2, target: { of: both, text: "< 2", met: value => value < 2 } },
];
console.log(`\n${"medians".padEnd(32)}${monitors.map(name => name.padStart(12)).join("")}${monitors.filter(name => name !== "qemu").map(name => `${name}/qemu`.padStart(18)).join("")}   target`);
const table = rows.map(row => {
  const medians = Object.fromEntries(monitors.map(name => [name, median(runs[name].map(row.value))])) as Partial<Record<Monitor, number>>;
  // ratios are taken within each pair, then their median
  const ratios = Object.fromEntries(monitors.filter(name => name !== "qemu").map(name =>
    [name, median(runs[name].flatMap((run, i) => (runs.qemu[i] === undefined ? [] : [row.value(run) / row.value(runs.qemu[i])])))])) as Partial<Record<Monitor, number>>;
  const { target } = row;
  const verdicts = target === undefined ? {} : Object.fromEntries(target.of.filter(name => monitors.includes(name)).map(name => [name, target.met(medians[name] as number) ? "pass" : "FAIL"]));
  const cell = (value: number | undefined, digits: number, width: number): string => (value === undefined || !Number.isFinite(value) ? "-" : value.toFixed(digits)).padStart(width);
  console.log(`${row.what.padEnd(32)}${monitors.map(name => cell(medians[name], row.digits, 12)).join("")}${monitors.filter(name => name !== "qemu").map(name => cell(ratios[name], 2, 18)).join("")}   ` +
    (target === undefined ? "" : `${target.text}: ${Object.entries(verdicts).map(([name, verdict]) => `${name} ${verdict}`).join(", ")}`));
  return { what: row.what.trim(), medians, ratios, target: target?.text, verdicts };
});
const loadAfter = loadavg().map(value => value.toFixed(2)).join(" ");
console.log(`load after: ${loadAfter}`);

const directory = join(import.meta.dir, "../../.bench");
mkdirSync(directory, { recursive: true });
const file = join(directory, `${new Date().toISOString().replaceAll(":", "-").slice(0, 19)}.json`);
writeFileSync(file, `${JSON.stringify({ date: new Date().toISOString(), release, cmdline: CMDLINE, host: { cpu: cpu?.model, mhz, cores: cpus().length, loadBefore: load, loadAfter }, loads: LOADS, pairs, runs, table }, undefined, 2)}\n`);
console.log(`written to ${file}`);
