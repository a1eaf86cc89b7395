// test/boot/linux.test.ts — Debian's own arm64 kernels, from power-on to a shell that answers, and down again.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { readCpio } from "../../src/boot/cpio.ts";
import { VirtualMachine } from "../../src/library.ts";
import { windowSize } from "../../src/host/terminal.ts";
import { debianKernel } from "../support/debian.ts";
import { BOOT, command } from "../support/guest-shell.ts";

/** What a healthy kernel never says. */
const TROUBLE = /WARNING:|BUG:|Oops|Unable to handle|Call trace|detected stalls|self-detected stall|soft lockup|nobody cared|segfault/i;

const literally = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** The file in the initramfs of a pulled kernel. */
function fileOf(initramfs: string, name: string): Uint8Array {
  const read = readCpio(gunzipSync(readFileSync(initramfs)));
  if (!read.ok) throw new Error(read.why);
  const found = read.entries.find(entry => entry.name === name)?.data;
  if (found === undefined) throw new Error(`${name} is not in ${initramfs}`);
  return found;
}

for (const [kernel, engine] of [["6.1", "translator"], ["6.12-cloud", "translator"], ["6.1", "interpreter"], ["6.12-cloud", "interpreter"]] as const) {
  describe(`Debian's kernel ${kernel} on the ${engine}`, () => {
    let vm: VirtualMachine, initramfs: string, release: string;
    beforeAll(async () => {
      const pulled = await debianKernel(kernel);
      ({ initramfs, release } = pulled);
      vm = await VirtualMachine.start({ kernel: pulled.kernel, initrd: initramfs, cmdline: `console=ttyAMA0 earlycon${windowSize({ isTTY: true, rows: 33, columns: 111 })}`, engine });
      await vm.console.expect(/\/ # /, { timeout: BOOT });
      await command(vm, "dmesg -n 1"); // what the kernel says would stand between what commands print
    }, BOOT + 60_000);
    afterAll(async () => { await vm.close(); });

    test("the log names what it found", () => {
      const { text } = vm.console;
      expect(text).toContain("Booting Linux on physical CPU 0x0000000000");
      expect(text).toContain("Machine model: hypervisor-virt");
      expect(text).toMatch(/earlycon: pl11 at MMIO 0x0*9000000/);
      expect(text).toContain("Root IRQ handler: gic_handle_irq");
      expect(text).toContain("cp15 timer(s) running at 24.00MHz (virt)");
      expect(text).toContain("48.00 BogoMIPS");
      expect(text).toContain("KASLR enabled");
      expect(text).toContain(`hv: ready ${release}`);
    });
    test("commands answer: uname -a", async () => {
      expect(await command(vm, "uname -a")).toMatch(new RegExp(`^Linux hv ${literally(release)} .* aarch64 GNU/Linux\r\n$`));
    });
    test("cat /proc/interrupts shows the timer and the serial port at work", async () => {
      const text = await command(vm, "cat /proc/interrupts");
      expect(text).toMatch(/ [1-9]\d+ +GIC-0 +27 Level +arch_timer\r\n/);
      expect(text).toMatch(/ [1-9]\d* +GIC-0 +33 Level +uart-pl011\r\n/);
    });
    test("the console has the size of the terminal it was started on", async () => {
      expect(await command(vm, "stty size")).toBe("33 111\r\n");
    });
    test("md5sum agrees with the host's", async () => {
      const sum = createHash("md5").update(fileOf(initramfs, "etc/hv-release")).digest("hex");
      expect(await command(vm, "md5sum /etc/hv-release")).toBe(`${sum}  /etc/hv-release\r\n`);
    });
    test("sleep 1 takes a second, by the guest's clock and by ours", async () => {
      await command(vm, "t() { read up idle < /proc/uptime; echo $up; }");
      const from = performance.now();
      const times = (await command(vm, "for i in 1 2 3; do t; sleep 0; t; sleep 1; t; done")).trim().split("\r\n").map(Number);
      const host = (performance.now() - from) / 1000;
      // Starting a program costs time of its own, and more on a busy host: the best of three counts, less that of `sleep 0`.
      const best = (first: number): number => Math.min(...[0, 3, 6].map(i => times[i + first + 1]! - times[i + first]!));
      expect(best(1)).toBeGreaterThan(0.98);
      expect(best(1) - best(0)).toBeWithin(0.9, 1.1);
      const guest = times[8]! - times[0]!;
      expect(guest).toBeLessThan(host + 0.02); // the guest's clock is not ahead: typing and prompt are in ours
      expect(host - guest).toBeLessThan(0.5);
    });
    test("no warning, oops or stall in the kernel's log", async () => {
      const log = await command(vm, "dmesg");
      expect(log.split("\r\n").length).toBeGreaterThan(100);
      expect(log.split("\r\n").filter(line => TROUBLE.test(line))).toEqual([]);
    });
    if (kernel === "6.1" && engine === "translator") {
      test("reboot -f comes back to the prompt", async () => {
        vm.console.write("reboot -f\n");
        await vm.console.expect(/Booting Linux/, { timeout: 20_000 });
        await vm.console.expect(/\/ # /, { timeout: BOOT });
        expect(vm.reboots).toBe(1);
        expect(await command(vm, "echo back")).toBe("back\r\n");
      }, BOOT + 30_000);
      test("the power key switches it off", async () => {
        vm.pressPowerKey();
        expect(await vm.exited).toEqual({ kind: "off" });
      }, 20_000);
    } else {
      test("poweroff -f switches it off", async () => {
        vm.console.write("poweroff -f\n");
        expect(await vm.exited).toEqual({ kind: "off" });
      }, 20_000);
    }
  });
}
