// src/cpu/interpret/arithmetic.ts — 64-bit integer arithmetic on lo/hi pairs of signed 32-bit halves, and the flags.
// Results of 64-bit helpers are left in cpu.lo and cpu.hi. Spec: ARM DDI 0487, shared pseudocode (AddWithCarry,
// ShiftReg, DecodeBitMasks).
import type { Cpu } from "./cpu.ts";

/** NZCV of a 32-bit x + y + carry; the sum is returned. */
export function addFlags32(cpu: Cpu, x: number, y: number, carry: number): number {
  const wide = (x >>> 0) + (y >>> 0) + carry;
  const sum = wide | 0;
  cpu.nzcv = (sum & 0x8000_0000) | (sum === 0 ? 1 << 30 : 0) | (wide > 0xffff_ffff ? 1 << 29 : 0)
    | ((((x ^ sum) & (y ^ sum)) >>> 31) << 28);
  return sum;
}
/** NZCV of a 64-bit sum, left in lo, hi. */
export function addFlags64(cpu: Cpu, xLo: number, xHi: number, yLo: number, yHi: number, carry: number): void {
  const low = (xLo >>> 0) + (yLo >>> 0) + carry;
  const high = (xHi >>> 0) + (yHi >>> 0) + (low > 0xffff_ffff ? 1 : 0);
  const lo = low | 0;
  const hi = high | 0;
  cpu.nzcv = (hi & 0x8000_0000) | ((lo | hi) === 0 ? 1 << 30 : 0) | (high > 0xffff_ffff ? 1 << 29 : 0)
    | ((((xHi ^ hi) & (yHi ^ hi)) >>> 31) << 28);
  cpu.lo = lo;
  cpu.hi = hi;
}
/** x + y + carry, 64 bits, no flags. */
export function add64(cpu: Cpu, xLo: number, xHi: number, yLo: number, yHi: number, carry: number): void {
  const low = (xLo >>> 0) + (yLo >>> 0) + carry;
  cpu.lo = low | 0;
  cpu.hi = (((xHi + yHi) | 0) + (low > 0xffff_ffff ? 1 : 0)) | 0;
}
/** N and Z of a logical result, C and V zero. */
export const logicFlags = (cpu: Cpu, lo: number, hi: number, wide: number): void => {
  cpu.nzcv = ((wide !== 0 ? hi : lo) & 0x8000_0000) | ((wide !== 0 ? lo | hi : lo) === 0 ? 1 << 30 : 0);
};

/** 64-bit shifts by 0..63. */
export function lsl64(cpu: Cpu, lo: number, hi: number, by: number): void {
  if (by === 0) { cpu.lo = lo; cpu.hi = hi; }
  else if (by < 32) { cpu.lo = lo << by; cpu.hi = (hi << by) | (lo >>> (32 - by)); }
  else { cpu.lo = 0; cpu.hi = lo << (by - 32); }
}
export function lsr64(cpu: Cpu, lo: number, hi: number, by: number): void {
  if (by === 0) { cpu.lo = lo; cpu.hi = hi; }
  else if (by < 32) { cpu.lo = (lo >>> by) | (hi << (32 - by)); cpu.hi = (hi >>> by) | 0; }
  else { cpu.lo = (hi >>> (by - 32)) | 0; cpu.hi = 0; }
}
export function asr64(cpu: Cpu, lo: number, hi: number, by: number): void {
  if (by === 0) { cpu.lo = lo; cpu.hi = hi; }
  else if (by < 32) { cpu.lo = (lo >>> by) | (hi << (32 - by)); cpu.hi = hi >> by; }
  else { cpu.lo = hi >> (by - 32); cpu.hi = hi >> 31; }
}
export function ror64(cpu: Cpu, lo: number, hi: number, by: number): void {
  if ((by & 32) !== 0) { const t = lo; lo = hi; hi = t; }
  const b = by & 31;
  if (b === 0) { cpu.lo = lo; cpu.hi = hi; }
  else { cpu.lo = (lo >>> b) | (hi << (32 - b)); cpu.hi = (hi >>> b) | (lo << (32 - b)); }
}
/** Shift type 0 LSL, 1 LSR, 2 ASR, 3 ROR of a 64-bit value. */
export function shift64(cpu: Cpu, type: number, lo: number, hi: number, by: number): void {
  if (by === 0) { cpu.lo = lo; cpu.hi = hi; }
  else if (type === 0) lsl64(cpu, lo, hi, by);
  else if (type === 1) lsr64(cpu, lo, hi, by);
  else if (type === 2) asr64(cpu, lo, hi, by);
  else ror64(cpu, lo, hi, by);
}
export const shift32 = (type: number, value: number, by: number): number =>
  by === 0 ? value | 0
  : type === 0 ? value << by
  : type === 1 ? (value >>> by) | 0
  : type === 2 ? value >> by
  : (value >>> by) | (value << (32 - by));

/** Bits 63..32 of an unsigned 32 × 32 product, as a signed half. */
export function mulHigh32(a: number, b: number): number {
  const al = a & 0xffff, ah = a >>> 16, bl = b & 0xffff, bh = b >>> 16;
  const u = (Math.imul(ah, bl) + (Math.imul(al, bl) >>> 16)) | 0;
  const v = (Math.imul(al, bh) + (u & 0xffff)) | 0;
  return (((Math.imul(ah, bh) + (u >>> 16)) | 0) + (v >>> 16)) | 0;
}
/** Low 64 bits of a 64 × 64 product. */
export function mul64(cpu: Cpu, aLo: number, aHi: number, bLo: number, bHi: number): void {
  cpu.hi = (((mulHigh32(aLo, bLo) + Math.imul(aLo, bHi)) | 0) + Math.imul(aHi, bLo)) | 0;
  cpu.lo = Math.imul(aLo, bLo);
}
/** High 64 bits of an unsigned 64 × 64 product. */
export function umulh64(cpu: Cpu, aLo: number, aHi: number, bLo: number, bHi: number): void {
  const mid = (mulHigh32(aLo, bLo) >>> 0) + (Math.imul(aLo, bHi) >>> 0) + (Math.imul(aHi, bLo) >>> 0);
  const carry = mid >= 0x2_0000_0000 ? 2 : mid >= 0x1_0000_0000 ? 1 : 0;
  const low = (mulHigh32(aLo, bHi) >>> 0) + (mulHigh32(aHi, bLo) >>> 0) + (Math.imul(aHi, bHi) >>> 0) + carry;
  const carry2 = low >= 0x2_0000_0000 ? 2 : low >= 0x1_0000_0000 ? 1 : 0;
  cpu.lo = low | 0;
  cpu.hi = (mulHigh32(aHi, bHi) + carry2) | 0;
}

const maskLo = new Int32Array(8192);
const maskHi = new Int32Array(8192);
/** 0 = not computed yet, 1 = valid, 2 = reserved. */
const maskState = new Uint8Array(8192);
/**
 * The bit mask of a logical immediate, N:immr:imms, left in lo, hi (for 64 bits; the 32-bit form is its low half).
 * False when the encoding is reserved.
 */
export function bitMask(cpu: Cpu, n: number, immr: number, imms: number): boolean {
  const key = (n << 12) | (immr << 6) | imms;
  if (maskState[key] === 0) {
    const length = 31 - Math.clz32((n << 6) | (~imms & 63));
    const size = 2 ** length;
    const s = imms & (size - 1);
    const r = immr & (size - 1);
    if (length < 1 || s === size - 1) maskState[key] = 2;
    else {
      const bit = (i: number): number => ((i + r) % size) <= s ? 1 : 0;
      for (let i = 0; i < 32; i++) {
        maskLo[key] = (maskLo[key] as number) | (bit(i) << i);
        maskHi[key] = (maskHi[key] as number) | (bit(i + 32) << i);
      }
      maskState[key] = 1;
    }
  }
  cpu.lo = maskLo[key] as number;
  cpu.hi = maskHi[key] as number;
  return maskState[key] === 1;
}
