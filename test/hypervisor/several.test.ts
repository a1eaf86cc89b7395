// test/hypervisor/several.test.ts — machines with several vCPUs on Hypervisor.framework's stand-in: one thread each, and
// the same guests on the software CPU. Two cores wake each other by interrupts, stop and start.
import { describe, expect, test } from "bun:test";
import { VirtualMachine, type MachineOptions } from "../../src/library.ts";
import { platform } from "../../src/machine/platform.ts";
import { Assembler } from "../support/assembler.ts";
import { standInThreads } from "../support/stand-in.ts";

const RAM = 0x4000_0000, ROUNDS = 50, SGI = 3;
const Psci = { CPU_OFF: 0x8400_0002, CPU_ON: 0xc400_0003, AFFINITY_INFO: 0xc400_0004, SYSTEM_OFF: 0x8400_0008, SYSTEM_RESET: 0x8400_0009 } as const;

/** Core 0 starts core 1; they send each other an interrupt in turn, asleep in between; core 1 goes off, and is started again. */
function pingPong(): Uint32Array {
  const interfaceOn = (asm: Assembler): Assembler => asm.mov("x10", platform.gicDistributor.base).mov("x11", platform.gicCpuInterface.base)
    .mov("x0", 0xff).str("x0", "x11", 4, 4).mov("x0", 1).str("x0", "x11", 0, 4);
  const send = (asm: Assembler, to: number): Assembler => asm.mov("x0", 2 ** (16 + to) + SGI).str("x0", "x10", 0xf00, 4);
  /** Sleeps until there is an interrupt, and ends it. */
  const await_ = (asm: Assembler, label: string): Assembler => asm.label(label).wfi().ldr("x0", "x11", 0xc, 4).mov("x1", 1023).cmp("x0", "x1").b("eq", label).str("x0", "x11", 0x10, 4);
  const asm = new Assembler();
  interfaceOn(asm).mov("x0", 1).str("x0", "x10", 0, 4).mov("x20", 0);
  asm.mov("x0", Psci.CPU_ON).mov("x1", 1).adr("x2", "second").mov("x3", 77).hvc().copy("x24", "x0");
  await_(asm, "wait0").add("x20", "x20", 1).cmp("x20", ROUNDS).b("eq", "done");
  send(asm, 1).b("wait0");
  asm.label("done").mov("x0", Psci.AFFINITY_INFO).mov("x1", 1).mov("x2", 0).hvc().cmp("x0", 1).b("ne", "done");
  asm.mov("x0", Psci.CPU_ON).mov("x1", 1).adr("x2", "third").mov("x3", 88).hvc().copy("x25", "x0").label("rest").wfi().b("rest");
  asm.label("second").copy("x19", "x0").mov("x23", 0);
  interfaceOn(asm).label("turn");
  send(asm, 0).add("x23", "x23", 1).str("x23", "x10", 0xffc, 4).cmp("x23", ROUNDS).b("eq", "off");
  await_(asm, "wait1").b("turn");
  asm.label("off").mov("x0", Psci.CPU_OFF).hvc();
  asm.label("third").copy("x21", "x0").brk(5);
  return asm.words();
}
const LIMIT = 60_000;

describe.each([
  ["the software CPU", { accelerator: "software", gic: 2 }], ["Hypervisor.framework's stand-in", { accelerator: "hvf", gic: 2, threads: standInThreads }],
] as readonly (readonly [string, MachineOptions])[])("two cores on %s", (_, options) => {
  test("wake each other fifty times, stop, start again", async () => {
    await using vm = await VirtualMachine.create({ ...options, cpus: 2, program: pingPong() });
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
    const asm = new Assembler().mov("x10", platform.gicDistributor.base).mov("x0", 1).str("x0", "x10", 0, 4)
      .mov("x0", 2 ** 8).str("x0", "x10", 0x100 + 8, 4).mov("x0", 2).str("x0", "x10", 0x800 + 72, 1) // id 72 to core 1
      .mov("x0", Psci.CPU_ON).mov("x1", 1).adr("x2", "second").hvc().label("rest").wfi().b("rest")
      .label("second").mov("x11", platform.gicCpuInterface.base).mov("x0", 0xff).str("x0", "x11", 4, 4).mov("x0", 1).str("x0", "x11", 0, 4)
      .label("wait").wfi().ldr("x5", "x11", 0xc, 4).mov("x1", 1023).cmp("x5", "x1").b("eq", "wait").brk(6);
    await using vm = await VirtualMachine.create({ ...options, cpus: 2, program: asm.words() });
    const running = vm.run();
    await vm.setInterrupt(40, true);
    expect(await running).toEqual({ kind: "debug", cpu: 1, immediate: 6 });
    expect((await vm.registers(1)).x[5]).toBe(72n);
  }, LIMIT);
  test("each has a timer of its own, which wakes it", async () => {
    const timer = (asm: Assembler, label: string): Assembler => asm.mov("x11", platform.gicCpuInterface.base).mov("x10", platform.gicDistributor.base)
      .mov("x0", 0xff).str("x0", "x11", 4, 4).mov("x0", 1).str("x0", "x11", 0, 4).str("x0", "x10", 0, 4).mov("x0", 2 ** 27).str("x0", "x10", 0x100, 4)
      .mov("x0", 48_000).msr("CNTV_TVAL_EL0", "x0").mov("x0", 1).msr("CNTV_CTL_EL0", "x0").isb()
      .label(label).wfi().ldr("x5", "x11", 0xc, 4).mov("x1", 1023).cmp("x5", "x1").b("eq", label);
    const asm = new Assembler().mov("x0", Psci.CPU_ON).mov("x1", 1).adr("x2", "second").hvc();
    timer(asm, "wait0").mov("x9", RAM + 0x2000).label("both").ldr("x8", "x9").cbz("x8", "both").brk(7).label("second");
    timer(asm, "wait1").mov("x9", RAM + 0x2000).str("x5", "x9").label("rest").wfi().b("rest");
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
