// src/cpu/interpret/simd-two.ts — what the encodings of a64/simd-two.ts do.
// Spec: ARM DDI 0487, C7.2, each instruction's "Operation".
import type { Handlers } from "../a64/pattern.ts";
import type { simdTwo } from "../a64/simd-two.ts";
import { fpConvert, fpRoundIntN } from "../fp/convert.ts";
import { fpRecipEstimate, fpRecpX, fpRSqrtEstimate, unsignedRecipEstimate, unsignedRSqrtEstimate } from "../fp/estimate.ts";
import { F16, F32, F64, Rounding, roundingMode } from "../fp/format.ts";
import { hostRounds, narrow as toSingle } from "../fp/host.ts";
import { Next, type Cpu, type Result } from "./cpu.ts";
import { bfConvertNarrow } from "./simd-extra.ts";
import {
  Fp, Test, countOf, mapFromInteger, mapRound, mapSqrt, mapTest, mapToInteger, mapUnary, pairFp, reduceFp, type FpOp, type FpTest, type FpUnary,
} from "./fp-lanes.ts";
import {
  A, B, D, R, type LaneOp, begin, end, env, loadV, mapLanes, mapNarrow, noWide, ready, satS, satS64, satU, satU64, storeNarrow, storeV, upperHalf,
} from "./vector.ts";

const lane = (signed: boolean, n: LaneOp["n"], w: LaneOp["w"] = noWide): LaneOp => ({ signed, n, w });
const wideAbs = (v: bigint): bigint => (v < 0n ? -v : v);
const ones = (holds: boolean): number => (holds ? -1 : 0);
const wideOnes = (holds: boolean): bigint => (holds ? -1n : 0n);

const absolute = lane(true, a => Math.abs(a), wideAbs);
const negate = lane(true, a => -a, a => -a);
const sqabs = lane(true, (a, _b, _d, bits) => satS(Math.abs(a), bits), a => satS64(wideAbs(a)));
const sqneg = lane(true, (a, _b, _d, bits) => satS(-a, bits), a => satS64(-a));
const suqadd = lane(true, (a, _b, d, bits) => satS(d + (a < 0 ? a + 2 ** bits : a), bits), (a, _b, d) => satS64(d + BigInt.asUintN(64, a)));
const usqadd = lane(false, (a, _b, d, bits) => satU(d + (a >= 2 ** (bits - 1) ? a - 2 ** bits : a), bits), (a, _b, d) => satU64(d + BigInt.asIntN(64, a)));
const cmgt = lane(true, a => ones(a > 0), a => wideOnes(a > 0n));
const cmge = lane(true, a => ones(a >= 0), a => wideOnes(a >= 0n));
const cmeq = lane(true, a => ones(a === 0), a => wideOnes(a === 0n));
const cmle = lane(true, a => ones(a <= 0), a => wideOnes(a <= 0n));
const cmlt = lane(true, a => ones(a < 0), a => wideOnes(a < 0n));
const leadingZeros = lane(false, (a, _b, _d, bits) => Math.clz32(a) - (32 - bits));
const leadingSigns = lane(true, (a, _b, _d, bits) => Math.clz32(a ^ (a >> 31)) - (32 - bits) - 1);
function ones8(v: number): number {
  const pairs = v - ((v >>> 1) & 0x55);
  const nibbles = (pairs & 0x33) + ((pairs >>> 2) & 0x33);
  return (nibbles + (nibbles >>> 4)) & 0xf;
}
function reverse8(v: number): number {
  const a = ((v & 0x55) << 1) | ((v >>> 1) & 0x55);
  const b = ((a & 0x33) << 2) | ((a >>> 2) & 0x33);
  return (b << 4) | (b >>> 4);
}
const population = lane(false, ones8);
const reversed = lane(false, reverse8);
const inverted = lane(false, a => ~a);

const xtn = lane(false, a => a, a => a);
const sqxtn = lane(true, (a, _b, _d, bits) => satS(a, bits), a => BigInt(satS(Number(a), 32)));
const sqxtun = lane(true, (a, _b, _d, bits) => satU(a, bits), a => BigInt(satU(Number(a), 32)));
const uqxtn = lane(false, (a, _b, _d, bits) => satU(a, bits), a => BigInt(satU(Number(a), 32)));

// --- forms ---

interface Pair { readonly x: number; readonly y: number }
interface Scalar extends Pair { readonly g: number }
interface Vector extends Scalar { readonly q: number }
type On<F> = (cpu: Cpu, f: F) => Result;
const BHS = 0b0111, BHSD = 0b1111, B_ONLY = 0b0001, BH = 0b0011;
const without = (sizes: number, g: number): boolean => ((sizes >> g) & 1) === 0;

function operands(cpu: Cpu, f: Pair): void {
  begin(cpu);
  loadV(cpu, A, f.y);
  loadV(cpu, D, f.x);
  R.clear();
}
function result(cpu: Cpu, f: Pair): Result {
  storeV(cpu, f.x, R);
  end(cpu);
  return Next;
}

const vector = (op: LaneOp, sizes: number): On<Vector> => (cpu, f) => {
  const r = ready(cpu, without(sizes, f.g) || (f.g === 3 && f.q === 0));
  if (r !== Next) return r;
  operands(cpu, f);
  mapLanes(op, (8 << f.q) >> f.g, f.g);
  return result(cpu, f);
};
/** Bytes, whatever the encoding calls its size. */
const bytes = (op: LaneOp): On<Pair & { readonly q: number }> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  operands(cpu, f);
  mapLanes(op, 8 << f.q, 0);
  return result(cpu, f);
};
const scalar = (op: LaneOp): On<Scalar> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  operands(cpu, f);
  mapLanes(op, 1, f.g);
  return result(cpu, f);
};
const scalar64 = (op: LaneOp): On<Pair> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  operands(cpu, f);
  mapLanes(op, 1, 3);
  return result(cpu, f);
};
/** Reverses lanes of `size` within containers of 2^container bytes. */
const reverse = (container: number, sizes: number): On<Vector> => (cpu, f) => {
  const r = ready(cpu, without(sizes, f.g));
  if (r !== Next) return r;
  operands(cpu, f);
  const a = A.u[f.g] as Uint8Array;
  const out = R.u[f.g] as Uint8Array;
  const flip = (1 << (container - f.g)) - 1;
  const count = (8 << f.q) >> f.g;
  for (let i = 0; i < count; i++) out[i] = a[i ^ flip] as number;
  return result(cpu, f);
};
/** Pairwise long addition, accumulating or not. */
const addLongPairs = (signed: boolean, accumulate: boolean): On<Vector> => (cpu, f) => {
  const r = ready(cpu, f.g === 3);
  if (r !== Next) return r;
  operands(cpu, f);
  const a = (signed ? A.s : A.u)[f.g] as Uint8Array;
  const count = (4 << f.q) >> f.g;
  for (let i = 0; i < count; i++) {
    const sum = (a[2 * i] as number) + (a[2 * i + 1] as number);
    if (f.g === 2) R.i64[i] = BigInt(sum) + (accumulate ? (D.i64[i] as bigint) : 0n);
    else (R.u[f.g + 1] as Uint16Array)[i] = sum + (accumulate ? ((D.u[f.g + 1] as Uint16Array)[i] as number) : 0);
  }
  return result(cpu, f);
};
const narrow = (op: LaneOp): On<Vector> => (cpu, f) => {
  const r = ready(cpu, f.g === 3);
  if (r !== Next) return r;
  operands(cpu, f);
  mapNarrow(op, 8 >> f.g, f.g);
  storeNarrow(cpu, f.x, f.q !== 0);
  end(cpu);
  return Next;
};
const scalarNarrow = (op: LaneOp): On<Scalar> => (cpu, f) => {
  const r = ready(cpu, f.g === 3);
  if (r !== Next) return r;
  operands(cpu, f);
  mapNarrow(op, 1, f.g);
  return result(cpu, f);
};
/** SHLL: left by the lane's own width. */
const shll: On<Vector> = (cpu, f) => {
  const r = ready(cpu, f.g === 3);
  if (r !== Next) return r;
  operands(cpu, f);
  if (f.q !== 0) upperHalf(A);
  const count = 8 >> f.g;
  const a = A.u[f.g] as Uint8Array;
  for (let i = 0; i < count; i++) {
    if (f.g === 2) R.i32[2 * i + 1] = a[i] as number;
    else (R.u[f.g + 1] as Uint16Array)[i] = (a[i] as number) * 2 ** (8 << f.g);
  }
  return result(cpu, f);
};

type Run = (count: number, g: number) => void;
const fpVector = (run: Run): On<Vector> => (cpu, f) => {
  const r = ready(cpu, f.g === 1 && f.q === 0);
  if (r !== Next) return r;
  operands(cpu, f);
  run(countOf(f.g, f.q), f.g);
  return result(cpu, f);
};
const fpScalar = (run: Run): On<Scalar> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  operands(cpu, f);
  run(1, f.g);
  return result(cpu, f);
};
const unary = (op: FpUnary): Run => (count, g) => mapUnary(op, count, g);
const roundTo = (mode: number): Run => (count, g) => mapRound(mode, false, count, g);
const roundCurrent = (exact: boolean): Run => (count, g) => mapRound(roundingMode(env), exact, count, g);
/** As far as integers of `width` bits hold it. */
const roundToWidth = (mode: number | undefined, width: number): Run => (count, g) => mapUnary((f, e, a) => fpRoundIntN(f, e, a, mode ?? roundingMode(e), width), count, g);
const toInteger = (mode: number, unsigned: boolean): Run => (count, g) => mapToInteger(mode, unsigned, count, g);
const fromInteger = (unsigned: boolean): Run => (count, g) => mapFromInteger(unsigned, count, g);
const compareZero = (test: FpTest): Run => (count, g) => {
  B.clear();
  mapTest(test, count, g);
};
const words = (op: (v: number) => number): On<Pair & { readonly q: number }> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  operands(cpu, f);
  for (let i = 0; i < 2 << f.q; i++) R.u32[i] = op(A.u32[i] as number);
  return result(cpu, f);
};

/** FCVTN: double to single (g = 1) or single to half. */
const fcvtn: On<Vector> = (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  operands(cpu, f);
  const host = hostRounds(env.fpcr);
  if (f.g === 1) {
    for (let i = 0; i < 2; i++) {
      const r = host ? toSingle(A.f64[i] as number, env.fpsr) : NaN;
      if (r === r) R.f32[i] = r;
      else R.u32[i] = Number(fpConvert(F64, F32, env, A.u64[i] as bigint));
    }
  }
  else for (let i = 0; i < 4; i++) R.u16[i] = Number(fpConvert(F32, F16, env, BigInt(A.u32[i] as number)));
  storeNarrow(cpu, f.x, f.q !== 0);
  end(cpu);
  return Next;
};
/** FCVTL: single to double (g = 1) or half to single. */
const fcvtl: On<Vector> = (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  operands(cpu, f);
  if (f.q !== 0) upperHalf(A);
  const host = hostRounds(env.fpcr);
  if (f.g === 1) {
    for (let i = 0; i < 2; i++) {
      const v = A.f32[i] as number;
      if (host && v === v) R.f64[i] = v;
      else R.u64[i] = fpConvert(F32, F64, env, BigInt(A.u32[i] as number));
    }
  }
  else for (let i = 0; i < 4; i++) R.u32[i] = Number(fpConvert(F16, F32, env, BigInt(A.u16[i] as number)));
  return result(cpu, f);
};
const toOdd = (i: number): number => Number(fpConvert(F64, F32, env, A.u64[i] as bigint, Rounding.ODD));

/** Sum of all lanes, in lanes of twice the width. */
const addLongAcross = (signed: boolean): On<Vector> => (cpu, f) => {
  const r = ready(cpu, f.g === 3 || (f.g === 2 && f.q === 0));
  if (r !== Next) return r;
  operands(cpu, f);
  const a = (signed ? A.s : A.u)[f.g] as Uint8Array;
  let sum = 0;
  for (let i = 0; i < (8 << f.q) >> f.g; i++) sum += a[i] as number;
  if (f.g === 2) R.i64[0] = BigInt(sum);
  else (R.u[f.g + 1] as Uint16Array)[0] = sum;
  return result(cpu, f);
};
const across = (signed: boolean, op: (a: number, b: number) => number): On<Vector> => (cpu, f) => {
  const r = ready(cpu, f.g === 3 || (f.g === 2 && f.q === 0));
  if (r !== Next) return r;
  operands(cpu, f);
  const a = (signed ? A.s : A.u)[f.g] as Uint8Array;
  let v = a[0] as number;
  for (let i = 1; i < (8 << f.q) >> f.g; i++) v = op(v, a[i] as number);
  (R.u[f.g] as Uint8Array)[0] = v;
  return result(cpu, f);
};
/** Four singles, or (g and q given) halves. */
const fpAcross = (op: FpOp): On<Pair & { readonly g?: number; readonly q?: number }> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  operands(cpu, f);
  reduceFp(op, countOf(f.g ?? 0, f.q ?? 1), f.g ?? 0);
  return result(cpu, f);
};
const fpPair = (op: FpOp): On<Scalar> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  operands(cpu, f);
  pairFp(op, f.g, 0, 1);
  return result(cpu, f);
};

export const interpretSimdTwo: Handlers<typeof simdTwo, Cpu, Result> = {
  REV64_v: reverse(3, BHS), REV16_v: reverse(1, B_ONLY), SADDLP_v: addLongPairs(true, false), SUQADD_v: vector(suqadd, BHSD),
  CLS_v: vector(leadingSigns, BHS), CNT_v: vector(population, B_ONLY), SADALP_v: addLongPairs(true, true), SQABS_v: vector(sqabs, BHSD),
  CMGT0_v: vector(cmgt, BHSD), CMEQ0_v: vector(cmeq, BHSD), CMLT0_v: vector(cmlt, BHSD), ABS_v: vector(absolute, BHSD),
  XTN_v: narrow(xtn), SQXTN_v: narrow(sqxtn), REV32_v: reverse(2, BH), UADDLP_v: addLongPairs(false, false), USQADD_v: vector(usqadd, BHSD),
  CLZ_v: vector(leadingZeros, BHS), UADALP_v: addLongPairs(false, true), SQNEG_v: vector(sqneg, BHSD), CMGE0_v: vector(cmge, BHSD),
  CMLE0_v: vector(cmle, BHSD), NEG_v: vector(negate, BHSD), SQXTUN_v: narrow(sqxtun), SHLL_v: shll, UQXTN_v: narrow(uqxtn),
  NOT_v: bytes(inverted), RBIT_v: bytes(reversed),

  FCVTN_v: fcvtn, FCVTL_v: fcvtl,
  FRINTN_v: fpVector(roundTo(Rounding.EVEN)), FRINTM_v: fpVector(roundTo(Rounding.DOWN)), FRINTP_v: fpVector(roundTo(Rounding.UP)),
  FRINT32Z_v: fpVector(roundToWidth(Rounding.ZERO, 32)), FRINT32X_v: fpVector(roundToWidth(undefined, 32)),
  FRINT64Z_v: fpVector(roundToWidth(Rounding.ZERO, 64)), FRINT64X_v: fpVector(roundToWidth(undefined, 64)), BFCVTN: bfConvertNarrow,
  FRINTZ_v: fpVector(roundTo(Rounding.ZERO)), FRINTA_v: fpVector(roundTo(Rounding.AWAY)), FRINTX_v: fpVector(roundCurrent(true)),
  FRINTI_v: fpVector(roundCurrent(false)),
  FCVTNS_v: fpVector(toInteger(Rounding.EVEN, false)), FCVTMS_v: fpVector(toInteger(Rounding.DOWN, false)),
  FCVTAS_v: fpVector(toInteger(Rounding.AWAY, false)), FCVTPS_v: fpVector(toInteger(Rounding.UP, false)),
  FCVTZS_v: fpVector(toInteger(Rounding.ZERO, false)), FCVTNU_v: fpVector(toInteger(Rounding.EVEN, true)),
  FCVTMU_v: fpVector(toInteger(Rounding.DOWN, true)), FCVTAU_v: fpVector(toInteger(Rounding.AWAY, true)),
  FCVTPU_v: fpVector(toInteger(Rounding.UP, true)), FCVTZU_v: fpVector(toInteger(Rounding.ZERO, true)),
  SCVTF_v: fpVector(fromInteger(false)), UCVTF_v: fpVector(fromInteger(true)),
  FCMGT0_v: fpVector(compareZero(Test.gt)), FCMEQ0_v: fpVector(compareZero(Test.eq)), FCMLT0_v: fpVector(compareZero(Test.lt)),
  FCMGE0_v: fpVector(compareZero(Test.ge)), FCMLE0_v: fpVector(compareZero(Test.le)),
  FABS_v: fpVector(unary((f, _, a) => a & ~f.signBit)), FNEG_v: fpVector(unary((f, _, a) => a ^ f.signBit)), FSQRT_v: fpVector(mapSqrt),
  URECPE_v: words(unsignedRecipEstimate), URSQRTE_v: words(unsignedRSqrtEstimate), FRECPE_v: fpVector(unary(fpRecipEstimate)),
  FRSQRTE_v: fpVector(unary(fpRSqrtEstimate)),
  FCVTXN_v: (cpu, f) => {
    const r = ready(cpu, false);
    if (r !== Next) return r;
    operands(cpu, f);
    R.u32[0] = toOdd(0);
    R.u32[1] = toOdd(1);
    storeNarrow(cpu, f.x, f.q !== 0);
    end(cpu);
    return Next;
  },

  SUQADD_s: scalar(suqadd), SQABS_s: scalar(sqabs), USQADD_s: scalar(usqadd), SQNEG_s: scalar(sqneg),
  CMGT0_s: scalar64(cmgt), CMEQ0_s: scalar64(cmeq), CMLT0_s: scalar64(cmlt), ABS_s: scalar64(absolute), CMGE0_s: scalar64(cmge),
  CMLE0_s: scalar64(cmle), NEG_s: scalar64(negate), SQXTN_s: scalarNarrow(sqxtn), SQXTUN_s: scalarNarrow(sqxtun), UQXTN_s: scalarNarrow(uqxtn),
  FCVTNS_s: fpScalar(toInteger(Rounding.EVEN, false)), FCVTMS_s: fpScalar(toInteger(Rounding.DOWN, false)),
  FCVTAS_s: fpScalar(toInteger(Rounding.AWAY, false)), FCVTPS_s: fpScalar(toInteger(Rounding.UP, false)),
  FCVTZS_s: fpScalar(toInteger(Rounding.ZERO, false)), FCVTNU_s: fpScalar(toInteger(Rounding.EVEN, true)),
  FCVTMU_s: fpScalar(toInteger(Rounding.DOWN, true)), FCVTAU_s: fpScalar(toInteger(Rounding.AWAY, true)),
  FCVTPU_s: fpScalar(toInteger(Rounding.UP, true)), FCVTZU_s: fpScalar(toInteger(Rounding.ZERO, true)),
  SCVTF_s: fpScalar(fromInteger(false)), UCVTF_s: fpScalar(fromInteger(true)),
  FCMGT0_s: fpScalar(compareZero(Test.gt)), FCMEQ0_s: fpScalar(compareZero(Test.eq)), FCMLT0_s: fpScalar(compareZero(Test.lt)),
  FCMGE0_s: fpScalar(compareZero(Test.ge)), FCMLE0_s: fpScalar(compareZero(Test.le)),
  FRECPE_s: fpScalar(unary(fpRecipEstimate)), FRSQRTE_s: fpScalar(unary(fpRSqrtEstimate)), FRECPX_s: fpScalar(unary(fpRecpX)),
  FCVTXN_s: (cpu, f) => {
    const r = ready(cpu, false);
    if (r !== Next) return r;
    operands(cpu, f);
    R.u32[0] = toOdd(0);
    return result(cpu, f);
  },

  SADDLV: addLongAcross(true), UADDLV: addLongAcross(false), SMAXV: across(true, Math.max), SMINV: across(true, Math.min),
  UMAXV: across(false, Math.max), UMINV: across(false, Math.min), ADDV: across(false, (a, b) => a + b),
  FMAXNMV: fpAcross(Fp.maxnm), FMAXV: fpAcross(Fp.max), FMINNMV: fpAcross(Fp.minnm), FMINV: fpAcross(Fp.min),

  ADDP_s: (cpu, f) => {
    const r = ready(cpu, false);
    if (r !== Next) return r;
    operands(cpu, f);
    R.i64[0] = (A.i64[0] as bigint) + (A.i64[1] as bigint);
    return result(cpu, f);
  },
  FMAXNMP_s: fpPair(Fp.maxnm), FADDP_s: fpPair(Fp.add), FMAXP_s: fpPair(Fp.max), FMINNMP_s: fpPair(Fp.minnm), FMINP_s: fpPair(Fp.min),
};
