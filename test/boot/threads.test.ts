// test/boot/threads.test.ts — Linux with CPUs that run at the same time, each in a thread: what the memory model forbids does not
// happen (and what it allows does), nothing is lost or torn, and the kernel lives through what changes code and tables.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { directory, file, writeCpio } from "../../src/boot/cpio.ts";
import type { VirtualMachine } from "../../src/library.ts";
import { debianKernel } from "../support/debian.ts";
import { BOOT, bootShell, command } from "../support/guest-shell.ts";
import { ensureDebianPackages } from "../support/packages.ts";

const LIMIT = 120_000;
/** Batches of each shape: 512 runs each. */
const BATCHES = process.env["HV_LITMUS"] ?? "20";
const place = mkdtempSync(join(tmpdir(), "hv-threads-"));
let initrd: Uint8Array;
beforeAll(async () => {
  ensureDebianPackages(["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]);
  const guests = ["litmus", "stress"].map(name => {
    const built = Bun.spawnSync(["aarch64-linux-gnu-gcc", "-O2", "-static", "-pthread", "-Wall", "-Wextra", "-Werror", "-o", join(place, name), join(import.meta.dir, `../guests/${name}.c`)]);
    if (built.exitCode !== 0) throw new Error(built.stderr.toString());
    return file(`bin/${name}`, readFileSync(join(place, name)), 0o755);
  });
  initrd = Buffer.concat([readFileSync((await debianKernel("6.1")).initramfs), writeCpio([directory("bin"), ...guests])]);
}, 300_000);
afterAll(() => rmSync(place, { recursive: true }));

describe.each([[2, 2], [4, 3]] as const)("%d CPUs, GICv%d", (cpus, gic) => {
  let vm: VirtualMachine;
  beforeAll(async () => { vm = await bootShell({ initrd, cpus, gic, engine: "translator", smpThreads: "on" }); }, BOOT);
  afterAll(async () => { await vm.close(); });

  test("litmus: nothing that is forbidden; the weak outcome without barriers is there", async () => {
    const rows = (await command(vm, `litmus ${BATCHES}`)).trim().split("\r\n").map(row => row.split(" "));
    const weak = Number(rows.find(([name]) => name === "SB")?.[1]);
    if (cpus <= navigator.hardwareConcurrency) expect(weak).toBeGreaterThan(0); // they do run at the same time
    expect(rows.filter(([name, seen]) => name !== "SB" && seen !== "0")).toEqual([]);
    expect(rows.length).toBe(cpus >= 4 ? 29 : 26);
  }, LIMIT);
  test("code written just now, and through another mapping; storms of processes; modules", async () => {
    expect(await command(vm, "stress jit")).toBe("jit wrong 0\r\n");
    expect(await command(vm, "stress alias")).toBe("alias wrong 0\r\n");
    expect(await command(vm, "stress bpf")).toBe("bpf wrong 0, filter 0\r\n");
    expect(await command(vm, "sh -c 'for i in $(seq 200); do (true) & done; wait'; for i in $(seq 200); do /bin/busybox true || echo failed; done; echo $(seq 200 | while read i; do echo $i; done | sort -rn | head -1)")).toBe("200\r\n");
    expect(await command(vm, "m=$(find /lib/modules -name virtio_pci_modern_dev.ko); for i in $(seq 20); do insmod $m && rmmod virtio_pci_modern_dev || echo failed; done; lsmod | grep -c virtio_pci_modern")).toBe("0\r\n");
  }, LIMIT);
  test("the kernel has nothing to complain of", async () => {
    expect(await command(vm, "dmesg | grep 'WARNING\\|BUG\\|Oops\\|Unable to\\|stall\\|Unexpected\\|lockup'")).toBe("");
  });
});
