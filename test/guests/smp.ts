// test/guests/smp.ts — `npm run test:smp [-- --seconds N --cpus LIST --gic LIST --threads LIST --kernels LIST --engines LIST]`: stock
// kernels with several CPUs under stress-ng (cpu, fork, switch and vm at once, with its checks of results), then the count of timer
// ticks under arithmetic, and cyclictest; in every combination of what the flags list. Makes an initramfs of Debian's packages with mmdebstrap.
// Needs root, 2 GiB of memory; takes N seconds and a half for each combination. What was seen stands in docs/smp.md, written by
// `--write`; `--resume` leaves out what passed there. Leave the host alone meanwhile.
import { chmodSync, copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus as processors, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "../../build.ts";
import { debianKernel } from "../support/debian.ts";
import { HV } from "../support/hv.ts";
import { ensureDebianPackages } from "../support/packages.ts";

const PACKAGES = "bash,coreutils,mawk,grep,mount,procps,util-linux,stress-ng,rt-tests";
/** What of them is not needed in memory. */
const SPARED = ["usr/share", "var/cache", "var/lib/apt", "usr/lib/python3.11", "usr/lib/aarch64-linux-gnu/perl", "usr/lib/aarch64-linux-gnu/gconv"];
/** The guest's ticks a second, and by how much of that a core that is busy all the time may be off. */
const HZ = 250, TOLERANCE = 0.01;
/** cyclictest's worst may take that long, in us: one that was lost would take longer. Idle and warm it is some hundred. */
const LONGEST_US = 250_000;
const RESULTS = join(import.meta.dir, "../../docs/smp.md");
const { values: given } = parseArgs({ options: {
  seconds: { type: "string", default: "60" }, cpus: { type: "string", default: "1,2,4,8" }, gic: { type: "string", default: "2,3" }, threads: { type: "string", default: "off,on" },
  kernels: { type: "string", default: "6.1,6.12-cloud" }, engines: { type: "string", default: "translator,interpreter" }, write: { type: "boolean", default: false }, resume: { type: "boolean", default: false },
} });
const list = (text: string): readonly string[] => text.split(",");

ensureDebianPackages(["mmdebstrap", "arch-test", "qemu-user-static"]);
const place = mkdtempSync(join(tmpdir(), "hv-smp-")), root = join(place, "root"), hv = join(place, "hv"), initramfs = join(place, "initramfs");
const run = async (command: readonly string[]): Promise<string> => {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "pipe", env: { ...process.env, LC_ALL: "C" } });
  const [out, problem, code] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  if (code !== 0) throw new Error(`${command.slice(0, 3).join(" ")}... ended with ${code}:\n${out.slice(-2000)}${problem.slice(-2000)}`);
  return out;
};

interface Combination { readonly kernel: string; readonly cpus: string; readonly gic: string; readonly engine: string; readonly threads: string }
const combinations: readonly Combination[] = list(given.engines).flatMap(engine => list(given.kernels).flatMap(kernel => list(given.cpus).flatMap(cpus => list(given.gic).flatMap(gic =>
  list(given.threads).filter(threads => threads === "off" || (cpus !== "1" && engine === "translator")).map(threads => ({ kernel, cpus, gic, engine, threads }))))));
const nameOf = (c: Combination): string => `| ${c.kernel} | ${c.cpus} | ${c.gic} | ${c.engine} | ${c.threads} |`;

/** The row of a combination: what was seen, and whether that is right. */
async function measure(c: Combination): Promise<{ row: string; ok: boolean; shown: string }> {
  const { kernel } = await debianKernel(c.kernel as "6.1");
  let shown: string;
  try {
    shown = (await run([hv, "run", kernel, "--initrd", initramfs, "-m", "2G", "--cpus", c.cpus, "--gic", c.gic, "--smp-threads", c.threads, "--accel", `software,engine=${c.engine}`, "--cmdline", `console=ttyAMA0 quiet seconds=${given.seconds}`])).replaceAll("\r", "");
  } catch (error) {
    shown = String(error);
  }
  const rates = [...shown.matchAll(/^ticks of cpu \d+ ([\d.]+) a second$/gm)].map(match => Number(match[1]));
  const latencies = [...shown.matchAll(/^T:.*Avg: *(\d+) Max: *(\d+)$/gm)].map(match => [Number(match[1]), Number(match[2])] as const);
  const log = Number(/^log (\d+)$/m.exec(shown)?.[1] ?? NaN), passed = shown.includes("stress passed");
  const steady = rates.length === Number(c.cpus) && rates.every(rate => Math.abs(rate / HZ - 1) < TOLERANCE); // every core was busy: no tick is lost or comes twice
  const ok = passed && log === 0 && steady && shown.includes("== done") && latencies.length === Number(c.cpus) && latencies.every(([, worst]) => worst < LONGEST_US);
  const worst = Math.max(...latencies.map(([, us]) => us)), mean = Math.max(...latencies.map(([us]) => us));
  return { ok, shown, row: `${nameOf(c)} ${passed ? "passed" : "FAILED"} | ${Math.min(...rates)} to ${Math.max(...rates)} | ${mean}, ${worst} | ${log} | ${ok ? "yes" : "**no**"} |` };
}

const before = existsSync(RESULTS) ? readFileSync(RESULTS, "utf8").split("\n").filter(line => /^\| 6\./.test(line)) : [];
const rows = new Map(before.map(line => [/^(\|[^|]*){5}\|/.exec(line)?.[0] ?? line, line]));
const write = (): void => writeFileSync(RESULTS, `# Several CPUs under stress

Written by \`npm run test:smp -- --write\`: Debian's kernels for ${given.seconds} seconds under \`stress-ng --cpu N --fork N --switch N --vm N --verify\` with N CPUs, on a host
with ${processors().length} processors. Then a sixth of that of \`stress-ng --cpu N\` alone: a timer tick comes ${HZ} times a second on every CPU, lost or doubled interrupts would
show there, and each has to be within ${TOLERANCE * 100} %. Then cyclictest, a thread per CPU: the mean of the slowest and the worst of all, in microseconds; the worst is below ${LONGEST_US / 1000} ms. Log: warnings, oopses and
stalls in the kernel's log. The interpreter always runs its CPUs in turn. A combination that is not in the table has not been measured.

| kernel | CPUs | GIC | engine | threads | stress-ng | ticks a second | cyclictest | log | right |
|---|---|---|---|---|---|---|---|---|---|
${[...rows.values()].join("\n")}
`);

let failures = 0, measured = 0;
try {
  console.error("an initramfs of Debian packages...");
  await run(["mmdebstrap", "--architectures=arm64", "--variant=extract", `--include=${PACKAGES}`, "bookworm", root]);
  for (const one of SPARED) rmSync(join(root, one), { recursive: true, force: true });
  copyFileSync(join(import.meta.dir, "smp.sh"), join(root, "init"));
  chmodSync(join(root, "init"), 0o755);
  await run([...HV, "initramfs", root, "-o", initramfs]);
  await build(hv);
  const wanted = combinations.filter(c => !given.resume || !(rows.get(nameOf(c))?.endsWith("| yes |") ?? false));
  const one = async (c: Combination): Promise<void> => {
    const { row, ok, shown } = await measure(c);
    measured++;
    if (!ok) failures++;
    console.log(row);
    if (!ok) console.log(shown.split("\n").slice(-30).join("\n"));
    rows.set(nameOf(c), row);
    if (given.write) write();
  };
  // those with threads have the host for themselves; of the others as many run at once as there are processors
  const inTurn = wanted.filter(c => c.threads === "off"), atOnce = wanted.filter(c => c.threads !== "off");
  await Promise.all(Array.from({ length: processors().length }, async () => { for (let c = inTurn.shift(); c !== undefined; c = inTurn.shift()) await one(c); }));
  for (const c of atOnce) await one(c);
} finally {
  rmSync(place, { recursive: true, force: true });
}
console.log(`${measured} combinations, ${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;
