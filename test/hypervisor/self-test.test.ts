// test/hypervisor/self-test.test.ts — the guest of `hv report`, on every accelerator that is here, and the report itself.
import { expect, test } from "bun:test";
import { SELF_TEST, selfTest } from "../../src/self-test.ts";
import { platform } from "../../src/machine/platform.ts";
import { Assembler } from "../support/assembler.ts";
import { hv } from "../support/hv.ts";
import { standInThreads } from "../support/stand-in.ts";

test("the program is what its comments say", () => {
  const program = new Assembler()
    .mov("x8", platform.uart.base + 0xfe0).ldr("x20", "x8", 0, 4).emit("LDP_off", { g: 0, u: 22, N: 8, t: 21 })
    .mov("x0", 0x8400_0000).hvc().copy("x5", "x0")
    .mrs("x6", "CNTFRQ_EL0").mrs("x10", "CNTVCT_EL0").mov("x0", 240_000).msr("CNTV_TVAL_EL0", "x0").mov("x0", 1).msr("CNTV_CTL_EL0", "x0").isb().mov("x11", 4)
    .label("wait").mrs("x7", "CNTV_CTL_EL0").tst("x7", "x11").b("eq", "wait")
    .mrs("x12", "CNTVCT_EL0").msr("CNTV_CTL_EL0", "xzr").brk(0x42).words();
  expect(SELF_TEST).toEqual([...program]);
});
test.each([
  ["the software CPU", { accelerator: "software", gic: 2 }],
  ["Hypervisor.framework's stand-in with hv's controller", { accelerator: "hvf", gic: 2, threads: standInThreads }],
  ["Hypervisor.framework's stand-in with hv_gic", { accelerator: "hvf", gic: 3, threads: standInThreads }],
] as const)("it passes on %s", async (_, options) => {
  const { passed, found } = await selfTest(options);
  expect([passed, found["PSCI"], found["UART id"]]).toEqual([true, "0x10001", "17, 17 16"]);
  expect(found["counter"]).toBe("24000000 Hz");
});
test("a refusal is a result", async () => {
  const { passed, found } = await selfTest({ accelerator: "software", gic: 2, cpus: 9 });
  expect([passed, found["error"]]).toEqual([false, expect.stringContaining("version 2 of the interrupt controller reaches 8 CPUs")]);
});
test("hv report -o - tells of host and guests, and names nobody", async () => {
  const { code, stdout, stderr } = await hv(["report", "-o", "-"], { env: { HOME: "/home/somebody-7319", USER: "somebody-7319", TOKEN: "secret-7319" } });
  expect([code, stderr]).toEqual([0, ""]);
  const report = JSON.parse(stdout) as { diagnosis: { accelerators: { name: string }[] }; selfTests: { accelerator: string; passed: boolean }[] };
  expect(report.diagnosis.accelerators.map(one => one.name)).toEqual(["hvf", "kvm", "software"]);
  expect(report.selfTests.filter(one => one.accelerator === "software").map(one => one.passed)).toEqual([true]);
  expect(stdout).not.toContain("7319");
  expect(stdout).not.toContain(process.cwd());
});
