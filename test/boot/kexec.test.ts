// test/boot/kexec.test.ts — Linux starts Linux without a reset of the machine: the interrupt controller (GICv3 with LPIs), timers, cores
// and devices are as the first kernel left them, and the second one gets on with that.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VirtualMachine } from "../../src/library.ts";
import { debianKernel } from "../support/debian.ts";
import { ensureDebianPackages, run } from "../support/packages.ts";

const BOOT = 120_000;
const TROUBLE = /WARNING:|BUG:|Oops|Unable to handle|Call trace|detected stall|soft lockup|nobody cared|CPU\d+: failed/i;
const folder = mkdtempSync(join(tmpdir(), "hv-kexec-"));
afterAll(() => rmSync(folder, { recursive: true }));
beforeAll(async () => {
  ensureDebianPackages(["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]);
  expect(run(["aarch64-linux-gnu-gcc", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", join(folder, "kexec"), join(import.meta.dir, "../guests/kexec.c")])).toMatchObject({ code: 0 });
  const { kernel, initramfs } = await debianKernel("6.1");
  copyFileSync(kernel, join(folder, "Image"));
  copyFileSync(initramfs, join(folder, "initrd"));
}, 300_000);

async function command(vm: VirtualMachine, line: string): Promise<string> {
  vm.console.write(`${line}; echo do""ne\n`);
  await vm.console.expect(/do""ne\r\n/);
  return (await vm.console.expect(/^([^]*?)done\r\n\/ # /, { timeout: 60_000 }))[1] as string;
}

test.each([["a GICv2, virtio-mmio", { gic: 2, transport: "mmio" }], ["a GICv3 with LPIs, virtio-pci", { gic: 3, transport: "pci" }]] as const)("two cores, %s: three kernels, one after the other", async (_, board) => {
  const { kernel, initramfs } = await debianKernel("6.1");
  await using vm = await VirtualMachine.start({ kernel, initrd: initramfs, engine: "translator", cpus: 2, shares: [{ path: folder, tag: "work", readOnly: true }], cmdline: "console=ttyAMA0 quiet", ...board });
  await vm.console.expect(/\/ # /, { timeout: BOOT });
  for (let round = 0; round < 2; round++) {
    await command(vm, "mount -t 9p -o trans=virtio,ro work /mnt && cp /mnt/kexec /mnt/Image /mnt/initrd /tmp");
    vm.console.write("/tmp/kexec /tmp/Image /tmp/initrd\n");
    await vm.console.expect(/hv: ready[^]*\/ # /, { timeout: BOOT });
  }
  expect(vm.reboots).toBe(0);
  expect((await command(vm, "cat /sys/devices/system/cpu/online")).trim()).toBe("0-1");
  expect((await command(vm, "dmesg")).split("\r\n").filter(line => TROUBLE.test(line))).toEqual([]);
}, BOOT + 120_000);
