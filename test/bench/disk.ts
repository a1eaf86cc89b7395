// test/bench/disk.ts — the rows `login` and `fio` of the benchmark: Debian 12 from a raw disk image, hv and QEMU (virtio-blk-
// device, the faster of two CPU models) in turn, each on a fresh copy in the host's cache. Seconds from the start of the
// process to the login; fio in the guest, direct, on a file: 4 KiB at random, 1 MiB in sequence.
import { constants, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../../build.ts";
import { debianRoot, ROOT_CMDLINE } from "../guests/debian-root.ts";
import { TerminalSession } from "../support/hv.ts";
import { ensureDebianPackages } from "../support/packages.ts";

const MONITORS = ["hv", "qemu-a57", "qemu-max"] as const;
type Monitor = (typeof MONITORS)[number];
const FIO = { "4k random read": ["randread", "4k"], "4k random write": ["randwrite", "4k"], "1M sequential read": ["read", "1M"], "1M sequential write": ["write", "1M"] } as const;
const FIO_SECONDS = 8;
const LIMIT_MS = 300_000;
type Values = Map<string, number>;

async function measure(command: readonly string[], fio: boolean): Promise<Values> {
  const values: Values = new Map(), from = performance.now();
  await using session = new TerminalSession(command);
  await session.shows(/login: /, LIMIT_MS);
  values.set("login", (performance.now() - from) / 1000);
  if (!fio) return values;
  const answer = async (line: string, pattern: RegExp): Promise<RegExpExecArray> => {
    session.shown = "";
    session.type(`${line}\n`);
    return await session.shows(pattern, LIMIT_MS);
  };
  await answer("root", /Password: /);
  await answer("root", /# /);
  await answer("systemctl is-system-running --wait; dd if=/dev/zero of=/root/f bs=1M count=256 conv=fsync 2>/dev/null; echo pre''pared", /prepared\s/);
  for (const [name, [kind, size]] of Object.entries(FIO)) {
    const line = `fio --name=x --filename=/root/f --size=256M --rw=${kind} --bs=${size} --direct=1 --ioengine=libaio --iodepth=16 --runtime=${FIO_SECONDS} --time_based --minimal --output=/root/o; awk -F';' '{print "bw="$7+$48"=";}' /root/o`;
    values.set(name, Number((await answer(line, /bw=(\d+)=/))[1]) / 1024);
  }
  return values;
}

/** Runs the rows; returns the exit code: 0 when every ratio is what it must be. */
export async function diskRows(rows: readonly string[], pairs: number, directory: string): Promise<number> {
  ensureDebianPackages(["qemu-system-arm"]);
  const root = debianRoot(line => console.error(line)), executable = join(directory, "hv");
  mkdirSync(directory, { recursive: true });
  await build(executable);
  const place = mkdtempSync(join(tmpdir(), "hv-bench-disk-"));
  const commands = (image: string): Readonly<Record<Monitor, readonly string[]>> => {
    const qemu = (cpu: string): string[] => ["qemu-system-aarch64", "-M", "virt,gic-version=2", "-cpu", cpu, "-m", "1024", "-nographic", "-nic", "none", "-kernel", root.kernel, "-initrd", root.initrd, "-append", ROOT_CMDLINE,
      "-drive", `if=none,id=d,file=${image},format=raw,discard=unmap`, "-device", "virtio-blk-device,drive=d", "-nic", "none"];
    return {
      hv: [executable, "run", root.kernel, "--initrd", root.initrd, "--cmdline", ROOT_CMDLINE, "-m", "1G", "--net", "none", "--accel", "software", "--disk", `${image},format=raw`],
      "qemu-a57": qemu("cortex-a57"), "qemu-max": qemu("max,pauth=off"),
    };
  };
  const runs: Record<Monitor, Values[]> = { hv: [], "qemu-a57": [], "qemu-max": [] };
  const names = ["login", ...(rows.includes("fio") ? Object.keys(FIO) : [])];
  const before = loadavg()[0] as number;
  try {
    for (let round = 1; round <= pairs; round++) {
      for (const monitor of round % 2 === 1 ? MONITORS : MONITORS.toReversed()) {
        const image = join(place, "root.img");
        copyFileSync(root.image, image, constants.COPYFILE_FICLONE);
        Bun.spawnSync(["sync"]);
        const values = await measure(commands(image)[monitor], rows.includes("fio"));
        runs[monitor].push(values);
        console.log(`  round ${round} ${monitor.padEnd(9)} ${names.map(name => `${name} ${(values.get(name) ?? NaN).toFixed(name === "login" ? 2 : 1)}`).join(", ")}`);
        rmSync(image);
      }
    }
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
  const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[(values.length - 1) >> 1] as number;
  let good = true;
  console.log(`\n${"medians".padEnd(26)}${MONITORS.map(name => name.padStart(10)).join("")}${"hv/QEMU".padStart(10)}   must`);
  const table = names.map(name => {
    const of = (monitor: Monitor): number => median(runs[monitor].map(values => values.get(name) as number)), seconds = name === "login";
    const rival = (["qemu-a57", "qemu-max"] as const).toSorted((a, b) => (seconds ? of(a) - of(b) : of(b) - of(a)))[0] as Monitor;
    const ratio = median(runs.hv.map((values, i) => (values.get(name) as number) / (runs[rival][i]?.get(name) as number)));
    const holds = seconds ? ratio <= 0.6 : ratio >= 1;
    good &&= holds;
    console.log(`${(seconds ? "login, s" : `fio ${name}, MiB/s`).padEnd(26)}${MONITORS.map(monitor => of(monitor).toFixed(seconds ? 2 : 1).padStart(10)).join("")}${ratio.toFixed(2).padStart(10)}   ${seconds ? "0.6 or less" : "1.0 or more"} ${holds ? "pass" : "FAIL"}`);
    return { name, medians: Object.fromEntries(MONITORS.map(monitor => [monitor, of(monitor)])), ratio, holds };
  });
  const file = join(directory, `disk-${new Date().toISOString().replaceAll(":", "-").slice(0, 19)}.json`);
  writeFileSync(file, `${JSON.stringify({ date: new Date().toISOString(), host: cpus()[0]?.model, loadBefore: before, loadAfter: loadavg()[0], cmdline: ROOT_CMDLINE, runs: Object.fromEntries(MONITORS.map(name => [name, runs[name].map(values => Object.fromEntries(values))])), table }, undefined, 2)}\n`);
  console.log(`load before ${before.toFixed(2)}, after ${(loadavg()[0] as number).toFixed(2)}; written to ${file}`);
  return good ? 0 : 1;
}
