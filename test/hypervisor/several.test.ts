// test/hypervisor/several.test.ts — machines with several vCPUs on Hypervisor.framework's stand-in: one thread each, and
// the same guests on the software CPU. Two cores wake each other by interrupts, stop and start.
import { describe, expect, test } from "bun:test";
import { VirtualMachine, type MachineOptions } from "../../src/library.ts";
import { gicRedistributor, platform } from "../../src/machine/platform.ts";
import { Assembler } from "../support/assembler.ts";
import { standInThreads } from "../support/stand-in.ts";

const RAM = 0x4000_0000, ROUNDS = 50, SGI = 3;
const Psci = { CPU_OFF: 0x8400_0002, CPU_ON: 0xc400_0003, AFFINITY_INFO: 0xc400_0004, SYSTEM_OFF: 0x8400_0008, SYSTEM_RESET: 0x8400_0009 } as const;

/** How a guest uses its interrupt controller. x10, x11 and x0 to x2 are lost. */
interface Controller {
  /** On for a core: its interface, the SGI, the virtual timer. */
  on(asm: Assembler, core: number): Assembler;
  send(asm: Assembler, to: number): Assembler;
  /** Shared interrupt id 72 to core 1. */
  route(asm: Assembler): Assembler;
  /** Sleeps until there is an interrupt, puts its id into x5, and ends it. */
  take(asm: Assembler, label: string): Assembler;
}
const GICD = platform.gicDistributor.base;
const v2: Controller = {
  on: asm => asm.mov("x10", GICD).mov("x11", platform.gicCpuInterface.base).mov("x0", 0xff).str("x0", "x11", 4, 4).mov("x0", 1).str("x0", "x11", 0, 4).str("x0", "x10", 0, 4).mov("x0", 2 ** 27).str("x0", "x10", 0x100, 4),
  send: (asm, to) => asm.mov("x0", 2 ** (16 + to) + SGI).mov("x10", GICD).str("x0", "x10", 0xf00, 4),
  route: asm => asm.mov("x10", GICD).mov("x0", 2 ** 8).str("x0", "x10", 0x100 + 8, 4).mov("x0", 2).str("x0", "x10", 0x800 + 72, 1),
  take: (asm, label) => asm.label(label).wfi().ldr("x5", "x11", 0xc, 4).mov("x1", 1023).cmp("x5", "x1").b("eq", label).str("x5", "x11", 0x10, 4),
};
const v3: Controller = {
  on: (asm, core) => asm.mov("x10", GICD).mov("x0", 0x12).str("x0", "x10", 0, 4)
    .mov("x11", gicRedistributor.base + core * gicRedistributor.size).str("xzr", "x11", 0x14, 4).mov("x11", gicRedistributor.base + core * gicRedistributor.size + 0x1_0000)
    .mov("x0", 0xffff_ffff).str("x0", "x11", 0x80, 4).mov("x0", 2 ** 27 + 2 ** SGI).str("x0", "x11", 0x100, 4)
    .mov("x0", 0xff).msr("ICC_PMR_EL1", "x0").mov("x0", 1).msr("ICC_IGRPEN1_EL1", "x0").isb(),
  send: (asm, to) => asm.mov("x0", SGI * 2 ** 24 + 2 ** to).msr("ICC_SGI1R_EL1", "x0"),
  route: asm => asm.mov("x10", GICD).mov("x0", 2 ** 8).str("x0", "x10", 0x80 + 8, 4).str("x0", "x10", 0x100 + 8, 4).mov("x0", 1).mov("x10", GICD + 0x6000 + 8 * 72).str("x0", "x10"),
  take: (asm, label) => asm.label(label).wfi().mrs("x5", "ICC_IAR1_EL1").mov("x1", 1023).cmp("x5", "x1").b("eq", label).msr("ICC_EOIR1_EL1", "x5"),
};

/** Core 0 starts core 1; they send each other an interrupt in turn, asleep in between; core 1 goes off, and is started again. */
function pingPong(gic: Controller): Uint32Array {
  const asm = new Assembler();
  gic.on(asm, 0).mov("x20", 0);
  asm.mov("x0", Psci.CPU_ON).mov("x1", 1).adr("x2", "second").mov("x3", 77).hvc().copy("x24", "x0");
  gic.take(asm, "wait0").add("x20", "x20", 1).cmp("x20", ROUNDS).b("eq", "done");
  gic.send(asm, 1).b("wait0");
  asm.label("done").mov("x0", Psci.AFFINITY_INFO).mov("x1", 1).mov("x2", 0).hvc().cmp("x0", 1).b("ne", "done");
  asm.mov("x0", Psci.CPU_ON).mov("x1", 1).adr("x2", "third").mov("x3", 88).hvc().copy("x25", "x0").label("rest").wfi().b("rest");
  asm.label("second").copy("x19", "x0").mov("x23", 0);
  gic.on(asm, 1).label("turn");
  gic.send(asm, 0).add("x23", "x23", 1).cmp("x23", ROUNDS).b("eq", "off");
  gic.take(asm, "wait1").b("turn");
  asm.label("off").mov("x0", Psci.CPU_OFF).hvc();
  asm.label("third").copy("x21", "x0").brk(5);
  return asm.words();
}
const LIMIT = 60_000;

describe.each([
  ["the software CPU", { accelerator: "software", gic: 2 }, v2], ["Hypervisor.framework's stand-in", { accelerator: "hvf", gic: 2, threads: standInThreads }, v2],
  ["Hypervisor.framework's stand-in with hv_gic", { accelerator: "hvf", gic: 3, threads: standInThreads }, v3],
] as readonly (readonly [string, MachineOptions, Controller])[])("two cores on %s", (_, options, gic) => {
  test("wake each other fifty times, stop, start again", async () => {
    await using vm = await VirtualMachine.create({ ...options, cpus: 2, program: pingPong(gic) });
    expect(await vm.run()).toEqual({ kind: "debug", cpu: 1, immediate: 5 });
    const [first, second] = [(await vm.registers(0)).x, (await vm.registers(1)).x];
    expect([first[20], first[24], first[25], second[21]]).toEqual([BigInt(ROUNDS), 0n, 0n, 88n]);
    expect((await vm.counters()).exits["call"]).toBeGreaterThanOrEqual(4);
    expect((await vm.systemRegister("MPIDR_EL1", 1)) & 0xffn).toBe(1n);
  }, LIMIT);
  test("one that never leaves by itself does not keep the other's machine from answering, or from ending", async () => {
    const asm = new Assembler().mov("x0", Psci.CPU_ON).mov("x1", 1).adr("x2", "loop").mov("x3", 5).hvc().label("loop").add("x7", "x7", 1).b("loop");
    await using vm = await VirtualMachine.create({ ...options, cpus: 2, program: asm.words() });
    const running = vm.run();
    for (let was = [-1n, -1n], i = 0; i < 3; i++) { // both advance between two looks
      let now: bigint[];
      do now = [(await vm.registers(0)).x[7] as bigint, (await vm.registers(1)).x[7] as bigint];
      while (now.some((value, n) => value <= (was[n] as bigint)));
      was = now;
    }
    await vm.stop();
    expect(await running).toEqual({ kind: "stopped" });
  }, LIMIT);
  test("an interrupt from outside reaches the core that it is for, asleep", async () => {
    const asm = new Assembler();
    gic.route(gic.on(asm, 0)).mov("x0", Psci.CPU_ON).mov("x1", 1).adr("x2", "second").hvc().label("rest").wfi().b("rest").label("second");
    gic.take(gic.on(asm, 1), "wait").brk(6);
    await using vm = await VirtualMachine.create({ ...options, cpus: 2, program: asm.words() });
    const running = vm.run();
    await vm.setInterrupt(40, true);
    expect(await running).toEqual({ kind: "debug", cpu: 1, immediate: 6 });
    expect((await vm.registers(1)).x[5]).toBe(72n);
  }, LIMIT);
  test("each has a timer of its own, which wakes it", async () => {
    const timer = (asm: Assembler, core: number): Assembler => gic.take(gic.on(asm, core)
      .mov("x0", 48_000).msr("CNTV_TVAL_EL0", "x0").mov("x0", 1).msr("CNTV_CTL_EL0", "x0").isb(), `wait${core}`);
    const asm = new Assembler().mov("x0", Psci.CPU_ON).mov("x1", 1).adr("x2", "second").hvc();
    timer(asm, 0).mov("x9", RAM + 0x2000).label("both").ldr("x8", "x9").cbz("x8", "both").brk(7).label("second");
    timer(asm, 1).mov("x9", RAM + 0x2000).str("x5", "x9").label("rest").wfi().b("rest");
    await using vm = await VirtualMachine.create({ ...options, cpus: 2, program: asm.words() });
    expect(await vm.run()).toEqual({ kind: "debug", cpu: 0, immediate: 7 });
    expect([(await vm.registers(0)).x[5], (await vm.registers(0)).x[8]]).toEqual([27n, 27n]);
  }, LIMIT);
  test("SYSTEM_OFF of one ends both", async () => {
    const asm = new Assembler().mov("x0", Psci.CPU_ON).mov("x1", 1).adr("x2", "second").hvc().label("loop").b("loop").label("second").mov("x0", Psci.SYSTEM_OFF).hvc();
    await using vm = await VirtualMachine.create({ ...options, cpus: 2, program: asm.words() });
    expect(await vm.run()).toEqual({ kind: "off" });
  }, LIMIT);
});

test.each([1, 2])("a machine of %d cores that cannot be made leaves nothing behind: the next one can", async cpus => {
  const options = { accelerator: "hvf", threads: standInThreads, cpus } as const;
  for (const bad of [{ program: Uint32Array.of(0), at: 16 }, { program: Uint32Array.of(0), memory: 2 ** 41 - 2 ** 30 }]) {
    await expect(VirtualMachine.create({ ...options, ...bad }).then(() => "made", (error: Error) => error.message)).resolves.not.toBe("made");
  }
  await using vm = await VirtualMachine.create({ ...options, program: new Assembler().brk(3).words() });
  expect(await vm.run()).toMatchObject({ kind: "debug", immediate: 3 });
}, LIMIT);
