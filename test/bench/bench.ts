// test/bench/bench.ts — `npm run bench [-- --pairs N] [--only MONITOR]... [--rows NAME]...`: hv (the executable that users
// download), its interpreter and QEMU on the same kernel, initramfs, memory and command line. Runs are interleaved. QEMU
// runs with two CPU models; in each row the faster of them is the one hv is paired with. Ratios are taken within each
// round; tables show medians, of ratios too.
// Everything goes to .bench/ as JSON, the ratios as an SVG.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "../../build.ts";
import { debianKernel } from "../support/debian.ts";
import { ensureDebianPackages } from "../support/packages.ts";
import { allocations, type Allocations } from "./allocations.ts";
import { buildPrograms, rowNames, withPrograms } from "./guest/build.ts";
import { IDLE_SECONDS, LOADS, measure, type Load, type Run } from "./monitor.ts";
import { plot, type Bar } from "./plot.ts";

const MiB = 2 ** 20;
const CMDLINE = "console=ttyAMA0";
const directory = join(import.meta.dir, "../../.bench");

const NAMES = ["hv", "interpreter", "qemu-a57", "qemu-max"] as const;
type Monitor = (typeof NAMES)[number];
const TABLES = { integer: rowNames("integer"), float: rowNames("float"), system: rowNames("system").filter(name => name !== "cold-code") } as const;
const PROGRAMS = [...TABLES.integer, ...TABLES.float, ...TABLES.system, "cold-code"];
/** Instructions that the row "cold-code" translates: see guest/system.c. */
const COLD_INSTRUCTIONS = 8 * 65536;

const { values: given } = parseArgs({ options: { pairs: { type: "string", default: "5" }, only: { type: "string", multiple: true }, rows: { type: "string", multiple: true } } });
const pairs = Number(given.pairs);
/** Rows that need another guest: alone, or with each other. */
const DISK_ROWS = ["login", "fio"];
const rowsAsked = given.rows?.flatMap(row => row.split(","));
if (rowsAsked?.length === 1 && rowsAsked[0] === "iperf" && Number.isInteger(pairs) && pairs > 0 && process.platform === "linux") {
  const { iperfRow } = await import("./iperf.ts");
  process.exit(await iperfRow(pairs, directory));
}
if (rowsAsked?.length === 1 && rowsAsked[0] === "smp" && Number.isInteger(pairs) && pairs > 0 && process.platform === "linux") {
  const { smpRow } = await import("./smp.ts");
  process.exit(await smpRow(pairs, directory));
}
if (rowsAsked !== undefined && rowsAsked.every(row => DISK_ROWS.includes(row)) && Number.isInteger(pairs) && pairs > 0 && process.platform === "linux") {
  const { diskRows } = await import("./disk.ts");
  process.exit(await diskRows(rowsAsked, pairs, directory));
}
if (!Number.isInteger(pairs) || pairs < 1 || given.only?.some(name => !NAMES.includes(name as Monitor)) === true || given.rows?.some(name => !PROGRAMS.includes(name)) === true) {
  console.error(`usage: npm run bench -- [--pairs N] [--only ${NAMES.join("|")}]... [--rows NAME]...\nrows: ${PROGRAMS.join(" ")}\nby themselves: ${DISK_ROWS.join(",")}; iperf; smp`);
  process.exit(2);
}
if (process.platform !== "linux") {
  console.error("the benchmark reads /proc: it runs on Linux only");
  process.exit(3);
}
const programs = given.rows ?? PROGRAMS;
const monitors = NAMES.filter(name => given.only?.includes(name) ?? true);

// --- the runs ------------------------------------------------------------------------------------------------------

const { kernel, initramfs: plain, release } = await debianKernel("6.1");
const initramfs = join(directory, "initramfs");
withPrograms(plain, buildPrograms(directory), initramfs);
const executable = join(directory, "hv");
await build(executable); // what users download
const hv = [executable, "run", kernel, "--initrd", initramfs, "--cmdline", CMDLINE, "-m", "512M"];
const qemu = (cpu: string): string[] => ["qemu-system-aarch64", "-M", "virt,gic-version=2", "-cpu", cpu, "-m", "512", "-nographic", "-nic", "none", "-kernel", kernel, "-initrd", initramfs, "-append", CMDLINE];
const commands: Readonly<Record<Monitor, readonly string[]>> = {
  hv, interpreter: [...hv, "--accel", "software,engine=interpreter"], "qemu-a57": qemu("cortex-a57"), "qemu-max": qemu("max,pauth=off"),
};
if (monitors.some(name => name.startsWith("qemu"))) ensureDebianPackages(["qemu-system-arm"]);

const [cpu] = cpus();
const mhz = Math.round(Number(/^cpu MHz\s*: ([\d.]+)/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? cpu?.speed));
const loads = (): string => loadavg().map(value => value.toFixed(2)).join(" ");
const loadBefore = loads();
const host = `${cpu?.model ?? "unknown CPU"} at ${mhz} MHz, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`;
console.log(`kernel ${release}, ${CMDLINE}, 512 MiB; ${pairs} rounds\nhost: ${host}; load before: ${loadBefore}`);

const runs: Record<Monitor, Run[]> = { hv: [], interpreter: [], "qemu-a57": [], "qemu-max": [] };
const fixed = (value: number, digits: number): string => (Number.isFinite(value) ? value.toFixed(digits) : "-");
for (let round = 1; round <= pairs; round++) {
  // who goes first changes from round to round
  for (const name of round % 2 === 1 ? monitors : monitors.toReversed()) {
    const run = await measure(commands[name], !name.startsWith("qemu"), name === "interpreter" ? [] : programs);
    runs[name].push(run);
    console.log(`  round ${round} ${name.padEnd(11)}  prompt ${fixed(run.boot, 2)} s, cpu ${fixed(run.cpu, 2)} s, peak ${fixed(run.peak / MiB, 0)} MiB of which guest RAM ${fixed(run.touched / MiB, 0)}, idle ${fixed(run.idle * 100, 2)} %, ` +
      (Object.keys(LOADS) as Load[]).map(one => `${one} ${fixed(run.seconds[one], 2)} s`).join(", "));
  }
}

// --- the tables ------------------------------------------------------------------------------------------------------

const median = (values: readonly number[]): number => {
  const sorted = values.filter(value => Number.isFinite(value)).toSorted((a, b) => a - b), middle = sorted.length >> 1;
  if (sorted.length === 0) return NaN;
  return sorted.length % 2 === 1 ? sorted[middle] as number : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
};
const mean = (values: readonly number[]): number => Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

interface Row {
  readonly what: string;
  readonly digits: number;
  readonly medians: Readonly<Partial<Record<Monitor, number>>>;
  /** hv's (and the interpreter's) ratio to the faster QEMU. */
  readonly ratio: number;
  readonly must?: number | undefined;
  readonly verdicts: Readonly<Record<string, boolean>>;
}
const table: Row[] = [];
interface Bound { readonly of: readonly Monitor[]; readonly met: (value: number) => boolean }
/** A row of seconds or other values, smaller is better; `must`: bound of hv's ratio; `bound`: of values. */
function add(what: string, digits: number, value: (run: Run) => number, options: { readonly must?: number; readonly bound?: Bound; readonly paired?: boolean } = {}): Row {
  const medians = Object.fromEntries(monitors.map(name => [name, median(runs[name].map(value))])) as Partial<Record<Monitor, number>>;
  const rivals = (["qemu-a57", "qemu-max"] as const).filter(name => Number.isFinite(medians[name]));
  const rival = rivals.toSorted((a, b) => (medians[a] as number) - (medians[b] as number))[0];
  const ratio = rival === undefined || options.paired === false ? NaN : median(runs.hv.map((run, i) => value(run) / (runs[rival][i] === undefined ? NaN : value(runs[rival][i]))));
  const verdicts: Record<string, boolean> = {};
  if (options.must !== undefined && Number.isFinite(ratio)) verdicts["ratio"] = ratio <= options.must;
  for (const name of options.bound?.of ?? []) if (medians[name] !== undefined) verdicts[name] = (options.bound as Bound).met(medians[name]);
  const row: Row = { what, digits, medians, ratio, must: options.must, verdicts };
  table.push(row);
  return row;
}
const software = ["hv", "interpreter"] as const;
const rate = (one: "boot" | Load) => (run: Run): number => (run.instructions === undefined ? NaN : run.instructions[one] / (one === "boot" ? run.boot : run.seconds[one]) / 1e6);
const fast: Bound = { of: ["interpreter"], met: value => value >= 60 };
const seconds = (name: string) => (run: Run): number => run.rows.get(name)?.seconds ?? NaN;

add("boot to the prompt, s", 2, run => run.boot, { must: 0.7, bound: { of: ["interpreter"], met: value => value < 30 } });
add("CPU time of that, all threads, s", 2, run => run.cpu, { must: 0.85 });
add("peak memory, MiB", 0, run => run.peak / MiB, { paired: false });
add("  without guest RAM, MiB", 0, run => (run.peak - run.touched) / MiB, { paired: false, bound: { of: software, met: value => value < 150 } });
add(`idle, % of a core over ${IDLE_SECONDS} s`, 2, run => run.idle * 100, { paired: false, bound: { of: software, met: value => value < 2 } });
add("shell loop, s", 2, run => run.seconds.shell, { must: 1.2 });
add("sha256sum of 8 MiB, s", 2, run => run.seconds.sha256sum, { must: 1.2 });
add("boot, million instructions/s", 1, rate("boot"), { paired: false, bound: fast });
for (const one of Object.keys(LOADS) as Load[]) add(`${one}, million instructions/s`, 1, rate(one), { paired: false, bound: fast });
for (const names of Object.values(TABLES)) for (const name of names) if (programs.includes(name)) add(name, 3, seconds(name), { must: 1.2 });
if (programs.includes("cold-code")) {
  add("cold-code", 3, seconds("cold-code"), { must: 1.2 });
  add("  million new instructions/s", 1, run => COLD_INSTRUCTIONS / seconds("cold-code")(run) / 1e6, { paired: false, bound: { of: ["hv"], met: value => value >= 2 } });
}

const tools = monitors.filter(name => name !== "interpreter" || runs.interpreter.length > 0);
console.log(`\n${"medians".padEnd(34)}${tools.map(name => name.padStart(12)).join("")}${"hv/QEMU".padStart(10)}   must`);
const word = (verdict: boolean): string => (verdict ? "pass" : "FAIL");
for (const row of table) {
  console.log(`${row.what.padEnd(34)}${tools.map(name => fixed(row.medians[name] ?? NaN, row.digits).padStart(12)).join("")}${fixed(row.ratio, 2).padStart(10)}   ` +
    `${row.must === undefined ? "" : `${row.must} `}${Object.entries(row.verdicts).map(([name, verdict]) => (name === "ratio" ? word(verdict) : `${name} ${word(verdict)}`)).join(", ")}`);
}
const bars: Bar[] = table.filter(row => Number.isFinite(row.ratio)).map(row => ({ what: row.what, ratio: row.ratio, must: row.must }));
for (const [name, must] of [["integer", 0.65], ["float", 0.9], ["system", 0.8]] as const) {
  const ratios = TABLES[name].map(one => table.find(row => row.what === one)?.ratio ?? NaN);
  if (ratios.some(ratio => !Number.isFinite(ratio))) continue;
  const all = mean(ratios);
  bars.push({ what: `${name} rows, geometric mean`, ratio: all, must });
  console.log(`${`${name} rows, geometric mean`.padEnd(34)}${"".padStart(12 * tools.length)}${fixed(all, 2).padStart(10)}   ${must} ${word(all <= must)}`);
}
// what the programs computed must be the same everywhere
const differing = programs.filter(name => new Set(NAMES.flatMap(monitor => runs[monitor].flatMap(run => run.rows.get(name)?.check ?? []))).size > 1);
console.log(differing.length === 0 ? "check values: the same on all" : `check values DIFFER: ${differing.join(" ")}`);
let allocated: Allocations | undefined;
if (monitors.includes("hv")) {
  allocated = allocations(kernel, initramfs);
  const objects = Object.values(allocated.objects).reduce((sum, n) => sum + n, 0), big = allocated.objects["BigInt"] ?? 0;
  console.log(`allocations on ${allocated.exits} exits: ${objects} objects, ${big} of them BigInt: ${word(big === 0 && objects < allocated.exits / 100)}`);
}
const loadAfter = loads();
console.log(`load after: ${loadAfter}`);

mkdirSync(directory, { recursive: true });
const file = join(directory, new Date().toISOString().replaceAll(":", "-").slice(0, 19));
const plainRuns = Object.fromEntries(NAMES.map(name => [name, runs[name].map(run => ({ ...run, rows: Object.fromEntries(run.rows) }))]));
writeFileSync(`${file}.json`, `${JSON.stringify({ date: new Date().toISOString(), release, cmdline: CMDLINE, host: { cpu: host, loadBefore, loadAfter }, loads: LOADS, pairs, runs: plainRuns, table, differing, allocated }, undefined, 2)}\n`);
if (bars.length > 0) writeFileSync(`${file}.svg`, plot("hv / QEMU, time: less is better", `Linux ${release}, ${pairs} rounds, medians; ${host}`, bars));
console.log(`written to ${file}.json${bars.length > 0 ? " and .svg" : ""}`);
process.exit(differing.length === 0 ? 0 : 1); // the limits of waits that are over are still timers
