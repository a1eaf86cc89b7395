// src/cpu/interpret/data-reg.ts — what the encodings of a64/data-reg.ts do.
// Spec: ARM DDI 0487, C6.2, each instruction's "Operation".
import type { dataReg } from "../a64/data-reg.ts";
import type { Handlers } from "../a64/pattern.ts";
import { Next, type Cpu, type Result } from "./cpu.ts";
import {
  add64, addFlags32, addFlags64, logicFlags, lsl64, mul64, shift32, shift64, umulh64,
} from "./arithmetic.ts";

type Shifted = { f: number; h: number; m: number; i: number; n: number; d: number };
type Extended = { f: number; m: number; o: number; i: number; N: number };
type Three = { f: number; m: number; n: number; d: number };

/** Rm shifted, left in lo, hi. False: reserved. */
function shifted(cpu: Cpu, f: Shifted): boolean {
  const x = cpu.x;
  if (f.f !== 0) {
    if (f.i === 0) { cpu.lo = x[2 * f.m] as number; cpu.hi = x[2 * f.m + 1] as number; }
    else shift64(cpu, f.h, x[2 * f.m] as number, x[2 * f.m + 1] as number, f.i);
    return true;
  }
  if (f.i > 31) return false;
  cpu.lo = shift32(f.h, x[2 * f.m] as number, f.i);
  cpu.hi = 0;
  return true;
}
/** Rm extended and shifted (ExtendReg), left in lo, hi. False: reserved. */
export function extended(cpu: Cpu, m: number, option: number, shift: number): boolean {
  if (shift > 4) return false;
  const lo = cpu.x[2 * m] as number;
  switch (option) {
    case 0: cpu.lo = lo & 0xff; cpu.hi = 0; break;
    case 1: cpu.lo = lo & 0xffff; cpu.hi = 0; break;
    case 2: cpu.lo = lo; cpu.hi = 0; break;
    case 4: cpu.lo = (lo << 24) >> 24; cpu.hi = cpu.lo >> 31; break;
    case 5: cpu.lo = (lo << 16) >> 16; cpu.hi = cpu.lo >> 31; break;
    case 6: cpu.lo = lo; cpu.hi = lo >> 31; break;
    default: cpu.lo = lo; cpu.hi = cpu.x[2 * m + 1] as number;
  }
  if (shift !== 0) lsl64(cpu, cpu.lo, cpu.hi, shift);
  return true;
}

/** d = n + (operand in lo, hi) + carry, without flags. */
function plain(cpu: Cpu, wide: number, n: number, d: number, lo: number, hi: number, carry: number): Result {
  if (wide !== 0) {
    add64(cpu, cpu.x[2 * n] as number, cpu.x[2 * n + 1] as number, lo, hi, carry);
    cpu.setX(d, cpu.lo, cpu.hi);
  } else cpu.setW(d, ((cpu.x[2 * n] as number) + lo + carry) | 0);
  return Next;
}
/** The same, setting NZCV. */
function flagged(cpu: Cpu, wide: number, n: number, d: number, lo: number, hi: number, carry: number): Result {
  if (wide !== 0) {
    addFlags64(cpu, cpu.x[2 * n] as number, cpu.x[2 * n + 1] as number, lo, hi, carry);
    cpu.setX(d, cpu.lo, cpu.hi);
  } else cpu.setW(d, addFlags32(cpu, cpu.x[2 * n] as number, lo, carry));
  return Next;
}
const carryFlag = (cpu: Cpu): number => (cpu.nzcv >>> 29) & 1;

function and(cpu: Cpu, f: Shifted, invert: number): Result {
  if (!shifted(cpu, f)) return cpu.undefined();
  const lo = (cpu.x[2 * f.n] as number) & (cpu.lo ^ invert);
  cpu.setX(f.d, lo, f.f !== 0 ? (cpu.x[2 * f.n + 1] as number) & (cpu.hi ^ invert) : 0);
  return Next;
}
function ands(cpu: Cpu, f: Shifted, invert: number): Result {
  if (!shifted(cpu, f)) return cpu.undefined();
  const lo = (cpu.x[2 * f.n] as number) & (cpu.lo ^ invert);
  const hi = f.f !== 0 ? (cpu.x[2 * f.n + 1] as number) & (cpu.hi ^ invert) : 0;
  logicFlags(cpu, lo, hi, f.f);
  cpu.setX(f.d, lo, hi);
  return Next;
}
function orr(cpu: Cpu, f: Shifted, invert: number): Result {
  if (!shifted(cpu, f)) return cpu.undefined();
  const lo = (cpu.x[2 * f.n] as number) | (cpu.lo ^ invert);
  cpu.setX(f.d, lo, f.f !== 0 ? (cpu.x[2 * f.n + 1] as number) | (cpu.hi ^ invert) : 0);
  return Next;
}
function eor(cpu: Cpu, f: Shifted, invert: number): Result {
  if (!shifted(cpu, f)) return cpu.undefined();
  const lo = (cpu.x[2 * f.n] as number) ^ cpu.lo ^ invert;
  cpu.setX(f.d, lo, f.f !== 0 ? (cpu.x[2 * f.n + 1] as number) ^ cpu.hi ^ invert : 0);
  return Next;
}
const extendedOperand = (cpu: Cpu, f: Extended): boolean => extended(cpu, f.m, f.o, f.i);

/** Conditional compare: flags of n + operand + carry, or the immediate flags. */
function compare(cpu: Cpu, f: { f: number; c: number; n: number; v: number }, lo: number, hi: number, carry: number): Result {
  if (!cpu.holds(f.c)) cpu.nzcv = f.v << 28;
  else if (f.f !== 0) addFlags64(cpu, cpu.x[2 * f.n] as number, cpu.x[2 * f.n + 1] as number, lo, hi, carry);
  else addFlags32(cpu, cpu.x[2 * f.n] as number, lo, carry);
  return Next;
}
/** Conditional select: n, or m xor `invert` plus `carry`. */
function select(cpu: Cpu, f: Three & { c: number }, invert: number, carry: number): Result {
  const x = cpu.x;
  if (cpu.holds(f.c)) cpu.setX(f.d, x[2 * f.n] as number, f.f !== 0 ? x[2 * f.n + 1] as number : 0);
  else if (f.f === 0) cpu.setW(f.d, (((x[2 * f.m] as number) ^ invert) + carry) | 0);
  else {
    add64(cpu, (x[2 * f.m] as number) ^ invert, (x[2 * f.m + 1] as number) ^ invert, carry, 0, 0);
    cpu.setX(f.d, cpu.lo, cpu.hi);
  }
  return Next;
}
/** d = a ± n * m. */
function multiplyAdd(cpu: Cpu, f: Three & { a: number }, subtract: boolean): Result {
  const x = cpu.x;
  if (f.f === 0) {
    const product = Math.imul(x[2 * f.n] as number, x[2 * f.m] as number);
    cpu.setW(f.d, ((x[2 * f.a] as number) + (subtract ? -product : product)) | 0);
    return Next;
  }
  mul64(cpu, x[2 * f.n] as number, x[2 * f.n + 1] as number, x[2 * f.m] as number, x[2 * f.m + 1] as number);
  accumulate(cpu, f.a, f.d, subtract);
  return Next;
}
/** d = a ± (lo, hi). */
function accumulate(cpu: Cpu, a: number, d: number, subtract: boolean): void {
  if (subtract) add64(cpu, cpu.x[2 * a] as number, cpu.x[2 * a + 1] as number, ~cpu.lo, ~cpu.hi, 1);
  else add64(cpu, cpu.x[2 * a] as number, cpu.x[2 * a + 1] as number, cpu.lo, cpu.hi, 0);
  cpu.setX(d, cpu.lo, cpu.hi);
}
type Long = { m: number; a: number; n: number; d: number };
function multiplyLong(cpu: Cpu, f: Long, signed: boolean, subtract: boolean): Result {
  const n = cpu.x[2 * f.n] as number;
  const m = cpu.x[2 * f.m] as number;
  mul64(cpu, n, signed ? n >> 31 : 0, m, signed ? m >> 31 : 0);
  accumulate(cpu, f.a, f.d, subtract);
  return Next;
}

const toBig = (cpu: Cpu, r: number): bigint =>
  (BigInt((cpu.x[2 * r + 1] as number) >>> 0) << 32n) | BigInt((cpu.x[2 * r] as number) >>> 0);
function setBig(cpu: Cpu, r: number, value: bigint): void {
  cpu.setX(r, Number(value & 0xffff_ffffn) | 0, Number((value >> 32n) & 0xffff_ffffn) | 0);
}
const U32 = 2 ** 32;

function divide(cpu: Cpu, f: Three, signed: boolean): Result {
  const x = cpu.x;
  const nLo = x[2 * f.n] as number, mLo = x[2 * f.m] as number;
  if (f.f === 0) {
    // a zero divisor gives zero; INT_MIN / -1 wraps to INT_MIN
    if (signed) cpu.setW(f.d, mLo === 0 ? 0 : (nLo / mLo) | 0);
    else cpu.setW(f.d, mLo === 0 ? 0 : Math.floor((nLo >>> 0) / (mLo >>> 0)) | 0);
    return Next;
  }
  const nHi = x[2 * f.n + 1] as number, mHi = x[2 * f.m + 1] as number;
  if ((mLo | mHi) === 0) { cpu.setX(f.d, 0, 0); return Next; }
  if (nHi >>> 0 < 0x20_0000 && mHi >>> 0 < 0x20_0000) { // both below 2^53: exact as numbers
    const n = nHi * U32 + (nLo >>> 0);
    const m = mHi * U32 + (mLo >>> 0);
    const q = (n - (n % m)) / m;
    cpu.setX(f.d, q | 0, Math.floor(q / U32));
    return Next;
  }
  const n = toBig(cpu, f.n), m = toBig(cpu, f.m);
  setBig(cpu, f.d, signed ? BigInt.asIntN(64, n) / BigInt.asIntN(64, m) : n / m);
  return Next;
}
function shiftBy(cpu: Cpu, f: Three, type: number): Result {
  const by = cpu.x[2 * f.m] as number;
  if (f.f === 0) {
    cpu.setW(f.d, shift32(type, cpu.x[2 * f.n] as number, by & 31));
    return Next;
  }
  shift64(cpu, type, cpu.x[2 * f.n] as number, cpu.x[2 * f.n + 1] as number, by & 63);
  cpu.setX(f.d, cpu.lo, cpu.hi);
  return Next;
}

/** One byte-wise table per polynomial (bit-reversed CRC-32 and CRC-32C). */
const crcTable = (polynomial: number): Int32Array => Int32Array.from({ length: 256 }, (_, i) => {
  let c = i;
  for (let k = 0; k < 8; k++) c = (c & 1) !== 0 ? (c >>> 1) ^ polynomial : c >>> 1;
  return c;
});
const CRC32 = crcTable(0xedb8_8320);
const CRC32C = crcTable(0x82f6_3b78);
function crc(cpu: Cpu, f: { m: number; n: number; d: number }, table: Int32Array, bytes: number): Result {
  let c = cpu.x[2 * f.n] as number;
  for (let i = 0; i < bytes; i++) {
    const byte = ((cpu.x[2 * f.m + (i >>> 2)] as number) >>> (8 * (i & 3))) & 255;
    c = (c >>> 8) ^ (table[(c ^ byte) & 255] as number);
  }
  cpu.setW(f.d, c | 0);
  return Next;
}

const reverseBits = (v: number): number => {
  v = ((v >>> 1) & 0x5555_5555) | ((v & 0x5555_5555) << 1);
  v = ((v >>> 2) & 0x3333_3333) | ((v & 0x3333_3333) << 2);
  v = ((v >>> 4) & 0x0f0f_0f0f) | ((v & 0x0f0f_0f0f) << 4);
  return reverseBytes(v);
};
const reverseBytes = (v: number): number => (v << 24) | ((v & 0xff00) << 8) | ((v >>> 8) & 0xff00) | (v >>> 24);
const reverseHalves = (v: number): number => ((v & 0x00ff_00ff) << 8) | ((v >>> 8) & 0x00ff_00ff);
type One = { n: number; d: number };
const lowOf = (cpu: Cpu, f: One): number => cpu.x[2 * f.n] as number;
const highOf = (cpu: Cpu, f: One): number => cpu.x[2 * f.n + 1] as number;

export const interpretDataReg: Handlers<typeof dataReg, Cpu, Result> = {
  AND_reg: (cpu, f) => and(cpu, f, 0),
  BIC_reg: (cpu, f) => and(cpu, f, -1),
  ORR_reg: (cpu, f) => orr(cpu, f, 0),
  ORN_reg: (cpu, f) => orr(cpu, f, -1),
  EOR_reg: (cpu, f) => eor(cpu, f, 0),
  EON_reg: (cpu, f) => eor(cpu, f, -1),
  ANDS_reg: (cpu, f) => ands(cpu, f, 0),
  BICS_reg: (cpu, f) => ands(cpu, f, -1),

  ADD_reg: (cpu, f) => (f.h === 3 || !shifted(cpu, f) ? cpu.undefined() : plain(cpu, f.f, f.n, f.d, cpu.lo, cpu.hi, 0)),
  SUB_reg: (cpu, f) => (f.h === 3 || !shifted(cpu, f) ? cpu.undefined() : plain(cpu, f.f, f.n, f.d, ~cpu.lo, ~cpu.hi, 1)),
  ADDS_reg: (cpu, f) => (f.h === 3 || !shifted(cpu, f) ? cpu.undefined() : flagged(cpu, f.f, f.n, f.d, cpu.lo, cpu.hi, 0)),
  SUBS_reg: (cpu, f) => (f.h === 3 || !shifted(cpu, f) ? cpu.undefined() : flagged(cpu, f.f, f.n, f.d, ~cpu.lo, ~cpu.hi, 1)),
  ADD_ext: (cpu, f) => (extendedOperand(cpu, f) ? plain(cpu, f.f, f.N, f.D, cpu.lo, cpu.hi, 0) : cpu.undefined()),
  SUB_ext: (cpu, f) => (extendedOperand(cpu, f) ? plain(cpu, f.f, f.N, f.D, ~cpu.lo, ~cpu.hi, 1) : cpu.undefined()),
  ADDS_ext: (cpu, f) => (extendedOperand(cpu, f) ? flagged(cpu, f.f, f.N, f.d, cpu.lo, cpu.hi, 0) : cpu.undefined()),
  SUBS_ext: (cpu, f) => (extendedOperand(cpu, f) ? flagged(cpu, f.f, f.N, f.d, ~cpu.lo, ~cpu.hi, 1) : cpu.undefined()),

  ADC: (cpu, f) => plain(cpu, f.f, f.n, f.d, cpu.x[2 * f.m] as number, cpu.x[2 * f.m + 1] as number, carryFlag(cpu)),
  ADCS: (cpu, f) => flagged(cpu, f.f, f.n, f.d, cpu.x[2 * f.m] as number, cpu.x[2 * f.m + 1] as number, carryFlag(cpu)),
  SBC: (cpu, f) => plain(cpu, f.f, f.n, f.d, ~(cpu.x[2 * f.m] as number), ~(cpu.x[2 * f.m + 1] as number), carryFlag(cpu)),
  SBCS: (cpu, f) => flagged(cpu, f.f, f.n, f.d, ~(cpu.x[2 * f.m] as number), ~(cpu.x[2 * f.m + 1] as number), carryFlag(cpu)),

  CCMN_reg: (cpu, f) => compare(cpu, f, cpu.x[2 * f.m] as number, cpu.x[2 * f.m + 1] as number, 0),
  CCMP_reg: (cpu, f) => compare(cpu, f, ~(cpu.x[2 * f.m] as number), ~(cpu.x[2 * f.m + 1] as number), 1),
  CCMN_imm: (cpu, f) => compare(cpu, f, f.i, 0, 0),
  CCMP_imm: (cpu, f) => compare(cpu, f, ~f.i, -1, 1),

  CSEL: (cpu, f) => select(cpu, f, 0, 0),
  CSINC: (cpu, f) => select(cpu, f, 0, 1),
  CSINV: (cpu, f) => select(cpu, f, -1, 0),
  CSNEG: (cpu, f) => select(cpu, f, -1, 1),

  MADD: (cpu, f) => multiplyAdd(cpu, f, false),
  MSUB: (cpu, f) => multiplyAdd(cpu, f, true),
  SMADDL: (cpu, f) => multiplyLong(cpu, f, true, false),
  SMSUBL: (cpu, f) => multiplyLong(cpu, f, true, true),
  UMADDL: (cpu, f) => multiplyLong(cpu, f, false, false),
  UMSUBL: (cpu, f) => multiplyLong(cpu, f, false, true),
  UMULH: (cpu, f) => {
    const x = cpu.x;
    umulh64(cpu, x[2 * f.n] as number, x[2 * f.n + 1] as number, x[2 * f.m] as number, x[2 * f.m + 1] as number);
    cpu.setX(f.d, cpu.lo, cpu.hi);
    return Next;
  },
  SMULH: (cpu, f) => {
    const x = cpu.x;
    const nLo = x[2 * f.n] as number, nHi = x[2 * f.n + 1] as number;
    const mLo = x[2 * f.m] as number, mHi = x[2 * f.m + 1] as number;
    umulh64(cpu, nLo, nHi, mLo, mHi);
    // signed = unsigned - (n < 0 ? m : 0) - (m < 0 ? n : 0)
    if (nHi < 0) add64(cpu, cpu.lo, cpu.hi, ~mLo, ~mHi, 1);
    if (mHi < 0) add64(cpu, cpu.lo, cpu.hi, ~nLo, ~nHi, 1);
    cpu.setX(f.d, cpu.lo, cpu.hi);
    return Next;
  },

  UDIV: (cpu, f) => divide(cpu, f, false),
  SDIV: (cpu, f) => divide(cpu, f, true),
  LSLV: (cpu, f) => shiftBy(cpu, f, 0),
  LSRV: (cpu, f) => shiftBy(cpu, f, 1),
  ASRV: (cpu, f) => shiftBy(cpu, f, 2),
  RORV: (cpu, f) => shiftBy(cpu, f, 3),
  CRC32B: (cpu, f) => crc(cpu, f, CRC32, 1),
  CRC32H: (cpu, f) => crc(cpu, f, CRC32, 2),
  CRC32W: (cpu, f) => crc(cpu, f, CRC32, 4),
  CRC32X: (cpu, f) => crc(cpu, f, CRC32, 8),
  CRC32CB: (cpu, f) => crc(cpu, f, CRC32C, 1),
  CRC32CH: (cpu, f) => crc(cpu, f, CRC32C, 2),
  CRC32CW: (cpu, f) => crc(cpu, f, CRC32C, 4),
  CRC32CX: (cpu, f) => crc(cpu, f, CRC32C, 8),

  RBIT: (cpu, f) => {
    const lo = reverseBits(lowOf(cpu, f));
    if (f.f === 0) cpu.setW(f.d, lo);
    else cpu.setX(f.d, reverseBits(highOf(cpu, f)), lo);
    return Next;
  },
  REV16: (cpu, f) => {
    cpu.setX(f.d, reverseHalves(lowOf(cpu, f)), f.f !== 0 ? reverseHalves(highOf(cpu, f)) : 0);
    return Next;
  },
  REV_w: (cpu, f) => {
    cpu.setW(f.d, reverseBytes(lowOf(cpu, f)));
    return Next;
  },
  REV32: (cpu, f) => {
    cpu.setX(f.d, reverseBytes(lowOf(cpu, f)), reverseBytes(highOf(cpu, f)));
    return Next;
  },
  REV_x: (cpu, f) => {
    const lo = lowOf(cpu, f);
    cpu.setX(f.d, reverseBytes(highOf(cpu, f)), reverseBytes(lo));
    return Next;
  },
  CLZ: (cpu, f) => {
    const hi = highOf(cpu, f);
    const low = Math.clz32(lowOf(cpu, f));
    cpu.setW(f.d, f.f === 0 ? low : hi !== 0 ? Math.clz32(hi) : 32 + low);
    return Next;
  },
  CLS: (cpu, f) => {
    const lo = lowOf(cpu, f), hi = highOf(cpu, f);
    if (f.f === 0) cpu.setW(f.d, Math.clz32(lo ^ (lo >> 31)) - 1);
    else {
      const sign = hi >> 31;
      const high = hi ^ sign;
      cpu.setW(f.d, (high !== 0 ? Math.clz32(high) : 32 + Math.clz32(lo ^ sign)) - 1);
    }
    return Next;
  },
  RMIF: (cpu, f) => {
    const lo = cpu.x[2 * f.n] as number, hi = cpu.x[2 * f.n + 1] as number;
    const from = f.i & 32 ? hi : lo, next = f.i & 32 ? lo : hi, by = f.i & 31;
    const turned = by === 0 ? from : (from >>> by) | (next << (32 - by));
    cpu.nzcv = (cpu.nzcv & ~(f.v << 28)) | ((turned & f.v) << 28);
    return Next;
  },
  SETF8: (cpu, f) => setFlagsOf(cpu, cpu.x[2 * f.n] as number, 8),
  SETF16: (cpu, f) => setFlagsOf(cpu, cpu.x[2 * f.n] as number, 16),
};

/** NZV of a sum in the lower `bits`: V when the bit above them is not their sign. */
function setFlagsOf(cpu: Cpu, v: number, bits: number): Result {
  const sign = (v >>> (bits - 1)) & 1, above = (v >>> bits) & 1;
  cpu.nzcv = (cpu.nzcv & 0x2000_0000) | (sign << 31) | ((v << (32 - bits)) === 0 ? 0x4000_0000 : 0) | ((sign ^ above) << 28);
  return Next;
}
