// src/cpu/interpret/fp-lanes.ts — floating-point operations on lanes: the host's arithmetic where it is certain, else exact.
// Spec: ARM DDI 0487, shared pseudocode functions/float; see src/cpu/fp.
// A lane is never carried through a JavaScript number when it may be a NaN: hosts do not keep NaN bits.
import {
  type Binary, fpAdd, fpDiv, fpEqual, fpGreater, fpGreaterEqual, fpMax, fpMaxNum, fpMin, fpMinNum, fpMul, fpMulAdd, fpMulX, fpNMul, fpRecipStep,
  fpRSqrtStep, fpSqrt, fpSub,
} from "../fp/arithmetic.ts";
import { fixedToFp, fpRoundInt, fpToFixed } from "../fp/convert.ts";
import { F32, F64, H16, Fpcr, type Format, type FpEnv, Fpsr } from "../fp/format.ts";
import { add32, add64, div32, div64, hostRounds, integral, mul32, mul64, mulAdd32, mulAdd64, sqrt32, sqrt64 } from "../fp/host.ts";
import { A, B, D, R, type Vector, env } from "./vector.ts";

/** `g` of half precision; 0 is single, 1 double. The host has none of it: all is exact. */
export const HALF = 2;
/** Lanes of a vector of 8 << q bytes. */
export const countOf = (g: number, q: number): number => (g === HALF ? 4 : 2 >> g) << q;
/** Lane `i` of a vector as a bit pattern. */
export const bitsOf = (v: Vector, g: number, i: number): bigint => (g === 1 ? (v.u64[i] as bigint) : BigInt((g === 0 ? v.u32 : v.u16)[i] as number));
export function setBits(v: Vector, g: number, i: number, bits: bigint): void {
  if (g === 1) v.u64[i] = bits;
  else (g === 0 ? v.u32 : v.u16)[i] = Number(bits);
}
export const formatOf = (g: number): Format => (g === 0 ? F32 : g === 1 ? F64 : H16);
/** Whether the host's arithmetic may be asked; whether its comparisons may. */
const asksHost = (g: number): boolean => g !== HALF && hostRounds(env.fpcr);
const comparesOnHost = (g: number): boolean => g !== HALF && (env.fpcr & Fpcr.FZ) === 0;

type Host = (a: number, b: number, fpsr: number) => number;
/** A binary operation: `single` and `double` answer NaN when only `exact` will do. */
export interface FpOp { readonly exact: Binary; readonly single: Host; readonly double: Host }
/** Of two ordinary numbers that differ the host knows the greater. */
const greater: Host = (a, b) => (a > b ? a : a < b ? b : NaN);
const less: Host = (a, b) => (a < b ? a : a > b ? b : NaN);

type FpName = "add" | "sub" | "mul" | "nmul" | "mulx" | "div" | "max" | "min" | "maxnm" | "minnm" | "recps" | "rsqrts" | "abd";
export const Fp: Readonly<Record<FpName, FpOp>> = {
  add: { exact: fpAdd, single: add32, double: add64 },
  sub: { exact: fpSub, single: (a, b, fpsr) => add32(a, -b, fpsr), double: (a, b, fpsr) => add64(a, -b, fpsr) },
  mul: { exact: fpMul, single: mul32, double: mul64 },
  nmul: { exact: fpNMul, single: (a, b, fpsr) => -mul32(a, b, fpsr), double: (a, b, fpsr) => -mul64(a, b, fpsr) },
  mulx: { exact: fpMulX, single: mul32, double: mul64 },
  div: { exact: fpDiv, single: div32, double: div64 },
  max: { exact: fpMax, single: greater, double: greater },
  min: { exact: fpMin, single: less, double: less },
  maxnm: { exact: fpMaxNum, single: greater, double: greater },
  minnm: { exact: fpMinNum, single: less, double: less },
  recps: { exact: fpRecipStep, single: (a, b, fpsr) => mulAdd32(2, -a, b, fpsr), double: (a, b, fpsr) => mulAdd64(2, -a, b, fpsr) },
  // Halving changes no bit of a result that is not tiny, and 3 - a * b is never tiny without being zero.
  rsqrts: { exact: fpRSqrtStep, single: (a, b, fpsr) => mulAdd32(3, -a, b, fpsr) / 2, double: (a, b, fpsr) => mulAdd64(3, -a, b, fpsr) / 2 },
  abd: {
    exact: (f, e, a, b) => fpSub(f, e, a, b) & ~f.signBit,
    single: (a, b, fpsr) => Math.abs(add32(a, -b, fpsr)), double: (a, b, fpsr) => Math.abs(add64(a, -b, fpsr)),
  },
};

/** R[i] = op(P[j], Q[k]). */
function lane(op: FpOp, g: number, i: number, p: Vector, j: number, q: Vector, k: number, host: boolean): void {
  if (host) {
    if (g === 0) {
      const r = op.single(p.f32[j] as number, q.f32[k] as number, env.fpsr);
      if (r === r) {
        R.f32[i] = r;
        return;
      }
    } else {
      const r = op.double(p.f64[j] as number, q.f64[k] as number, env.fpsr);
      if (r === r) {
        R.f64[i] = r;
        return;
      }
    }
  }
  setBits(R, g, i, op.exact(formatOf(g), env, bitsOf(p, g, j), bitsOf(q, g, k)));
}

export function mapFp(op: FpOp, count: number, g: number): void {
  const host = asksHost(g);
  for (let i = 0; i < count; i++) lane(op, g, i, A, i, B, i, host);
}
export function mapFpPairs(op: FpOp, count: number, g: number): void {
  const host = asksHost(g);
  const half = count >> 1;
  for (let i = 0; i < half; i++) {
    lane(op, g, i, A, 2 * i, A, 2 * i + 1, host);
    lane(op, g, half + i, B, 2 * i, B, 2 * i + 1, host);
  }
}
/** One result from lanes `j` and `k` of A, into lane 0. */
export function pairFp(op: FpOp, g: number, j: number, k: number): void { lane(op, g, 0, A, j, A, k, asksHost(g)); }
/** Reduces the lanes of A in the order of the architecture: pairs of neighbours, then pairs of these results, and so on. */
export function reduceFp(op: FpOp, count: number, g: number): void {
  const host = asksHost(g);
  for (let from = A, left = count; left > 1; from = R, left >>= 1) for (let i = 0; i < left >> 1; i++) lane(op, g, i, from, 2 * i, from, 2 * i + 1, host);
  for (let i = 1; i < count >> 1; i++) setBits(R, g, i, 0n);
}

/** R = D + A * B, with A or D negated. */
export function mapMulAdd(count: number, g: number, negateProduct: boolean, negateAddend: boolean): void {
  const host = asksHost(g);
  const f = formatOf(g);
  for (let i = 0; i < count; i++) {
    if (host) {
      const d = (g === 0 ? D.f32 : D.f64)[i] as number;
      const a = (g === 0 ? A.f32 : A.f64)[i] as number;
      const b = (g === 0 ? B.f32 : B.f64)[i] as number;
      const r = (g === 0 ? mulAdd32 : mulAdd64)(negateAddend ? -d : d, negateProduct ? -a : a, b, env.fpsr);
      if (r === r) {
        if (g === 0) R.f32[i] = r;
        else R.f64[i] = r;
        continue;
      }
    }
    const d = bitsOf(D, g, i);
    const a = bitsOf(A, g, i);
    setBits(R, g, i, fpMulAdd(f, env, negateAddend ? d ^ f.signBit : d, negateProduct ? a ^ f.signBit : a, bitsOf(B, g, i)));
  }
}

/** A comparison: `host` decides for two numbers, `exact` also for NaNs and flushed denormals. */
export interface FpTest { readonly exact: (f: Format, e: FpEnv, a: bigint, b: bigint) => boolean; readonly host: (a: number, b: number) => boolean }
const magnitudes = (test: FpTest): FpTest => ({
  exact: (f, e, a, b) => test.exact(f, e, a & ~f.signBit, b & ~f.signBit), host: (a, b) => test.host(Math.abs(a), Math.abs(b)),
});
const ge: FpTest = { exact: fpGreaterEqual, host: (a, b) => a >= b };
const gt: FpTest = { exact: fpGreater, host: (a, b) => a > b };
export const Test: Readonly<Record<"eq" | "ge" | "gt" | "le" | "lt" | "age" | "agt", FpTest>> = {
  eq: { exact: fpEqual, host: (a, b) => a === b }, ge, gt, age: magnitudes(ge), agt: magnitudes(gt),
  le: { exact: (f, e, a, b) => fpGreaterEqual(f, e, b, a), host: (a, b) => a <= b },
  lt: { exact: (f, e, a, b) => fpGreater(f, e, b, a), host: (a, b) => a < b },
};
/** R[i] = all ones where the comparison of A[i] and B[i] holds. */
export function mapTest(test: FpTest, count: number, g: number): void {
  const host = comparesOnHost(g);
  for (let i = 0; i < count; i++) {
    if (g === HALF) {
      R.u16[i] = test.exact(H16, env, bitsOf(A, g, i), bitsOf(B, g, i)) ? 0xffff : 0;
      continue;
    }
    const a = (g === 0 ? A.f32 : A.f64)[i] as number;
    const b = (g === 0 ? B.f32 : B.f64)[i] as number;
    const holds = host && a === a && b === b ? test.host(a, b) : test.exact(formatOf(g), env, bitsOf(A, g, i), bitsOf(B, g, i));
    if (g === 0) R.i32[i] = holds ? -1 : 0;
    else {
      R.i32[2 * i] = holds ? -1 : 0;
      R.i32[2 * i + 1] = holds ? -1 : 0;
    }
  }
}

/** R[i] = op(A[i]). */
export type FpUnary = (f: Format, e: FpEnv, a: bigint) => bigint;
export function mapUnary(op: FpUnary, count: number, g: number): void {
  const f = formatOf(g);
  for (let i = 0; i < count; i++) setBits(R, g, i, op(f, env, bitsOf(A, g, i)));
}
export function mapSqrt(count: number, g: number): void {
  const host = asksHost(g);
  for (let i = 0; i < count; i++) {
    if (host) {
      const r = g === 0 ? sqrt32(A.f32[i] as number, env.fpsr) : sqrt64(A.f64[i] as number, env.fpsr);
      if (r === r) {
        if (g === 0) R.f32[i] = r;
        else R.f64[i] = r;
        continue;
      }
    }
    setBits(R, g, i, fpSqrt(formatOf(g), env, bitsOf(A, g, i)));
  }
}

/** R[i] = A[i] rounded to an integral value. */
export function mapRound(mode: number, exact: boolean, count: number, g: number): void {
  const host = comparesOnHost(g);
  for (let i = 0; i < count; i++) {
    if (host) {
      const v = (g === 0 ? A.f32 : A.f64)[i] as number;
      const r = integral(v, mode);
      if (r === r) {
        if (exact && r !== v) env.fpsr |= Fpsr.IXC;
        if (g === 0) R.f32[i] = r;
        else R.f64[i] = r;
        continue;
      }
    }
    setBits(R, g, i, fpRoundInt(formatOf(g), env, bitsOf(A, g, i), mode, exact));
  }
}

/** Lane `i` of A as an integer, when it is one of at most 53 bits that lies in range; NaN otherwise. Sets IXC. */
export function hostInteger(g: number, i: number, width: number, unsigned: boolean, mode: number): number {
  if (!comparesOnHost(g)) return NaN;
  const v = (g === 0 ? A.f32 : A.f64)[i] as number;
  const r = integral(v, mode);
  const limit = width === 64 ? 2 ** 53 : unsigned ? 2 ** 32 : 2 ** 31;
  if (!(r < limit && r >= (unsigned ? 0 : -limit))) return NaN;
  if (r !== v) env.fpsr |= Fpsr.IXC;
  return r;
}
/** R[i] = A[i] as an integer of the lane's width. */
export function mapToInteger(mode: number, unsigned: boolean, count: number, g: number): void {
  const width = g === HALF ? 16 : 32 << g;
  for (let i = 0; i < count; i++) {
    const r = hostInteger(g, i, width, unsigned, mode);
    if (r === r) {
      if (g === 0) R.u32[i] = r;
      else {
        R.u32[2 * i] = r;
        R.i32[2 * i + 1] = Math.floor(r / 2 ** 32);
      }
    } else setBits(R, g, i, fpToFixed(formatOf(g), env, bitsOf(A, g, i), width, 0, unsigned, mode));
  }
}

/** R[i] = an integer of `width` bits, as lo and hi, in format g. */
export function setFromInteger(g: number, i: number, lo: number, hi: number, width: number, unsigned: boolean): void {
  const v = width === 32 ? (unsigned ? lo >>> 0 : lo) : (unsigned ? hi >>> 0 : hi) * 2 ** 32 + (lo >>> 0);
  if (g === 1 && Math.abs(v) < 2 ** 53) R.f64[i] = v;
  else if (g === 0 && Math.abs(v) <= 2 ** 24) R.f32[i] = v;
  else {
    const bits = BigInt(lo >>> 0) | (width === 64 ? BigInt(hi >>> 0) << 32n : 0n);
    setBits(R, g, i, fixedToFp(formatOf(g), env, bits, width, 0, unsigned));
  }
}
/** R[i] = the integer in A[i]. */
export function mapFromInteger(unsigned: boolean, count: number, g: number): void {
  for (let i = 0; i < count; i++) {
    if (g === HALF) setBits(R, g, i, fixedToFp(H16, env, bitsOf(A, g, i), 16, 0, unsigned));
    else if (g === 0) setFromInteger(0, i, A.i32[i] as number, 0, 32, unsigned);
    else setFromInteger(1, i, A.i32[2 * i] as number, A.i32[2 * i + 1] as number, 64, unsigned);
  }
}
