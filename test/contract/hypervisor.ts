// test/contract/hypervisor.ts — what every backend must do, as one suite; and a guest that leaves in every way there is,
// whose exits must be the same on all of them.
import { afterEach, describe, expect, test } from "bun:test";
import { toArrayBuffer, type Pointer } from "bun:ffi";
import type { Exit, RomBytes, Vcpu, Vm } from "../../src/hypervisor/backend.ts";
import { Assembler } from "../support/assembler.ts";

export const RAM = 0x4000_0000, RAM_SIZE = 0x20_0000, DEVICE = 0x0900_0000, NOWHERE = 0x0b00_0000, ROM = 0x0400_0000, ROM_SIZE = 0x1_0000;
const VECTORS = 0x1000, MIN_GAP = 0x8000;

/** A backend with a clock that stands where the test puts it. */
export interface Backend extends Disposable {
  readonly vm: Vm;
  /** Moves the guest's counter. */
  setTicks(ticks: number): void;
}
/** One exit as data: only the fields that its kind gives a meaning. */
export function exitRecord(exit: Exit): Readonly<Record<string, unknown>> {
  const { kind } = exit;
  switch (kind) {
    case "mmio": return { kind, gpa: exit.gpa, size: exit.size, ...(exit.write ? { write: [exit.lo, exit.hi] } : {}), ...(exit.syndromeValid ? { register: exit.register, signExtend: exit.signExtend, sixtyFour: exit.sixtyFour } : {}) };
    case "sysreg": return { kind, encoding: exit.encoding, register: exit.register, ...(exit.write ? { write: [exit.lo, exit.hi] } : {}) };
    case "call": return { kind, conduit: exit.conduit, immediate: exit.immediate };
    case "vtimer": return { kind, timer: exit.timer };
    case "debug": return { kind, immediate: exit.immediate };
    default: return { kind };
  }
}

/** A guest on a backend, and the machine that answers it. */
export class Guest implements Disposable {
  readonly backend: Backend;
  readonly vcpu: Vcpu;
  readonly ram: DataView;
  readonly rom: RomBytes;
  constructor(backend: Backend, program: (asm: Assembler) => Assembler, vectors: (asm: Assembler) => Assembler = asm => asm.brk(99), romProgram: (asm: Assembler) => Assembler = asm => asm.brk(98)) {
    this.backend = backend;
    this.rom = backend.vm.addRom(ROM, ROM_SIZE);
    romProgram(new Assembler()).words().forEach((word, i) => new DataView(this.rom.bytes.buffer, this.rom.bytes.byteOffset).setUint32(4 * i, word, true));
    this.ram = new DataView(backend.vm.addRam(RAM, RAM_SIZE).windows[0] as ArrayBuffer);
    this.vcpu = backend.vm.createVcpu(0);
    const asm = program(new Assembler());
    for (const offset of [0, 0x200]) vectors(asm.org(VECTORS + offset));
    asm.words().forEach((word, i) => this.ram.setUint32(4 * i, word, true));
    this.vcpu.reset(RAM, 0);
    this.vcpu.debugExits = true;
    this.vcpu.setRegister("sp", BigInt(RAM + MIN_GAP));
  }
  [Symbol.dispose](): void { this.backend[Symbol.dispose](); }
  /** Runs to the next exit. */
  next(): Readonly<Record<string, unknown>> {
    do this.vcpu.run(undefined); while (this.vcpu.exit.kind === "budget" || this.vcpu.exit.kind === "look"); // these may come at any time
    return exitRecord(this.vcpu.exit);
  }
  /** Runs to the BRK, answering reads by `answer`; every exit on the way. */
  all(answer: (exit: Exit) => readonly [lo: number, hi: number] | "undefined" | "abort" = () => [0x8899_aabb, 0xf122_3344]): Readonly<Record<string, unknown>>[] {
    const seen: Readonly<Record<string, unknown>>[] = [], { exit } = this.vcpu;
    for (let i = 0; i < 500; i++) {
      seen.push(this.next());
      if (exit.kind === "debug" || exit.kind === "fault") return seen;
      if (exit.kind === "mmio" || exit.kind === "sysreg") {
        const value = answer(exit);
        if (value === "undefined") this.vcpu.injectUndefined();
        else if (value === "abort") this.vcpu.injectExternalAbort();
        else if (exit.write) this.vcpu.completeWrite();
        else this.vcpu.completeRead(value[0], value[1]);
      } else if (exit.kind === "call" && exit.conduit === "smc") this.vcpu.completeWrite();
      else if (exit.kind === "vtimer") {
        this.vcpu.setLines(true, false);
      }
    }
    throw new Error(`no end after ${JSON.stringify(seen.slice(-5))}`);
  }
  x(n: number): bigint { return this.vcpu.registers().x[n] as bigint; }
}

/** Loads, stores and registers in every form that a guest may meet a device with. */
export const everyExit = (asm: Assembler): Assembler => {
  asm.mov("x0", RAM + VECTORS).msr("VBAR_EL1", "x0").mov("x0", 0x30_0000).msr("CPACR_EL1", "x0").isb();
  asm.mov("x1", DEVICE).mov("x2", 0x1122_3344_5566_7788n).mov("x3", RAM + 0x4000);
  for (const size of [1, 2, 4, 8] as const) asm.str("x2", "x1", 8, size).str("xzr", "x1", 16, size).ldr("x4", "x1", 0, size).ldr("xzr", "x1", 0, size);
  for (const g of [0, 1, 2]) asm.emit("LDRS_x_imm", { g, i: 1, N: 1, t: 5 });
  for (const g of [0, 1]) asm.emit("LDRS_w_imm", { g, i: 1, N: 1, t: 6 });
  asm.emit("LDR_reg", { g: 2, m: 31, e: 3, N: 1, t: 7 }).emit("LDUR", { g: 2, i: 4, N: 1, t: 8 });
  // without syndrome: write-back, pairs, vectors, atomics
  asm.mov("x9", DEVICE).emit("LDR_post", { g: 2, i: 4, N: 9, t: 10 }).emit("STR_pre", { g: 3, i: 4, N: 9, t: 2 });
  asm.emit("LDP_off", { g: 1, i: 2, u: 12, N: 1, t: 11 }).emit("STP_pre", { g: 1, i: 2, u: 3, N: 9, t: 2 });
  asm.emit("LDUR_v", { q: 1, i: 0, N: 1, x: 1 }).emit("STUR_v", { q: 1, i: 16, N: 1, x: 1 });
  asm.emit("LDADD", { g: 2, s: 2, N: 1, t: 13 });
  // registers of the machine, calls
  asm.MRS({ q: 0, o: 0, c: 1, k: 4, p: 4, t: 14 }).MSR_reg({ q: 0, o: 0, c: 1, k: 4, p: 4, t: 2 }).MSR_reg({ q: 0, o: 0, c: 1, k: 3, p: 4, t: 31 });
  asm.hvc(7).emit("SMC", { i: 9 }).wfi();
  return asm.mov("x16", 1).msr("CNTV_CVAL_EL0", "x16").msr("CNTV_CTL_EL0", "x16").isb().label("spin").b("spin");
};

export function backendContract(name: string, create: () => Backend): void {
  describe(`${name}, as a backend`, () => {
    let guest: Guest;
    const start = (...programs: [(asm: Assembler) => Assembler, ((asm: Assembler) => Assembler)?, ((asm: Assembler) => Assembler)?]): Guest => guest = new Guest(create(), ...programs);
    afterEach(() => guest[Symbol.dispose]());
    const kinds = (seen: readonly Readonly<Record<string, unknown>>[]): unknown[] => seen.map(one => one["kind"]);

    test("a load gets what the machine answers, as wide as it asked, zero-extended", () => {
      start(asm => asm.mov("x1", DEVICE).ldr("x2", "x1", 0, 1).ldr("x3", "x1", 0, 2).ldr("x4", "x1", 0, 4).ldr("x5", "x1", 0, 8).brk());
      expect(kinds(guest.all())).toEqual(["mmio", "mmio", "mmio", "mmio", "debug"]);
      expect([2, 3, 4, 5].map(n => guest.x(n))).toEqual([0xbbn, 0xaabbn, 0x8899_aabbn, 0xf122_3344_8899_aabbn]);
    });
    test("a signed load is extended to the register's width", () => {
      start(asm => asm.mov("x1", DEVICE).emit("LDRS_x_imm", { g: 0, N: 1, t: 2 }).emit("LDRS_w_imm", { g: 1, N: 1, t: 3 }).emit("LDRS_x_imm", { g: 2, N: 1, t: 4 }).brk());
      guest.all();
      expect([2, 3, 4].map(n => guest.x(n))).toEqual([0xffff_ffff_ffff_ffbbn, 0xffff_aabbn, 0xffff_ffff_8899_aabbn]);
    });
    test("read-only memory is read and executed; a write to it is the machine's; hidden, so are reads", () => {
      start(asm => asm.mov("x1", ROM).mov("x2", 0x55).ldr("x3", "x1", 0, 4).str("x2", "x1", 4, 4).ldr("x4", "x1", 4, 4).emit("BLR", { n: 1 }).hvc(1).ldr("x5", "x1", 0, 4).hvc(2).ldr("x6", "x1", 0, 4).brk(),
        undefined, asm => asm.mov("x7", 7).emit("RET", { n: 30 }));
      const { vcpu, rom } = guest, first = rom.bytes.slice(0, 4);
      expect([guest.next(), rom.bytes[4]]).toMatchObject([{ kind: "mmio", gpa: ROM + 4, size: 4, write: [0x55, 0] }, rom.bytes[4]]);
      vcpu.completeWrite();
      expect(guest.next()).toMatchObject({ kind: "call", immediate: 1 });
      expect([guest.x(3), guest.x(7)]).toEqual([BigInt(new DataView(first.buffer).getUint32(0, true)), 7n]);
      rom.show(false);
      expect(guest.next()).toMatchObject({ kind: "mmio", gpa: ROM, size: 4 });
      vcpu.completeRead(0x80, 0);
      expect([guest.next()["immediate"], guest.x(5)]).toEqual([2, 0x80n]);
      rom.show(true);
      expect([guest.next()["kind"], guest.x(6)]).toEqual(["debug", guest.x(3)]);
    });
    test("hiding read-only memory takes it out of the translations that a core remembers", () => {
      const TABLE = RAM + 0x1_0000;
      start(asm => asm.mov("x0", 0xff).msr("MAIR_EL1", "x0").mov("x0", 0x80_0019).msr("TCR_EL1", "x0").mov("x0", TABLE).msr("TTBR0_EL1", "x0").isb()
        .mov("x0", 0x30d0_0981).msr("SCTLR_EL1", "x0").isb().mov("x1", ROM).ldr("x3", "x1", 0, 4).ldr("x3", "x1", 0, 4).hvc(1).ldr("x4", "x1", 0, 4).hvc(2).ldr("x5", "x1", 0, 4).brk());
      // 39 bits of address; 1 GiB blocks of normal memory, as they lie
      [0, 1].forEach(n => guest.ram.setBigUint64(TABLE - RAM + 8 * n, BigInt(n) * 0x4000_0000n | 0x701n, true));
      const { vcpu, rom } = guest;
      expect(guest.next()).toMatchObject({ kind: "call", immediate: 1 });
      rom.show(false);
      expect(guest.next()).toMatchObject({ kind: "mmio", gpa: ROM, size: 4 });
      vcpu.completeRead(0x80, 0);
      expect(guest.next()).toMatchObject({ kind: "call", immediate: 2 });
      rom.show(true);
      expect([guest.next()["kind"], guest.x(4), guest.x(5)]).toEqual(["debug", 0x80n, guest.x(3)]);
    });
    test("register 31 of an access is the zero register: nothing else changes", () => {
      start(asm => asm.mov("x1", DEVICE).ldr("xzr", "x1", 0, 8).str("xzr", "x1", 8, 8).brk());
      expect(guest.all()[1]).toEqual({ kind: "mmio", gpa: DEVICE + 8, size: 8, write: [0, 0], register: 31, signExtend: false, sixtyFour: true });
      expect(guest.vcpu.registers().pc).toBe(BigInt(RAM + 4 * 4)); // movz, movk, ldr, str
      expect(guest.x(30)).toBe(0n);
    });
    test("a pair leaves twice; a fault in its second half changes neither register", () => {
      start(asm => asm.mov("x0", RAM + VECTORS).msr("VBAR_EL1", "x0").isb().mov("x1", DEVICE).mov("x2", 5).mov("x3", 6).emit("LDP_off", { g: 1, u: 3, N: 1, t: 2 }).brk(), asm => asm.mrs("x20", "ESR_EL1").mrs("x21", "FAR_EL1").brk(8));
      const seen = guest.all(exit => (exit.gpa === DEVICE ? [1, 0] : "abort"));
      expect(kinds(seen)).toEqual(["mmio", "mmio", "debug"]);
      expect([2, 3].map(n => guest.x(n))).toEqual([5n, 6n]);
      expect([guest.x(20) >> 26n, guest.x(20) & 0x3fn, guest.x(21)]).toEqual([0x25n, 0x10n, BigInt(DEVICE + 8)]);
    });
    test("write-back moves the base when the access is done", () => {
      start(asm => asm.mov("x1", DEVICE).ldrPost("x2", "x1", 4, 4).brk());
      guest.all();
      expect([guest.x(1), guest.x(2)]).toEqual([BigInt(DEVICE + 4), 0x8899_aabbn]);
    });
    test("an external abort is the guest's, with the address it used", () => {
      start(asm => asm.mov("x0", RAM + VECTORS).msr("VBAR_EL1", "x0").isb().mov("x1", NOWHERE).str("x1", "x1", 12, 4).brk(), asm => asm.mrs("x20", "ESR_EL1").mrs("x21", "FAR_EL1").mrs("x22", "ELR_EL1").mrs("x23", "SPSR_EL1").brk(8));
      guest.all(() => "abort");
      expect([guest.x(20), guest.x(21), guest.x(22), guest.x(23)]).toEqual([0x9600_0050n, BigInt(NOWHERE + 12), BigInt(RAM + 4 * 6), 0x3c5n]);
    });
    test("an UNDEFINED register is the guest's exception too, at EL1t as at EL1h", () => {
      start(asm => asm.mov("x0", RAM + VECTORS).msr("VBAR_EL1", "x0").isb().emit("MSR_imm", { o: 0, k: 0, p: 5 }).MRS({ q: 1, o: 0, c: 12, k: 12, p: 0, t: 4 }).brk(), asm => asm.mrs("x20", "ESR_EL1").mrs("x23", "SPSR_EL1").brk(8));
      expect(kinds(guest.all(() => "undefined"))).toEqual(["sysreg", "debug"]);
      expect([guest.x(20), guest.x(23)]).toEqual([0x0200_0000n, 0x3c4n]);
      expect(guest.vcpu.registers().pc).toBe(BigInt(RAM + VECTORS + 8));
    });
    test("PC is behind an HVC, and on an SMC until it is stepped over", () => {
      start(asm => asm.hvc(0).emit("SMC", { i: 0 }).brk());
      guest.next();
      expect(guest.vcpu.registers().pc).toBe(BigInt(RAM + 4));
      guest.next();
      expect(guest.vcpu.registers().pc).toBe(BigInt(RAM + 4));
      guest.vcpu.completeWrite();
      expect([guest.next(), guest.vcpu.registers().pc]).toEqual([{ kind: "debug", immediate: 0 }, BigInt(RAM + 8)]);
    });
    test("arguments of a call are read and answered, all 64 bits of them", () => {
      start(asm => asm.mov("x0", 0xffff_8000_1234_5678n).hvc(0).brk());
      guest.next();
      expect(guest.vcpu.argument(0)).toEqual({ lo: 0x1234_5678, hi: 0xffff_8000 });
      guest.vcpu.setArgument(0, -1, -1);
      guest.vcpu.setArgument(1, 0xffff_ffff, 0x7fff_ffff);
      guest.next();
      expect([guest.x(0), guest.x(1)]).toEqual([0xffff_ffff_ffff_ffffn, 0x7fff_ffff_ffff_ffffn]);
    });
    test("WFI leaves with PC behind it; with an interrupt waiting it does not", () => {
      start(asm => asm.wfi().wfi().brk());
      expect([guest.next(), guest.vcpu.registers().pc]).toEqual([{ kind: "wfi" }, BigInt(RAM + 4)]);
      guest.vcpu.setLines(true, false);
      expect(guest.vcpu.interruptPending).toBe(true);
      expect(guest.next()).toEqual({ kind: "debug", immediate: 0 });
    });
    test("an interrupt line is taken for as long as it is high", () => {
      start(asm => asm.mov("x0", RAM + VECTORS).msr("VBAR_EL1", "x0").isb().mov("x1", DEVICE).unmask(2).str("x1", "x1", 0, 4).str("x1", "x1", 4, 4).brk(1), asm => asm.brk(9));
      guest.ram.setUint32(VECTORS + 0x280, guest.ram.getUint32(VECTORS + 0x200, true), true); // the IRQ vector
      guest.next();
      guest.vcpu.setLines(true, false);
      guest.vcpu.completeWrite();
      expect(guest.next()).toEqual({ kind: "debug", immediate: 9 });
      expect(guest.vcpu.systemRegister("ELR_EL1")).toBe(BigInt(RAM + 4 * 8));
    });
    test("a kick brings it out, whenever it comes", () => {
      start(asm => asm.label("loop").b("loop"));
      const { vcpu } = guest;
      kick(vcpu);
      expect(guest.next()).toEqual({ kind: "canceled" });
      kick(vcpu);
      expect(guest.next()).toEqual({ kind: "canceled" });
    });
    test("the virtual timer fires once, stays silent until it is unmasked, and its level is its condition", () => {
      start(asm => asm.mov("x0", 1000).msr("CNTV_CVAL_EL0", "x0").mov("x0", 1).msr("CNTV_CTL_EL0", "x0").isb().wfi().hvc(1).hvc(2).msr("CNTV_CTL_EL0", "xzr").hvc(3).hvc(4));
      const { vcpu, backend } = guest;
      backend.setTicks(999);
      expect([guest.next(), vcpu.timerDue(), vcpu.timerLevel("virtual")]).toEqual([{ kind: "wfi" }, 1000, false]);
      backend.setTicks(1000);
      expect([guest.next(), vcpu.timerMasked("virtual"), vcpu.timerLevel("virtual"), vcpu.timerDue()]).toEqual([{ kind: "vtimer", timer: "virtual" }, true, true, undefined]);
      expect(guest.next()).toEqual({ kind: "call", conduit: "hvc", immediate: 1 });
      vcpu.unmaskTimer("virtual");
      expect(guest.next()).toEqual({ kind: "vtimer", timer: "virtual" });
      expect([guest.next()["immediate"], guest.next()["immediate"], vcpu.timerLevel("virtual")]).toEqual([2, 3, false]);
      vcpu.unmaskTimer("virtual");
      expect(guest.next()["immediate"]).toBe(4);
    });
    test("the physical timer does the same", () => {
      start(asm => asm.mov("x0", 1000).msr("CNTP_CVAL_EL0", "x0").mov("x0", 1).msr("CNTP_CTL_EL0", "x0").isb().mrs("x1", "CNTPCT_EL0").mrs("x2", "CNTP_CTL_EL0").mrs("x3", "CNTP_TVAL_EL0").wfi().hvc(1).mrs("x4", "CNTP_CTL_EL0").hvc(2).msr("CNTP_CTL_EL0", "xzr").hvc(3));
      const { vcpu, backend } = guest;
      backend.setTicks(900);
      expect([guest.next(), vcpu.timerDue(), vcpu.timerLevel("physical")]).toEqual([{ kind: "wfi" }, 1000, false]);
      expect([1, 2, 3].map(n => guest.x(n))).toEqual([900n, 1n, 100n]);
      backend.setTicks(1001);
      expect([guest.next(), vcpu.timerMasked("physical"), vcpu.timerLevel("physical")]).toEqual([{ kind: "vtimer", timer: "physical" }, true, true]);
      expect([guest.next()["immediate"], guest.next()["immediate"], guest.x(4)]).toEqual([1, 2, 5n]);
      expect([guest.next()["immediate"], vcpu.timerLevel("physical")]).toEqual([3, false]);
    });
    test("the counter is the machine's clock", () => {
      start(asm => asm.mrs("x0", "CNTVCT_EL0").brk());
      guest.backend.setTicks(0x12_3456_789a);
      guest.next();
      expect(guest.x(0)).toBe(0x12_3456_789an);
    });
    test("after a reset it starts as new: EL1h, everything masked, registers clear", () => {
      start(asm => asm.mov("x5", 5).mov("x0", RAM + 0x200).msr("VBAR_EL1", "x0").msr("TPIDR_EL1", "x0").emit("MSR_imm", { o: 3, k: 15, p: 7 }).mov("x6", DEVICE).emit("LDP_off", { g: 1, u: 8, N: 6, t: 7 }).brk());
      guest.next(); // in the middle of the pair
      guest.vcpu.reset(RAM + 8, 77);
      const { x, pc, pstate } = guest.vcpu.registers();
      expect([x[0], x[5], pc, pstate]).toEqual([77n, 0n, BigInt(RAM + 8), 0x3c5]);
      expect([guest.vcpu.systemRegister("VBAR_EL1"), guest.vcpu.systemRegister("TPIDR_EL1"), guest.vcpu.systemRegister("SCTLR_EL1")]).toEqual([0n, 0n, 0x30d0_0980n]);
      expect(guest.next()).toMatchObject({ kind: "mmio", gpa: DEVICE });
    });
    test("registers by name", () => {
      start(asm => asm.brk());
      const { vcpu } = guest;
      vcpu.setRegister("x7", 0xfedc_ba98_7654_3210n);
      vcpu.setRegister("sp", 0x4000_1000n);
      vcpu.setRegister("pc", 0xffff_8000_0000_0000n);
      const { x, sp, pc } = vcpu.registers();
      expect([x[7], sp, pc]).toEqual([0xfedc_ba98_7654_3210n, 0x4000_1000n, 0xffff_8000_0000_0000n]);
      expect(() => vcpu.setRegister("x31", 0n)).toThrow("no register x31");
      expect([vcpu.systemRegister("NO_SUCH_EL1"), vcpu.systemRegister("MPIDR_EL1")]).toEqual([undefined, 0x8000_0000n]);
    });
  });
}

/** Sets the kick word, as another thread would. */
export function kick(vcpu: Vcpu): void { new Int32Array(toArrayBuffer(vcpu.kickAddress as Pointer, 0, 4))[0] = 1; }
