// test/boot/perf.test.ts — Linux and the performance monitors: its driver finds them, perf_event_open counts a loop to the
// instruction, and every overflow is a sample where it belongs.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { directory, file, writeCpio } from "../../src/boot/cpio.ts";
import { VirtualMachine } from "../../src/library.ts";
import { debianKernel } from "../support/debian.ts";
import { BOOT, command } from "../support/guest-shell.ts";
import { ensureDebianPackages } from "../support/packages.ts";

const place = mkdtempSync(join(tmpdir(), "hv-perf-"));
let program: Uint8Array;
beforeAll(() => {
  ensureDebianPackages(["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]);
  const built = Bun.spawnSync(["aarch64-linux-gnu-gcc", "-O2", "-static", "-Wall", "-Wextra", "-Werror", "-o", join(place, "perf"), join(import.meta.dir, "../guests/perf.c")]);
  if (built.exitCode !== 0) throw new Error(built.stderr.toString());
  program = readFileSync(join(place, "perf"));
}, 300_000);
afterAll(() => rmSync(place, { recursive: true, force: true }));

test.each([
  ["6.1", "GICv2", { engine: "translator" }],
  ["6.12-cloud", "GICv3, two threads", { engine: "translator", gic: 3, cpus: 2, smpThreads: "on" }],
  ["6.1", "interpreter", { engine: "interpreter" }],
] as const)("%s, %s: a loop's instructions and cycles, and a sample each 100,000", async (name, _, options) => {
  const { kernel, initramfs } = await debianKernel(name);
  const first = readFileSync(initramfs), initrd = Buffer.concat([first, new Uint8Array(-first.length & 3), writeCpio([directory("bin"), file("bin/perf", program, 0o755)])]);
  const vm = await VirtualMachine.start({ kernel, initrd, cmdline: "console=ttyAMA0 quiet", ...options });
  try {
    await vm.console.expect(/\/ # /, { timeout: BOOT });
    expect(await command(vm, "dmesg | grep hw.perfevents")).toMatch(/enabled with armv8_pmuv3 PMU driver, 7 (\(0,8000003f\) )?counters available/);
    await command(vm, "echo 0 > /proc/sys/kernel/perf_cpu_time_max_percent"); // or the kernel skips samples on a slow host
    const said = (await command(vm, "/bin/perf")).replaceAll("\r", "");
    expect(said).toMatch(/^instructions: 40000000\ncycles: 40000000\nsamples: (399|400) inside, [01] outside, 0 others\n$/);
    expect(await command(vm, "grep -ci pmu /proc/interrupts")).toBe("1\r\n");
  } finally {
    await vm.close();
  }
}, BOOT + 60_000);
