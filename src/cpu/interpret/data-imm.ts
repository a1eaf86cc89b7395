// src/cpu/interpret/data-imm.ts — what the encodings of a64/data-imm.ts do.
// Spec: ARM DDI 0487, C6.2, each instruction's "Operation".
import type { dataImm } from "../a64/data-imm.ts";
import type { Handlers } from "../a64/pattern.ts";
import { Next, type Cpu, type Result } from "./cpu.ts";
import { add64, addFlags32, addFlags64, asr64, bitMask, logicFlags, lsl64, lsr64 } from "./arithmetic.ts";

type AddSub = { f: number; h: number; i: number; N: number };

function addImm(cpu: Cpu, f: AddSub, d: number): Result {
  const x = cpu.x;
  const imm = f.h !== 0 ? f.i << 12 : f.i;
  if (f.f !== 0) {
    const low = ((x[2 * f.N] as number) >>> 0) + imm;
    cpu.setX(d, low | 0, ((x[2 * f.N + 1] as number) + (low > 0xffff_ffff ? 1 : 0)) | 0);
  } else cpu.setW(d, ((x[2 * f.N] as number) + imm) | 0);
  return Next;
}
function subImm(cpu: Cpu, f: AddSub, d: number): Result {
  const x = cpu.x;
  const imm = f.h !== 0 ? f.i << 12 : f.i;
  if (f.f !== 0) {
    const low = ((x[2 * f.N] as number) >>> 0) - imm;
    cpu.setX(d, low | 0, ((x[2 * f.N + 1] as number) - (low < 0 ? 1 : 0)) | 0);
  } else cpu.setW(d, ((x[2 * f.N] as number) - imm) | 0);
  return Next;
}
function addsImm(cpu: Cpu, f: AddSub & { d: number }, imm: number, immHi: number, carry: number): Result {
  const x = cpu.x;
  if (f.f !== 0) {
    addFlags64(cpu, x[2 * f.N] as number, x[2 * f.N + 1] as number, imm, immHi, carry);
    cpu.setX(f.d, cpu.lo, cpu.hi);
  } else cpu.setW(f.d, addFlags32(cpu, x[2 * f.N] as number, imm, carry));
  return Next;
}

type Bitfield = { f: number; e: number; r: number; i: number; n: number; d: number };
/** sf must equal N, and a 32-bit form has no bit 5 in its immediates. */
const reserved = (f: Bitfield): boolean => f.e !== f.f || (f.f === 0 && ((f.r | f.i) & 32) !== 0);

export const interpretDataImm: Handlers<typeof dataImm, Cpu, Result> = {
  ADR: (cpu, f) => {
    add64(cpu, cpu.pcLo, cpu.pcHi, ((f.i << 13) >> 11) | f.j, (f.i << 13) >> 31, 0);
    cpu.setX(f.d, cpu.lo, cpu.hi);
    return Next;
  },
  ADRP: (cpu, f) => {
    const pages = (((f.i << 13) >> 11) | f.j); // signed 21 bits
    add64(cpu, cpu.pcLo & -4096, cpu.pcHi, pages << 12, pages >> 20, 0);
    cpu.setX(f.d, cpu.lo, cpu.hi);
    return Next;
  },

  ADD_imm: (cpu, f) => addImm(cpu, f, f.D),
  SUB_imm: (cpu, f) => subImm(cpu, f, f.D),
  ADDS_imm: (cpu, f) => addsImm(cpu, f, f.h !== 0 ? f.i << 12 : f.i, 0, 0),
  SUBS_imm: (cpu, f) => addsImm(cpu, f, ~(f.h !== 0 ? f.i << 12 : f.i), -1, 1),

  AND_imm: (cpu, f) => {
    if ((f.f === 0 && f.e !== 0) || !bitMask(cpu, f.e, f.r, f.i)) return cpu.undefined();
    const lo = (cpu.x[2 * f.n] as number) & cpu.lo;
    cpu.setX(f.D, lo, f.f !== 0 ? (cpu.x[2 * f.n + 1] as number) & cpu.hi : 0);
    return Next;
  },
  ORR_imm: (cpu, f) => {
    if ((f.f === 0 && f.e !== 0) || !bitMask(cpu, f.e, f.r, f.i)) return cpu.undefined();
    const lo = (cpu.x[2 * f.n] as number) | cpu.lo;
    cpu.setX(f.D, lo, f.f !== 0 ? (cpu.x[2 * f.n + 1] as number) | cpu.hi : 0);
    return Next;
  },
  EOR_imm: (cpu, f) => {
    if ((f.f === 0 && f.e !== 0) || !bitMask(cpu, f.e, f.r, f.i)) return cpu.undefined();
    const lo = (cpu.x[2 * f.n] as number) ^ cpu.lo;
    cpu.setX(f.D, lo, f.f !== 0 ? (cpu.x[2 * f.n + 1] as number) ^ cpu.hi : 0);
    return Next;
  },
  ANDS_imm: (cpu, f) => {
    if ((f.f === 0 && f.e !== 0) || !bitMask(cpu, f.e, f.r, f.i)) return cpu.undefined();
    const lo = (cpu.x[2 * f.n] as number) & cpu.lo;
    const hi = f.f !== 0 ? (cpu.x[2 * f.n + 1] as number) & cpu.hi : 0;
    logicFlags(cpu, lo, hi, f.f);
    cpu.setX(f.d, lo, hi);
    return Next;
  },

  MOVN: (cpu, f) => {
    if (f.f === 0 && f.h > 1) return cpu.undefined();
    const lo = f.h < 2 ? ~(f.i << (16 * f.h)) : -1;
    cpu.setX(f.d, lo, f.f === 0 ? 0 : f.h < 2 ? -1 : ~(f.i << (16 * f.h - 32)));
    return Next;
  },
  MOVZ: (cpu, f) => {
    if (f.f === 0 && f.h > 1) return cpu.undefined();
    cpu.setX(f.d, f.h < 2 ? f.i << (16 * f.h) : 0, f.h < 2 ? 0 : f.i << (16 * f.h - 32));
    return Next;
  },
  MOVK: (cpu, f) => {
    if (f.f === 0 && f.h > 1) return cpu.undefined();
    let lo = cpu.x[2 * f.d] as number;
    let hi = f.f === 0 ? 0 : cpu.x[2 * f.d + 1] as number;
    const shift = 16 * (f.h & 1);
    if (f.h < 2) lo = (lo & ~(0xffff << shift)) | (f.i << shift);
    else hi = (hi & ~(0xffff << shift)) | (f.i << shift);
    cpu.setX(f.d, lo, hi);
    return Next;
  },

  // Both directions of a bitfield move are a shift to the top and a shift down to the place.
  UBFM: (cpu, f) => {
    if (reserved(f)) return cpu.undefined();
    if (f.f === 0) {
      const top = (cpu.x[2 * f.n] as number) << (31 - f.i);
      cpu.setW(f.d, f.i >= f.r ? top >>> (31 - f.i + f.r) : top >>> (f.r - f.i - 1));
      return Next;
    }
    lsl64(cpu, cpu.x[2 * f.n] as number, cpu.x[2 * f.n + 1] as number, 63 - f.i);
    lsr64(cpu, cpu.lo, cpu.hi, f.i >= f.r ? 63 - f.i + f.r : f.r - f.i - 1);
    cpu.setX(f.d, cpu.lo, cpu.hi);
    return Next;
  },
  SBFM: (cpu, f) => {
    if (reserved(f)) return cpu.undefined();
    if (f.f === 0) {
      const top = (cpu.x[2 * f.n] as number) << (31 - f.i);
      cpu.setW(f.d, f.i >= f.r ? top >> (31 - f.i + f.r) : top >> (f.r - f.i - 1));
      return Next;
    }
    lsl64(cpu, cpu.x[2 * f.n] as number, cpu.x[2 * f.n + 1] as number, 63 - f.i);
    asr64(cpu, cpu.lo, cpu.hi, f.i >= f.r ? 63 - f.i + f.r : f.r - f.i - 1);
    cpu.setX(f.d, cpu.lo, cpu.hi);
    return Next;
  },
  BFM: (cpu, f) => {
    if (reserved(f)) return cpu.undefined();
    const x = cpu.x;
    const bits = f.f === 0 ? 32 : 64;
    // width and place of the field in the destination
    const width = f.i >= f.r ? f.i - f.r + 1 : f.i + 1;
    const place = f.i >= f.r ? 0 : bits - f.r;
    if (f.i >= f.r) lsr64(cpu, x[2 * f.n] as number, x[2 * f.n + 1] as number, f.r);
    else lsl64(cpu, x[2 * f.n] as number, x[2 * f.n + 1] as number, place);
    const lo = cpu.lo, hi = cpu.hi;
    lsr64(cpu, -1, -1, 64 - width);
    lsl64(cpu, cpu.lo, cpu.hi, place);
    const maskLo = cpu.lo, maskHi = cpu.hi;
    cpu.setX(f.d, (lo & maskLo) | ((x[2 * f.d] as number) & ~maskLo),
      f.f === 0 ? 0 : (hi & maskHi) | ((x[2 * f.d + 1] as number) & ~maskHi));
    return Next;
  },

  EXTR: (cpu, f) => {
    if (f.e !== f.f || (f.f === 0 && f.i > 31)) return cpu.undefined();
    const x = cpu.x;
    if (f.f === 0) {
      const lo = x[2 * f.m] as number;
      cpu.setW(f.d, f.i === 0 ? lo : (lo >>> f.i) | ((x[2 * f.n] as number) << (32 - f.i)));
      return Next;
    }
    lsr64(cpu, x[2 * f.m] as number, x[2 * f.m + 1] as number, f.i);
    const lo = cpu.lo, hi = cpu.hi;
    if (f.i === 0) cpu.setX(f.d, lo, hi);
    else {
      lsl64(cpu, x[2 * f.n] as number, x[2 * f.n + 1] as number, 64 - f.i);
      cpu.setX(f.d, lo | cpu.lo, hi | cpu.hi);
    }
    return Next;
  },
};
