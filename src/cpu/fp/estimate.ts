// src/cpu/fp/estimate.ts — reciprocal and reciprocal square root estimates: 8 bits, as the architecture fixes them.
// Spec: ARM DDI 0487, shared pseudocode FPRecipEstimate, FPRSqrtEstimate, FPRecpX, UnsignedRecipEstimate,
// UnsignedRSqrtEstimate. Left out: the 12-bit estimates of FEAT_RPRES.
import {
  type Format, type FpEnv, Fpsr, Rounding, bitLength, infinity, invalid, isNaN, processNaN, roundingMode, unpack, zero,
} from "./format.ts";

/** 256 <= a < 512 stands for 0.5 <= x < 1; the result, 256..511, for 1/x in units of 1/256. */
function recipEstimate(a: number): number {
  const b = Math.floor(2 ** 19 / (a * 2 + 1));
  return (b + 1) >> 1;
}

/** 128 <= a < 512 stands for 0.25 <= x < 1; the result, 256..511, for 1/sqrt(x) in units of 1/256. */
function rsqrtEstimate(a: number): number {
  const middle = a < 256 ? a * 2 + 1 : ((a | 1) * 2);
  let b = 512;
  while (middle * (b + 1) * (b + 1) < 2 ** 28) b++;
  return (b + 1) >> 1;
}

export function fpRecipEstimate(f: Format, env: FpEnv, bits: bigint): bigint {
  const u = unpack(f, bits, env);
  if (isNaN(u)) return processNaN(f, env, u, bits);
  if (u.kind === "infinity") return zero(f, u.sign);
  if (u.kind === "zero") {
    env.fpsr |= Fpsr.DZC;
    return infinity(f, u.sign);
  }
  const length = bitLength(u.mant);
  const e = u.exp + length - 1; // 2^e <= |value| < 2^(e+1)
  if (e < f.min - 2) { // the reciprocal overflows
    env.fpsr |= Fpsr.OFC | Fpsr.IXC;
    const mode = roundingMode(env);
    const toInfinity = mode === Rounding.EVEN || mode === (u.sign ? Rounding.DOWN : Rounding.UP);
    return toInfinity ? infinity(f, u.sign) : zero(f, u.sign) | f.maxNormal;
  }
  if ((env.fpcr & f.flush) !== 0 && e >= -f.min) { // the reciprocal is denormal
    env.fpsr |= Fpsr.UFC;
    return zero(f, u.sign);
  }
  const scaled = Number((u.mant << BigInt(f.frac)) >> BigInt(f.frac + length - 9));
  const estimate = recipEstimate(scaled);
  let biased = -e - 1 - f.min + 1;
  let frac = BigInt(estimate) << BigInt(f.frac - 8); // with its leading one
  if (biased <= 0) {
    frac >>= BigInt(1 - biased);
    biased = 0;
  }
  return zero(f, u.sign) | (BigInt(biased) << BigInt(f.frac)) | (frac & f.fracMask);
}

export function fpRSqrtEstimate(f: Format, env: FpEnv, bits: bigint): bigint {
  const u = unpack(f, bits, env);
  if (isNaN(u)) return processNaN(f, env, u, bits);
  if (u.kind === "zero") {
    env.fpsr |= Fpsr.DZC;
    return infinity(f, u.sign);
  }
  if (u.sign) return invalid(f, env);
  if (u.kind === "infinity") return 0n;
  const length = bitLength(u.mant);
  const e = u.exp + length - 1;
  // x = s * 2^(2k) with 0.25 <= s < 1.
  const k = Math.floor(e / 2) + 1;
  const top = 9 - (2 * k - e - 1); // bits of s in units of 1/512: nine of them, or eight
  const scaled = Number((u.mant << BigInt(f.frac)) >> BigInt(f.frac + length - top));
  const estimate = rsqrtEstimate(scaled);
  const biased = -k - f.min + 1;
  return (BigInt(biased) << BigInt(f.frac)) | ((BigInt(estimate) << BigInt(f.frac - 8)) & f.fracMask);
}

/** FPRecpX: a power of two near the reciprocal. */
export function fpRecpX(f: Format, env: FpEnv, bits: bigint): bigint {
  const u = unpack(f, bits, env);
  if (isNaN(u)) return processNaN(f, env, u, bits);
  const biased = (bits >> BigInt(f.frac)) & f.expMask;
  const other = biased === 0n ? f.expMask - 1n : biased ^ f.expMask;
  return zero(f, u.sign) | (other << BigInt(f.frac));
}

/** URECPE on one 32-bit element. */
export const unsignedRecipEstimate = (v: number): number =>
  (v & 0x8000_0000) === 0 ? 0xffff_ffff : (recipEstimate(v >>> 23) << 23) >>> 0;
/** URSQRTE on one 32-bit element. */
export const unsignedRSqrtEstimate = (v: number): number =>
  (v & 0xc000_0000) === 0 ? 0xffff_ffff : (rsqrtEstimate(v >>> 23) << 23) >>> 0;
