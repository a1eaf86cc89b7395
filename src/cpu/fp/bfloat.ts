// src/cpu/fp/bfloat.ts — sums of products of BFloat16 numbers as BFDOT and BFMMLA make them.
// Spec: ARM DDI 0487, shared pseudocode BFDotAdd, BFAdd, BFMul, BFRound, without FEAT_EBF16: denormals are zeros, each step
// rounds to odd, NaNs are the default NaN, no flag is raised, FPCR does not matter.
import { F32, type FpEnv, Fpcr, Rounding, infinity, isNaN, round, unpack, zero } from "./format.ts";

const env: FpEnv = { fpcr: Fpcr.FZ | Fpcr.DN, fpsr: 0 };

/** BFMul of two singles. */
function multiply(a: bigint, b: bigint): bigint {
  const u1 = unpack(F32, a, env), u2 = unpack(F32, b, env), sign = u1.sign !== u2.sign;
  const infinite = u1.kind === "infinity" || u2.kind === "infinity", nought = u1.kind === "zero" || u2.kind === "zero";
  if (isNaN(u1) || isNaN(u2) || (infinite && nought)) return F32.defaultNaN;
  if (infinite) return infinity(F32, sign);
  if (nought) return zero(F32, sign);
  return round(F32, env, sign, u1.mant * u2.mant, u1.exp + u2.exp, false, Rounding.ODD_INFINITE);
}
/** BFAdd of two singles. A sum of nothing is plus zero. */
function add(a: bigint, b: bigint): bigint {
  const u1 = unpack(F32, a, env), u2 = unpack(F32, b, env);
  const opposed = u1.sign !== u2.sign, both = u1.kind === "infinity" && u2.kind === "infinity";
  if (isNaN(u1) || isNaN(u2) || (both && opposed)) return F32.defaultNaN;
  if (u1.kind === "infinity") return infinity(F32, u1.sign);
  if (u2.kind === "infinity") return infinity(F32, u2.sign);
  if (u1.kind === "zero" && u2.kind === "zero") return zero(F32, u1.sign && u2.sign);
  const exp = Math.min(u1.kind === "zero" ? u2.exp : u1.exp, u2.kind === "zero" ? u1.exp : u2.exp);
  const m1 = u1.kind === "zero" ? 0n : u1.mant << BigInt(u1.exp - exp), m2 = u2.kind === "zero" ? 0n : u2.mant << BigInt(u2.exp - exp);
  const sum = (u1.sign ? -m1 : m1) + (u2.sign ? -m2 : m2);
  return sum === 0n ? 0n : round(F32, env, sum < 0n, sum < 0n ? -sum : sum, exp, false, Rounding.ODD_INFINITE);
}
const single = (halfword: number): bigint => BigInt(halfword) << 16n;

/** addend + (a1 * b1 + a2 * b2); `addend` and the result are the bits of singles, the others of BFloat16 numbers. */
export const bfDotAdd = (addend: number, a1: number, a2: number, b1: number, b2: number): number =>
  Number(add(BigInt(addend), add(multiply(single(a1), single(b1)), multiply(single(a2), single(b2)))));
