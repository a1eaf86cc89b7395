// test/cpu/debug.test.ts — self-hosted debug: software step, breakpoints, watchpoints, the OS lock. ARM DDI 0487, D2.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { CODE, Mode, RAM, TestCore, VECTORS, Vector } from "./core.ts";

const EC = { svc: 0x15, breakpointLower: 0x30, breakpointSame: 0x31, stepLower: 0x32, stepSame: 0x33, watchpointLower: 0x34, watchpointSame: 0x35, dataAbortSame: 0x25 };
const SS = 1, KDE = 1 << 13, MDE = 1 << 15, SPSR_SS = 1 << 21, D = 0x200, MASKED = 0x3c0;
const DEBUG = 0x22, ISV = 1 << 24, EX = 1 << 6, WNR = 1 << 6;
const AT = BigInt(CODE), DATA = RAM + 0x8000;
/** A control register: enabled, EL0 (PMC, PAC = 2), EL1 (1) or both (3); bytes; loads 1, stores 2. */
const control = (els: number, bas = 0xf, lsc = 0): number => 1 | (els << 1) | (lsc << 3) | (bas << 5);

let core: TestCore;
beforeEach(() => {
  core = new TestCore();
  core.msr("OSLAR_EL1", 0);
});
afterEach(() => core[Symbol.dispose]());
const vector = (offset: number): bigint => BigInt(VECTORS + offset);
/** Where the core is, and why. */
const taken = (): unknown[] => [core.pc, core.ec, core.iss, core.get("ELR_EL1")];

describe("software step (D2.11)", () => {
  beforeEach(() => {
    core.msr("MDSCR_EL1", SS).forget();
    [0xd280_0020, 0xd280_0041, 0xd400_0021, 0xd503_201f].forEach((word, i) => core.write(CODE + 0x100 + 4 * i, word)); // mov x0, #1; mov x1, #2; svc #1; nop
    core.code = { pa: CODE + 0x80, va: AT + 0x80n };
  });
  /** ERET to EL0 at the `n`th of them. */
  const goTo = (n: number, bits: number): void => {
    core.set("SPSR_EL1", Mode.EL0t | bits);
    core.set("ELR_EL1", AT + 0x100n + BigInt(4 * n));
    core.run(asm => asm.eret());
  };
  test("one instruction, then the exception, on the next one: ISV says that it knows which", () => {
    goTo(0, SPSR_SS);
    core.step();
    expect([core.x(0), core.quiet]).toEqual([1n, true]);
    core.step();
    expect(taken()).toEqual([vector(Vector.lower), EC.stepLower, ISV | DEBUG, AT + 0x104n]);
    expect(core.get("SPSR_EL1")).toBe(0n); // SS is 0: it is to be set again for the next step
  });
  test("SPSR.SS = 0: the exception comes before anything", () => {
    goTo(1, 0);
    core.step();
    expect([...taken(), core.x(1)]).toEqual([vector(Vector.lower), EC.stepLower, DEBUG, AT + 0x104n, 0n]);
  });
  test("SVC is its own step: the exception's SPSR has SS = 0, and EL1 is not stepped", () => {
    for (let i = 0; i < 4; i++) core.write(VECTORS + Vector.lower + 4 * i, 0xd503_201f); // nop
    goTo(2, SPSR_SS);
    core.step();
    expect([...taken(), core.get("SPSR_EL1")]).toEqual([vector(Vector.lower), EC.svc, 1, AT + 0x10cn, 0n]);
    core.step(3);
    expect(core.ec).toBe(EC.svc);
  });
  test("a fault saves SS = 1: the instruction is still to be stepped", () => {
    core.write(CODE + 0x100, 0xf940_0000 | (31 << 5)); // ldr x0, [sp]
    core.set("SP_EL0", 0x9000_0000); // memory that is not there: an exit, and an abort in its place
    goTo(0, SPSR_SS);
    core.step();
    expect(core.exit.kind).toBe("mmio");
    core.cpu.externalAbort();
    expect([core.ec, core.get("SPSR_EL1")]).toEqual([0x24, BigInt(SPSR_SS)]);
  });
  test("a stepped load exclusive is told: EX", () => {
    core.write(CODE + 0x100, 0xc85f_7c40); // ldxr x0, [x2]
    core.setX(2, DATA);
    goTo(0, SPSR_SS);
    core.step(2);
    expect([core.ec, core.iss]).toEqual([EC.stepLower, ISV | EX | DEBUG]);
  });
  test("EL1 is stepped with KDE and PSTATE.D clear only, and not by an ERET from where it is stepped itself", () => {
    core.msr("MDSCR_EL1", 0).set("SPSR_EL1", Mode.EL1h | SPSR_SS);
    core.set("MDSCR_EL1", SS | KDE); // from code that is not debugged: PSTATE.D is set
    core.cpu.debugChanged();
    core.set("ELR_EL1", AT + 0x100n);
    core.run(asm => asm.eret());
    core.step(2);
    expect(taken()).toEqual([vector(Vector.currentSpx), EC.stepSame, ISV | DEBUG, AT + 0x104n]);
  });
  test("the OS lock silences it", () => {
    core.msr("OSLAR_EL1", 1).forget();
    expect(core.mrs("OSLSR_EL1")).toBe(0xan);
    goTo(0, SPSR_SS);
    core.step(2);
    expect([core.quiet, core.x(1)]).toEqual([true, 2n]);
  });
});

describe("breakpoints (D2.8)", () => {
  const arm = (at: number, els: number, mdscr = MDE): void => {
    core.msr("DBGBVR0_EL1", at).msr("DBGBCR0_EL1", control(els)).msr("MDSCR_EL1", mdscr).forget();
  };
  test("at EL0, before the instruction", () => {
    arm(CODE + 4, 2);
    core.enter(Mode.EL0t, 0).run(asm => asm.mov("x0", 7).mov("x1", 9));
    expect([...taken(), core.x(0), core.x(1)]).toEqual([vector(Vector.lower), EC.breakpointLower, DEBUG, AT + 4n, 7n, 0n]);
  });
  test.each<[string, number, number, number]>([
    ["of EL1 alone", 1, MDE, Mode.EL0t], ["without MDE", 2, 0, Mode.EL0t], ["of EL1 without KDE", 1, MDE, Mode.EL1h],
  ])("%s do not stop it", (_, els, mdscr, mode) => {
    arm(CODE + 4, els, mdscr);
    core.enter(mode, 0).run(asm => asm.mov("x0", 7).mov("x1", 9));
    expect([core.quiet, core.x(1)]).toEqual([true, 9n]);
  });
  test("at EL1 with KDE, while PSTATE.D is clear", () => {
    arm(CODE + 4, 1, MDE | KDE);
    core.enter(Mode.EL1h, MASKED).run(asm => asm.mov("x0", 7).mov("x1", 9));
    expect(core.quiet).toBe(true);
    core.enter(Mode.EL1h, MASKED & ~D).run(asm => asm.mov("x0", 8).mov("x1", 9));
    expect([...taken(), core.x(0)]).toEqual([vector(Vector.currentSpx), EC.breakpointSame, DEBUG, AT + 4n, 8n]);
  });
  test("linked to a context: only with that CONTEXTIDR_EL1", () => {
    core.msr("DBGBVR1_EL1", 42).msr("DBGBCR1_EL1", control(3) | (3 << 20)).msr("DBGBVR0_EL1", CODE + 4).msr("DBGBCR0_EL1", control(2) | (1 << 20) | (1 << 16)).msr("MDSCR_EL1", MDE).forget();
    core.enter(Mode.EL0t, 0).run(asm => asm.mov("x0", 7).mov("x1", 9));
    expect(core.quiet).toBe(true);
    core.leave().set("CONTEXTIDR_EL1", 42);
    core.enter(Mode.EL0t, 0).run(asm => asm.mov("x0", 7).mov("x1", 10));
    expect([core.ec, core.x(1)]).toEqual([EC.breakpointLower, 9n]);
  });
});

describe("watchpoints (D2.9)", () => {
  const LOADS = 1, STORES = 2;
  const arm = (value: number | bigint, bas: number, lsc: number, els = 2, mask = 0): void => {
    core.msr("DBGWVR0_EL1", value).msr("DBGWCR0_EL1", control(els, bas, lsc) | (mask << 24)).msr("MDSCR_EL1", MDE).forget();
    core.setX(2, DATA);
  };
  const at0 = (): TestCore => core.enter(Mode.EL0t, 0);
  test("a store: class, WnR, FAR; nothing is written", () => {
    arm(DATA + 8, 0xff, STORES);
    at0().run(asm => asm.mov("x0", 5).str("x0", "x2").str("x0", "x2", 8));
    expect([...taken(), core.get("FAR_EL1")]).toEqual([vector(Vector.lower), EC.watchpointLower, WNR | DEBUG, AT + 8n, BigInt(DATA + 8)]);
    expect([core.read(DATA), core.read(DATA + 8)]).toEqual([5, 0]);
  });
  test("a load; and only what LSC names", () => {
    arm(DATA, 0xff, LOADS);
    at0().run(asm => asm.str("x2", "x2").ldr("x3", "x2"));
    expect([core.ec, core.iss, core.x(3)]).toEqual([EC.watchpointLower, DEBUG, 0n]);
  });
  test.each<[number, number, boolean]>([[2, 1, false], [3, 1, true], [0, 4, true], [4, 4, false], [0, 8, true]])("bytes: an access at %p of %p bytes to byte 3", (offset, size, hit) => {
    arm(DATA, 8, STORES);
    at0().run(asm => asm.str("x2", "x2", offset, size as 1 | 4 | 8));
    expect(core.quiet).toBe(!hit);
  });
  test("a word's watchpoint (bit 2 of the address) has the bytes of that word", () => {
    arm(DATA + 4, 1, STORES);
    at0().run(asm => asm.str("x2", "x2", 0, 1));
    expect(core.quiet).toBe(true);
    core.run(asm => asm.str("x2", "x2", 4, 1));
    expect([core.ec, core.get("FAR_EL1")]).toEqual([EC.watchpointLower, BigInt(DATA + 4)]);
  });
  test("a mask: all of 4 KiB; its neighbours are free", () => {
    arm(DATA, 0xff, STORES, 2, 12);
    core.setX(3, DATA + 0xff8);
    core.setX(4, DATA + 0x1000);
    at0().run(asm => asm.str("x2", "x4"));
    expect(core.quiet).toBe(true);
    core.run(asm => asm.str("x2", "x3"));
    expect(core.ec).toBe(EC.watchpointLower);
  });
  test("the second register of LDP x4, x5, [x2]", () => {
    arm(DATA + 8, 0xff, LOADS);
    at0().run(asm => asm.word(0xa940_1444));
    expect([core.ec, core.get("FAR_EL1")]).toEqual([EC.watchpointLower, BigInt(DATA + 8)]);
  });
  test("EL1's accesses only with KDE; and none once it is off", () => {
    arm(DATA, 0xff, STORES, 3);
    core.enter(Mode.EL1h, 0).run(asm => asm.str("x2", "x2"));
    expect(core.quiet).toBe(true);
    core.msr("MDSCR_EL1", MDE | KDE).forget().enter(Mode.EL1h, 0).run(asm => asm.str("x2", "x2"));
    expect(core.ec).toBe(EC.watchpointSame);
    core.msr("DBGWCR0_EL1", 0).forget().enter(Mode.EL1h, 0).run(asm => asm.str("x2", "x2"));
    expect(core.quiet).toBe(true);
  });
});
