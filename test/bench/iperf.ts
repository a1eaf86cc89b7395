// test/bench/iperf.ts — the row `iperf` of the benchmark: iperf3 (Debian's, arm64) in the guest against one on this host's loopback,
// each way, hv's user network and QEMU's (-netdev user, virtio-net-device, the faster of two CPU models) in turn, with the same
// kernel and initramfs. Mbit/s as the receiver counts them: more is better.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../../build.ts";
import { directory as folder, file, writeCpio, type CpioEntry } from "../../src/boot/cpio.ts";
import { debEntries } from "../../src/host/debian/deb.ts";
import { debianKernel } from "../support/debian.ts";
import { TerminalSession } from "../support/hv.ts";
import { ensureArm64Programs, ensureDebianPackages } from "../support/packages.ts";

const MONITORS = ["hv", "qemu-a57", "qemu-max"] as const;
type Monitor = (typeof MONITORS)[number];
const WAYS = { "guest to host": "", "host to guest": "-R" } as const;
type Way = keyof typeof WAYS;
const SECONDS = 5;
const LIMIT_MS = 240_000;
const CMDLINE = "console=ttyAMA0";
const PROMPT = /\/ # (?:\x1b\[6n)?$/;
const PACKAGES = ["iperf3", "libiperf0", "libsctp1", "libssl3", "libc6"].map(name => `${name}:arm64`);
const NEEDED = /\/(iperf3|libiperf\.so\.0\.0\.0|libsctp\.so\.1\.[\d.]+|libcrypto\.so\.3|libc\.so\.6|libm\.so\.6|ld-linux-aarch64\.so\.1)$/;
/** Names under which the loader looks for them. */
const soname = (name: string): string => name.replace(/^(libiperf\.so\.0|libsctp\.so\.1).*$/, "$1");

/** An initramfs with iperf3 and its libraries behind the plain one. */
function withIperf(plain: string, into: string): void {
  ensureArm64Programs();
  const place = mkdtempSync(join(tmpdir(), "hv-iperf-"));
  try {
    const got = Bun.spawnSync(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", ...PACKAGES], { cwd: place });
    if (got.exitCode !== 0) throw new Error(`the benchmark needs Debian's iperf3 for arm64:\n${got.stderr.toString()}`);
    const entries: CpioEntry[] = ["lib/aarch64-linux-gnu"].map(name => folder(name));
    for (const deb of readdirSync(place)) {
      for (const entry of debEntries(readFileSync(join(place, deb)), deb, header => NEEDED.test(header.name))) {
        const name = entry.name.slice(entry.name.lastIndexOf("/") + 1);
        if (entry.kind !== "file" || !NEEDED.test(entry.name)) continue;
        entries.push(file(name === "iperf3" ? "bin/iperf3" : name.startsWith("ld-") ? `lib/${name}` : `lib/aarch64-linux-gnu/${soname(name)}`, entry.data, 0o755));
      }
    }
    writeFileSync(into, Buffer.concat([readFileSync(plain), writeCpio(entries)]));
  } finally {
    rmSync(place, { recursive: true });
  }
}

async function measure(command: readonly string[], port: number): Promise<Map<Way, number>> {
  await using session = new TerminalSession(command, { cols: 200, rows: 50 });
  await session.shows(PROMPT, LIMIT_MS);
  const run = async (line: string): Promise<string> => {
    session.shown = "";
    session.type(`${line}\n`);
    await session.shows(/\n\/ # (?:\x1b\[6n)?$/, LIMIT_MS);
    return session.shown;
  };
  await run("udhcpc -q -n -i eth0 > /dev/null 2>&1");
  const found = new Map<Way, number>();
  for (const way of Object.keys(WAYS) as Way[]) {
    const said = await run(`iperf3 -c 10.0.2.2 -p ${port} -t ${SECONDS} -f m ${WAYS[way]}`);
    const rate = /([\d.]+) Mbits\/sec\s+receiver/.exec(said)?.[1];
    if (rate === undefined) throw new Error(`iperf3 did not say how fast it was:\n${said}`);
    found.set(way, Number(rate));
  }
  return found;
}

/** Runs the row; returns the exit code: 0 when hv is at least as fast as QEMU, each way. */
export async function iperfRow(pairs: number, directory: string): Promise<number> {
  ensureDebianPackages(["qemu-system-arm", "iperf3"]);
  mkdirSync(directory, { recursive: true });
  const { kernel, initramfs: plain, release } = await debianKernel("6.1");
  const initramfs = join(directory, "initramfs-iperf"), executable = join(directory, "hv");
  withIperf(plain, initramfs);
  await build(executable);
  const PORT = 5301;
  const qemu = (cpu: string): string[] => ["qemu-system-aarch64", "-M", "virt,gic-version=2", "-cpu", cpu, "-m", "512", "-nographic", "-kernel", kernel, "-initrd", initramfs, "-append", CMDLINE, "-netdev", "user,id=n", "-device", "virtio-net-device,netdev=n"];
  const commands: Readonly<Record<Monitor, readonly string[]>> = {
    hv: [executable, "run", kernel, "--initrd", initramfs, "--cmdline", CMDLINE, "-m", "512M", "--net", "user,allow-host", "--accel", "software"],
    "qemu-a57": qemu("cortex-a57"), "qemu-max": qemu("max,pauth=off"),
  };
  const runs: Record<Monitor, Map<Way, number>[]> = { hv: [], "qemu-a57": [], "qemu-max": [] };
  const before = loadavg()[0] as number;
  const server = Bun.spawn(["iperf3", "-s", "-B", "127.0.0.1", "-p", String(PORT)], { stdout: "ignore", stderr: "ignore" });
  try {
    for (let round = 1; round <= pairs; round++) {
      for (const monitor of round % 2 === 1 ? MONITORS : MONITORS.toReversed()) {
        const run = await measure(commands[monitor], PORT);
        runs[monitor].push(run);
        console.log(`  round ${round} ${monitor.padEnd(9)} ${[...run].map(([way, rate]) => `${way} ${rate} Mbit/s`).join(", ")}`);
      }
    }
  } finally {
    server.kill();
  }
  const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number;
  const table = (Object.keys(WAYS) as Way[]).map(way => {
    const of = (monitor: Monitor): readonly number[] => runs[monitor].map(run => run.get(way) as number);
    const rival = median(of("qemu-a57")) > median(of("qemu-max")) ? "qemu-a57" : "qemu-max";
    const ratio = median(of("hv").map((rate, i) => rate / (of(rival)[i] as number)));
    const medians = Object.fromEntries(MONITORS.map(monitor => [monitor, median(of(monitor))])) as Record<Monitor, number>;
    console.log(`iperf3 ${way}: ${MONITORS.map(monitor => `${monitor} ${medians[monitor]}`).join(", ")} Mbit/s; hv/QEMU ${ratio.toFixed(2)}, must be 1.0: ${ratio >= 1 ? "pass" : "FAIL"}`);
    return { way, medians, ratio };
  });
  const path = join(directory, `iperf-${new Date().toISOString().replaceAll(":", "-").slice(0, 19)}.json`);
  writeFileSync(path, `${JSON.stringify({ date: new Date().toISOString(), release, pairs, seconds: SECONDS, load: [before, loadavg()[0]], runs: Object.fromEntries(MONITORS.map(one => [one, runs[one].map(run => Object.fromEntries(run))])), table }, undefined, 2)}\n`);
  console.log(`written to ${path}`);
  return table.every(one => one.ratio >= 1) ? 0 : 1;
}
