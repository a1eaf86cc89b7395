// test/bench/smp.ts — the row `smp` of the benchmark: parallel work on two CPUs. The guest runs a program once, and then
// twice at the same time, on hv with one CPU, on hv with two and on QEMU with two (its multi-threaded TCG, the faster of two
// CPU models), with the same kernel and initramfs. Throughput is programs a second. What must hold: two CPUs give at least 1.6
// times the throughput of one.
import { mkdirSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { build } from "../../build.ts";
import { debianKernel } from "../support/debian.ts";
import { TerminalSession } from "../support/hv.ts";
import { ensureDebianPackages } from "../support/packages.ts";
import { buildPrograms, withPrograms } from "./guest/build.ts";

const MONITORS = ["hv-1", "hv-2", "qemu-a57", "qemu-max"] as const;
type Monitor = (typeof MONITORS)[number];
const LIMIT_MS = 240_000;
const CMDLINE = "console=ttyAMA0";
const MUST = 1.6;
/** Rows that live in the caches, in memory and in the kernel; each is run often enough for a second or more. */
const WORK = "sha256 hash-table deflate fork-exec";
const TIMES = 3;

interface Found { readonly boot: number; readonly one: number; readonly two: number }
async function measure(command: readonly string[]): Promise<Found> {
  const from = performance.now();
  await using session = new TerminalSession(command, { cols: 200, rows: 50 });
  await session.shows(/\/ # (?:\x1b\[6n)?$/, LIMIT_MS);
  const boot = (performance.now() - from) / 1000;
  const timed = async (jobs: number): Promise<number> => {
    session.shown = "";
    const start = performance.now();
    session.type(`sh -c 'for j in ${Array.from({ length: jobs }, (_, i) => i).join(" ")}; do for i in ${Array.from({ length: TIMES }, (_, i) => i).join(" ")}; do bench ${WORK} > /dev/null; done & done; wait'\n`);
    await session.shows(/\n\/ # (?:\x1b\[6n)?$/, LIMIT_MS);
    return (performance.now() - start) / 1000;
  };
  await timed(2); // what translates is translated
  const one = await timed(1), two = await timed(2);
  session.type("\x01x");
  await session.ended();
  return { boot, one, two };
}
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number;

/** Runs the row; returns the exit code: 0 when two CPUs do what they must. */
export async function smpRow(pairs: number, directory: string): Promise<number> {
  ensureDebianPackages(["qemu-system-arm"]);
  mkdirSync(directory, { recursive: true });
  const { kernel, initramfs: plain, release } = await debianKernel("6.1");
  const initramfs = join(directory, "initramfs"), executable = join(directory, "hv");
  withPrograms(plain, buildPrograms(directory), initramfs);
  await build(executable);
  const hv = (cpus: number): string[] => [executable, "run", kernel, "--initrd", initramfs, "--cmdline", CMDLINE, "-m", "512M", "--accel", "software", "--cpus", String(cpus)];
  const qemu = (cpu: string): string[] => ["qemu-system-aarch64", "-M", "virt,gic-version=2", "-accel", "tcg,thread=multi", "-smp", "2", "-cpu", cpu, "-m", "512", "-nographic", "-nic", "none", "-kernel", kernel, "-initrd", initramfs, "-append", CMDLINE];
  const commands: Readonly<Record<Monitor, readonly string[]>> = { "hv-1": hv(1), "hv-2": hv(2), "qemu-a57": qemu("cortex-a57"), "qemu-max": qemu("max,pauth=off") };
  const runs: Record<Monitor, Found[]> = { "hv-1": [], "hv-2": [], "qemu-a57": [], "qemu-max": [] };
  const before = loadavg()[0] as number;
  for (let round = 1; round <= pairs; round++) {
    for (const monitor of round % 2 === 1 ? MONITORS : MONITORS.toReversed()) {
      const run = await measure(commands[monitor]);
      runs[monitor].push(run);
      console.log(`  round ${round} ${monitor.padEnd(9)} prompt ${run.boot.toFixed(2)} s, once ${run.one.toFixed(2)} s, twice at the same time ${run.two.toFixed(2)} s`);
    }
  }
  const of = (monitor: Monitor, what: keyof Found): readonly number[] => runs[monitor].map(run => run[what]);
  const rival = median(of("qemu-a57", "two")) < median(of("qemu-max", "two")) ? "qemu-a57" : "qemu-max";
  const gain = median(of("hv-1", "two").map((seconds, i) => seconds / (of("hv-2", "two")[i] as number)));
  const ratio = median(of("hv-2", "two").map((seconds, i) => seconds / (of(rival, "two")[i] as number)));
  const boot = median(of("hv-2", "boot").map((seconds, i) => seconds / (of(rival, "boot")[i] as number)));
  console.log(`two programs at the same time, s: ${MONITORS.map(one => `${one} ${median(of(one, "two")).toFixed(2)}`).join(", ")}`);
  console.log(`hv, two CPUs to one: ${gain.toFixed(2)} times the throughput, must be ${MUST}: ${gain >= MUST ? "pass" : "FAIL"}; hv/QEMU (both two CPUs) ${ratio.toFixed(2)}, boot to the prompt ${boot.toFixed(2)}`);
  const path = join(directory, `smp-${new Date().toISOString().replaceAll(":", "-").slice(0, 19)}.json`);
  writeFileSync(path, `${JSON.stringify({ date: new Date().toISOString(), release, pairs, load: [before, loadavg()[0]], runs, gain, ratio, boot }, undefined, 2)}\n`);
  console.log(`written to ${path}`);
  return gain >= MUST ? 0 : 1;
}
