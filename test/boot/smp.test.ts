// test/boot/smp.test.ts — four cores on a GICv3, at the same time or one after the other on one thread: interrupts reach them all,
// cores go and come back.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { VirtualMachine } from "../../src/library.ts";
import { BOOT, bootShell, command } from "../support/guest-shell.ts";

const CPUS = 4, HOTPLUGS = 10;
const TROUBLE = /WARNING:|BUG:|Oops|Unable to handle|Call trace|detected stalls|self-detected stall|soft lockup|nobody cared|segfault/i;
let vm: VirtualMachine;
/** A row of /proc/interrupts: its count on each core. */
async function counts(row: RegExp): Promise<number[]> {
  const line = (await command(vm, "cat /proc/interrupts")).split("\r\n").find(one => row.test(one)) ?? "";
  return line.trim().split(/ +/).slice(1, CPUS + 1).map(Number);
}
describe.each(["on", "off"] as const)("threads %s", smpThreads => {
  beforeAll(async () => {
    vm = await bootShell({ cpus: CPUS, gic: 3, engine: "translator", smpThreads });
  }, BOOT + 60_000);
  afterAll(async () => { await vm.close(); });

  test("the kernel finds a GICv3 and every core", async () => {
    expect(await command(vm, "dmesg | grep -e GICv3: -e processors")).toMatch(/256 SPIs implemented[^]*CPU3: found redistributor 3 region 0:0x0*8100000[^]*Total of 4 processors activated/);
  });
  test("timers, the serial port and interrupts between cores arrive", async () => {
    expect(Math.min(...await counts(/GICv3 +27 Level +arch_timer/))).toBeGreaterThan(10);
    expect((await counts(/GICv3 +33 Level +uart-pl011/))[0]).toBeGreaterThan(0);
    expect(Math.min(...await counts(/Function call interrupts/))).toBeGreaterThan(0);
  });
  test("a core goes and comes back, and its timer ticks again", async () => {
    const [, , before] = await counts(/arch_timer/);
    const said = await command(vm, `d=/sys/devices/system/cpu; i=0; while [ $i -lt ${HOTPLUGS} ]; do echo 0 > $d/cpu2/online && cat $d/online && echo 1 > $d/cpu2/online; i=$((i + 1)); done; cat $d/online`);
    expect(said.trim().split("\r\n")).toEqual([...Array.from({ length: HOTPLUGS }, () => "0-1,3"), "0-3"]);
    const [, , after] = await counts(/arch_timer/);
    expect(after).toBeGreaterThan(before as number);
  }, 90_000);
  test("no warning, oops or stall in the kernel's log", async () => {
    expect((await command(vm, "dmesg")).split("\r\n").filter(line => TROUBLE.test(line))).toEqual([]);
  });
  test("reboot with every core running comes back with every core", async () => {
    vm.console.write("reboot -f\n");
    await vm.console.expect(/\/ # /, { timeout: BOOT });
    expect([vm.reboots, (await command(vm, "cat /sys/devices/system/cpu/online")).trim()]).toEqual([1, "0-3"]);
  }, BOOT + 30_000);
});
