// test/boot/pci.test.ts — Debian's kernel with its virtio devices on PCI: disks and networks are found, and their interrupts
// are messages where the interrupt controller takes them, lines where not.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VirtualMachine, type StartOptions } from "../../src/library.ts";
import { debianKernel } from "../support/debian.ts";
import { Random } from "../support/random.ts";

const BOOT = 120_000;
const TROUBLE = /WARNING:|BUG:|Oops|Unable to handle|Call trace|detected stall|soft lockup|nobody cared|timed out|I\/O error/i;
const folder = mkdtempSync(join(tmpdir(), "hv-pci-"));
const disk = join(folder, "disk.img"), bytes = new Random(9).bytes(2 ** 21);
beforeAll(() => writeFileSync(disk, bytes));
afterAll(() => rmSync(folder, { recursive: true }));
async function command(vm: VirtualMachine, line: string): Promise<string> {
  vm.console.write(`${line}; echo do""ne\n`);
  await vm.console.expect(/do""ne\r\n/);
  return (await vm.console.expect(/([^]*?)done\r\n\/ # /, { timeout: 60_000 }))[1] as string;
}
async function boot(options: StartOptions): Promise<VirtualMachine> {
  const { kernel, initramfs } = await debianKernel("6.1");
  const vm = await VirtualMachine.start({ kernel, initrd: initramfs, engine: "translator", transport: "pci", cmdline: "console=ttyAMA0 quiet", disks: [{ path: disk, format: "raw", overlay: true }], nets: [{ kind: "user" }], rng: true, ...options });
  await vm.console.expect(/\/ # /, { timeout: BOOT });
  return vm;
}
const md5 = createHash("md5").update(bytes).digest("hex");

describe.each<[string, StartOptions, RegExp, RegExp]>([
  ["messages through a GICv2m frame", { gic: 2 }, /MSI +\d+ Edge +virtio0-req\.0/, /MSI +\d+ Edge +virtio1-input\.0/],
  ["messages through the ITS, two CPUs", { gic: 3, cpus: 2 }, /ITS-MSI +\d+ Edge +virtio0-req\.\d/, /ITS-MSI +\d+ Edge +virtio1-input\.0/],
  ["lines, four of them", { gic: 2, cmdline: "console=ttyAMA0 quiet pci=nomsi" }, /GIC-0 +36 Level +virtio0/, /GIC-0 +37 Level +virtio1/],
])("%s", (_, options, diskRow, netRow) => {
  test("the disk is read, the network has its address, and interrupts were counted", async () => {
    await using vm = await boot(options);
    expect(await command(vm, "md5sum /dev/vda")).toContain(md5);
    expect(await command(vm, "until ip route | grep -q default; do sleep 0.1; done; ping -c 1 -W 5 10.0.2.2")).toContain("1 packets received");
    const rows = (await command(vm, "cat /proc/interrupts")).split("\r\n");
    for (const pattern of [diskRow, netRow]) {
      // A disk has a queue for each CPU: which of them interrupts is for the CPU that reads to say, so all rows count together.
      const found = rows.filter(one => pattern.test(one));
      expect(`${pattern} ${found[0] ?? ""}`).toMatch(pattern);
      const counts = found.flatMap(row => row.replace(/^ *\d+:/, "").trim().split(/ +/).slice(0, options.cpus ?? 1).map(Number));
      expect(counts.reduce((sum, n) => sum + n, 0)).toBeGreaterThan(0);
    }
    expect((await command(vm, "dmesg")).split("\r\n").filter(line => TROUBLE.test(line))).toEqual([]);
  }, BOOT + 60_000);
});
