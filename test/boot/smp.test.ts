// test/boot/smp.test.ts — four cores on a GICv3, one after the other on one thread: interrupts reach them all, cores go and come back.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { VirtualMachine } from "../../src/library.ts";
import { debianKernel } from "../support/debian.ts";

const BOOT = 120_000, CPUS = 4, HOTPLUGS = 10;
const TROUBLE = /WARNING:|BUG:|Oops|Unable to handle|Call trace|detected stalls|self-detected stall|soft lockup|nobody cared|segfault/i;
let vm: VirtualMachine;
/** Types a command at the prompt; what it printed before the word that the guest makes of two. */
async function command(line: string): Promise<string> {
  vm.console.write(`${line}; echo do""ne\n`);
  await vm.console.expect(/do""ne\r\n/);
  return (await vm.console.expect(/([^]*?)done\r\n\/ # /, { timeout: 60_000 }))[1] as string;
}
/** A row of /proc/interrupts: its count on each core. */
async function counts(row: RegExp): Promise<number[]> {
  const line = (await command("cat /proc/interrupts")).split("\r\n").find(one => row.test(one)) ?? "";
  return line.trim().split(/ +/).slice(1, CPUS + 1).map(Number);
}
beforeAll(async () => {
  const { kernel, initramfs } = await debianKernel("6.1");
  vm = await VirtualMachine.start({ kernel, initrd: initramfs, cpus: CPUS, gic: 3, cmdline: "console=ttyAMA0 quiet", engine: "translator" });
  await vm.console.expect(/\/ # /, { timeout: BOOT });
}, BOOT + 60_000);
afterAll(async () => { await vm.close(); });

test("the kernel finds a GICv3 and every core", async () => {
  expect(await command("dmesg | grep -e GICv3: -e processors")).toMatch(/256 SPIs implemented[^]*CPU3: found redistributor 3 region 0:0x0*8100000[^]*Total of 4 processors activated/);
});
test("timers, the serial port and interrupts between cores arrive", async () => {
  expect(Math.min(...await counts(/GICv3 +27 Level +arch_timer/))).toBeGreaterThan(10);
  expect((await counts(/GICv3 +33 Level +uart-pl011/))[0]).toBeGreaterThan(0);
  expect(Math.min(...await counts(/Function call interrupts/))).toBeGreaterThan(0);
});
test("a core goes and comes back, and its timer ticks again", async () => {
  const [, , before] = await counts(/arch_timer/);
  const said = await command(`d=/sys/devices/system/cpu; i=0; while [ $i -lt ${HOTPLUGS} ]; do echo 0 > $d/cpu2/online && cat $d/online && echo 1 > $d/cpu2/online; i=$((i + 1)); done; cat $d/online`);
  expect(said.trim().split("\r\n")).toEqual([...Array.from({ length: HOTPLUGS }, () => "0-1,3"), "0-3"]);
  const [, , after] = await counts(/arch_timer/);
  expect(after).toBeGreaterThan(before as number);
}, 90_000);
test("no warning, oops or stall in the kernel's log", async () => {
  expect((await command("dmesg")).split("\r\n").filter(line => TROUBLE.test(line))).toEqual([]);
});
test("reboot with every core running comes back with every core", async () => {
  vm.console.write("reboot -f\n");
  await vm.console.expect(/\/ # /, { timeout: BOOT });
  expect([vm.reboots, (await command("cat /sys/devices/system/cpu/online")).trim()]).toEqual([1, "0-3"]);
}, BOOT + 30_000);
