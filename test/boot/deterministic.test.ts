// test/boot/deterministic.test.ts — --deterministic: two runs of Debian's kernel, from power-on to power-off, are the same
// in every byte of the console and in every line of the exit and interrupt traces, with their times.
import { expect, test } from "bun:test";
import { debianKernel } from "../support/debian.ts";
import { hv } from "../support/hv.ts";

const SCRIPT = "mount -t proc p /proc; md5sum /bin/busybox; date; sleep 1; cat /proc/uptime /proc/interrupts; poweroff -f";

test("two runs are the same run", async () => {
  const { kernel, initramfs } = await debianKernel("6.1");
  const args = ["run", kernel, "--initrd", initramfs, "--deterministic", "--trace", "exits,irq", "--cmdline", `console=ttyAMA0 rdinit=/bin/busybox -- sh -c "${SCRIPT}"`];
  const first = await hv(args), second = await hv(args);
  expect(first.code).toBe(0);
  expect(first.stdout).toContain("/bin/busybox\r\nWed Jan  1 00:00:0");
  expect(first.stderr.split("\n").length).toBeGreaterThan(20_000);
  expect(second.stdout).toBe(first.stdout);
  expect(second.stderr === first.stderr).toBeTrue(); // too long to be shown
}, 60_000);
test("a hypervisor that counts no instructions is refused", async () => {
  const { kernel } = await debianKernel("6.1");
  const { code, stderr } = await hv(["run", kernel, "--deterministic", "--accel", "kvm"]);
  expect(code).toBe(3);
  expect(stderr).toMatch(/^hv: [^\n]+; [^\n]+\n$/);
});
