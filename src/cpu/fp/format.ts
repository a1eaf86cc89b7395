// src/cpu/fp/format.ts — floating-point values as bit patterns: unpack, round, NaN rules, cumulative flags.
// Spec: ARM DDI 0487, shared pseudocode functions/float (FPUnpack, FPRound, FPProcessNaN, FPProcessNaNs3, ...).
// Exact by construction: a finite value is mantissa * 2^exponent with a BigInt mantissa, rounded once at the end.
// Left out: trapped exceptions (FPCR enables read as zero), FPCR.AH and FIZ (FEAT_AFP).

/** FPCR bits. */
export const Fpcr = { AHP: 0x0400_0000, DN: 0x0200_0000, FZ: 0x0100_0000, FZ16: 0x0008_0000, RMODE: 0x00c0_0000, RMODE_SHIFT: 22 } as const;
/** FPSR cumulative flags: invalid, divide by zero, overflow, underflow, inexact, input denormal; and saturation. */
export const Fpsr = { IOC: 0x01, DZC: 0x02, OFC: 0x04, UFC: 0x08, IXC: 0x10, IDC: 0x80, QC: 0x0800_0000 } as const;
/** All of them: what can be written to FPSR. */
export const FPSR_BITS: number = Object.values(Fpsr).reduce<number>((all, bit) => all | bit, 0);
/** Rounding modes: FPCR.RMode's four, then those that only instructions name; of the last two one never overflows to infinity. */
export const Rounding = { EVEN: 0, UP: 1, DOWN: 2, ZERO: 3, AWAY: 4, ODD: 5, ODD_INFINITE: 6 } as const;

/** The control bits an operation obeys and the flags it raises: one per CPU, refreshed from FPCR and FPSR. */
export class FpEnv {
  fpcr = 0;
  /** Flags are only ever added. */
  fpsr = 0;
}

/** An IEEE interchange format of N bits: sign, `exp` bits, `frac` bits. */
export interface Format {
  readonly bits: number;
  readonly exp: number;
  readonly frac: number;
  /** Exponent of the smallest normal number. */
  readonly min: number;
  readonly signBit: bigint;
  readonly expMask: bigint;
  readonly fracMask: bigint;
  /** Top fraction bit: set in a quiet NaN. */
  readonly quiet: bigint;
  readonly infinity: bigint;
  readonly defaultNaN: bigint;
  readonly maxNormal: bigint;
  /** The bit of FPCR that makes zeros of denormals, or 0. */
  readonly flush: number;
}
function format(exp: number, frac: number, flush: number): Format {
  const expMask = (1n << BigInt(exp)) - 1n;
  const infinity = expMask << BigInt(frac);
  const quiet = 1n << BigInt(frac - 1);
  return {
    bits: 1 + exp + frac, exp, frac, min: 2 - 2 ** (exp - 1),
    signBit: 1n << BigInt(exp + frac), expMask, fracMask: (1n << BigInt(frac)) - 1n,
    quiet, infinity, defaultNaN: infinity | quiet, maxNormal: infinity - 1n, flush,
  };
}
/** Half precision in arithmetic; and where it is converted: FPCR.AHP counts, FPCR.FZ16 does not. */
export const H16: Format = format(5, 10, Fpcr.FZ16);
export const F16: Format = format(5, 10, 0);
export const BF16: Format = format(8, 7, Fpcr.FZ);
export const F32: Format = format(8, 23, Fpcr.FZ);
export const F64: Format = format(11, 52, Fpcr.FZ);

export type Kind = "zero" | "nonzero" | "infinity" | "qnan" | "snan";
/** FPUnpack's result. Finite values are mant * 2^exp. */
export interface Unpacked { readonly kind: Kind; readonly sign: boolean; readonly mant: bigint; readonly exp: number }

/** FPUnpack: flushes denormal inputs when FPCR says so; without a flag for halves. */
export function unpack(f: Format, bits: bigint, env: FpEnv): Unpacked {
  const sign = (bits & f.signBit) !== 0n;
  const biased = Number((bits >> BigInt(f.frac)) & f.expMask);
  const frac = bits & f.fracMask;
  if (biased === 0) {
    if (frac === 0n) return { kind: "zero", sign, mant: 0n, exp: 0 };
    if ((env.fpcr & f.flush) !== 0) {
      if (f !== H16) env.fpsr |= Fpsr.IDC;
      return { kind: "zero", sign, mant: 0n, exp: 0 };
    }
    return { kind: "nonzero", sign, mant: frac, exp: f.min - f.frac };
  }
  if (biased === 2 ** f.exp - 1 && !(f === F16 && (env.fpcr & Fpcr.AHP) !== 0)) {
    const kind = frac === 0n ? "infinity" : (frac & f.quiet) !== 0n ? "qnan" : "snan";
    return { kind, sign, mant: 0n, exp: 0 };
  }
  return { kind: "nonzero", sign, mant: frac | (1n << BigInt(f.frac)), exp: biased - 1 + f.min - f.frac };
}

export const isNaN = (u: Unpacked): boolean => u.kind === "qnan" || u.kind === "snan";
export const zero = (f: Format, sign: boolean): bigint => (sign ? f.signBit : 0n);
export const infinity = (f: Format, sign: boolean): bigint => (sign ? f.signBit | f.infinity : f.infinity);
/** 2^power with a sign, `three` adds half of that (3 * 2^(power-1)). */
export const powerOfTwo = (f: Format, sign: boolean, power: number, three: boolean): bigint =>
  zero(f, sign) | (BigInt(power - f.min + 1) << BigInt(f.frac)) | (three ? f.quiet : 0n);
export const roundingMode = (env: FpEnv): number => (env.fpcr & Fpcr.RMODE) >>> Fpcr.RMODE_SHIFT;
/** The sign of an exact zero sum: minus only when rounding down. */
export const zeroSumSign = (env: FpEnv): boolean => roundingMode(env) === Rounding.DOWN;

export const bitLength = (v: bigint): number => {
  if (v < 0x1_0000_0000n) return 32 - Math.clz32(Number(v));
  const text = v.toString(16);
  return (text.length - 1) * 4 + (32 - Math.clz32(Number.parseInt(text.charAt(0), 16)));
};

/** FPRound of ±(mant + a little more, when `sticky`) * 2^exp; `mant` is not zero. */
export function round(f: Format, env: FpEnv, sign: boolean, mant: bigint, exp: number, sticky = false, mode: number = roundingMode(env)): bigint {
  // Below 2^e <= value < 2^(e+1).
  const e = exp + bitLength(mant) - 1;
  if (e < f.min && (env.fpcr & f.flush) !== 0) {
    env.fpsr |= Fpsr.UFC;
    return zero(f, sign);
  }
  let biased = Math.max(e - f.min + 1, 0);
  const unit = Math.max(e, f.min) - f.frac; // weight of the last kept bit
  const drop = unit - exp;
  let kept = drop <= 0 ? mant << BigInt(-drop) : mant >> BigInt(drop);
  // Two guard bits: half and less.
  let half = false;
  let rest = sticky;
  if (drop > 0) {
    const lost = mant - (kept << BigInt(drop));
    const halfBit = 1n << BigInt(drop - 1);
    half = (lost & halfBit) !== 0n;
    rest = sticky || (lost & (halfBit - 1n)) !== 0n;
  }
  const inexact = half || rest;
  if (biased === 0 && inexact) env.fpsr |= Fpsr.UFC; // before rounding
  let up = false;
  let overflowToInfinity = true;
  switch (mode) {
    case Rounding.EVEN: up = half && (rest || (kept & 1n) !== 0n); break;
    case Rounding.UP: up = inexact && !sign; overflowToInfinity = !sign; break;
    case Rounding.DOWN: up = inexact && sign; overflowToInfinity = sign; break;
    case Rounding.AWAY: up = half; break;
    case Rounding.ODD_INFINITE: break;
    default: overflowToInfinity = false; // ZERO, ODD
  }
  if (up) {
    kept += 1n;
    const top = bitLength(kept) - 1;
    if (biased === 0 && top === f.frac) biased = 1;
    else if (top > f.frac) {
      kept >>= 1n;
      biased++;
    }
  }
  if (mode >= Rounding.ODD && inexact) kept |= 1n;
  const alternative = f === F16 && (env.fpcr & Fpcr.AHP) !== 0;
  if (alternative && biased >= 2 ** f.exp) { // no infinities there: saturate
    env.fpsr |= Fpsr.IOC;
    return zero(f, sign) | (f.signBit - 1n);
  }
  if (!alternative && biased >= 2 ** f.exp - 1) {
    env.fpsr |= Fpsr.OFC | Fpsr.IXC;
    return overflowToInfinity ? infinity(f, sign) : zero(f, sign) | f.maxNormal;
  }
  if (inexact) env.fpsr |= Fpsr.IXC;
  return zero(f, sign) | (BigInt(biased) << BigInt(f.frac)) | (kept & f.fracMask);
}

export function invalid(f: Format, env: FpEnv): bigint {
  env.fpsr |= Fpsr.IOC;
  return f.defaultNaN;
}

/** FPProcessNaN: quieted, or the default NaN. */
export function processNaN(f: Format, env: FpEnv, u: Unpacked, bits: bigint): bigint {
  if (u.kind === "snan") env.fpsr |= Fpsr.IOC;
  return (env.fpcr & Fpcr.DN) !== 0 ? f.defaultNaN : bits | f.quiet;
}

/** FPProcessNaNs: signalling before quiet, first operand before second; undefined when neither is a NaN. */
export function processNaNs(f: Format, env: FpEnv, u1: Unpacked, bits1: bigint, u2: Unpacked, bits2: bigint): bigint | undefined {
  if (u1.kind === "snan") return processNaN(f, env, u1, bits1);
  if (u2.kind === "snan") return processNaN(f, env, u2, bits2);
  if (u1.kind === "qnan") return processNaN(f, env, u1, bits1);
  if (u2.kind === "qnan") return processNaN(f, env, u2, bits2);
  return undefined;
}
