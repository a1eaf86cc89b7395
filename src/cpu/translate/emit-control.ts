// src/cpu/translate/emit-control.ts — x86-64 for the encodings of a64/branch.ts: branches, and the system instructions
// that need no thought (hints, barriers, thread pointers, FPCR and FPSR, cache maintenance by EL1, DC ZVA). Left out: writing FPCR, which changes what a block relies on.
import type { branch, system } from "../a64/branch.ts";
import { ZR, type Handlers } from "../a64/pattern.ts";
import { Word } from "../mmu/tlb.ts";
import { sysregKey, slot } from "../sysreg.ts";
import { FPSR_BITS } from "../fp/format.ts";
import { Offset, Ready } from "../state.ts";
import { emitAxflag, emitCfinv, emitXaflag } from "./emit-flags.ts";
import { tlbCheck } from "./emit-memory.ts";
import { Alu, CC, Reg, Shift } from "./assembler.ts";
import { disp, interpreted, type Translator } from "./translator.ts";
import { X } from "./vector-op.ts";

type Emit = boolean | void;
const { rax, rcx, rdx, rbp } = Reg;

function link(t: Translator): void {
  const next = (t.pcLo >>> 0) + 4;
  t.address(rax, next | 0, (t.pcHi + (next > 0xffff_ffff ? 1 : 0)) | 0);
  t.put(30, rax);
}
function compareZero(t: Translator, f: { f: number; i: number; t: number }, cc: number): void {
  if (t.inMemory(f.t)) t.asm.aluMemoryImm(Alu.cmp, f.f, rbp, t.slot(f.t), 0);
  else {
    const host = t.get(f.t, rax);
    t.asm.test(f.f, host, host);
  }
  t.branchIf(cc, (f.i << 13) >> 11);
}
/** `set`: taken when the bit is set. */
function testBit(t: Translator, f: { b: number; i: number; t: number }, set: boolean): void {
  const { asm } = t;
  let cc: number = set ? CC.ne : CC.e;
  if (t.inMemory(f.t)) asm.test8(rbp, t.slot(f.t) + (f.b >> 3), 1 << (f.b & 7));
  else if (f.b < 32) asm.testImm(0, t.get(f.t, rax), 1 << f.b); // one operation with the jump
  else {
    asm.bitTest(1, t.get(f.t, rax), f.b);
    cc = set ? CC.b : CC.ae;
  }
  t.branchIf(cc, (f.i << 18) >> 16);
}

export const emitBranch: Handlers<typeof branch, Translator, Emit> = {
  B_cond: (t, f) => {
    const offset = (f.i << 13) >> 11;
    if (f.c >= 14) t.gotoOffset(offset);
    else {
      t.needFlags();
      t.branchIf(t.condition(f.c), offset);
    }
  },
  B: (t, f) => t.gotoOffset((f.i << 6) >> 4),
  BL: (t, f) => {
    link(t);
    t.gotoOffset((f.i << 6) >> 4);
  },
  CBZ: (t, f) => compareZero(t, f, CC.e),
  CBNZ: (t, f) => compareZero(t, f, CC.ne),
  TBZ: (t, f) => testBit(t, f, false),
  TBNZ: (t, f) => testBit(t, f, true),
  BR: (t, f) => {
    t.copy(f.n, rax);
    t.gotoIndirect();
  },
  BLR: (t, f) => {
    t.copy(f.n, Reg.rcx);
    link(t);
    t.asm.mov(1, rax, Reg.rcx);
    t.gotoIndirect();
  },
  RET: (t, f) => {
    t.copy(f.n, rax);
    t.gotoIndirect();
  },
  ERET: interpreted,
};

/** Registers that are plain storage and whose access at this EL needs no question. */
function storage(t: Translator, key: number, write: boolean): number | undefined {
  switch (key) {
    case sysregKey(3, 3, 13, 0, 2): return slot.TPIDR_EL0;
    case sysregKey(3, 3, 13, 0, 3): return write && t.el === 0 ? undefined : slot.TPIDRRO_EL0;
    case sysregKey(3, 0, 13, 0, 4): return t.el === 0 ? undefined : slot.TPIDR_EL1;
    case sysregKey(3, 3, 0, 0, 1): return write || t.el === 0 ? undefined : slot.CTR_EL0;
    case sysregKey(3, 0, 5, 2, 0): return t.el === 0 ? undefined : slot.ESR_EL1;
    case sysregKey(3, 0, 6, 0, 0): return t.el === 0 ? undefined : slot.FAR_EL1;
    case sysregKey(3, 0, 4, 0, 0): return t.el === 0 ? undefined : slot.SPSR_EL1;
    case sysregKey(3, 0, 4, 0, 1): return t.el === 0 ? undefined : slot.ELR_EL1;
    default: return undefined;
  }
}
const SP_EL0 = sysregKey(3, 0, 4, 1, 0);
const DAIF = sysregKey(3, 3, 4, 2, 1);
const FPCR = sysregKey(3, 3, 4, 4, 0), FPSR = sysregKey(3, 3, 4, 4, 1);
/** rax = FPSR: what it has in memory, and what MXCSR says was raised since. x86 has a flag for denormals between the first and the others. */
function status(t: Translator): void {
  const { asm } = t;
  t.ready(Ready.fp);
  asm.stmxcsr(rbp, disp(Offset.MXCSR));
  asm.load(0, rax, rbp, disp(Offset.MXCSR));
  asm.mov(0, rcx, rax);
  asm.aluImm(Alu.and, 0, rax, 1);
  asm.shift(Shift.shr, 0, rcx, 1);
  asm.aluImm(Alu.and, 0, rcx, 0x1e);
  asm.alu(Alu.or, 0, rax, rcx);
  asm.aluLoad(Alu.or, 0, rax, rbp, disp(Offset.FPSR));
}
const DCZID_EL0 = sysregKey(3, 3, 0, 0, 7);
/** The counters, and what lets EL0 read them: EL0PCTEN, EL0VCTEN of CNTKCTL_EL1. */
const COUNTERS = new Map([[sysregKey(3, 3, 14, 0, 1), 1], [sysregKey(3, 3, 14, 0, 2), 2]]);

/** Interrupts may have been unmasked: out behind this instruction when a line is high. */
function lookForInterrupts(t: Translator): void {
  t.asm.aluMemoryImm(Alu.cmp, 0, rbp, disp(Offset.LINES), 0);
  t.lookBehind(t.asm.jcc(CC.ne));
}
/** SP_EL0 belongs to EL1 only while it is not the selected stack pointer. */
function notSelected(t: Translator, ends: number[]): void {
  t.asm.aluMemoryImm(Alu.cmp, 0, rbp, disp(Offset.SPSEL), 0);
  ends.push(t.asm.jcc(CC.e));
}

/** DC CVAC, CVAU, CIVAC, by CRm; CVAP and CVADP where the core has them. */
const cleans = (t: Translator, k: number): boolean => k === 10 || k === 11 || k === 14 || (k === 12 && t.guest.has("DPB")) || (k === 13 && t.guest.has("DPB2"));

export const emitSystem: Handlers<typeof system, Translator, Emit> = {
  SVC: interpreted, HVC: interpreted, SMC: interpreted, BRK: interpreted, HLT: interpreted,
  HINT: (t, f) => {
    if (f.k !== 0 || f.p !== 1) return true;
    if (t.shared) t.asm.pause();
    return t.alone; // YIELD gives the turn to another core
  },
  WFE: interpreted, WFI: interpreted, SEV: interpreted,
  SEVL: t => t.asm.storeImm(0, rbp, disp(Offset.EVENT), 1),
  CLREX: t => t.asm.storeImm(0, rbp, disp(Offset.EXCL_VALID), 0),
  // one core at a time and x86 order need nothing; else what x86 lets pass is a load before an earlier store
  DSB: t => {
    if (!t.shared) return true;
    const ends: number[] = [];
    const site = t.slowSite();
    t.fence();
    t.asm.aluMemoryImm(Alu.cmp, 0, rbp, disp(Offset.TOLD), 0);
    ends.push(t.asm.jcc(CC.ne)); // others are to be waited for
    t.endSlow(site, ends);
    return true;
  },
  DMB: (t, f) => {
    if (t.shared && ((f.k & 3) === 3 || (f.k & 3) === 0)) t.fence(); // not for loads or stores alone
    return true;
  },
  SB: () => true, CFINV: emitCfinv, XAFLAG: emitXaflag, AXFLAG: emitAxflag,
  ISB: t => t.gotoOffset(4), // ends the block: code that was changed before it is looked for anew
  MSR_imm: (t, f) => {
    if (t.el === 0 || f.o !== 3 || f.p < 6) return false;
    const bits = f.k << 6;
    if (f.p === 6) t.asm.aluMemoryImm(Alu.or, 0, rbp, disp(Offset.DAIF), bits);
    else {
      t.asm.aluMemoryImm(Alu.and, 0, rbp, disp(Offset.DAIF), ~bits);
      lookForInterrupts(t);
    }
    t.gotoOffset(4);
    return true;
  },
  SYS: (t, f) => {
    if (t.el === 1 && f.o === 0 && f.c === 8 && (f.k === 7 || (f.k === 3 && t.alone && !t.shared)) && (f.p === 5 || f.p === 7)) { // TLBI VALE1, VAALE1, and IS
      const ends: number[] = [];
      const site = t.slowSite();
      t.copy(f.t, rax);
      t.invalidatePage(ends);
      t.endSlow(site, ends);
      return true;
    }
    const zero = f.o === 3 && f.c === 7 && f.k === 4 && f.p === 1;
    if ((t.el === 0 && !zero) || f.c !== 7) return false;
    if (f.o === 3 && f.p === 1 && cleans(t, f.k)) { // no caches, but it may fault
      const ends: number[] = [];
      const site = t.slowSite();
      t.copy(f.t, rax);
      tlbCheck(t, 1, false);
      t.endSlow(site, ends);
      return true;
    }
    if (f.o === 3 && f.p === 1 && f.k === 5) { // IC IVAU: a line that no code was made from
      const { asm } = t;
      const ends: number[] = [];
      const site = t.slowSite();
      t.copy(f.t, rax);
      tlbCheck(t, 1, false); // leaves the entry's index in rcx
      asm.constant(rdx, 0, 0);
      asm.aluLoadIndexed(Alu.or, 0, rdx, rbp, rcx, disp(Offset.TLB_EL1) + 4 * Word.PAGE);
      asm.shift(Shift.shl, 1, rdx, 6);
      asm.shift(Shift.shr, 0, rax, 6);
      asm.aluImm(Alu.and, 0, rax, 63);
      asm.alu(Alu.add, 1, rdx, rax);
      asm.constant(rax, t.codeLines % 2 ** 32 | 0, Math.floor(t.codeLines / 2 ** 32) | 0);
      asm.alu(Alu.add, 1, rax, rdx);
      asm.test8(rax, 0, 0xff);
      ends.push(asm.jcc(CC.ne));
      t.endSlow(site, ends);
      return true;
    }
    if (zero) { // DC ZVA
      const { asm } = t;
      const ends: number[] = [];
      const site = t.slowSite();
      if (t.el === 0) { // SCTLR_EL1.DZE
        asm.load(0, rax, rbp, disp(slot.SCTLR_EL1));
        asm.testImm(0, rax, 1 << 14);
        ends.push(asm.jcc(CC.e));
      }
      t.copy(f.t, rax);
      asm.aluImm(Alu.and, 1, rax, -64);
      tlbCheck(t, 1, true);
      asm.xZero(0);
      for (let i = 0; i < 64; i += 16) asm.x2m(X.movupsStore, 0, rax, i);
      t.endSlow(site, ends);
      return true;
    }
    return false;
  },
  SYSL: interpreted,
  MRS: (t, f) => {
    const key = sysregKey(2 + f.q, f.o, f.c, f.k, f.p);
    if (key === SP_EL0 && t.el === 1) { // UNDEFINED while it is the selected one
      const ends: number[] = [];
      const site = t.slowSite();
      notSelected(t, ends);
      t.asm.load(1, rax, rbp, disp(Offset.SP_EL0));
      t.put(f.t, rax);
      t.endSlow(site, ends);
      return true;
    }
    if (key === DCZID_EL0) { // 64-byte blocks; DZP unless EL0 has SCTLR_EL1.DZE
      t.asm.constant(rax, 0, 0);
      if (t.el === 0) {
        t.asm.load(0, rax, rbp, disp(slot.SCTLR_EL1));
        t.asm.not(0, rax);
        t.asm.shift(Shift.shr, 0, rax, 10);
        t.asm.aluImm(Alu.and, 0, rax, 16);
      }
      t.asm.aluImm(Alu.or, 0, rax, 4);
      t.put(f.t, rax);
      return true;
    }
    if (key === DAIF && t.el === 1) {
      t.asm.load(0, rax, rbp, disp(Offset.DAIF));
      t.put(f.t, rax);
      return true;
    }
    if (key === FPCR) {
      t.ready(Ready.simd);
      t.asm.load(0, rax, rbp, disp(Offset.FPCR));
      t.put(f.t, rax);
      return true;
    }
    if (key === FPSR) {
      status(t);
      t.put(f.t, rax);
      return true;
    }
    const enable = COUNTERS.get(key);
    if (enable !== undefined && t.hasCounter) {
      const ends: number[] = [];
      const site = t.slowSite();
      if (t.el === 0) {
        t.asm.test8(rbp, disp(slot.CNTKCTL_EL1), enable);
        ends.push(t.asm.jcc(CC.e));
      }
      t.readCounter(ends);
      t.put(f.t, rax);
      t.endSlow(site, ends);
      return true;
    }
    const at = storage(t, key, false);
    if (at === undefined || f.t === ZR) return false;
    t.asm.load(1, rax, rbp, disp(at));
    t.put(f.t, rax);
    return true;
  },
  MSR_reg: (t, f) => {
    const key = sysregKey(2 + f.q, f.o, f.c, f.k, f.p);
    if (key === SP_EL0 && t.el === 1) {
      const ends: number[] = [];
      const site = t.slowSite();
      notSelected(t, ends);
      t.asm.store(1, rbp, disp(Offset.SP_EL0), t.get(f.t, rax));
      t.endSlow(site, ends);
      return true;
    }
    if (key === DAIF && t.el === 1) {
      t.asm.mov(0, rax, t.get(f.t, rax));
      t.asm.aluImm(Alu.and, 0, rax, 0x3c0);
      t.asm.store(0, rbp, disp(Offset.DAIF), rax);
      lookForInterrupts(t);
      return true;
    }
    if (key === FPSR) { // what was raised before is forgotten
      t.ready(Ready.fp);
      t.asm.mov(0, rax, t.get(f.t, rax));
      t.asm.aluImm(Alu.and, 0, rax, FPSR_BITS);
      t.asm.store(0, rbp, disp(Offset.FPSR), rax);
      t.asm.ldmxcsr(rbp, disp(Offset.READY_MXCSR));
      return true;
    }
    const at = storage(t, key, true);
    if (at === undefined) return false;
    t.asm.store(1, rbp, disp(at), t.get(f.t, rax));
    return true;
  },
};
