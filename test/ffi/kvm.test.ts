// test/ffi/kvm.test.ts — the numbers of ffi/kvm.ts against the kernel's own headers, by a C program compiled for arm64.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as kvm from "../../ffi/kvm.ts";
import { ensureDebianPackages } from "../support/packages.ts";
import { sysregs } from "../../src/cpu/sysreg.ts";

let place: string, headers: Readonly<Record<string, number>>, text: string;
beforeAll(() => {
  ensureDebianPackages(["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross", "linux-libc-dev-arm64-cross", "qemu-user-static"]);
  place = mkdtempSync(join(tmpdir(), "hv-kvm-"));
  const program = join(place, "kvm");
  const made = Bun.spawnSync(["aarch64-linux-gnu-gcc", "-static", "-o", program, join(import.meta.dir, "kvm.c")]);
  if (made.exitCode !== 0) throw new Error(made.stderr.toString());
  text = Bun.spawnSync(["qemu-aarch64-static", program]).stdout.toString();
  headers = JSON.parse(text) as typeof headers;
}, 300_000);
afterAll(() => rmSync(place, { recursive: true, force: true }));

test.each([
  ["ioctls", kvm.Ioctl], ["capabilities", kvm.Capability], ["exit reasons", kvm.ExitReason], ["system events", kvm.SystemEvent], ["vCPU features", kvm.VcpuFeature],
  ["debug", kvm.Debug], ["devices", kvm.Device], ["the interrupt controller", kvm.Vgic], ["offsets in kvm_run", kvm.RunOffset],
] as readonly (readonly [string, Readonly<Record<string, number>>])[])("%s", (_, ours) => {
  expect(ours).toEqual(Object.fromEntries(Object.keys(ours).map(name => [name, headers[name] as number])));
});
test("sizes, the version, interrupts", () => {
  expect(kvm.Size).toEqual(Object.fromEntries(Object.keys(kvm.Size).map(name => [name, headers[`sizeof ${name}`] as number])) as never);
  expect([kvm.API_VERSION, kvm.IRQ_TYPE_SPI, headers["KVM_ARM_IRQ_TYPE_SHIFT"]]).toEqual([headers["KVM_API_VERSION"], headers["KVM_ARM_IRQ_TYPE_SPI"], 24] as never);
});
test("register ids, all 64 bits of them", () => {
  const id = (name: string): bigint => BigInt(new RegExp(`"${name}": (\\d+)`).exec(text)?.[1] as string);
  const whole = (low: number): bigint => BigInt(kvm.REG_HIGH) << 32n | BigInt(low);
  expect(Object.entries(kvm.CoreReg).map(([name, low]) => [name, whole(low)])).toEqual(Object.keys(kvm.CoreReg).map(name => [name, id(`core ${name}`)]));
  const pair = ([high, low]: readonly [number, number], more = 0): bigint => BigInt(high) << 32n | BigInt(low + more);
  expect([pair(kvm.Wide.VECTOR), pair(kvm.Wide.VECTOR, 4), pair(kvm.Wide.FPSR), pair(kvm.Wide.FPCR)]).toEqual(["VECTOR", "VECTOR1", "FPSR", "FPCR"].map(name => id(`wide ${name}`)));
  expect([whole(kvm.SYSREG + sysregs.SCTLR_EL1.encoding), whole(kvm.TIMER_CVAL), whole(kvm.TIMER_CNT)]).toEqual([id("SCTLR_EL1"), id("TIMER_CVAL"), id("TIMER_CNT")]);
});
