// test/boot/pci.test.ts — Debian's kernel with its virtio devices on PCI: disks and networks are found, and their interrupts
// are messages where the interrupt controller takes them, lines where not.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StartOptions, VirtualMachine } from "../../src/library.ts";
import { BOOT, bootShell, CMDLINE, command } from "../support/guest-shell.ts";
import { Random } from "../support/random.ts";

const TROUBLE = /WARNING:|BUG:|Oops|Unable to handle|Call trace|detected stall|soft lockup|nobody cared|timed out|I\/O error/i;
const folder = mkdtempSync(join(tmpdir(), "hv-pci-"));
const disk = join(folder, "disk.img"), bytes = new Random(9).bytes(2 ** 21);
beforeAll(() => writeFileSync(disk, bytes));
afterAll(() => rmSync(folder, { recursive: true }));
async function boot(options: Omit<StartOptions, "kernel">): Promise<VirtualMachine> {
  return await bootShell({ engine: "translator", transport: "pci", disks: [{ path: disk, format: "raw", overlay: true }], nets: [{ kind: "user" }], rng: true, ...options });
}
const md5 = createHash("md5").update(bytes).digest("hex");

describe.each<[string, Omit<StartOptions, "kernel">, RegExp, RegExp]>([
  ["messages through a GICv2m frame", { gic: 2 }, /MSI +\d+ Edge +virtio0-req\.0/, /MSI +\d+ Edge +virtio1-input\.0/],
  ["messages through the ITS, two CPUs", { gic: 3, cpus: 2 }, /ITS-MSI +\d+ Edge +virtio0-req\.\d/, /ITS-MSI +\d+ Edge +virtio1-input\.0/],
  ["lines, four of them", { gic: 2, cmdline: `${CMDLINE} pci=nomsi` }, /GIC-0 +36 Level +virtio0/, /GIC-0 +37 Level +virtio1/],
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
