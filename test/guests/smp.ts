// test/guests/smp.ts — `npm run test:smp [-- --seconds N --cpus LIST --gic LIST --threads LIST --kernels LIST]`: several CPUs under
// stress-ng (with its checks of results), cyclictest, and the count of timer ticks, in every combination of what the flags
// list. Makes an initramfs of Debian's packages with mmdebstrap. Needs root, 2 GiB of memory; takes about seven times N
// seconds for each combination.
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { debianKernel } from "../support/debian.ts";
import { HV } from "../support/hv.ts";
import { ensureDebianPackages } from "../support/packages.ts";

const PACKAGES = "bash,coreutils,mawk,grep,mount,procps,util-linux,stress-ng,rt-tests";
const { values: given } = parseArgs({ options: {
  seconds: { type: "string", default: "10" }, cpus: { type: "string", default: "1,2,4,8" }, gic: { type: "string", default: "2,3" },
  threads: { type: "string", default: "on,off" }, kernels: { type: "string", default: "6.1,6.12-cloud" }, engine: { type: "string", default: "translator" },
} });
const list = (text: string): readonly string[] => text.split(",");

ensureDebianPackages(["mmdebstrap", "arch-test", "qemu-user-static"]);
const place = mkdtempSync(join(tmpdir(), "hv-smp-")), root = join(place, "root");
const run = (command: readonly string[]): string => {
  const done = Bun.spawnSync([...command], { stdin: "ignore", env: { ...process.env, LC_ALL: "C" } });
  if (done.exitCode !== 0) throw new Error(`${command.slice(0, 3).join(" ")}... ended with ${done.exitCode}:\n${done.stderr.toString().slice(-2000)}`);
  return done.stdout.toString();
};
let failures = 0, combinations = 0;
try {
  console.error("an initramfs of Debian packages...");
  run(["mmdebstrap", "--architectures=arm64", "--variant=extract", `--include=${PACKAGES}`, "bookworm", root]);
  for (const one of ["usr/share", "var/cache", "var/lib/apt"]) rmSync(join(root, one), { recursive: true, force: true });
  copyFileSync(join(import.meta.dir, "smp.sh"), join(root, "init"));
  chmodSync(join(root, "init"), 0o755);
  run([...HV, "initramfs", root, "-o", join(place, "initramfs")]);
  for (const version of list(given.kernels)) {
    const { kernel } = await debianKernel(version as "6.1");
    for (const cpus of list(given.cpus)) for (const gic of list(given.gic)) for (const threads of cpus === "1" ? ["off"] : list(given.threads)) {
      combinations++;
      const shown = run([...HV, "run", kernel, "--initrd", join(place, "initramfs"), "-m", "2G", "--cpus", cpus, "--gic", gic, "--smp-threads", threads, "--accel", `software,engine=${given.engine}`, "--cmdline", `console=ttyAMA0 quiet seconds=${given.seconds}`]).replaceAll("\r", "");
      const rates = [...shown.matchAll(/^ticks of cpu \d+ ([\d.]+) a second$/gm)].map(match => Number(match[1]));
      const latencies = [...shown.matchAll(/^T:.*Max: *(\d+)$/gm)].map(match => Number(match[1]));
      const HZ = 250, steady = rates.every(rate => Math.abs(rate / HZ - 1) < 0.01); // every core was busy: no tick is lost or comes twice
      const bad = shown.split("\n").filter(line => /FAILED/.test(line) || /^log [1-9]/.test(line));
      const ok = bad.length === 0 && steady && shown.includes("== done") && rates.length === Number(cpus) && latencies.length === Number(cpus);
      if (!ok) failures++;
      console.log(`${version}, ${cpus} CPUs, GICv${gic}, threads ${threads}: ${ok ? "passed" : "FAILED"}; ticks a second ${rates.join(" ")}; cyclictest's worst, us: ${latencies.join(" ")}`);
      if (!ok) console.log(shown.split("\n").slice(-30).join("\n"));
    }
  }
} finally {
  rmSync(place, { recursive: true, force: true });
}
console.log(`${combinations} combinations, ${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;
