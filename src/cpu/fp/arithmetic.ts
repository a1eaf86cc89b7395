// src/cpu/fp/arithmetic.ts — add, subtract, multiply, divide, square root, fused multiply-add, minimum, maximum, compare.
// Spec: ARM DDI 0487, shared pseudocode functions/float, functions of the same names.
import {
  type Format, type FpEnv, Fpsr, type Unpacked, infinity, invalid, isNaN, powerOfTwo, processNaN, processNaNs, round, unpack, zero, zeroSumSign,
} from "./format.ts";

/** A binary operation on bit patterns of one format. */
export type Binary = (f: Format, env: FpEnv, a: bigint, b: bigint) => bigint;

/** FPRound of an exact finite sum of two terms, each ±mant * 2^exp. */
function roundSum(f: Format, env: FpEnv, s1: boolean, m1: bigint, e1: number, s2: boolean, m2: bigint, e2: number): bigint {
  const exp = Math.min(e1, e2);
  const a = m1 << BigInt(e1 - exp);
  const b = m2 << BigInt(e2 - exp);
  const sum = (s1 ? -a : a) + (s2 ? -b : b);
  if (sum === 0n) return zero(f, zeroSumSign(env));
  return round(f, env, sum < 0n, sum < 0n ? -sum : sum, exp);
}

function addSigned(f: Format, env: FpEnv, a: bigint, b: bigint, subtract: boolean): bigint {
  const u1 = unpack(f, a, env);
  const u2 = unpack(f, b, env);
  const nan = processNaNs(f, env, u1, a, u2, b);
  if (nan !== undefined) return nan;
  const sign2 = u2.sign !== subtract;
  if (u1.kind === "infinity" && u2.kind === "infinity" && u1.sign !== sign2) return invalid(f, env);
  if (u1.kind === "infinity") return infinity(f, u1.sign);
  if (u2.kind === "infinity") return infinity(f, sign2);
  if (u1.kind === "zero" && u2.kind === "zero" && u1.sign === sign2) return zero(f, u1.sign);
  return roundSum(f, env, u1.sign, u1.mant, u1.kind === "zero" ? u2.exp : u1.exp, sign2, u2.mant, u2.kind === "zero" ? u1.exp : u2.exp);
}
export const fpAdd: Binary = (f, env, a, b) => addSigned(f, env, a, b, false);
export const fpSub: Binary = (f, env, a, b) => addSigned(f, env, a, b, true);

function multiply(f: Format, env: FpEnv, a: bigint, b: bigint, extended: boolean): bigint {
  const u1 = unpack(f, a, env);
  const u2 = unpack(f, b, env);
  const nan = processNaNs(f, env, u1, a, u2, b);
  if (nan !== undefined) return nan;
  const sign = u1.sign !== u2.sign;
  const infinite = u1.kind === "infinity" || u2.kind === "infinity";
  const nought = u1.kind === "zero" || u2.kind === "zero";
  if (infinite && nought) return extended ? powerOfTwo(f, sign, 1, false) : invalid(f, env);
  if (infinite) return infinity(f, sign);
  if (nought) return zero(f, sign);
  return round(f, env, sign, u1.mant * u2.mant, u1.exp + u2.exp);
}
export const fpMul: Binary = (f, env, a, b) => multiply(f, env, a, b, false);
/** Infinity times zero is two. */
export const fpMulX: Binary = (f, env, a, b) => multiply(f, env, a, b, true);
/** FPNeg(FPMul), the FNMUL instruction. */
export const fpNMul: Binary = (f, env, a, b) => multiply(f, env, a, b, false) ^ f.signBit;

export const fpDiv: Binary = (f, env, a, b) => {
  const u1 = unpack(f, a, env);
  const u2 = unpack(f, b, env);
  const nan = processNaNs(f, env, u1, a, u2, b);
  if (nan !== undefined) return nan;
  const sign = u1.sign !== u2.sign;
  if (u1.kind === u2.kind && u1.kind !== "nonzero") return invalid(f, env);
  if (u1.kind === "infinity" || u2.kind === "zero") {
    if (u1.kind !== "infinity") env.fpsr |= Fpsr.DZC;
    return infinity(f, sign);
  }
  if (u1.kind === "zero" || u2.kind === "infinity") return zero(f, sign);
  const shift = 2 * f.frac + 4; // also a denormal numerator leaves a full quotient and guard bits
  const n = u1.mant << BigInt(shift);
  const q = n / u2.mant;
  return round(f, env, sign, q, u1.exp - u2.exp - shift, q * u2.mant !== n);
};

export function fpSqrt(f: Format, env: FpEnv, a: bigint): bigint {
  const u = unpack(f, a, env);
  if (isNaN(u)) return processNaN(f, env, u, a);
  if (u.kind === "zero") return zero(f, u.sign);
  if (u.sign) return invalid(f, env);
  if (u.kind === "infinity") return infinity(f, false);
  let shift = 2 * f.frac + 4;
  if (((u.exp - shift) & 1) !== 0) shift++;
  const n = u.mant << BigInt(shift);
  const root = squareRoot(n);
  return round(f, env, false, root, (u.exp - shift) / 2, root * root !== n);
}
/** The integer part of the square root: Newton's steps from above. */
function squareRoot(n: bigint): bigint {
  let x = 1n << BigInt(Math.ceil(n.toString(16).length * 2) + 1);
  for (;;) {
    const y = (x + n / x) >> 1n;
    if (y >= x) return x;
    x = y;
  }
}

/** The special cases of a fused a + b * c after NaNs; undefined when all are finite and the sum is to be rounded. */
function fusedSpecial(f: Format, env: FpEnv, ua: Unpacked, u1: Unpacked, u2: Unpacked): bigint | undefined {
  const signP = u1.sign !== u2.sign;
  const infP = u1.kind === "infinity" || u2.kind === "infinity";
  const zeroP = u1.kind === "zero" || u2.kind === "zero";
  if ((infP && zeroP) || (ua.kind === "infinity" && infP && ua.sign !== signP)) return invalid(f, env);
  if (ua.kind === "infinity") return infinity(f, ua.sign);
  if (infP) return infinity(f, signP);
  if (ua.kind === "zero" && zeroP && ua.sign === signP) return zero(f, ua.sign);
  return undefined;
}

/** FPMulAdd: addend + a * b, rounded once. */
export function fpMulAdd(f: Format, env: FpEnv, addend: bigint, a: bigint, b: bigint): bigint {
  const ua = unpack(f, addend, env);
  const u1 = unpack(f, a, env);
  const u2 = unpack(f, b, env);
  const product = (u1.kind === "infinity" && u2.kind === "zero") || (u1.kind === "zero" && u2.kind === "infinity");
  // FPProcessNaNs3: signalling first, then in operand order; infinity * 0 outranks a quiet addend.
  const nan =
    ua.kind === "snan" ? processNaN(f, env, ua, addend)
    : u1.kind === "snan" ? processNaN(f, env, u1, a)
    : u2.kind === "snan" ? processNaN(f, env, u2, b)
    : ua.kind === "qnan" ? (product ? invalid(f, env) : processNaN(f, env, ua, addend))
    : u1.kind === "qnan" ? processNaN(f, env, u1, a)
    : u2.kind === "qnan" ? processNaN(f, env, u2, b)
    : undefined;
  if (nan !== undefined) return nan;
  const special = fusedSpecial(f, env, ua, u1, u2);
  if (special !== undefined) return special;
  const expP = u1.exp + u2.exp;
  const mantP = u1.mant * u2.mant;
  return roundSum(f, env, ua.sign, ua.mant, ua.kind === "zero" ? expP : ua.exp, u1.sign !== u2.sign, mantP, mantP === 0n ? ua.exp : expP);
}

/** FPRecipStepFused: 2 - a * b; infinity times zero counts as zero. */
export const fpRecipStep: Binary = (f, env, a, b) => fusedStep(f, env, a, b, false);
/** FPRSqrtStepFused: (3 - a * b) / 2; infinity times zero counts as zero. */
export const fpRSqrtStep: Binary = (f, env, a, b) => fusedStep(f, env, a, b, true);
function fusedStep(f: Format, env: FpEnv, a: bigint, b: bigint, root: boolean): bigint {
  const negated = a ^ f.signBit;
  const u1 = unpack(f, negated, env);
  const u2 = unpack(f, b, env);
  const nan = processNaNs(f, env, u1, negated, u2, b);
  if (nan !== undefined) return nan;
  const infinite = u1.kind === "infinity" || u2.kind === "infinity";
  const nought = u1.kind === "zero" || u2.kind === "zero";
  if (infinite && nought) return root ? powerOfTwo(f, false, 0, true) : powerOfTwo(f, false, 1, false);
  if (infinite) return infinity(f, u1.sign !== u2.sign);
  const halve = root ? 1 : 0;
  const exp = nought ? 0 : u1.exp + u2.exp;
  return roundSum(f, env, false, root ? 3n : 2n, -halve, u1.sign !== u2.sign, u1.mant * u2.mant, exp - halve);
}

/** -1, 0 or 1 for two values that are not NaNs. */
function order(u1: Unpacked, u2: Unpacked): number {
  const side = (u: Unpacked): number => (u.kind === "zero" ? 0 : u.sign ? -1 : 1);
  const s1 = side(u1);
  const s2 = side(u2);
  if (s1 !== s2) return s1 < s2 ? -1 : 1;
  if (s1 === 0) return 0;
  if (u1.kind === "infinity" || u2.kind === "infinity") {
    return u1.kind === u2.kind ? 0 : u1.kind === "infinity" ? s1 : -s1;
  }
  const exp = Math.min(u1.exp, u2.exp);
  const a = u1.mant << BigInt(u1.exp - exp);
  const b = u2.mant << BigInt(u2.exp - exp);
  return a === b ? 0 : a < b ? -s1 : s1;
}

function extreme(f: Format, env: FpEnv, a: bigint, b: bigint, wanted: number): bigint {
  const u1 = unpack(f, a, env);
  const u2 = unpack(f, b, env);
  const nan = processNaNs(f, env, u1, a, u2, b);
  if (nan !== undefined) return nan;
  const first = order(u1, u2) === wanted;
  const chosen = first ? u1 : u2;
  // Of two zeros the maximum is plus, the minimum minus, if either is.
  if (chosen.kind === "zero") return zero(f, wanted > 0 ? u1.sign && u2.sign : u1.sign || u2.sign);
  return first ? a : b;
}
export const fpMax: Binary = (f, env, a, b) => extreme(f, env, a, b, 1);
export const fpMin: Binary = (f, env, a, b) => extreme(f, env, a, b, -1);

/** A quiet NaN beside a number gives way to the number. */
function extremeNumber(f: Format, env: FpEnv, a: bigint, b: bigint, wanted: number): bigint {
  const quiet = (bits: bigint): boolean => (bits & f.defaultNaN) === f.defaultNaN;
  const loser = infinity(f, wanted > 0);
  const qa = quiet(a);
  const qb = quiet(b);
  return extreme(f, env, qa && !qb ? loser : a, qb && !qa ? loser : b, wanted);
}
export const fpMaxNum: Binary = (f, env, a, b) => extremeNumber(f, env, a, b, 1);
export const fpMinNum: Binary = (f, env, a, b) => extremeNumber(f, env, a, b, -1);

/** FPCompare: NZCV in bits 31..28. */
export function fpCompare(f: Format, env: FpEnv, a: bigint, b: bigint, signalQuiet: boolean): number {
  const u1 = unpack(f, a, env);
  const u2 = unpack(f, b, env);
  if (isNaN(u1) || isNaN(u2)) {
    if (signalQuiet || u1.kind === "snan" || u2.kind === "snan") env.fpsr |= Fpsr.IOC;
    return 0x3000_0000;
  }
  const o = order(u1, u2);
  return o === 0 ? 0x6000_0000 : o < 0 ? 0x8000_0000 : 0x2000_0000;
}
/** FPCompareEQ: only a signalling NaN is invalid. */
export function fpEqual(f: Format, env: FpEnv, a: bigint, b: bigint): boolean {
  return fpCompare(f, env, a, b, false) === 0x6000_0000;
}
/** FPCompareGE: any NaN is invalid. */
export function fpGreaterEqual(f: Format, env: FpEnv, a: bigint, b: bigint): boolean {
  const nzcv = fpCompare(f, env, a, b, true);
  return nzcv === 0x6000_0000 || nzcv === 0x2000_0000;
}
/** FPCompareGT: any NaN is invalid. */
export function fpGreater(f: Format, env: FpEnv, a: bigint, b: bigint): boolean {
  return fpCompare(f, env, a, b, true) === 0x2000_0000;
}
