// src/cpu/interpret/simd-three.ts — what the encodings of a64/simd-three.ts do.
// Spec: ARM DDI 0487, C7.2, each instruction's "Operation".
import type { Handlers } from "../a64/pattern.ts";
import type { simdThree } from "../a64/simd-three.ts";
import { Next, type Cpu, type Result } from "./cpu.ts";
import {
  halfMulAddLong, halfMulAddLongByElement, bfDot, bfDotByElement, bfMatrix, bfMulAddLong, bfMulAddLongByElement, complexAdd, complexByElement, complexMultiply, dot, dotByElement, matrix,
} from "./simd-extra.ts";
import { Fp, HALF, Test, countOf, mapFp, mapFpPairs, mapMulAdd, mapTest, type FpOp, type FpTest } from "./fp-lanes.ts";
import {
  A, B, D, R, type LaneOp, begin, broadcast, end, loadV, mapLanes, mapLong, mapNarrow, mapPairs, mapWide, noWide, ready, satS, satS64, satU,
  satU64, storeNarrow, storeV, upperHalf,
} from "./vector.ts";

const { floor, abs, max, min } = Math;

// --- operations on lanes ---

const lane = (signed: boolean, n: LaneOp["n"], w: LaneOp["w"] = noWide): LaneOp => ({ signed, n, w });
/** The two comparisons' results. */
const ones = (holds: boolean): number => (holds ? -1 : 0);
const wideOnes = (holds: boolean): bigint => (holds ? -1n : 0n);
const wideAbs = (v: bigint): bigint => (v < 0n ? -v : v);

const add = lane(false, (a, b) => a + b, (a, b) => a + b);
const sub = lane(false, (a, b) => a - b, (a, b) => a - b);
const halvingAdd = (signed: boolean): LaneOp => lane(signed, (a, b) => floor((a + b) / 2));
const roundingHalvingAdd = (signed: boolean): LaneOp => lane(signed, (a, b) => floor((a + b + 1) / 2));
const halvingSub = (signed: boolean): LaneOp => lane(signed, (a, b) => floor((a - b) / 2));
const sqadd = lane(true, (a, b, _, bits) => satS(a + b, bits), (a, b) => satS64(a + b));
const uqadd = lane(false, (a, b, _, bits) => satU(a + b, bits), (a, b) => satU64(a + b));
const sqsub = lane(true, (a, b, _, bits) => satS(a - b, bits), (a, b) => satS64(a - b));
const uqsub = lane(false, (a, b, _, bits) => satU(a - b, bits), (a, b) => satU64(a - b));
const greater = (signed: boolean): LaneOp => lane(signed, (a, b) => ones(a > b), (a, b) => wideOnes(a > b));
const greaterEqual = (signed: boolean): LaneOp => lane(signed, (a, b) => ones(a >= b), (a, b) => wideOnes(a >= b));
const equal = lane(false, (a, b) => ones(a === b), (a, b) => wideOnes(a === b));
const test = lane(false, (a, b) => ones((a & b) !== 0), (a, b) => wideOnes((a & b) !== 0n));
const largest = (signed: boolean): LaneOp => lane(signed, (a, b) => max(a, b));
const smallest = (signed: boolean): LaneOp => lane(signed, (a, b) => min(a, b));
const difference = (signed: boolean): LaneOp => lane(signed, (a, b) => abs(a - b), (a, b) => wideAbs(a - b));
const differenceAdd = (signed: boolean): LaneOp => lane(signed, (a, b, d) => d + abs(a - b), (a, b, d) => d + wideAbs(a - b));
const mul = lane(false, (a, b) => Math.imul(a, b));
const mla = lane(false, (a, b, d) => d + Math.imul(a, b));
const mls = lane(false, (a, b, d) => d - Math.imul(a, b));

/** SSHL and its kin: left by the signed low byte of the other lane, right when that is negative. Doubles are exact here. */
function shifted(a: number, b: number, rounding: boolean): number {
  const by = (b << 24) >> 24;
  return by >= 0 ? a * 2 ** by : floor((rounding ? a + 2 ** (-by - 1) : a) / 2 ** -by);
}
function wideShifted(a: bigint, b: bigint, rounding: boolean): bigint {
  const by = BigInt.asIntN(8, b);
  return by >= 0n ? a << by : (rounding ? a + (1n << (-by - 1n)) : a) >> -by;
}
const shift = (signed: boolean, rounding: boolean): LaneOp =>
  lane(signed, (a, b) => shifted(a, b, rounding), (a, b) => wideShifted(a, b, rounding));
const shiftSaturating = (signed: boolean, rounding: boolean): LaneOp =>
  signed
    ? lane(true, (a, b, _, bits) => satS(shifted(a, b, rounding), bits), (a, b) => satS64(wideShifted(a, b, rounding)))
    : lane(false, (a, b, _, bits) => satU(shifted(a, b, rounding), bits), (a, b) => satU64(wideShifted(a, b, rounding)));

/** SQDMULH: the high half of twice the product. */
const doublingHigh = (rounding: boolean): LaneOp => lane(true, (a, b, _, bits) => {
  if (bits === 32) return satS(Number((2n * BigInt(a) * BigInt(b) + (rounding ? 0x8000_0000n : 0n)) >> 32n), 32);
  return satS(floor((2 * a * b + (rounding ? 2 ** (bits - 1) : 0)) / 2 ** bits), bits);
});

/** SQRDMLAH, SQRDMLSH: D plus or minus twice the product, rounded to the high half. */
const doublingHighTo = (sign: 1 | -1): LaneOp => lane(true, (a, b, d, bits) => {
  if (bits === 32) return satS(Number(((BigInt(d) << 32n) + 2n * BigInt(sign * a) * BigInt(b) + 0x8000_0000n) >> 32n), 32);
  return satS(floor((d * 2 ** bits + sign * 2 * a * b + 2 ** (bits - 1)) / 2 ** bits), bits);
});

/** Carry-less product of two bytes. */
function polynomial(a: number, b: number): number {
  let r = 0;
  for (let i = 0; i < 8; i++) if (((b >>> i) & 1) !== 0) r ^= a << i;
  return r;
}
const pmul = lane(false, polynomial);

// Operations with lanes of two widths; `bits` is the narrow one.
const wideMul = (signed: boolean): LaneOp => lane(signed, (a, b) => a * b, (a, b) => a * b);
const wideMla = (signed: boolean): LaneOp => lane(signed, (a, b, d) => d + a * b, (a, b, d) => d + a * b);
const wideMls = (signed: boolean): LaneOp => lane(signed, (a, b, d) => d - a * b, (a, b, d) => d - a * b);
const wideAdd = (signed: boolean): LaneOp => lane(signed, (a, b) => a + b, (a, b) => a + b);
const wideSub = (signed: boolean): LaneOp => lane(signed, (a, b) => a - b, (a, b) => a - b);
const sqdmull = lane(true, (a, b, _, bits) => satS(2 * a * b, 2 * bits), (a, b) => satS64(2n * a * b));
const sqdmlal = lane(true, (a, b, d, bits) => satS(d + satS(2 * a * b, 2 * bits), 2 * bits), (a, b, d) => satS64(d + satS64(2n * a * b)));
const sqdmlsl = lane(true, (a, b, d, bits) => satS(d - satS(2 * a * b, 2 * bits), 2 * bits), (a, b, d) => satS64(d - satS64(2n * a * b)));
/** The upper half of a sum; rounding adds half of what is cut off. */
const addHigh = (rounding: boolean): LaneOp => lane(false, (a, b, _, bits) => floor((a + b + (rounding ? 2 ** (bits - 1) : 0)) / 2 ** bits),
  (a, b) => (a + b + (rounding ? 0x8000_0000n : 0n)) >> 32n);
const subHigh = (rounding: boolean): LaneOp => lane(false, (a, b, _, bits) => floor((a - b + (rounding ? 2 ** (bits - 1) : 0)) / 2 ** bits),
  (a, b) => (a - b + (rounding ? 0x8000_0000n : 0n)) >> 32n);

// --- forms ---

type Map = (op: LaneOp, count: number, size: number) => void;
interface Three { readonly x: number; readonly y: number; readonly z: number }
interface Scalar extends Three { readonly g: number }
interface Vector extends Scalar { readonly q: number }
interface Element extends Vector { readonly h: number; readonly l: number }
type On<F> = (cpu: Cpu, f: F) => Result;
/** Sets of sizes as bits. */
const BHS = 0b0111, BHSD = 0b1111, HS = 0b0110, B_ONLY = 0b0001;
const without = (sizes: number, g: number): boolean => ((sizes >> g) & 1) === 0;

function operands(cpu: Cpu, f: Three): void {
  begin(cpu);
  loadV(cpu, A, f.y);
  loadV(cpu, B, f.z);
  loadV(cpu, D, f.x);
  R.clear();
}
function result(cpu: Cpu, f: Three): Result {
  storeV(cpu, f.x, R);
  end(cpu);
  return Next;
}

const vector = (op: LaneOp, sizes: number = BHS, map: Map = mapLanes): On<Vector> => (cpu, f) => {
  const r = ready(cpu, without(sizes, f.g) || (f.g === 3 && f.q === 0));
  if (r !== Next) return r;
  operands(cpu, f);
  map(op, (8 << f.q) >> f.g, f.g);
  return result(cpu, f);
};
const scalar = (op: LaneOp, sizes: number, map: Map = mapLanes): On<Scalar> => (cpu, f) => {
  const r = ready(cpu, without(sizes, f.g));
  if (r !== Next) return r;
  operands(cpu, f);
  map(op, 1, f.g);
  return result(cpu, f);
};
const scalar64 = (op: LaneOp): On<Three> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  operands(cpu, f);
  mapLanes(op, 1, 3);
  return result(cpu, f);
};
const long = (op: LaneOp, sizes: number = BHS): On<Vector> => (cpu, f) => {
  const r = ready(cpu, without(sizes, f.g));
  if (r !== Next) return r;
  operands(cpu, f);
  if (f.q !== 0) {
    upperHalf(A);
    upperHalf(B);
  }
  mapLong(op, 8 >> f.g, f.g);
  return result(cpu, f);
};
const wide = (op: LaneOp): On<Vector> => (cpu, f) => {
  const r = ready(cpu, f.g === 3);
  if (r !== Next) return r;
  operands(cpu, f);
  if (f.q !== 0) upperHalf(B);
  mapWide(op, 8 >> f.g, f.g);
  return result(cpu, f);
};
const narrow = (op: LaneOp): On<Vector> => (cpu, f) => {
  const r = ready(cpu, f.g === 3);
  if (r !== Next) return r;
  operands(cpu, f);
  mapNarrow(op, 8 >> f.g, f.g);
  storeNarrow(cpu, f.x, f.q !== 0);
  return Next;
};

/** Bitwise: R = op(A, B, D) on all bits. */
const bitwise = (op: (a: number, b: number, d: number) => number): On<Three & { readonly q: number }> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  operands(cpu, f);
  const words = 2 << f.q;
  for (let i = 0; i < words; i++) R.i32[i] = op(A.i32[i] as number, B.i32[i] as number, D.i32[i] as number);
  return result(cpu, f);
};

/** Floating point: `run` computes `count` lanes of format g. */
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
const lanes = (op: FpOp): Run => (count, g) => mapFp(op, count, g);
const pairs = (op: FpOp): Run => (count, g) => mapFpPairs(op, count, g);
const compare = (op: FpTest): Run => (count, g) => mapTest(op, count, g);
const fmla: Run = (count, g) => mapMulAdd(count, g, false, false);
const fmls: Run = (count, g) => mapMulAdd(count, g, true, false);

/** By element: the lane of Vm goes to all of B; index H:L:M for halfwords, H:L for words, H for doublewords. */
function elementOperands(cpu: Cpu, f: Three & { readonly h: number; readonly l: number }, size: number): void {
  begin(cpu);
  loadV(cpu, A, f.y);
  loadV(cpu, B, size === 1 ? f.z & 15 : f.z);
  loadV(cpu, D, f.x);
  R.clear();
  broadcast(B, size, size === 1 ? (f.h << 2) | (f.l << 1) | (f.z >> 4) : size === 2 ? (f.h << 1) | f.l : f.h);
}
const byElement = (op: LaneOp): On<Element> => (cpu, f) => {
  const r = ready(cpu, without(HS, f.g));
  if (r !== Next) return r;
  elementOperands(cpu, f, f.g);
  mapLanes(op, (8 << f.q) >> f.g, f.g);
  return result(cpu, f);
};
const longByElement = (op: LaneOp): On<Element> => (cpu, f) => {
  const r = ready(cpu, without(HS, f.g));
  if (r !== Next) return r;
  elementOperands(cpu, f, f.g);
  if (f.q !== 0) upperHalf(A);
  mapLong(op, 8 >> f.g, f.g);
  return result(cpu, f);
};
const scalarByElement = (op: LaneOp, map: Map): On<Scalar & { readonly h: number; readonly l: number }> => (cpu, f) => {
  const r = ready(cpu, without(HS, f.g));
  if (r !== Next) return r;
  elementOperands(cpu, f, f.g);
  map(op, 1, f.g);
  return result(cpu, f);
};
const fpByElement = (run: Run): On<Element> => (cpu, f) => {
  const r = ready(cpu, f.g === 1 && (f.l !== 0 || f.q === 0));
  if (r !== Next) return r;
  elementOperands(cpu, f, f.g === HALF ? 1 : f.g + 2);
  run(countOf(f.g, f.q), f.g);
  return result(cpu, f);
};
const fpScalarByElement = (run: Run): On<Scalar & { readonly h: number; readonly l: number }> => (cpu, f) => {
  const r = ready(cpu, f.g === 1 && f.l !== 0);
  if (r !== Next) return r;
  elementOperands(cpu, f, f.g === HALF ? 1 : f.g + 2);
  run(1, f.g);
  return result(cpu, f);
};

/** R ^= the carry-less product of two words, at bit position 32 * `at`. */
function addProduct(a: number, b: number, at: number): void {
  let lo = 0;
  let hi = 0;
  for (let i = 0; i < 32; i++) {
    if (((b >>> i) & 1) === 0) continue;
    lo ^= a << i;
    if (i !== 0) hi ^= a >>> (32 - i);
  }
  const r = R.i32;
  r[at] = (r[at] as number) ^ lo;
  r[at + 1] = (r[at + 1] as number) ^ hi;
}
/** PMULL: bytes to halfwords, or (FEAT_PMULL) one doubleword to 128 bits. */
const pmull: On<Vector> = (cpu, f) => {
  if (f.g !== 3) return long(pmul, B_ONLY)(cpu, f);
  const r = ready(cpu, false);
  if (r !== Next) return r;
  operands(cpu, f);
  if (f.q !== 0) {
    upperHalf(A);
    upperHalf(B);
  }
  const a = A.i32, b = B.i32;
  for (let i = 0; i < 2; i++) for (let j = 0; j < 2; j++) addProduct(a[i] as number, b[j] as number, i + j);
  return result(cpu, f);
};

export const interpretSimdThree: Handlers<typeof simdThree, Cpu, Result> = {
  SHADD_v: vector(halvingAdd(true)), SQADD_v: vector(sqadd, BHSD), SRHADD_v: vector(roundingHalvingAdd(true)),
  SHSUB_v: vector(halvingSub(true)), SQSUB_v: vector(sqsub, BHSD), CMGT_v: vector(greater(true), BHSD), CMGE_v: vector(greaterEqual(true), BHSD),
  SSHL_v: vector(shift(true, false), BHSD), SQSHL_v: vector(shiftSaturating(true, false), BHSD),
  SRSHL_v: vector(shift(true, true), BHSD), SQRSHL_v: vector(shiftSaturating(true, true), BHSD),
  SMAX_v: vector(largest(true)), SMIN_v: vector(smallest(true)), SABD_v: vector(difference(true)), SABA_v: vector(differenceAdd(true)),
  ADD_v: vector(add, BHSD), CMTST_v: vector(test, BHSD), MLA_v: vector(mla), MUL_v: vector(mul),
  SMAXP_v: vector(largest(true), BHS, mapPairs), SMINP_v: vector(smallest(true), BHS, mapPairs),
  SQDMULH_v: vector(doublingHigh(false), HS), ADDP_v: vector(add, BHSD, mapPairs),
  UHADD_v: vector(halvingAdd(false)), UQADD_v: vector(uqadd, BHSD), URHADD_v: vector(roundingHalvingAdd(false)),
  UHSUB_v: vector(halvingSub(false)), UQSUB_v: vector(uqsub, BHSD), CMHI_v: vector(greater(false), BHSD), CMHS_v: vector(greaterEqual(false), BHSD),
  USHL_v: vector(shift(false, false), BHSD), UQSHL_v: vector(shiftSaturating(false, false), BHSD),
  URSHL_v: vector(shift(false, true), BHSD), UQRSHL_v: vector(shiftSaturating(false, true), BHSD),
  UMAX_v: vector(largest(false)), UMIN_v: vector(smallest(false)), UABD_v: vector(difference(false)), UABA_v: vector(differenceAdd(false)),
  SUB_v: vector(sub, BHSD), CMEQ_v: vector(equal, BHSD), MLS_v: vector(mls), PMUL_v: vector(pmul, B_ONLY),
  UMAXP_v: vector(largest(false), BHS, mapPairs), UMINP_v: vector(smallest(false), BHS, mapPairs), SQRDMULH_v: vector(doublingHigh(true), HS),

  AND_v: bitwise((a, b) => a & b), BIC_v: bitwise((a, b) => a & ~b), ORR_v: bitwise((a, b) => a | b), ORN_v: bitwise((a, b) => a | ~b),
  EOR_v: bitwise((a, b) => a ^ b), BSL_v: bitwise((a, b, d) => b ^ ((b ^ a) & d)),
  BIT_v: bitwise((a, b, d) => d ^ ((d ^ a) & b)), BIF_v: bitwise((a, b, d) => d ^ ((d ^ a) & ~b)),

  FMAXNM_v: fpVector(lanes(Fp.maxnm)), FMLA_v: fpVector(fmla), FADD_v: fpVector(lanes(Fp.add)), FMULX_v: fpVector(lanes(Fp.mulx)),
  FCMEQ_v: fpVector(compare(Test.eq)), FMAX_v: fpVector(lanes(Fp.max)), FRECPS_v: fpVector(lanes(Fp.recps)),
  FMINNM_v: fpVector(lanes(Fp.minnm)), FMLS_v: fpVector(fmls), FSUB_v: fpVector(lanes(Fp.sub)), FMIN_v: fpVector(lanes(Fp.min)),
  FRSQRTS_v: fpVector(lanes(Fp.rsqrts)), FMAXNMP_v: fpVector(pairs(Fp.maxnm)), FADDP_v: fpVector(pairs(Fp.add)), FMUL_v: fpVector(lanes(Fp.mul)),
  FCMGE_v: fpVector(compare(Test.ge)), FACGE_v: fpVector(compare(Test.age)), FMAXP_v: fpVector(pairs(Fp.max)), FDIV_v: fpVector(lanes(Fp.div)),
  FMINNMP_v: fpVector(pairs(Fp.minnm)), FABD_v: fpVector(lanes(Fp.abd)), FCMGT_v: fpVector(compare(Test.gt)),
  FACGT_v: fpVector(compare(Test.agt)), FMINP_v: fpVector(pairs(Fp.min)),

  SQRDMLAH_v: vector(doublingHighTo(1), HS), SQRDMLSH_v: vector(doublingHighTo(-1), HS),
  SDOT_v: dot(true, true), UDOT_v: dot(false, false), USDOT_v: dot(false, true),
  SMMLA: matrix(true, true), UMMLA: matrix(false, false), USMMLA: matrix(false, true), FCMLA_v: complexMultiply, FCADD_v: complexAdd,
  FMLAL_v: halfMulAddLong(false, false), FMLSL_v: halfMulAddLong(true, false), FMLAL2_v: halfMulAddLong(false, true),
  FMLSL2_v: halfMulAddLong(true, true), FMLAL_ve: halfMulAddLongByElement(false, false), FMLSL_ve: halfMulAddLongByElement(true, false),
  FMLAL2_ve: halfMulAddLongByElement(false, true), FMLSL2_ve: halfMulAddLongByElement(true, true),
  BFMMLA: bfMatrix, BFDOT_v: bfDot, BFMLAL_v: bfMulAddLong,
  SQRDMLAH_s: scalar(doublingHighTo(1), HS), SQRDMLSH_s: scalar(doublingHighTo(-1), HS),
  SQRDMLAH_ve: byElement(doublingHighTo(1)), SQRDMLSH_ve: byElement(doublingHighTo(-1)),
  SDOT_ve: dotByElement(true, true), UDOT_ve: dotByElement(false, false), SUDOT_ve: dotByElement(true, false), USDOT_ve: dotByElement(false, true),
  BFDOT_ve: bfDotByElement, BFMLAL_ve: bfMulAddLongByElement, FCMLA_ve: complexByElement,
  SQRDMLAH_se: scalarByElement(doublingHighTo(1), mapLanes), SQRDMLSH_se: scalarByElement(doublingHighTo(-1), mapLanes),

  SQADD_s: scalar(sqadd, BHSD), SQSUB_s: scalar(sqsub, BHSD), CMGT_s: scalar64(greater(true)), CMGE_s: scalar64(greaterEqual(true)),
  SSHL_s: scalar64(shift(true, false)), SQSHL_s: scalar(shiftSaturating(true, false), BHSD), SRSHL_s: scalar64(shift(true, true)),
  SQRSHL_s: scalar(shiftSaturating(true, true), BHSD), ADD_s: scalar64(add), CMTST_s: scalar64(test), SQDMULH_s: scalar(doublingHigh(false), HS),
  UQADD_s: scalar(uqadd, BHSD), UQSUB_s: scalar(uqsub, BHSD), CMHI_s: scalar64(greater(false)), CMHS_s: scalar64(greaterEqual(false)),
  USHL_s: scalar64(shift(false, false)), UQSHL_s: scalar(shiftSaturating(false, false), BHSD), URSHL_s: scalar64(shift(false, true)),
  UQRSHL_s: scalar(shiftSaturating(false, true), BHSD), SUB_s: scalar64(sub), CMEQ_s: scalar64(equal), SQRDMULH_s: scalar(doublingHigh(true), HS),
  FMULX_s: fpScalar(lanes(Fp.mulx)), FCMEQ_s: fpScalar(compare(Test.eq)), FRECPS_s: fpScalar(lanes(Fp.recps)),
  FRSQRTS_s: fpScalar(lanes(Fp.rsqrts)), FCMGE_s: fpScalar(compare(Test.ge)), FACGE_s: fpScalar(compare(Test.age)),
  FABD_s: fpScalar(lanes(Fp.abd)), FCMGT_s: fpScalar(compare(Test.gt)), FACGT_s: fpScalar(compare(Test.agt)),

  SADDL_v: long(wideAdd(true)), UADDL_v: long(wideAdd(false)), SADDW_v: wide(wideAdd(true)), UADDW_v: wide(wideAdd(false)),
  SSUBL_v: long(wideSub(true)), USUBL_v: long(wideSub(false)), SSUBW_v: wide(wideSub(true)), USUBW_v: wide(wideSub(false)),
  ADDHN_v: narrow(addHigh(false)), RADDHN_v: narrow(addHigh(true)), SABAL_v: long(differenceAdd(true)), UABAL_v: long(differenceAdd(false)),
  SUBHN_v: narrow(subHigh(false)), RSUBHN_v: narrow(subHigh(true)), SABDL_v: long(difference(true)), UABDL_v: long(difference(false)),
  SMLAL_v: long(wideMla(true)), UMLAL_v: long(wideMla(false)), SQDMLAL_v: long(sqdmlal, HS), SMLSL_v: long(wideMls(true)),
  UMLSL_v: long(wideMls(false)), SQDMLSL_v: long(sqdmlsl, HS), SMULL_v: long(wideMul(true)), UMULL_v: long(wideMul(false)),
  SQDMULL_v: long(sqdmull, HS), PMULL_v: pmull,
  SQDMLAL_s: scalar(sqdmlal, HS, mapLong), SQDMLSL_s: scalar(sqdmlsl, HS, mapLong), SQDMULL_s: scalar(sqdmull, HS, mapLong),

  SMLAL_ve: longByElement(wideMla(true)), SQDMLAL_ve: longByElement(sqdmlal), SMLSL_ve: longByElement(wideMls(true)),
  SQDMLSL_ve: longByElement(sqdmlsl), MUL_ve: byElement(mul), SMULL_ve: longByElement(wideMul(true)), SQDMULL_ve: longByElement(sqdmull),
  SQDMULH_ve: byElement(doublingHigh(false)), SQRDMULH_ve: byElement(doublingHigh(true)), MLA_ve: byElement(mla),
  UMLAL_ve: longByElement(wideMla(false)), MLS_ve: byElement(mls), UMLSL_ve: longByElement(wideMls(false)), UMULL_ve: longByElement(wideMul(false)),
  FMLA_ve: fpByElement(fmla), FMLS_ve: fpByElement(fmls), FMUL_ve: fpByElement(lanes(Fp.mul)), FMULX_ve: fpByElement(lanes(Fp.mulx)),
  SQDMLAL_se: scalarByElement(sqdmlal, mapLong), SQDMLSL_se: scalarByElement(sqdmlsl, mapLong), SQDMULL_se: scalarByElement(sqdmull, mapLong),
  SQDMULH_se: scalarByElement(doublingHigh(false), mapLanes), SQRDMULH_se: scalarByElement(doublingHigh(true), mapLanes),
  FMLA_se: fpScalarByElement(fmla), FMLS_se: fpScalarByElement(fmls), FMUL_se: fpScalarByElement(lanes(Fp.mul)),
  FMULX_se: fpScalarByElement(lanes(Fp.mulx)),
};
