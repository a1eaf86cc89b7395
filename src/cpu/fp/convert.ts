// src/cpu/fp/convert.ts — between formats, to and from integers and fixed point, to integral values.
// Spec: ARM DDI 0487, shared pseudocode FPConvert, FPConvertNaN, FPToFixed, FixedToFP, FPRoundInt.
import { F16, F64, type Format, type FpEnv, Fpcr, Fpsr, Rounding, infinity, isNaN, powerOfTwo, processNaN, round, roundingMode, unpack, zero } from "./format.ts";

/** FPConvert. `mode` differs from FPCR's for FCVTXN (round to odd). */
export function fpConvert(from: Format, to: Format, env: FpEnv, bits: bigint, mode: number = roundingMode(env)): bigint {
  const u = unpack(from, bits, env);
  const alternative = to === F16 && (env.fpcr & Fpcr.AHP) !== 0;
  if (isNaN(u)) {
    if (u.kind === "snan" || alternative) env.fpsr |= Fpsr.IOC;
    if (alternative) return zero(to, u.sign);
    if ((env.fpcr & Fpcr.DN) !== 0) return to.defaultNaN;
    const payload = bits & (from.quiet - 1n);
    const moved = to.frac >= from.frac ? payload << BigInt(to.frac - from.frac) : payload >> BigInt(from.frac - to.frac);
    return zero(to, u.sign) | to.defaultNaN | moved;
  }
  if (u.kind === "infinity") {
    if (!alternative) return infinity(to, u.sign);
    env.fpsr |= Fpsr.IOC;
    return zero(to, u.sign) | (to.signBit - 1n);
  }
  if (u.kind === "zero") return zero(to, u.sign);
  return round(to, env, u.sign, u.mant, u.exp, false, mode);
}

/** mant * 2^exp (not zero) rounded to an integer, without sign; and whether that lost anything. */
function integral(sign: boolean, mant: bigint, exp: number, mode: number): { value: bigint; inexact: boolean } {
  if (exp >= 0) return { value: mant << BigInt(exp), inexact: false };
  const drop = BigInt(-exp);
  const kept = mant >> drop;
  const lost = mant - (kept << drop);
  const half = 1n << (drop - 1n);
  let up = false;
  switch (mode) {
    case Rounding.EVEN: up = lost > half || (lost === half && (kept & 1n) !== 0n); break;
    case Rounding.UP: up = lost !== 0n && !sign; break;
    case Rounding.DOWN: up = lost !== 0n && sign; break;
    case Rounding.AWAY: up = lost >= half; break;
    default: // ZERO
  }
  return { value: up ? kept + 1n : kept, inexact: lost !== 0n };
}

/** FPRoundInt. `exact`: a changed value is flagged inexact (FRINTX). */
export function fpRoundInt(f: Format, env: FpEnv, bits: bigint, mode: number, exact: boolean): bigint {
  const u = unpack(f, bits, env);
  if (isNaN(u)) return processNaN(f, env, u, bits);
  if (u.kind === "infinity") return infinity(f, u.sign);
  if (u.kind === "zero") return zero(f, u.sign);
  const { value, inexact } = integral(u.sign, u.mant, u.exp, mode);
  if (inexact && exact) env.fpsr |= Fpsr.IXC;
  return value === 0n ? zero(f, u.sign) : round(f, env, u.sign, value, 0);
}

/** FPRoundIntN: as `fpRoundInt`, to a number that an integer of `width` bits holds, else the least one. Says when a value changed. */
export function fpRoundIntN(f: Format, env: FpEnv, bits: bigint, mode: number, width: number): bigint {
  const u = unpack(f, bits, env);
  if (u.kind === "zero") return zero(f, u.sign);
  if (u.kind === "nonzero") {
    const { value, inexact } = integral(u.sign, u.mant, u.exp, mode), limit = 1n << BigInt(width - 1);
    if (value < limit || (value === limit && u.sign)) {
      if (inexact) env.fpsr |= Fpsr.IXC;
      return value === 0n ? zero(f, u.sign) : round(f, env, u.sign, value, 0);
    }
  }
  env.fpsr |= Fpsr.IOC;
  return powerOfTwo(f, true, width - 1, false);
}

/** FPToFixedJS: a double modulo 2^32, and whether the integer is the double (-0 is none). */
export function fpToFixedJS(env: FpEnv, bits: bigint): { readonly value: number; readonly exact: boolean } {
  const u = unpack(F64, bits, env);
  if (u.kind === "zero") return { value: 0, exact: !u.sign };
  if (u.kind !== "nonzero") {
    env.fpsr |= Fpsr.IOC;
    return { value: 0, exact: false };
  }
  const { value, inexact } = integral(u.sign, u.mant, u.exp, Rounding.ZERO), signed = u.sign ? -value : value;
  const fits = signed >= -0x8000_0000n && signed <= 0x7fff_ffffn;
  if (!fits) env.fpsr |= Fpsr.IOC;
  else if (inexact) env.fpsr |= Fpsr.IXC;
  return { value: Number(BigInt.asIntN(32, signed)), exact: fits && !inexact };
}

/** FPToFixed: an integer of `width` bits holding the value times 2^fbits, saturated. Unsigned bit pattern. */
export function fpToFixed(f: Format, env: FpEnv, bits: bigint, width: number, fbits: number, unsigned: boolean, mode: number): bigint {
  const u = unpack(f, bits, env);
  if (isNaN(u)) {
    env.fpsr |= Fpsr.IOC;
    return 0n;
  }
  if (u.kind === "zero") return 0n;
  const highest = (1n << BigInt(unsigned ? width : width - 1)) - 1n;
  const lowest = unsigned ? 0n : -highest - 1n;
  const huge = u.kind === "infinity" || u.exp + fbits > 128;
  const { value, inexact } = huge ? { value: 1n << 128n, inexact: false } : integral(u.sign, u.mant, u.exp + fbits, mode);
  const signed = u.sign ? -value : value;
  if (signed > highest || signed < lowest) {
    env.fpsr |= Fpsr.IOC;
    return BigInt.asUintN(width, signed > highest ? highest : lowest);
  }
  if (inexact) env.fpsr |= Fpsr.IXC;
  return BigInt.asUintN(width, signed);
}

/** FixedToFP: an integer of `width` bits divided by 2^fbits. */
export function fixedToFp(f: Format, env: FpEnv, bits: bigint, width: number, fbits: number, unsigned: boolean): bigint {
  const value = unsigned ? BigInt.asUintN(width, bits) : BigInt.asIntN(width, bits);
  if (value === 0n) return 0n;
  return round(f, env, value < 0n, value < 0n ? -value : value, -fbits);
}
