// src/cpu/interpret/simd-fp.ts — what the encodings of a64/simd-fp.ts do: scalar floating point.
// Spec: ARM DDI 0487, C7.2, each instruction's "Operation".
import type { Handlers } from "../a64/pattern.ts";
import type { simdFp } from "../a64/simd-fp.ts";
import { fpCompare } from "../fp/arithmetic.ts";
import { fixedToFp, fpConvert, fpRoundIntN, fpToFixed, fpToFixedJS } from "../fp/convert.ts";
import { F16, F32, F64, H16, Fpcr, type Format, Rounding, roundingMode } from "../fp/format.ts";
import { hostRounds, narrow } from "../fp/host.ts";
import { Offset } from "../state.ts";
import { Next, type Cpu, type Result } from "./cpu.ts";
import { Fp, HALF, bitsOf, formatOf, hostInteger, mapFp, mapMulAdd, mapRound, mapSqrt, setBits, setFromInteger, type FpOp } from "./fp-lanes.ts";
import { bfConvert } from "./simd-extra.ts";
import { fpImmediate32, fpImmediate64 } from "./simd-move.ts";
import { A, B, D, R, begin, end, env, loadV, ready, storeV } from "./vector.ts";

type On<F> = (cpu: Cpu, f: F) => Result;
interface Unary { readonly g: number; readonly x: number; readonly y: number }
interface Binary extends Unary { readonly z: number }
interface Fused extends Binary { readonly w: number }

function result(cpu: Cpu, f: { readonly x: number }): Result {
  storeV(cpu, f.x, R);
  end(cpu);
  return Next;
}
const binary = (op: FpOp): On<Binary> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  begin(cpu);
  loadV(cpu, A, f.y);
  loadV(cpu, B, f.z);
  R.clear();
  mapFp(op, 1, f.g);
  return result(cpu, f);
};
const fused = (negateProduct: boolean, negateAddend: boolean): On<Fused> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  begin(cpu);
  loadV(cpu, A, f.y);
  loadV(cpu, B, f.z);
  loadV(cpu, D, f.w);
  R.clear();
  mapMulAdd(1, f.g, negateProduct, negateAddend);
  return result(cpu, f);
};
/** To an integral value, by a mode of the instruction's own or (undefined) FPCR's. */
const roundTo = (mode: number | undefined, exact = false): On<Unary> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  begin(cpu);
  loadV(cpu, A, f.y);
  R.clear();
  mapRound(mode ?? roundingMode(env), exact, 1, f.g);
  return result(cpu, f);
};

/** As far as an integer of `width` bits holds it. */
const roundToWidth = (mode: number | undefined, width: number): On<Unary> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  begin(cpu);
  loadV(cpu, A, f.y);
  R.clear();
  setBits(R, f.g, 0, fpRoundIntN(formatOf(f.g), env, bitsOf(A, f.g, 0), mode ?? roundingMode(env), width));
  return result(cpu, f);
};

/** The lowest lane of a vector in a format. */
const lowest = (f: Format): bigint => (f === F16 ? BigInt(A.u16[0] as number) : bitsOf(A, f === F32 ? 0 : 1, 0));
const convert = (from: Format, to: Format): On<{ readonly x: number; readonly y: number }> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  begin(cpu);
  loadV(cpu, A, f.y);
  R.clear();
  if (hostRounds(env.fpcr) && from === F32 && to === F64 && A.f32[0] === A.f32[0]) R.f64[0] = A.f32[0] as number; // always exact
  else {
    const r = hostRounds(env.fpcr) && from === F64 && to === F32 ? narrow(A.f64[0] as number, env.fpsr) : NaN;
    if (r === r) R.f32[0] = r;
    else R.u64[0] = fpConvert(from, to, env, lowest(from));
  }
  return result(cpu, f);
};

interface ToGeneral { readonly f: number; readonly g: number; readonly y: number; readonly d: number }
interface FromGeneral { readonly f: number; readonly g: number; readonly n: number; readonly x: number }
function toGeneral(cpu: Cpu, f: ToGeneral, fbits: number, unsigned: boolean, mode: number): Result {
  begin(cpu);
  loadV(cpu, A, f.y);
  const whole = fbits === 0 ? hostInteger(f.g, 0, 32 << f.f, unsigned, mode) : NaN;
  if (whole === whole) {
    cpu.setX(f.d, whole, f.f !== 0 ? Math.floor(whole / 2 ** 32) : 0);
    end(cpu);
    return Next;
  }
  const v = fpToFixed(formatOf(f.g), env, bitsOf(A, f.g, 0), 32 << f.f, fbits, unsigned, mode);
  cpu.setX(f.d, Number(v & 0xffff_ffffn), Number(v >> 32n));
  end(cpu);
  return Next;
}
function fromGeneral(cpu: Cpu, f: FromGeneral, fbits: number, unsigned: boolean): Result {
  begin(cpu);
  const lo = cpu.x[2 * f.n] as number;
  const hi = cpu.x[2 * f.n + 1] as number;
  R.clear();
  if (fbits === 0 && f.g !== HALF) setFromInteger(f.g, 0, lo, hi, 32 << f.f, unsigned);
  else {
    const bits = BigInt(lo >>> 0) | (f.f !== 0 ? BigInt(hi >>> 0) << 32n : 0n);
    setBits(R, f.g, 0, fixedToFp(formatOf(f.g), env, bits, 32 << f.f, fbits, unsigned));
  }
  return result(cpu, f);
}
const toInteger = (mode: number, unsigned: boolean): On<ToGeneral> => (cpu, f) => {
  const r = ready(cpu, false);
  return r !== Next ? r : toGeneral(cpu, f, 0, unsigned, mode);
};
const fromInteger = (unsigned: boolean): On<FromGeneral> => (cpu, f) => {
  const r = ready(cpu, false);
  return r !== Next ? r : fromGeneral(cpu, f, 0, unsigned);
};
/** A 32-bit form has at most 32 fraction bits: scale<5> must be one. */
const toFixed = (unsigned: boolean): On<ToGeneral & { readonly i: number }> => (cpu, f) => {
  const r = ready(cpu, f.f === 0 && f.i < 32);
  return r !== Next ? r : toGeneral(cpu, f, 64 - f.i, unsigned, Rounding.ZERO);
};
const fromFixed = (unsigned: boolean): On<FromGeneral & { readonly i: number }> => (cpu, f) => {
  const r = ready(cpu, f.f === 0 && f.i < 32);
  return r !== Next ? r : fromGeneral(cpu, f, 64 - f.i, unsigned);
};

/** Sets NZCV from A and B. */
function compare(cpu: Cpu, g: number, signalQuiet: boolean): void {
  if (g === HALF) {
    cpu.nzcv = fpCompare(H16, env, bitsOf(A, g, 0), bitsOf(B, g, 0), signalQuiet) | 0;
    return;
  }
  const a = (g === 0 ? A.f32 : A.f64)[0] as number;
  const b = (g === 0 ? B.f32 : B.f64)[0] as number;
  if ((env.fpcr & Fpcr.FZ) === 0 && a === a && b === b) {
    cpu.nzcv = a === b ? 0x6000_0000 : a < b ? 0x8000_0000 | 0 : 0x2000_0000;
  } else cpu.nzcv = fpCompare(formatOf(g), env, bitsOf(A, g, 0), bitsOf(B, g, 0), signalQuiet) | 0;
}
const comparison = (signalQuiet: boolean): On<{ readonly g: number; readonly y: number; readonly z: number }> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  begin(cpu);
  loadV(cpu, A, f.y);
  loadV(cpu, B, f.z);
  compare(cpu, f.g, signalQuiet);
  end(cpu);
  return Next;
};
const zeroComparison = (signalQuiet: boolean): On<{ readonly g: number; readonly y: number }> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  begin(cpu);
  loadV(cpu, A, f.y);
  B.clear();
  compare(cpu, f.g, signalQuiet);
  end(cpu);
  return Next;
};
interface Conditional { readonly g: number; readonly y: number; readonly z: number; readonly c: number; readonly v: number }
const conditional = (signalQuiet: boolean): On<Conditional> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  if (!cpu.holds(f.c)) {
    cpu.nzcv = f.v << 28;
    return Next;
  }
  begin(cpu);
  loadV(cpu, A, f.y);
  loadV(cpu, B, f.z);
  compare(cpu, f.g, signalQuiet);
  end(cpu);
  return Next;
};

const V = Offset.V / 4;
/** Vd = the low word or doubleword of a pair of words. */
function setScalar(cpu: Cpu, x: number, lo: number, hi: number): Result {
  const at = V + 4 * x;
  cpu.x[at] = lo;
  cpu.x[at + 1] = hi;
  cpu.x[at + 2] = 0;
  cpu.x[at + 3] = 0;
  return Next;
}
const wordOf = (cpu: Cpu, r: number, word: number): number => cpu.x[V + 4 * r + word] as number;

export const interpretSimdFp: Handlers<typeof simdFp, Cpu, Result> = {
  SCVTF_fix: fromFixed(false), UCVTF_fix: fromFixed(true), FCVTZS_fix: toFixed(false), FCVTZU_fix: toFixed(true),
  FCVTNS: toInteger(Rounding.EVEN, false), FCVTNU: toInteger(Rounding.EVEN, true), FCVTAS: toInteger(Rounding.AWAY, false),
  FCVTAU: toInteger(Rounding.AWAY, true), FCVTPS: toInteger(Rounding.UP, false), FCVTPU: toInteger(Rounding.UP, true),
  FCVTMS: toInteger(Rounding.DOWN, false), FCVTMU: toInteger(Rounding.DOWN, true), FCVTZS: toInteger(Rounding.ZERO, false),
  FCVTZU: toInteger(Rounding.ZERO, true), SCVTF: fromInteger(false), UCVTF: fromInteger(true),

  FMOV_ws: (cpu, f) => {
    const r = ready(cpu, false);
    if (r === Next) cpu.setW(f.d, wordOf(cpu, f.y, 0));
    return r;
  },
  FMOV_sw: (cpu, f) => {
    const r = ready(cpu, false);
    return r !== Next ? r : setScalar(cpu, f.x, cpu.x[2 * f.n] as number, 0);
  },
  FMOV_xd: (cpu, f) => {
    const r = ready(cpu, false);
    if (r === Next) cpu.setX(f.d, wordOf(cpu, f.y, 0), wordOf(cpu, f.y, 1));
    return r;
  },
  FMOV_dx: (cpu, f) => {
    const r = ready(cpu, false);
    return r !== Next ? r : setScalar(cpu, f.x, cpu.x[2 * f.n] as number, cpu.x[2 * f.n + 1] as number);
  },
  FMOV_xtop: (cpu, f) => {
    const r = ready(cpu, false);
    if (r === Next) cpu.setX(f.d, wordOf(cpu, f.y, 2), wordOf(cpu, f.y, 3));
    return r;
  },
  FMOV_topx: (cpu, f) => {
    const r = ready(cpu, false);
    if (r !== Next) return r;
    cpu.x[V + 4 * f.x + 2] = cpu.x[2 * f.n] as number;
    cpu.x[V + 4 * f.x + 3] = cpu.x[2 * f.n + 1] as number;
    return Next;
  },

  FMOV: (cpu, f) => {
    const r = ready(cpu, false);
    return r !== Next ? r : setScalar(cpu, f.x, wordOf(cpu, f.y, 0), f.g !== 0 ? wordOf(cpu, f.y, 1) : 0);
  },
  FABS: (cpu, f) => {
    const r = ready(cpu, false);
    if (r !== Next) return r;
    const lo = wordOf(cpu, f.y, 0);
    return f.g !== 0 ? setScalar(cpu, f.x, lo, wordOf(cpu, f.y, 1) & 0x7fff_ffff) : setScalar(cpu, f.x, lo & 0x7fff_ffff, 0);
  },
  FNEG: (cpu, f) => {
    const r = ready(cpu, false);
    if (r !== Next) return r;
    const lo = wordOf(cpu, f.y, 0);
    return f.g !== 0 ? setScalar(cpu, f.x, lo, wordOf(cpu, f.y, 1) ^ 0x8000_0000) : setScalar(cpu, f.x, lo ^ 0x8000_0000, 0);
  },
  FSQRT: (cpu, f) => {
    const r = ready(cpu, false);
    if (r !== Next) return r;
    begin(cpu);
    loadV(cpu, A, f.y);
    R.clear();
    mapSqrt(1, f.g);
    return result(cpu, f);
  },
  FJCVTZS: (cpu, f) => {
    const r = ready(cpu, false);
    if (r !== Next) return r;
    begin(cpu);
    loadV(cpu, A, f.y);
    const { value, exact } = fpToFixedJS(env, bitsOf(A, 1, 0));
    cpu.setW(f.d, value);
    cpu.nzcv = exact ? 0x4000_0000 : 0;
    end(cpu);
    return Next;
  },
  FRINT32Z: roundToWidth(Rounding.ZERO, 32), FRINT32X: roundToWidth(undefined, 32), FRINT64Z: roundToWidth(Rounding.ZERO, 64),
  FRINT64X: roundToWidth(undefined, 64), BFCVT: bfConvert,
  FCVT_ds: convert(F32, F64), FCVT_hs: convert(F32, F16), FCVT_sd: convert(F64, F32), FCVT_hd: convert(F64, F16), FCVT_sh: convert(F16, F32),
  FCVT_dh: convert(F16, F64),
  FRINTN: roundTo(Rounding.EVEN), FRINTP: roundTo(Rounding.UP), FRINTM: roundTo(Rounding.DOWN), FRINTZ: roundTo(Rounding.ZERO),
  FRINTA: roundTo(Rounding.AWAY), FRINTX: roundTo(undefined, true), FRINTI: roundTo(undefined),

  FCMP: comparison(false), FCMP_zero: zeroComparison(false), FCMPE: comparison(true), FCMPE_zero: zeroComparison(true),
  FCCMP: conditional(false), FCCMPE: conditional(true),
  FMOV_imm: (cpu, f) => {
    const r = ready(cpu, false);
    return r !== Next ? r : f.g !== 0 ? setScalar(cpu, f.x, 0, fpImmediate64(f.i)) : setScalar(cpu, f.x, fpImmediate32(f.i), 0);
  },

  FMUL: binary(Fp.mul), FDIV: binary(Fp.div), FADD: binary(Fp.add), FSUB: binary(Fp.sub), FMAX: binary(Fp.max), FMIN: binary(Fp.min),
  FMAXNM: binary(Fp.maxnm), FMINNM: binary(Fp.minnm), FNMUL: binary(Fp.nmul),
  FCSEL: (cpu, f) => {
    const r = ready(cpu, false);
    if (r !== Next) return r;
    const from = cpu.holds(f.c) ? f.y : f.z;
    return setScalar(cpu, f.x, wordOf(cpu, from, 0), f.g !== 0 ? wordOf(cpu, from, 1) : 0);
  },
  FMADD: fused(false, false), FMSUB: fused(true, false), FNMADD: fused(true, true), FNMSUB: fused(false, true),
};
