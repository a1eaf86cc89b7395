// test/library/first-programs.test.ts — the first programs one writes for a new machine, run on ours.
import { describe, expect, test } from "bun:test";
import { VirtualMachine } from "../../src/library.ts";
import { platform } from "../../src/machine/platform.ts";
import { GiB, KiB } from "../../src/units.ts";
import { Assembler } from "../support/assembler.ts";

const UART = platform.uart.base;
const GICD = platform.gicDistributor.base;
const GICC = platform.gicCpuInterface.base;
const RAM = 0x4000_0000;
const PSCI_SYSTEM_OFF = 0x8400_0008;

/** What a promise was rejected with. (`rejects` would wait without letting the machine's answers in.) */
const refusal = (promise: Promise<unknown>): Promise<string> => promise.then(() => "it was not refused", (error: Error) => error.message);

describe("arithmetic", () => {
  test("mov x0, #42; brk #0", async () => {
    await using vm = await VirtualMachine.create({ program: new Assembler().mov("x0", 42).brk(0).words() });
    expect(await vm.run({ maxInstructions: 1_000_000 })).toEqual({ kind: "debug", cpu: 0, immediate: 0 });
    expect((await vm.registers()).x[0]).toBe(42n);
  });

  test("MOVZ and MOVK with LSL build a 64-bit constant", async () => {
    const program = new Assembler().movz("x0", 0xdef0).movk("x0", 0x9abc, 16).movk("x0", 0x5678, 32).movk("x0", 0x1234, 48).brk().words();
    await using vm = await VirtualMachine.create({ program });
    await vm.run({ maxInstructions: 1_000_000 });
    expect((await vm.registers()).x[0]).toBe(0x1234_5678_9abc_def0n);
  });

  test("Fibonacci by a loop: F(10) = 55", async () => {
    const program = new Assembler()
      .mov("x0", 0).mov("x1", 1).mov("x2", 10)
      .label("next").add("x3", "x0", "x1").copy("x0", "x1").copy("x1", "x3").subs("x2", "x2", 1).b("ne", "next")
      .brk().words();
    await using vm = await VirtualMachine.create({ program });
    await vm.run({ maxInstructions: 1_000_000 });
    expect((await vm.registers()).x[0]).toBe(55n);
  });

  test("any encoding by its name in the tables: add x1, x1, #1", async () => {
    await using vm = await VirtualMachine.create({ program: new Assembler().ADD_imm({ f: 1, i: 1, N: 1, D: 1 }).brk().words() });
    await vm.setRegister("x1", 0xffff_ffffn);
    await vm.run({ maxInstructions: 1_000_000 });
    expect((await vm.registers()).x[1]).toBe(0x1_0000_0000n);
  });
});

describe("memory", () => {
  test("the sum of an array that the host wrote", async () => {
    const program = new Assembler()
      .mov("x1", RAM + 0x1000).mov("x2", 5).mov("x0", 0)
      .label("next").ldrPost("x3", "x1", 4, 4).add("x0", "x0", "x3").subs("x2", "x2", 1).b("ne", "next")
      .add("x1", "x1", 4).str("x0", "x1").brk().words();
    await using vm = await VirtualMachine.create({ program });
    await vm.memory.write(RAM + 0x1000, new Uint8Array(Uint32Array.of(1, 20, 300, 4000, 0xffff_ffff).buffer));
    await vm.run({ maxInstructions: 1_000_000 });
    expect((await vm.registers()).x[0]).toBe(0x1_0000_10e0n);
    expect(new BigUint64Array((await vm.memory.read(RAM + 0x1018, 8)).buffer)[0]).toBe(0x1_0000_10e0n);
  });

  test("more than 4 GiB: what the guest stores on both sides of the host's seams, the host reads in one piece", async () => {
    const asm = new Assembler();
    for (const seam of [RAM + 2 * GiB, RAM + 4 * GiB]) {
      asm.mov("x1", seam - 8).mov("x0", 0x0807_0605_0403_0201n).str("x0", "x1").mov("x0", 0x100f_0e0d_0c0b_0a09n).str("x0", "x1", 8).ldr("x2", "x1", 8);
    }
    await using vm = await VirtualMachine.create({ program: asm.brk().words(), memory: 4 * GiB + 16 * KiB });
    expect((await vm.run({ maxInstructions: 1000 })).kind).toBe("debug");
    const stored = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
    expect(await vm.memory.read(RAM + 2 * GiB - 8, 16)).toEqual(stored);
    expect(await vm.memory.read(RAM + 4 * GiB - 8, 16)).toEqual(stored);
    expect((await vm.registers()).x[2]).toBe(0x100f_0e0d_0c0b_0a09n);
  });

  test("an address outside of memory is refused, and nothing is copied", async () => {
    await using vm = await VirtualMachine.create({ program: Uint32Array.of(0) });
    expect(await refusal(vm.memory.read(RAM - 4, 8))).toContain("outside of memory");
    expect(await refusal(vm.memory.write(2 ** 48, Uint8Array.of(1)))).toContain("outside of memory");
  });
});

describe("the serial port", () => {
  const hello = new Assembler()
    .adr("x1", "text").mov("x2", UART)
    .label("next").ldrPost("x0", "x1", 1, 1).cbz("x0", "end").str("x0", "x2", 0, 1).b("next")
    .label("end").mov("x0", PSCI_SYSTEM_OFF).hvc()
    .label("text").text("Hello");

  test("Hello, then PSCI SYSTEM_OFF", async () => {
    await using vm = await VirtualMachine.create({ program: hello.words() });
    expect(await vm.run({ maxInstructions: 1_000_000 })).toEqual({ kind: "off" });
    expect(vm.console.text).toBe("Hello");
    expect(await vm.exited).toEqual({ kind: "off" });
  });

  test("an echo by polling: expect takes what matched, and waits for the rest", async () => {
    const program = new Assembler()
      .mov("x2", UART).mov("x0", 0x301).str("x0", "x2", 0x30, 4).mov("x4", 1 << 4)
      .label("next").ldr("x1", "x2", 0x18, 4).tst("x1", "x4").b("ne", "next").ldr("x0", "x2", 0, 4).str("x0", "x2", 0, 4).b("next")
      .words();
    await using vm = await VirtualMachine.create({ program });
    void vm.run();
    vm.console.write("one two three");
    expect((await vm.console.expect(/(t\w+) /)).at(1)).toBe("two");
    expect((await vm.console.expect(/t\w{4}/)).at(0)).toBe("three");
    expect(vm.console.text).toBe("one two three");
    expect(await refusal(vm.console.expect(/never/, { timeout: 20 }))).toContain("/never/ did not come within 20 ms");
    await vm.stop();
    expect(await vm.exited).toEqual({ kind: "stopped" });
  });
});

/** Enables the GIC for one interrupt id and lets IRQs in; the vector table is at +0x800. */
const withInterrupt = (asm: Assembler, id: number): Assembler => asm
  .mov("x10", GICD).mov("x11", GICC)
  .mov("x0", 1).str("x0", "x10", 0, 4) // GICD_CTLR
  .mov("x0", 2 ** (id % 32)).str("x0", "x10", 0x100 + 4 * Math.floor(id / 32), 4) // GICD_ISENABLER
  .mov("x0", 1).str("x0", "x10", 0x800 + id, 1) // GICD_ITARGETSR
  .mov("x0", 0xff).str("x0", "x11", 4, 4).mov("x0", 1).str("x0", "x11", 0, 4) // GICC_PMR, GICC_CTLR
  .mov("x0", RAM + 0x800).msr("VBAR_EL1", "x0").isb()
  .unmask(2);
/** The vector for IRQs from EL1: x20 becomes the interrupt's id. */
const irqVector = (asm: Assembler): Assembler => asm.org(0x800 + 0x280).ldr("x20", "x11", 0xc, 4).brk(7);

describe("interrupts", () => {
  test("WFI sleeps until the virtual timer fires", async () => {
    const asm = withInterrupt(new Assembler(), 27);
    asm.mrs("x1", "CNTFRQ_EL0").mov("x0", 240_000).msr("CNTV_TVAL_EL0", "x0").mov("x0", 1).msr("CNTV_CTL_EL0", "x0").isb(); // 10 ms
    asm.label("sleep").wfi().b("sleep");
    await using vm = await VirtualMachine.create({ program: irqVector(asm).words() });
    expect(await vm.run({ maxInstructions: 1_000_000 })).toEqual({ kind: "debug", cpu: 0, immediate: 7 });
    expect((await vm.registers()).x.slice(0, 2)).toEqual([1n, 24_000_000n]);
    expect((await vm.registers()).x[20]).toBe(27n);
    expect((await vm.counters()).instructions).toBeLessThan(100); // it slept
  });

  test("a line that a test drives wakes the guest", async () => {
    const asm = withInterrupt(new Assembler(), 32 + 40).label("sleep").wfi().b("sleep");
    await using vm = await VirtualMachine.create({ program: irqVector(asm).words() });
    const running = vm.run();
    await vm.setInterrupt(40, true);
    expect(await running).toEqual({ kind: "debug", cpu: 0, immediate: 7 });
    expect((await vm.registers()).x[20]).toBe(72n);
  });
});

describe("exceptions", () => {
  /** The vector for synchronous exceptions from EL1: x0 = syndrome, x1 = fault address, x2 = return address. */
  const syncVector = (asm: Assembler): Assembler => asm.org(0x800 + 0x200).mrs("x0", "ESR_EL1").mrs("x1", "FAR_EL1").mrs("x2", "ELR_EL1").brk(9);
  const withVectors = (): Assembler => new Assembler().mov("x0", RAM + 0x800).msr("VBAR_EL1", "x0").isb();

  test("a load from where nothing is takes an external abort, and is counted", async () => {
    const asm = withVectors().mov("x3", 0x0b00_0000).ldr("x4", "x3", 0, 4);
    await using vm = await VirtualMachine.create({ program: syncVector(asm).words() });
    expect(await vm.run({ maxInstructions: 1_000_000 })).toEqual({ kind: "debug", cpu: 0, immediate: 9 });
    const { x } = await vm.registers();
    expect((x[0] as bigint) >> 26n).toBe(0x25n); // data abort from the same EL
    expect((x[0] as bigint) & 0x3fn).toBe(0x10n); // synchronous external abort
    expect(x[1]).toBe(0x0b00_0000n);
    expect((await vm.counters()).unassigned).toBe(1);
  });

  test("a trapped system register is answered by the machine: OSDLR_EL1", async () => {
    await using vm = await VirtualMachine.create({ program: new Assembler().MRS({ q: 0, o: 0, c: 1, k: 3, p: 4, t: 0 }).brk().words() });
    await vm.run({ maxInstructions: 1_000_000 });
    expect((await vm.registers()).x[0]).toBe(0n);
    expect((await vm.counters()).exits["sysreg"]).toBe(1);
  });

  test("a register of the GICv3 is UNDEFINED on a GICv2 board: ICC_IAR1_EL1", async () => {
    const asm = withVectors().MRS({ q: 1, o: 0, c: 12, k: 12, p: 0, t: 4 });
    await using vm = await VirtualMachine.create({ program: syncVector(asm).words() });
    expect(await vm.run({ maxInstructions: 1_000_000 })).toEqual({ kind: "debug", cpu: 0, immediate: 9 });
    expect(((await vm.registers()).x[0] as bigint) >> 26n).toBe(0n); // unknown reason
  });
});

describe("running", () => {
  test("a budget ends a loop, and the machine goes on from there", async () => {
    await using vm = await VirtualMachine.create({ program: new Assembler().label("loop").add("x0", "x0", 1).b("loop").words() });
    expect(await vm.run({ maxInstructions: 1000 })).toEqual({ kind: "budget" });
    expect((await vm.registers()).x[0]).toBe(500n);
    await vm.run({ maxInstructions: 1000 });
    expect((await vm.registers()).x[0]).toBe(1000n);
  });

  test("a guest that never leaves is stopped, and its registers are there", async () => {
    await using vm = await VirtualMachine.create({ program: new Assembler().label("loop").b("loop").words() });
    const running = vm.run();
    expect((await vm.registers()).pc).toBe(BigInt(RAM));
    await vm.stop();
    expect(await running).toEqual({ kind: "stopped" });
  });

  test("two machines do not know of each other", async () => {
    await using a = await VirtualMachine.create({ program: new Assembler().mov("x0", 1).brk().words() });
    await using b = await VirtualMachine.create({ program: new Assembler().mov("x0", 2).brk().words() });
    await Promise.all([a.run(), b.run()]);
    expect([(await a.registers()).x[0], (await b.registers()).x[0]]).toEqual([1n, 2n]);
  });

  test("PSCI CPU_ON starts the second core with its context", async () => {
    const asm = new Assembler();
    asm.mov("x0", 0xc400_0003n).mov("x1", 1).adr("x2", "second").mov("x3", 77).hvc().label("wait").wfi().b("wait").label("second").brk(3);
    await using vm = await VirtualMachine.create({ program: asm.words(), cpus: 2 });
    expect(await vm.run({ maxInstructions: 1_000_000 })).toEqual({ kind: "debug", cpu: 1, immediate: 3 });
    expect((await vm.registers(1)).x[0]).toBe(77n);
  });
});
