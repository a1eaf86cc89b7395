// src/cpu/translate/emit-data.ts — x86-64 for the encodings of a64/data-imm.ts and a64/data-reg.ts.
// An emitter that returns false has emitted nothing: the form is reserved or too rare, and the interpreter does it.
import type { dataImm } from "../a64/data-imm.ts";
import type { dataReg } from "../a64/data-reg.ts";
import { ZR, type Handlers } from "../a64/pattern.ts";
import { bitMask } from "../interpret/arithmetic.ts";
import { Alu, CC, Reg, Shift } from "./assembler.ts";
import { emitCrc32, emitCrc32c } from "./emit-crypto.ts";
import { emitRmif, emitSetFlags } from "./emit-flags.ts";
import type { Translator } from "./translator.ts";

type Emit = boolean | void;
const { rax, rcx, rdx } = Reg;

const commutes = (op: number): boolean => op !== Alu.sub;
/** Where a result for d is computed: its own register, unless that still holds the operand `kept`; else rax. */
function target(t: Translator, d: number, kept: number): number {
  const host = t.pin(d);
  return host >= 0 && d !== kept ? host : rax;
}
/** d = n op immediate; the immediate is a signed 32-bit value. */
function aluImm(t: Translator, op: number, w: number, d: number, n: number, imm: number): void {
  if (d === n && w === 1 && t.inMemory(d)) {
    t.asm.aluMemoryImm(op, 1, Reg.rbp, t.slot(d), imm);
    return;
  }
  const to = target(t, d, -1);
  if (to !== t.pin(n)) t.copy(n, to);
  t.asm.aluImm(op, w, to, imm);
  t.put(d, to);
}
/** d = n op m, m in a host register other than rax that holds no guest register. */
function aluHost(t: Translator, op: number, w: number, d: number, n: number, m: number): void {
  const to = target(t, d, -1);
  if (to !== t.pin(n)) t.copy(n, to);
  t.asm.alu(op, w, to, m);
  t.put(d, to);
}
/** d = n op guest register m. */
function aluGuest(t: Translator, op: number, w: number, d: number, n: number, m: number): void {
  if (d === n && w === 1 && t.pin(m) >= 0 && t.inMemory(d)) {
    t.asm.aluStore(op, 1, Reg.rbp, t.slot(d), t.pin(m));
    return;
  }
  if (d === m && d !== n && commutes(op) && t.pin(d) >= 0) {
    t.aluGuest(op, w, t.pin(d), n);
    return;
  }
  const to = target(t, d, d === n ? -1 : m);
  if (to !== t.pin(n)) t.copy(n, to);
  t.aluGuest(op, w, to, m);
  t.put(d, to);
}

type AddSub = { f: number; h: number; i: number; N: number };
const immediate = (f: AddSub): number => (f.h !== 0 ? f.i << 12 : f.i);
/** ADD or SUB immediate, flags untouched: LEA where EFLAGS must stay. */
function addImm(t: Translator, f: AddSub & { D: number }, by: number): void {
  if (f.D === f.N && f.f === 1 && t.flagsFree && t.inMemory(f.D)) {
    t.asm.aluMemoryImm(Alu.add, 1, Reg.rbp, t.slot(f.D), by);
    return;
  }
  const d = t.pin(f.D);
  const n = t.get(f.N, rax);
  const to = d >= 0 ? d : rax;
  t.asm.lea(f.f, to, n, by);
  if (d < 0) t.put(f.D, rax);
}
function addsImm(t: Translator, f: AddSub & { d: number }, op: number): void {
  const imm = immediate(f);
  if (f.d === ZR) {
    if (op === Alu.sub && t.inMemory(f.N)) t.asm.aluMemoryImm(Alu.cmp, f.f, Reg.rbp, t.slot(f.N), imm);
    else if (op === Alu.sub) t.asm.aluImm(Alu.cmp, f.f, t.get(f.N, rax), imm);
    else {
      t.copy(f.N, rax);
      t.asm.aluImm(Alu.add, f.f, rax, imm);
    }
  } else aluImm(t, op, f.f, f.d, f.N, imm);
  t.flagsSet(op === Alu.sub ? "sub" : "add");
}

function setAddress(t: Translator, d: number, lo: number, hi: number): void {
  const host = t.pin(d);
  t.address(host >= 0 ? host : rax, lo, hi);
  if (host < 0) t.put(d, rax);
}
function setConstant(t: Translator, d: number, lo: number, hi: number): void {
  const to = target(t, d, -1);
  t.asm.constant(to, lo, hi);
  t.put(d, to);
}
/** Scratch for bitMask: the halves of the mask. */
const mask = { lo: 0, hi: 0 };
type Logical = { f: number; e: number; r: number; i: number; n: number };
function logicImm(t: Translator, f: Logical, op: number, d: number, flags: boolean): Emit {
  if ((f.f === 0 && f.e !== 0) || !bitMask(mask as never, f.e, f.r, f.i)) return false;
  const lo = mask.lo, hi = f.f !== 0 ? mask.hi : 0;
  if (f.n === ZR && op === Alu.or) { // MOV (bitmask immediate)
    setConstant(t, d, lo, hi);
    return true;
  }
  const short = f.f === 0 || hi === lo >> 31;
  if (short) {
    if (d === ZR && flags) {
      t.copy(f.n, rax);
      t.asm.aluImm(op, f.f, rax, lo);
    } else aluImm(t, op, f.f, d, f.n, lo);
  } else {
    t.asm.constant(rcx, lo, hi);
    if (d === ZR) {
      t.copy(f.n, rax);
      t.asm.alu(op, 1, rax, rcx);
    } else aluHost(t, op, 1, d, f.n, rcx);
  }
  if (flags) t.flagsSet("logic");
  return true;
}

export const emitDataImm: Handlers<typeof dataImm, Translator, Emit> = {
  ADR: (t, f) => {
    const low = (t.pcLo >>> 0) + (((f.i << 13) >> 11) | f.j);
    setAddress(t, f.d, low | 0, (t.pcHi + (low > 0xffff_ffff ? 1 : low < 0 ? -1 : 0)) | 0);
  },
  ADRP: (t, f) => {
    const pages = ((f.i << 13) >> 11) | f.j;
    const low = ((t.pcLo & -4096) >>> 0) + ((pages << 12) >>> 0);
    setAddress(t, f.d, low | 0, (t.pcHi + (pages >> 20) + (low > 0xffff_ffff ? 1 : 0)) | 0);
  },
  ADD_imm: (t, f) => addImm(t, f, immediate(f)),
  SUB_imm: (t, f) => addImm(t, f, -immediate(f)),
  ADDS_imm: (t, f) => addsImm(t, f, Alu.add),
  SUBS_imm: (t, f) => addsImm(t, f, Alu.sub),
  AND_imm: (t, f) => logicImm(t, f, Alu.and, f.D, false),
  ORR_imm: (t, f) => logicImm(t, f, Alu.or, f.D, false),
  EOR_imm: (t, f) => logicImm(t, f, Alu.xor, f.D, false),
  ANDS_imm: (t, f) => logicImm(t, f, Alu.and, f.d, true),
  MOVN: (t, f) => {
    if (f.f === 0 && f.h > 1) return false;
    setConstant(t, f.d, f.h < 2 ? ~(f.i << (16 * f.h)) : -1, f.f === 0 ? 0 : f.h < 2 ? -1 : ~(f.i << (16 * f.h - 32)));
    return true;
  },
  MOVZ: (t, f) => {
    if (f.f === 0 && f.h > 1) return false;
    setConstant(t, f.d, f.h < 2 ? f.i << (16 * f.h) : 0, f.h < 2 ? 0 : f.i << (16 * f.h - 32));
    return true;
  },
  MOVK: (t, f) => {
    if (f.f === 0 && f.h > 1) return false;
    const shift = 16 * (f.h & 1);
    const clear = ~(0xffff << shift), bits = f.i << shift;
    t.copy(f.d, rax);
    t.asm.constant(rcx, f.h < 2 ? clear : -1, f.f === 0 ? 0 : f.h < 2 ? -1 : clear);
    t.asm.alu(Alu.and, 1, rax, rcx);
    if (f.h < 2 && bits >= 0) t.asm.aluImm(Alu.or, 1, rax, bits);
    else {
      t.asm.constant(rcx, f.h < 2 ? bits : 0, f.h < 2 ? 0 : bits);
      t.asm.alu(Alu.or, 1, rax, rcx);
    }
    t.put(f.d, rax);
    return true;
  },
  UBFM: (t, f) => bitfield(t, f, Shift.shr),
  SBFM: (t, f) => bitfield(t, f, Shift.sar),
  BFM: (t, f) => {
    if (reserved(f)) return false;
    const bits = f.f === 0 ? 32 : 64;
    const width = f.i >= f.r ? f.i - f.r + 1 : f.i + 1;
    const place = f.i >= f.r ? 0 : bits - f.r;
    const { asm } = t;
    t.copy(f.n, rax);
    if (f.i >= f.r) { if (f.r > 0) asm.shift(Shift.shr, f.f, rax, f.r); }
    else asm.shift(Shift.shl, f.f, rax, place);
    const ones = (1n << BigInt(width)) - 1n << BigInt(place);
    const lo = Number(BigInt.asIntN(32, ones)), hi = Number(BigInt.asIntN(32, ones >> 32n));
    asm.constant(rcx, lo, hi);
    asm.alu(Alu.and, 1, rax, rcx);
    asm.not(1, rcx);
    t.aluGuest(Alu.and, f.f, rcx, f.d);
    asm.alu(Alu.or, f.f, rax, rcx);
    t.put(f.d, rax);
    return true;
  },
  EXTR: (t, f) => {
    if (f.e !== f.f || (f.f === 0 && f.i > 31)) return false;
    if (f.n === f.m && f.i !== 0) { // ROR (immediate)
      const to = target(t, f.d, -1);
      rotated(t, f.f, to, f.m, f.i);
      t.put(f.d, to);
      return true;
    }
    const to = target(t, f.d, f.d === f.m ? -1 : f.n);
    if (to !== t.pin(f.m)) t.copy(f.m, to);
    if (f.i !== 0) t.asm.shrd(f.f, to, t.get(f.n, rcx), f.i);
    else if (f.f === 0) t.asm.mov(0, to, to);
    t.put(f.d, to);
    return true;
  },
};

type Bitfield = { f: number; e: number; r: number; i: number; n: number; d: number };
const reserved = (f: Bitfield): boolean => f.e !== f.f || (f.f === 0 && ((f.r | f.i) & 32) !== 0);
/** Shift to the top, shift down to the place; the frequent cases in one instruction. */
function bitfield(t: Translator, f: Bitfield, down: number): Emit {
  if (reserved(f)) return false;
  const { asm } = t;
  const top = f.f === 0 ? 31 : 63;
  const unsigned = down === Shift.shr;
  if (f.r === 0 && (f.i === 7 || f.i === 15 || f.i === 31) && f.i !== top) { // UXTB, SXTW and their kin
    const to = target(t, f.d, -1);
    t.extended(unsigned ? 0 : f.f, f.i === 7 ? 0 : f.i === 15 ? 1 : 2, unsigned ? 0 : 1, to, f.n);
    t.put(f.d, to);
    return true;
  }
  const to = target(t, f.d, -1);
  if (to !== t.pin(f.n)) t.copy(f.n, to);
  const up = top - f.i;
  const back = f.i >= f.r ? up + f.r : f.r - f.i - 1;
  const width = f.i - f.r + 1;
  if (unsigned && f.r !== 0 && up !== 0 && back > up && width < 32) { // UBFX: down, and a mask
    asm.shift(Shift.shr, f.f, to, f.r);
    asm.aluImm(Alu.and, 0, to, 2 ** width - 1);
  } else {
    if (up !== 0) asm.shift(Shift.shl, f.f, to, up);
    if (back !== 0) asm.shift(down, f.f, to, back);
    if (up === 0 && back === 0 && f.f === 0) asm.mov(0, to, to);
  }
  t.put(f.d, to);
  return true;
}

type Shifted = { f: number; h: number; m: number; i: number; n: number; d: number };
const SHIFTS = [Shift.shl, Shift.shr, Shift.sar, Shift.ror] as const;
/** A host register = Rm turned right. */
function rotated(t: Translator, w: number, to: number, m: number, by: number): void {
  if (t.features.bmi) {
    if (t.inMemory(m)) t.asm.rorxLoad(w, to, Reg.rbp, t.slot(m), by);
    else t.asm.rorx(w, to, t.get(m, rcx), by);
    return;
  }
  if (to !== t.pin(m)) t.copy(m, to);
  t.asm.shift(Shift.ror, w, to, by);
}
/** A host register = Rm shifted. */
function shifted(t: Translator, f: Shifted, to: number): void {
  if (f.h === 3 && f.i !== 0) {
    rotated(t, f.f, to, f.m, f.i);
    return;
  }
  if (to !== t.pin(f.m)) t.copy(f.m, to);
  if (f.i !== 0) t.asm.shift(SHIFTS[f.h] as number, f.f, to, f.i);
}
/** rcx = Rm shifted. False: reserved. */
function shiftedToRcx(t: Translator, f: Shifted): boolean {
  if (f.f === 0 && f.i > 31) return false;
  shifted(t, f, rcx);
  return true;
}
function logic(t: Translator, f: Shifted, op: number, invert: boolean): Emit {
  if (f.i === 0 && !invert) {
    if (f.n === ZR && op === Alu.or) { // MOV (register)
      if (f.f === 1) {
        if (f.d !== f.m) t.put(f.d, t.get(f.m, rax));
      } else {
        const to = target(t, f.d, -1);
        t.copyWord(f.m, to);
        t.put(f.d, to);
      }
      return true;
    }
    aluGuest(t, op, f.f, f.d, f.n, f.m);
    return true;
  }
  if (f.f === 0 && f.i > 31) return false;
  if (t.pin(f.d) >= 0 && f.d !== f.n) { // in place
    const to = t.pin(f.d);
    if (invert && op === Alu.and && t.features.bmi && f.n !== ZR) {
      let m: number = rcx;
      if (f.i === 0) m = t.get(f.m, rcx);
      else shifted(t, f, rcx);
      t.asm.andn(f.f, to, m, t.get(f.n, rax));
      return true;
    }
    shifted(t, f, to);
    if (invert) t.asm.not(f.f, to);
    t.aluGuest(op, f.f, to, f.n);
    return true;
  }
  shifted(t, f, rcx);
  if (invert) t.asm.not(f.f, rcx);
  aluHost(t, op, f.f, f.d, f.n, rcx);
  return true;
}
function logicFlags(t: Translator, f: Shifted, invert: boolean): Emit {
  if (!shiftedToRcx(t, f)) return false;
  if (invert) t.asm.not(f.f, rcx);
  t.aluGuest(Alu.and, f.f, rcx, f.n);
  t.put(f.d, rcx);
  t.flagsSet("logic");
  return true;
}
function addSub(t: Translator, f: Shifted, op: number, flags: boolean): Emit {
  if (f.h === 3) return false;
  const d = t.pin(f.d), n = t.pin(f.n), m = t.pin(f.m);
  if (f.i === 0) {
    if (f.d === ZR && flags && op === Alu.sub) t.aluGuest(Alu.cmp, f.f, t.get(f.n, rax), f.m);
    else if (!flags && op === Alu.add && d >= 0 && n >= 0 && m >= 0 && d !== n && d !== m) t.asm.leaIndexed(f.f, d, n, m, 0);
    else aluGuest(t, op, f.f, f.d, f.n, f.m);
  } else {
    if (f.f === 0 && f.i > 31) return false;
    if (!flags && op === Alu.add && f.h === 0 && f.i < 4 && d >= 0 && n >= 0 && m >= 0) {
      t.asm.leaIndexed(f.f, d, n, m, f.i);
      return true;
    }
    if (op === Alu.add && d >= 0 && f.d !== f.n) {
      shifted(t, f, d);
      t.aluGuest(op, f.f, d, f.n);
      if (flags) t.flagsSet("add");
      return true;
    }
    shifted(t, f, rcx);
    if (f.d === ZR) {
      t.copy(f.n, rax);
      t.asm.alu(op, f.f, rax, rcx);
    } else aluHost(t, op, f.f, f.d, f.n, rcx);
  }
  if (flags) t.flagsSet(op === Alu.sub ? "sub" : "add");
  return true;
}
type Extended = { f: number; m: number; o: number; i: number; N: number };
function addSubExtended(t: Translator, f: Extended, op: number, d: number, flags: boolean): Emit {
  if (f.i > 4) return false;
  const log2 = f.o & 3, signed = f.o >> 2;
  if (log2 === 3) t.copy(f.m, rcx);
  else t.extended(1, log2, signed, rcx, f.m);
  if (f.i !== 0) t.asm.shift(Shift.shl, 1, rcx, f.i);
  if (d === ZR) {
    t.copy(f.N, rax);
    t.asm.alu(op, f.f, rax, rcx);
  } else aluHost(t, op, f.f, d, f.N, rcx);
  if (flags) t.flagsSet(op === Alu.sub ? "sub" : "add");
  return true;
}
type Three = { f: number; m: number; n: number; d: number };
/** With carry. Subtraction wants CF = !C, which is how it is kept; addition the opposite. */
function withCarry(t: Translator, f: Three, op: number, flags: boolean): void {
  t.copy(f.n, rcx);
  t.needFlags();
  if (op === Alu.adc) t.asm.cmc();
  t.aluGuest(op, f.f, rcx, f.m);
  t.put(f.d, rcx);
  if (flags) t.flagsSet(op === Alu.sbb ? "sub" : "add");
}
type Compare = { f: number; c: number; n: number; v: number };
function conditionalCompare(t: Translator, f: Compare, subtract: boolean, operand: number | undefined, m: number): void {
  const { asm } = t;
  const compare = (): void => {
    t.copy(f.n, rdx);
    if (operand !== undefined) asm.aluImm(subtract ? Alu.cmp : Alu.add, f.f, rdx, operand);
    else t.aluGuest(subtract ? Alu.cmp : Alu.add, f.f, rdx, m);
    if (!subtract) asm.cmc();
  };
  if (f.c >= 14) compare();
  else {
    t.needFlags();
    const holds = asm.jcc(t.condition(f.c));
    t.flagsImmediate(f.v);
    const end = asm.jmp();
    asm.patch(holds, asm.at);
    compare();
    asm.patch(end, asm.at);
  }
  t.flagsSet("sub");
}
/** d = cond ? n : (m xor invert) + add. Keeps EFLAGS. */
function select(t: Translator, f: Three & { c: number }, invert: boolean, add: number): void {
  const { asm } = t;
  if (f.c >= 14) {
    asm.mov(f.f, rcx, t.get(f.n, rcx));
    t.put(f.d, rcx);
    return;
  }
  t.needFlags();
  const to = target(t, f.d, f.n) === rax ? rcx : t.pin(f.d);
  if (to !== t.pin(f.m)) t.copy(f.m, to);
  if (invert) asm.not(f.f, to);
  if (add !== 0) asm.lea(f.f, to, to, add);
  if (t.pin(f.n) >= 0) asm.cmov(t.condition(f.c), f.f, to, t.pin(f.n));
  else asm.cmovLoad(t.condition(f.c), f.f, to, Reg.rbp, t.slot(f.n));
  t.put(f.d, to);
}
function multiplyAdd(t: Translator, f: Three & { a: number }, subtract: boolean): void {
  if (subtract) {
    t.copy(f.n, rax);
    t.multiplyGuest(f.f, rax, f.m);
    const to = target(t, f.d, -1) === rax ? rcx : t.pin(f.d);
    if (to !== t.pin(f.a)) t.copy(f.a, to);
    t.asm.alu(Alu.sub, f.f, to, rax);
    t.put(f.d, to);
    return;
  }
  const to = f.d === f.a ? rax : target(t, f.d, f.d === f.n ? -1 : f.m);
  if (to !== t.pin(f.n)) t.copy(f.n, to);
  t.multiplyGuest(f.f, to, f.m);
  if (f.a !== ZR) t.aluGuest(Alu.add, f.f, to, f.a);
  t.put(f.d, to);
}
type Long = { m: number; a: number; n: number; d: number };
function multiplyLong(t: Translator, f: Long, signed: number, subtract: boolean): void {
  t.extended(1, 2, signed, rax, f.n);
  t.extended(1, 2, signed, rcx, f.m);
  t.asm.imul(1, rax, rcx);
  if (subtract) {
    t.copy(f.a, rcx);
    t.asm.alu(Alu.sub, 1, rcx, rax);
    t.put(f.d, rcx);
  } else {
    if (f.a !== ZR) t.aluGuest(Alu.add, 1, rax, f.a);
    t.put(f.d, rax);
  }
}
function multiplyHigh(t: Translator, f: { m: number; n: number; d: number }, signed: boolean): void {
  t.copy(f.n, rax);
  t.asm.mulWide(1, t.get(f.m, rcx), signed);
  t.put(f.d, rdx);
}
function shiftBy(t: Translator, f: Three, op: number): void {
  t.copy(f.n, rax);
  t.copy(f.m, rcx);
  t.asm.shiftCl(op, f.f, rax); // x86 takes the count modulo the size too
  if (f.f === 0) t.asm.mov(0, rax, rax);
  t.put(f.d, rax);
}
/** rax: fields of `bits` exchanged with their neighbours; `mask` has the lower ones of each pair. */
function exchange(t: Translator, w: number, bits: number, mask: number): void {
  const { asm } = t;
  asm.constant(rcx, mask, w === 0 ? 0 : mask);
  asm.mov(w, rdx, rax);
  asm.shift(Shift.shr, w, rax, bits);
  asm.alu(Alu.and, w, rax, rcx);
  asm.alu(Alu.and, w, rdx, rcx);
  asm.shift(Shift.shl, w, rdx, bits);
  asm.alu(Alu.or, w, rax, rdx);
}

export const emitDataReg: Handlers<typeof dataReg, Translator, Emit> = {
  RMIF: emitRmif, SETF8: emitSetFlags(8), SETF16: emitSetFlags(16),
  AND_reg: (t, f) => logic(t, f, Alu.and, false),
  BIC_reg: (t, f) => logic(t, f, Alu.and, true),
  ORR_reg: (t, f) => logic(t, f, Alu.or, false),
  ORN_reg: (t, f) => logic(t, f, Alu.or, true),
  EOR_reg: (t, f) => logic(t, f, Alu.xor, false),
  EON_reg: (t, f) => logic(t, f, Alu.xor, true),
  ANDS_reg: (t, f) => logicFlags(t, f, false),
  BICS_reg: (t, f) => logicFlags(t, f, true),
  ADD_reg: (t, f) => addSub(t, f, Alu.add, false),
  SUB_reg: (t, f) => addSub(t, f, Alu.sub, false),
  ADDS_reg: (t, f) => addSub(t, f, Alu.add, true),
  SUBS_reg: (t, f) => addSub(t, f, Alu.sub, true),
  ADD_ext: (t, f) => addSubExtended(t, f, Alu.add, f.D, false),
  SUB_ext: (t, f) => addSubExtended(t, f, Alu.sub, f.D, false),
  ADDS_ext: (t, f) => addSubExtended(t, f, Alu.add, f.d, true),
  SUBS_ext: (t, f) => addSubExtended(t, f, Alu.sub, f.d, true),
  ADC: (t, f) => withCarry(t, f, Alu.adc, false),
  ADCS: (t, f) => withCarry(t, f, Alu.adc, true),
  SBC: (t, f) => withCarry(t, f, Alu.sbb, false),
  SBCS: (t, f) => withCarry(t, f, Alu.sbb, true),
  CCMN_reg: (t, f) => conditionalCompare(t, f, false, undefined, f.m),
  CCMP_reg: (t, f) => conditionalCompare(t, f, true, undefined, f.m),
  CCMN_imm: (t, f) => conditionalCompare(t, f, false, f.i, ZR),
  CCMP_imm: (t, f) => conditionalCompare(t, f, true, f.i, ZR),
  CSEL: (t, f) => select(t, f, false, 0),
  CSINC: (t, f) => select(t, f, false, 1),
  CSINV: (t, f) => select(t, f, true, 0),
  CSNEG: (t, f) => select(t, f, true, 1),
  MADD: (t, f) => multiplyAdd(t, f, false),
  MSUB: (t, f) => multiplyAdd(t, f, true),
  SMADDL: (t, f) => multiplyLong(t, f, 1, false),
  SMSUBL: (t, f) => multiplyLong(t, f, 1, true),
  UMADDL: (t, f) => multiplyLong(t, f, 0, false),
  UMSUBL: (t, f) => multiplyLong(t, f, 0, true),
  SMULH: (t, f) => multiplyHigh(t, f, true),
  UMULH: (t, f) => multiplyHigh(t, f, false),
  UDIV: (t, f) => {
    const { asm } = t;
    t.copy(f.n, rax);
    t.copy(f.m, rcx);
    asm.constant(rdx, 0, 0);
    asm.test(f.f, rcx, rcx);
    const some = asm.jcc(CC.ne);
    asm.constant(rax, 0, 0);
    const end = asm.jmp();
    asm.patch(some, asm.at);
    asm.div(f.f, rcx);
    asm.patch(end, asm.at);
    t.put(f.d, rax);
  },
  SDIV: (t, f) => {
    const { asm } = t;
    t.copy(f.n, rax);
    t.copy(f.m, rcx);
    asm.aluImm(Alu.cmp, f.f, rcx, 0);
    const some = asm.jcc(CC.ne);
    asm.constant(rax, 0, 0);
    const zero = asm.jmp();
    asm.patch(some, asm.at);
    asm.aluImm(Alu.cmp, f.f, rcx, -1);
    const ordinary = asm.jcc(CC.ne);
    asm.neg(f.f, rax); // x86 traps for the smallest number
    const negated = asm.jmp();
    asm.patch(ordinary, asm.at);
    asm.signExtendRax(f.f);
    asm.idiv(f.f, rcx);
    asm.patch(zero, asm.at);
    asm.patch(negated, asm.at);
    t.put(f.d, rax);
  },
  LSLV: (t, f) => shiftBy(t, f, Shift.shl),
  LSRV: (t, f) => shiftBy(t, f, Shift.shr),
  ASRV: (t, f) => shiftBy(t, f, Shift.sar),
  RORV: (t, f) => shiftBy(t, f, Shift.ror),
  CRC32B: emitCrc32(0), CRC32H: emitCrc32(1), CRC32W: emitCrc32(2), CRC32X: emitCrc32(3),
  CRC32CB: emitCrc32c(0), CRC32CH: emitCrc32c(1), CRC32CW: emitCrc32c(2), CRC32CX: emitCrc32c(3),
  RBIT: (t, f) => {
    t.copy(f.n, rax);
    t.asm.bswap(f.f, rax);
    exchange(t, f.f, 4, 0x0f0f_0f0f);
    exchange(t, f.f, 2, 0x3333_3333);
    exchange(t, f.f, 1, 0x5555_5555);
    t.put(f.d, rax);
  },
  REV16: (t, f) => {
    t.copy(f.n, rax);
    exchange(t, f.f, 8, 0x00ff_00ff);
    t.put(f.d, rax);
  },
  REV_w: (t, f) => {
    t.copy(f.n, rax);
    t.asm.bswap(0, rax);
    t.put(f.d, rax);
  },
  REV32: (t, f) => {
    t.copy(f.n, rax);
    t.asm.bswap(1, rax);
    t.asm.shift(Shift.rol, 1, rax, 32);
    t.put(f.d, rax);
  },
  REV_x: (t, f) => {
    t.copy(f.n, rax);
    t.asm.bswap(1, rax);
    t.put(f.d, rax);
  },
  CLZ: (t, f) => {
    t.asm.lzcnt(f.f, rax, t.get(f.n, rax));
    t.put(f.d, rax);
  },
  CLS: (t, f) => { // bits that equal the next higher one, from the top
    t.copy(f.n, rax);
    t.asm.mov(f.f, rcx, rax);
    t.asm.shift(Shift.sar, f.f, rcx, 1);
    t.asm.alu(Alu.xor, f.f, rax, rcx);
    t.asm.lzcnt(f.f, rax, rax);
    t.asm.aluImm(Alu.sub, 0, rax, 1);
    t.put(f.d, rax);
  },
};
