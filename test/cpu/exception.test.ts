// test/cpu/exception.test.ts — how a core takes exceptions to EL1 and returns from them: ARM DDI 0487, D1.3 and D1.4.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Offset } from "../../src/cpu/state.ts";
import { CODE, Mode, RAM, TestCore, VECTORS, Vector } from "./core.ts";

const EC = { unknown: 0, wf: 1, illegal: 0x0e, svc: 0x15, sysreg: 0x18, instructionAbort: 0x21, pcAlignment: 0x22, dataAbort: 0x25, spAlignment: 0x26, brk: 0x3c };
const N = 0x8000_0000, Z = 0x4000_0000, PAN = 1 << 22, IL = 1 << 20, D = 0x200, A = 0x100, I = 0x80, F = 0x40;
const SPAN = 1 << 23, SA = 1 << 3, SA0 = 1 << 4, UMA = 1 << 9, nTWI = 1 << 16;
const SCTLR = 0x30d0_0980;
const AT_CODE = BigInt(CODE);

let core: TestCore;
beforeEach(() => { core = new TestCore(); });
afterEach(() => core[Symbol.dispose]());
const vector = (offset: number): bigint => BigInt(VECTORS + offset);

describe("entry", () => {
  test("SVC: class 0x15 with the immediate, ELR behind it", () => {
    core.run(asm => asm.SVC({ i: 0x1234 }));
    expect([core.ec, core.iss, core.get("ELR_EL1")]).toEqual([EC.svc, 0x1234, AT_CODE + 4n]);
  });
  test("BRK: class 0x3c with the comment, ELR on it", () => {
    core.run(asm => asm.brk(0xabc));
    expect([core.ec, core.iss, core.get("ELR_EL1")]).toEqual([EC.brk, 0xabc, AT_CODE]);
  });
  test("an unallocated word: class 0, ELR on it; ESR says that it was 32 bits long", () => {
    core.run(asm => asm.word(0));
    expect([core.get("ESR_EL1"), core.get("ELR_EL1")]).toEqual([0x0200_0000n, AT_CODE]);
  });
  test("HLT is UNDEFINED: there is no halting debug", () => {
    core.run(asm => asm.HLT({ i: 1 }));
    expect([core.ec, core.iss]).toEqual([EC.unknown, 0]);
  });
  test("HVC and SMC are UNDEFINED at EL0", () => {
    core.enter(Mode.EL0t).run(asm => asm.hvc(0));
    expect([core.ec, core.exit.kind]).toEqual([EC.unknown, "budget"]);
    core.forget().enter(Mode.EL0t).run(asm => asm.SMC({ i: 0 }));
    expect([core.ec, core.exit.kind]).toEqual([EC.unknown, "budget"]);
  });
  test("HVC leaves the core with PC behind it, SMC with PC on it", () => {
    core.run(asm => asm.hvc(7));
    expect([core.exit.kind, core.exit.conduit, core.exit.immediate, core.pc]).toEqual(["call", "hvc", 7, AT_CODE + 4n]);
    core.run(asm => asm.SMC({ i: 9 }));
    expect([core.exit.kind, core.exit.conduit, core.exit.immediate, core.pc]).toEqual(["call", "smc", 9, AT_CODE]);
  });
  test("from EL1h it goes to vector 0x200, from EL1t to 0x000, from EL0 to 0x400", () => {
    core.run(asm => asm.SVC({}));
    expect(core.pc).toBe(vector(Vector.currentSpx));
    core.enter(Mode.EL1t).run(asm => asm.SVC({}));
    expect(core.pc).toBe(vector(Vector.currentSp0));
    core.enter(Mode.EL0t).run(asm => asm.SVC({}));
    expect(core.pc).toBe(vector(Vector.lower));
  });
  test("PSTATE afterwards: EL1h, everything masked; SPSR holds what it was", () => {
    core.enter(Mode.EL0t, N | A);
    core.run(asm => asm.SVC({}));
    expect((core.pstate & ~PAN) >>> 0).toBe((N | D | A | I | F | Mode.EL1h) >>> 0);
    expect(Number(core.get("SPSR_EL1"))).toBe((N | A | Mode.EL0t) >>> 0);
  });
  test("each level has its stack pointer", () => {
    core.sp = 0x1110n;
    core.enter(Mode.EL0t);
    core.sp = 0x2220n;
    core.run(asm => asm.SVC({}));
    expect(core.sp).toBe(0x1110n);
    expect(core.mrs("SP_EL0")).toBe(0x2220n);
    core.enter(Mode.EL1t);
    expect(core.sp).toBe(0x2220n);
  });
  test("with SCTLR.SPAN clear PAN becomes 1; with it set PAN stays", () => {
    core.msr("SCTLR_EL1", SCTLR & ~SPAN).run(asm => asm.SVC({}));
    expect(core.pstate & PAN).toBe(PAN);
    core.msr("SCTLR_EL1", SCTLR | SPAN).enter(Mode.EL1h).run(asm => asm.SVC({}));
    expect(core.pstate & PAN).toBe(0);
    core.enter(Mode.EL1h, PAN).run(asm => asm.SVC({}));
    expect(core.pstate & PAN).toBe(PAN);
    expect(Number(core.get("SPSR_EL1")) & PAN).toBe(PAN);
  });
});

describe("interrupts", () => {
  const raise = (lines: number): void => { core.cpu.x[Offset.LINES / 4] = lines; };
  /** NOPs at the code and at the vectors, so that one step after the entry changes nothing else. */
  const NOP = 0xd503_201f;
  beforeEach(() => { for (let at = CODE; at < VECTORS + 0x800; at += 4) core.write(at, NOP); });

  test("an IRQ is taken before the next instruction: vector 0x80, ELR on that instruction, ESR untouched", () => {
    core.enter(Mode.EL1h, 0).forget();
    core.write(CODE, NOP);
    core.pc = AT_CODE;
    raise(1);
    core.step();
    expect([core.pc, core.get("ELR_EL1"), core.quiet]).toEqual([vector(Vector.currentSpx + 0x80) + 4n, AT_CODE, true]);
  });
  test("an FIQ goes before an IRQ, to vector 0x100", () => {
    core.enter(Mode.EL0t, 0);
    core.write(CODE, NOP);
    raise(3);
    core.step();
    expect(core.pc).toBe(vector(Vector.lower + 0x100) + 4n);
  });
  test("masked, it waits and shows in ISR_EL1; DAIFClr lets it in behind itself", () => {
    raise(1);
    expect(core.mrs("ISR_EL1")).toBe(0x80n);
    core.run(asm => asm.unmask(2));
    expect(core.pc).toBe(AT_CODE + 4n);
    core.step();
    expect(core.get("ELR_EL1")).toBe(AT_CODE + 4n);
    raise(2);
    expect(core.mrs("ISR_EL1")).toBe(0x40n);
  });
});

describe("return", () => {
  test("ERET restores flags, masks, level and PC", () => {
    core.enter(Mode.EL0t, Z | F);
    expect([core.pstate, core.pc]).toEqual([(Z | F | Mode.EL0t) >>> 0, AT_CODE]);
  });
  test.each([1, 2, 3, 6, 7, 8, 9, 12, 13, 16, 0x1f])("to mode %d it is illegal: PSTATE.IL, the level stays", mode => {
    core.enter(mode, N);
    expect(core.pstate).toBe((N | IL | Mode.EL1h) >>> 0);
    core.step();
    expect([core.ec, core.iss, core.get("ELR_EL1")]).toEqual([EC.illegal, 0, AT_CODE]);
    expect(Number(core.get("SPSR_EL1")) & IL).toBe(IL);
    expect(core.pstate & IL).toBe(0);
  });
  test("SPSR.IL set makes the next instruction an Illegal Execution state exception", () => {
    core.enter(Mode.EL0t, IL);
    core.step();
    expect([core.ec, core.pc]).toEqual([EC.illegal, vector(Vector.lower)]);
  });
  test("a misaligned PC comes before the illegal state", () => {
    core.enter(Mode.EL0t, IL);
    core.pc = AT_CODE + 2n;
    core.step();
    expect(core.ec).toBe(EC.pcAlignment);
  });
  test("ERET and CLREX clear the exclusive monitor", () => {
    const store = (): void => { core.run(asm => asm.STXR({ g: 3, s: 2, N: 1, t: 3 })); };
    core.setX(1, RAM + 0x8000);
    core.run(asm => asm.LDXR({ g: 3, N: 1, t: 0 }));
    store();
    expect(core.x(2)).toBe(0n);
    core.run(asm => asm.LDXR({ g: 3, N: 1, t: 0 })).enter(Mode.EL1h);
    store();
    expect(core.x(2)).toBe(1n);
    core.run(asm => asm.LDXR({ g: 3, N: 1, t: 0 }).CLREX({}));
    store();
    expect(core.x(2)).toBe(1n);
  });
  test("ERET is UNDEFINED at EL0", () => {
    core.enter(Mode.EL0t).run(asm => asm.eret());
    expect([core.ec, core.pc]).toEqual([EC.unknown, vector(Vector.lower)]);
  });
});

describe("alignment", () => {
  test("a misaligned PC faults with class 0x22 and FAR", () => {
    core.setX(1, CODE + 0x102);
    core.run(asm => asm.BR({ n: 1 }));
    core.step();
    expect([core.ec, core.get("FAR_EL1"), core.get("ELR_EL1")]).toEqual([EC.pcAlignment, AT_CODE + 0x102n, AT_CODE + 0x102n]);
  });
  test("a misaligned SP as base faults with class 0x26, when SA (EL1) or SA0 (EL0) asks for it", () => {
    core.sp = BigInt(RAM + 0x8008);
    core.msr("SCTLR_EL1", SCTLR & ~SA).forget().run(asm => asm.ldr("x0", "sp"));
    expect(core.quiet).toBe(true);
    core.msr("SCTLR_EL1", SCTLR | SA).run(asm => asm.ldr("x0", "sp"));
    expect([core.ec, core.iss]).toEqual([EC.spAlignment, 0]);
    core.msr("SCTLR_EL1", SCTLR & ~SA0).forget().enter(Mode.EL0t);
    core.sp = BigInt(RAM + 0x8008);
    core.run(asm => asm.ldr("x0", "sp"));
    expect(core.quiet).toBe(true);
    core.leave().msr("SCTLR_EL1", SCTLR | SA0).enter(Mode.EL0t).run(asm => asm.ldr("x0", "sp"));
    expect([core.ec, core.pc]).toEqual([EC.spAlignment, vector(Vector.lower)]);
  });
  test.each([["pair", 0x8008], ["write-back", 0x8004]] as const)("so does a %s", (kind, at) => {
    core.sp = BigInt(RAM + at);
    core.msr("SCTLR_EL1", SCTLR | SA).run(asm => (kind === "pair" ? asm.STP_off({ g: 1, N: 31, t: 0, u: 1 }) : asm.STR_pre({ g: 3, i: 8, N: 31, t: 0 })));
    expect([core.ec, core.sp]).toEqual([EC.spAlignment, BigInt(RAM + at)]);
  });
  test("SP as an ordinary operand need not be aligned", () => {
    core.sp = 0x1001n;
    core.forget().msr("SCTLR_EL1", SCTLR | SA).run(asm => asm.add("x0", "sp", 1));
    expect([core.quiet, core.x(0)]).toEqual([true, 0x1002n]);
  });
});

describe("PSTATE by MSR", () => {
  test("SPSel changes the stack pointer; only bit 0 of the immediate counts", () => {
    core.sp = 0x10n;
    core.run(asm => asm.MSR_imm({ o: 0, k: 0, p: 5 }));
    core.sp = 0x20n;
    core.run(asm => asm.MSR_imm({ o: 0, k: 15, p: 5 }));
    expect([core.sp, core.mrs("SPSel"), core.mrs("SP_EL0")]).toEqual([0x10n, 1n, 0x20n]);
  });
  test("SP_EL0 is UNDEFINED while it is the selected stack pointer", () => {
    core.enter(Mode.EL1t);
    core.run(asm => asm.mrs("x0", "SP_EL0"));
    expect(core.ec).toBe(EC.unknown);
  });
  test("DAIF at EL0: a trap (class 0x18) without SCTLR.UMA, allowed with it", () => {
    core.enter(Mode.EL0t, 0).run(asm => asm.mrs("x3", "DAIF"));
    // op0 3, op2 1, op1 3, CRn 4, Rt 3, CRm 2, read
    expect([core.ec, core.iss]).toEqual([EC.sysreg, (3 << 20) | (1 << 17) | (3 << 14) | (4 << 10) | (3 << 5) | (2 << 1) | 1]);
    core.enter(Mode.EL0t, 0).run(asm => asm.MSR_imm({ o: 3, k: 2, p: 6 }));
    expect([core.ec, core.iss]).toEqual([EC.sysreg, (6 << 17) | (3 << 14) | (4 << 10) | (31 << 5) | (2 << 1)]);
    core.msr("SCTLR_EL1", SCTLR | UMA).forget().enter(Mode.EL0t, 0).run(asm => asm.MSR_imm({ o: 3, k: 15, p: 6 }));
    expect([core.quiet, core.pstate]).toEqual([true, D | A | I | F]);
    core.run(asm => asm.msr("DAIF", "xzr"));
    expect([core.quiet, core.pstate]).toEqual([true, 0]);
  });
  test("a trapped access with XZR names register 31", () => {
    core.enter(Mode.EL0t).run(asm => asm.msr("DAIF", "xzr"));
    expect([core.ec, (core.iss >> 5) & 31, core.iss & 1]).toEqual([EC.sysreg, 31, 0]);
  });
  test("fields that this core has not are UNDEFINED: UAO, DIT, SSBS, TCO", () => {
    for (const [o, p] of [[0, 3], [3, 2], [3, 1], [3, 4]] as const) {
      core.forget().run(asm => asm.MSR_imm({ o, k: 0, p }));
      expect(core.ec).toBe(EC.unknown);
    }
  });
});

describe("WFI and WFE", () => {
  test("WFI leaves the core with PC behind it; with an interrupt pending, even masked, it does not wait", () => {
    core.run(asm => asm.wfi());
    expect([core.exit.kind, core.pc]).toEqual(["wfi", AT_CODE + 4n]);
    core.cpu.x[Offset.LINES / 4] = 1;
    core.run(asm => asm.wfi());
    expect([core.exit.kind, core.pc]).toEqual(["budget", AT_CODE + 4n]);
  });
  test("at EL0 without SCTLR.nTWI it traps with class 1", () => {
    core.msr("SCTLR_EL1", SCTLR & ~nTWI).enter(Mode.EL0t).run(asm => asm.wfi());
    expect([core.ec, core.iss, core.get("ELR_EL1")]).toEqual([EC.wf, 0x1e0_0000, AT_CODE]);
    core.enter(Mode.EL0t);
    core.cpu.x[Offset.EVENT / 4] = 0; // or it would not wait, and not trap
    core.run(asm => asm.WFE({}));
    expect([core.ec, core.iss]).toEqual([EC.wf, 0x1e0_0001]);
    core.msr("SCTLR_EL1", SCTLR | nTWI).enter(Mode.EL0t).run(asm => asm.wfi());
    expect(core.exit.kind).toBe("wfi");
  });
});

describe("the event register", () => {
  const wfe = (): string => {
    core.run(asm => asm.WFE({}));
    return core.exit.kind;
  };
  test("WFE waits unless an event was sent; it takes one", () => {
    core.cpu.x[Offset.EVENT / 4] = 0;
    expect(wfe()).toBe("wfi");
    for (const send of ["SEV", "SEVL"] as const) {
      core.run(asm => asm[send]({}));
      expect([wfe(), wfe()]).toEqual(["budget", "wfi"]);
    }
  });
  test("an exception's return is an event; an interrupt that is pending, masked or not, ends the wait", () => {
    core.cpu.x[Offset.EVENT / 4] = 0;
    core.set("ELR_EL1", AT_CODE);
    core.set("SPSR_EL1", 0x3c5);
    core.run(asm => asm.ERET({}));
    expect([wfe(), wfe()]).toEqual(["budget", "wfi"]);
    core.cpu.x[Offset.LINES / 4] = 1;
    expect(wfe()).toBe("budget");
  });
  test("a core that holds an address exclusively is not put to sleep: a store of another core is its event", () => {
    core.cpu.x[Offset.EVENT / 4] = 0;
    core.cpu.x[Offset.EXCL_VALID / 4] = 1;
    expect(wfe()).toBe("budget");
  });
});

describe("vectors outside RAM", () => {
  test("an endless loop of aborts still ends with the budget", () => {
    core.set("VBAR_EL1", 0x900_0000);
    core.run(asm => asm.SVC({}));
    core.step(100_000);
    expect([core.exit.kind, core.ec, core.iss, core.pc]).toEqual(["budget", EC.instructionAbort, 0x10, 0x900_0200n]);
  });
});
