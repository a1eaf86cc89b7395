// test/boot/hypervisor-framework.test.ts — Debian's kernel through the binding of Hypervisor.framework and its backend, the
// framework being the stand-in: with hv's own interrupt controller (macOS 11 to 14) and with the framework's (15 on).
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { VirtualMachine } from "../../src/library.ts";
import { debianKernel } from "../support/debian.ts";
import { CMDLINE, command } from "../support/guest-shell.ts";
import { standInThreads } from "../support/stand-in.ts";

const BOOT = 120_000;
const TROUBLE = /WARNING:|BUG:|Oops|Unable to handle|Call trace|detected stalls|self-detected stall|soft lockup|nobody cared|segfault/i;

for (const [gic, name] of [[2, "hv's own interrupt controller"], [3, "hv_gic"]] as const) {
  describe(`Debian's kernel 6.1 on Hypervisor.framework's stand-in with ${name}`, () => {
    let vm: VirtualMachine;
    beforeAll(async () => {
      const { kernel, initramfs } = await debianKernel("6.1");
      vm = await VirtualMachine.start({ kernel, initrd: initramfs, cmdline: "console=ttyAMA0 earlycon", accelerator: "hvf", gic, threads: standInThreads });
      await vm.console.expect(/\/ # /, { timeout: BOOT });
    }, BOOT + 60_000);
    afterAll(async () => { await vm.close(); });
    const command = async (line: string): Promise<string> => {
      vm.console.write(`${line}; echo "en""d"\n`);
      return (await vm.console.expect(/\r\n([^]*)end\r\n\/ # /))[1] as string;
    };

    test("the kernel's log names the controller, the timer and the console", () => {
      const { text } = vm.console;
      expect(text).toContain(gic === 2 ? "Root IRQ handler: gic_handle_irq" : "GICv3: 988 SPIs implemented");
      expect(text).toContain("cp15 timer(s) running at 24.00MHz (virt)");
      expect(text).toMatch(/hv: ready 6\.1/);
    });
    test("interrupts arrive from timer and serial port", async () => {
      const text = await command("cat /proc/interrupts");
      expect(text).toMatch(gic === 2 ? / [1-9]\d+ +GIC-0 +27 Level +arch_timer/ : / [1-9]\d+ +GICv3 +27 Level +arch_timer/);
      expect(text).toMatch(/ [1-9]\d* +(GIC-0|GICv3) +33 Level +uart-pl011/);
    });
    test("what leaves the guest is what the design says", async () => {
      const { exits, devices } = await vm.counters();
      expect(exits["mmio"]).toBeGreaterThan(100);
      expect([exits["wfi"] === undefined, exits["vtimer"] === undefined, devices["gicDistributor"] === undefined]).toEqual(gic === 2 ? [false, false, false] : [true, true, true]);
    });
    test("a sleep ends, and the log is clean", async () => {
      await command("sleep 1");
      expect((await command("dmesg")).split("\r\n").filter(line => TROUBLE.test(line))).toEqual([]);
    });
    test("reboot -f comes back, poweroff -f switches it off", async () => {
      vm.console.write("reboot -f\n");
      await vm.console.expect(/Booting Linux/, { timeout: 20_000 });
      await vm.console.expect(/\/ # /, { timeout: BOOT });
      expect(vm.reboots).toBe(1);
      vm.console.write("poweroff -f\n");
      expect(await vm.exited).toEqual({ kind: "off" });
    }, BOOT + 30_000);
  });
}

describe.each([[2, "hv's own interrupt controller"], [3, "hv_gic"]] as const)("four vCPUs, a thread each, GICv%d: %s", (gic, _name) => {
  let vm: VirtualMachine;
  beforeAll(async () => {
    const { kernel, initramfs } = await debianKernel("6.1");
    vm = await VirtualMachine.start({ kernel, initrd: initramfs, cmdline: CMDLINE, accelerator: "hvf", gic, cpus: 4, threads: standInThreads });
    await vm.console.expect(/\/ # /, { timeout: BOOT });
  }, BOOT + 60_000);
  afterAll(async () => { await vm.close(); });
  test("timers and interrupts between cores reach all of them", async () => {
    const text = await command(vm, "cat /proc/interrupts");
    for (const row of [/ 27 Level +arch_timer/, /Function call interrupts/]) {
      const counts = (text.split("\r\n").find(line => row.test(line)) ?? "").trim().split(/ +/).slice(1, 5).map(Number);
      expect(Math.min(...counts)).toBeGreaterThan(0);
    }
  });
  test("work in parallel, a core that goes and comes back, and a clean log", async () => {
    expect(await command(vm, "sh -c 'for i in 1 2 3 4; do (seq 2000 | sort -rn | head -1) & done; wait'")).toBe("2000\r\n".repeat(4));
    expect(await command(vm, "d=/sys/devices/system/cpu; echo 0 > $d/cpu3/online; cat $d/online; echo 1 > $d/cpu3/online; cat $d/online")).toBe("0-2\r\n0-3\r\n");
    expect((await command(vm, "dmesg")).split("\r\n").filter(line => TROUBLE.test(line))).toEqual([]);
  }, BOOT);
});
