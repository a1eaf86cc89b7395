// src/cpu/translate/emit-three.ts — x86-64 for the encodings of a64/simd-three.ts: Advanced SIMD with three registers.
// Spec: ARM DDI 0487, C7.2; Intel SDM vol. 2. The floating-point bodies stand in fp-lanes.ts.
// Left out, and interpreted: polynomial products of bytes, saturating doubling long products, saturating sums of words and
// doublewords, saturating and rounding shifts by register, and what lacks an x86 form for a lane size.
import type { Handlers } from "../a64/pattern.ts";
import type { simdThree } from "../a64/simd-three.ts";
import { Fpsr } from "../fp/format.ts";
import { Offset, Ready } from "../state.ts";
import { Alu, CC, Reg } from "./assembler.ts";
import { bfDot, bfDotByElement, bfMatrix, bfMultiplyLong, bfMultiplyLongByElement } from "./bfloat.ts";
import { complexAdd, complexByElement, complexMultiply } from "./complex.ts";
import { roundingDoubling, roundingDoublingByElement, roundingDoublingScalar, roundingDoublingScalarByElement } from "./doubling.ts";
import {
  fpAbsoluteDifference, fpBinary, fpByElement, fpCompare, fpExtreme, fpFused, fpPairs, fpPairsExtreme, fpScalarAbsoluteDifference, fpScalarByElement,
  fpScalarCompare, fpScalarFused,
} from "./fp-lanes.ts";
import { multiplyLong as multiplyLongOfHalves, multiplyLongByElement } from "./half-lanes.ts";
import {
  B, BHS, BHSD, D, H, HS, Lane, S, type Body, type Emit, type IndexedElement, type Three, accumulate, bothZeroFrom, by, comparable, difference, element, finish, flagSaturation, invert, long, multiply, multiplyLong,
  narrow, pairs, scalar, three, widen,
} from "./lanes.ts";
import { disp, interpreted, type Translator } from "./translator.ts";
import { Compare, X, XShift } from "./vector-op.ts";

// --- bodies ---

const greaterOrEqual: Body = (t, g, to, a, b) => {
  t.asm.x3(Lane.greater[g] as number, to, b, a);
  invert(t, to);
};
/** Unsigned doublewords are compared as signed ones, their sign bits turned. */
function turned(t: Translator, a: number, b: number): void {
  const sign = t.constants.splat(3, 0, 0x8000_0000 | 0);
  t.asm.x3c(X.pxor, 1, a, sign);
  t.asm.x3c(X.pxor, 2, b, sign);
}
const higher: Body = (t, g, to, a, b) => {
  if (g === 3) {
    turned(t, a, b);
    t.asm.x3(X.pcmpgtq, to, 1, 2);
    return;
  }
  t.asm.x3(Lane.umax[g] as number, to, a, b);
  t.asm.x3(Lane.equal[g] as number, to, to, b); // the larger is b
  invert(t, to);
};
const higherOrSame: Body = (t, g, to, a, b) => {
  if (g === 3) {
    turned(t, a, b);
    t.asm.x3(X.pcmpgtq, to, 2, 1);
    invert(t, to);
    return;
  }
  t.asm.x3(Lane.umax[g] as number, to, a, b);
  t.asm.x3(Lane.equal[g] as number, to, to, a);
};
const testBits: Body = (t, g, to, a, b) => {
  t.asm.x3(X.pand, to, a, b);
  t.asm.xZero(1);
  t.asm.x3(Lane.equal[g] as number, to, to, 1);
  invert(t, to);
};
/** r = r >> 1 in lanes of bytes to words. */
function halve(t: Translator, g: number, r: number, signed: boolean): void {
  const { asm } = t;
  if (g !== 0) {
    asm.xShift(g === 1 ? (signed ? XShift.psraw : XShift.psrlw) : signed ? XShift.psrad : XShift.psrld, r, r, 1);
    return;
  }
  asm.xShift(XShift.psrlw, r, r, 1);
  asm.x3c(X.pand, r, r, t.constants.splat(0, 0x7f));
  if (!signed) return;
  const sign = t.constants.splat(0, 0x40); // bit 6 is the sign now
  asm.x3c(X.pxor, r, r, sign);
  asm.x3c(X.psubb, r, r, sign);
}
/** a + b = (a ^ b) + 2 (a & b), bit by bit; with the weight of the sign negative also for signed lanes. */
const halvingAdd = (signed: boolean): Body => (t, g, to, a, b) => {
  t.asm.x3(X.pxor, 1, a, b);
  halve(t, g, 1, signed);
  t.asm.x3(X.pand, to, a, b);
  t.asm.x3(Lane.add[g] as number, to, to, 1);
};
/** a - b = (a ^ b) - 2 (~a & b). */
const halvingSub = (signed: boolean): Body => (t, g, to, a, b) => {
  t.asm.x3(X.pxor, to, a, b);
  halve(t, g, to, signed);
  t.asm.x3(X.pandn, 1, a, b);
  t.asm.x3(Lane.sub[g] as number, to, to, 1);
};
/** a + b = 2 (a | b) - (a ^ b). */
const roundingHalvingAdd = (signed: boolean): Body => (t, g, to, a, b) => {
  if (!signed && g < 2) {
    t.asm.x3(g === 0 ? X.pavgb : X.pavgw, to, a, b);
    return;
  }
  t.asm.x3(X.pxor, 1, a, b);
  halve(t, g, 1, signed);
  t.asm.x3(X.por, to, a, b);
  t.asm.x3(Lane.sub[g] as number, to, to, 1);
};
/** Bytes and halfwords saturate on x86 too; it is flagged where the plain result differs. */
const saturating = (op: readonly [number, number], plain: readonly number[]): Body => (t, g, to, a, b, q) => {
  t.asm.x3(op[g] as number, to, a, b);
  t.asm.x3(plain[g] as number, 1, a, b);
  flagSaturation(t, to, 1, 8 << q);
};
/** Halfwords: 0x8000 comes of -1 * -1 alone, and should have been 0x7fff. */
const doublingHigh = (rounding: boolean): Body => (t, _g, to, a, b, q) => {
  const { asm } = t;
  if (rounding) asm.x3(X.pmulhrsw, to, a, b);
  else {
    asm.x3(X.pmulhw, to, a, b);
    asm.x3(X.pmullw, 1, a, b);
    asm.x3(X.paddw, to, to, to);
    asm.xShift(XShift.psrlw, 1, 1, 15);
    asm.x3(X.por, to, to, 1);
  }
  asm.x3c(X.pcmpeqw, 1, to, t.constants.splat(1, 0x8000));
  asm.x3(X.pxor, to, to, 1);
  asm.x2(X.pmovmskb, Reg.rax, 1);
  asm.testImm(0, Reg.rax, q === 0 ? 0xff : 0xffff);
  const none = asm.jcc(CC.e);
  asm.aluMemoryImm(Alu.or, 0, Reg.rbp, disp(Offset.FPSR), Fpsr.QC);
  asm.patch(none, asm.at);
};
/** By the signed low byte of each lane of b: AVX2 gives zero for counts beyond the lane, which one of two ways always is. */
const shiftByLane = (signed: boolean): Body => (t, g, to, a, b) => {
  const { asm } = t;
  if (g === 2) {
    asm.xShift(XShift.pslld, 1, b, 24);
    asm.xShift(XShift.psrad, 1, 1, 24);
    asm.xZero(2);
    asm.x3(X.psubd, 2, 2, 1);
    asm.x3(X.psllvd, to, a, 1);
    if (!signed) {
      asm.x3(X.psrlvd, 2, a, 2);
      asm.x3(X.por, to, to, 2); // by zero: both are a
      return;
    }
    asm.x3(X.psravd, 2, a, 2); // all signs where b >= 0
    asm.xShift(XShift.psrad, 1, 1, 31);
    asm.x3(X.pand, 2, 2, 1);
    asm.x3(X.por, to, to, 2);
    return;
  }
  asm.xShift(XShift.psllq, 1, b, 56);
  asm.xShift(XShift.psrad, 2, 1, 31);
  asm.x2(X.pshufd, 2, 2, 0xf5);
  asm.xShift(XShift.psllq, 2, 2, 8);
  asm.xShift(XShift.psrlq, 1, 1, 56);
  asm.x3(X.por, 1, 1, 2);
  asm.xZero(2);
  asm.x3(X.psubq, 2, 2, 1);
  asm.x3(X.psllvq, to, a, 1);
  asm.x3(X.psrlvq, 2, a, 2);
  asm.x3(X.por, to, to, 2);
};
const avx2 = (t: Translator): boolean => t.features.avx2;
const pairwise = (op: readonly number[]): Body => (t, g, to, a, b, q) => {
  pairs(t, g, a, b, q);
  t.asm.x3(op[g] as number, to, 2, 3);
};
const addLong = (op: readonly number[], signed: boolean): Body => (t, g, to, a, b, q) => {
  widen(t, g, 0, a, q, signed);
  widen(t, g, 1, b, q, signed);
  t.asm.x3(op[g + 1] as number, to, 0, 1);
};
const addWide = (op: readonly number[], signed: boolean): Body => (t, g, to, a, b, q) => {
  widen(t, g, 0, b, q, signed);
  t.asm.x3(op[g + 1] as number, to, a, 0);
};
const differenceLong = (signed: boolean): Body => (t, g, to, a, b, q) => {
  const { asm } = t;
  widen(t, g, 1, a, q, signed);
  widen(t, g, 2, b, q, signed);
  if (g < 2) {
    difference(true)(t, g + 1, to, 1, 2, 1);
    return;
  }
  asm.x3(X.psubq, to, 1, 2); // of doublewords: the magnitude of the difference
  asm.xShift(XShift.psrad, 1, to, 31);
  asm.x2(X.pshufd, 1, 1, 0xf5);
  asm.x3(X.pxor, to, to, 1);
  asm.x3(X.psubq, to, to, 1);
};
/** The upper parts of sums or differences. */
const highNarrow = (op: readonly number[], rounding: boolean) => (t: Translator, f: Three): Emit => {
  if (f.g === 3) return false;
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16);
  const r = t.vectors.fresh();
  t.asm.x3(op[f.g + 1] as number, r, a, b);
  if (rounding) {
    const half = f.g === 2 ? t.constants.splat(3, 0x8000_0000 | 0, 0) : t.constants.splat(f.g + 1, 1 << ((8 << f.g) - 1));
    t.asm.x3c(Lane.add[f.g + 1] as number, r, r, half);
  }
  narrow(t, f.g, f.q, f.x, r, true);
  return true;
};
/** PMULL of doublewords. */
const polynomialLong = (t: Translator, f: Three): Emit => {
  if (f.g !== 3 || !t.features.pclmul) return false;
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16);
  const to = t.vectors.fresh();
  t.asm.x3(X.pclmulqdq, to, a, b, f.q === 0 ? 0x00 : 0x11);
  t.vectors.set(f.x, to, 16);
  return true;
};

// --- bitwise ---

const bitwise = (op: number) => (t: Translator, f: { q: number; x: number; y: number; z: number }): void => {
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16);
  const to = t.vectors.fresh();
  if (a === b && op === X.por) { // MOV
    t.asm.x2(f.q === 0 ? X.movq : X.movaps, to, a);
    t.vectors.set(f.x, to, f.q === 0 ? 8 : Math.min(16, t.vectors.zeroFrom(a)));
    return;
  }
  if (op === X.pandn) t.asm.x3(op, to, b, a); // BIC
  else t.asm.x3(op, to, a, b);
  finish(t, f.q, f.x, to, bothZeroFrom(t, a, b));
};
/** Which of the old Vd, Vn and Vm chooses, and between which: to = u ^ ((u ^ v) & mask). */
const choose = (kind: "bsl" | "bit" | "bif") => (t: Translator, f: { q: number; x: number; y: number; z: number }): void => {
  t.ready(Ready.simd);
  const { asm } = t;
  const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16), d = t.vectors.read(f.x, 16);
  const to = t.vectors.fresh();
  const from = kind === "bsl" ? b : d;
  asm.x3(X.pxor, 0, from, a);
  if (kind === "bif") asm.x3(X.pandn, 1, b, 0);
  else asm.x3(X.pand, 1, 0, kind === "bsl" ? d : b);
  asm.x3(X.pxor, to, from, 1);
  finish(t, f.q, f.x, to, Math.max(bothZeroFrom(t, a, b), t.vectors.zeroFrom(d)));
};
const orNot = (t: Translator, f: { q: number; x: number; y: number; z: number }): void => {
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16);
  const to = t.vectors.fresh();
  t.asm.x3(X.pcmpeqd, 0, 0, 0);
  t.asm.x3(X.pxor, 0, 0, b);
  t.asm.x3(X.por, to, a, 0);
  finish(t, f.q, f.x, to);
};

// --- by element ---

const byElement = (sizes: number, body: Body, op: readonly number[] | undefined, wider: 0 | 1) => (t: Translator, f: IndexedElement & { readonly q: number }): Emit => {
  if (((sizes >> f.g) & 1) === 0) return false;
  t.ready(Ready.simd, 7);
  const a = t.vectors.read(f.y, 16), d = op === undefined ? 0 : t.vectors.read(f.x, 16), b = element(t, f);
  const value = t.vectors.fresh();
  body(t, f.g, value, a, b, f.q);
  let to = value;
  if (op !== undefined) {
    to = t.vectors.fresh();
    t.asm.x3(op[f.g + wider] as number, to, d, value);
  }
  finish(t, wider === 1 ? 1 : f.q, f.x, to);
  return true;
};
const product = (op?: readonly number[]): ((t: Translator, f: IndexedElement & { readonly q: number }) => Emit) => byElement(HS, multiply, op, 0);
const longProduct = (signed: boolean, op?: readonly number[]): ((t: Translator, f: IndexedElement & { readonly q: number }) => Emit) => byElement(HS, multiplyLong(signed), op, 1);

// --- dot and matrix products of bytes: as halfwords they fit PMADDWD, also the unsigned ones ---

const extend = (signed: boolean): number => (signed ? X.pmovsxbw : X.pmovzxbw);
/** to = for each word, the sum of four products of bytes. Uses xmm0..xmm2. */
function dotProduct(t: Translator, to: number, a: number, b: number, q: number, signedA: boolean, signedB: boolean): void {
  t.asm.x2(extend(signedA), 0, a);
  t.asm.x2(extend(signedB), 1, b);
  t.asm.x3(X.pmaddwd, 0, 0, 1);
  if (q === 0) return t.asm.x3(X.phaddd, to, 0, 0);
  widen(t, 0, 1, a, 1, signedA);
  widen(t, 0, 2, b, 1, signedB);
  t.asm.x3(X.pmaddwd, 1, 1, 2);
  t.asm.x3(X.phaddd, to, 0, 1);
}
const dot = (signedA: boolean, signedB: boolean) => (t: Translator, f: Omit<Three, "g">): Emit => {
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16), d = t.vectors.read(f.x, 16), to = t.vectors.fresh();
  dotProduct(t, to, a, b, f.q, signedA, signedB);
  t.asm.x3(X.paddd, to, to, d);
  finish(t, f.q, f.x, to);
};
const dotByElement = (signedA: boolean, signedB: boolean) => (t: Translator, f: Omit<Three, "g"> & { readonly h: number; readonly l: number }): Emit => {
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16), d = t.vectors.read(f.x, 16), to = t.vectors.fresh();
  t.asm.x2(X.pshufd, 3, b, ((f.h << 1) | f.l) * 0x55);
  dotProduct(t, to, a, 3, f.q, signedA, signedB);
  t.asm.x3(X.paddd, to, to, d);
  finish(t, f.q, f.x, to);
};
/** Vd += A times the transposed B, of 2 by 8 bytes each. */
const matrix = (signedA: boolean, signedB: boolean) => (t: Translator, f: { readonly x: number; readonly y: number; readonly z: number }): Emit => {
  t.ready(Ready.simd, 7);
  const { asm } = t, a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16), d = t.vectors.read(f.x, 16), to = t.vectors.fresh(), second = t.vectors.fresh();
  asm.x2(extend(signedB), 1, b);
  widen(t, 0, 2, b, 1, signedB);
  const row = (into: number, upper: number): void => { // the words of both columns, each the sum of two
    widen(t, 0, 0, a, upper, signedA);
    asm.x3(X.pmaddwd, into, 0, 1);
    asm.x3(X.pmaddwd, 0, 0, 2);
    asm.x3(X.phaddd, into, into, 0);
  };
  row(to, 0);
  row(second, 1);
  asm.x3(X.phaddd, to, to, second);
  asm.x3(X.paddd, to, to, d);
  t.vectors.set(f.x, to, 16);
};

const cmgt = by(Lane.greater), cmeq = by(Lane.equal);

export const emitThree: Handlers<typeof simdThree, Translator, Emit> = {
  FMLAL_v: multiplyLongOfHalves(false, false), FMLSL_v: multiplyLongOfHalves(true, false), FMLAL2_v: multiplyLongOfHalves(false, true),
  FMLSL2_v: multiplyLongOfHalves(true, true), FMLAL_ve: multiplyLongByElement(false, false), FMLSL_ve: multiplyLongByElement(true, false),
  FMLAL2_ve: multiplyLongByElement(false, true), FMLSL2_ve: multiplyLongByElement(true, true),
  SQRDMLAH_v: roundingDoubling(false), SQRDMLSH_v: roundingDoubling(true), SQRDMLAH_s: roundingDoublingScalar(false), SQRDMLSH_s: roundingDoublingScalar(true),
  SQRDMLAH_ve: roundingDoublingByElement(false), SQRDMLSH_ve: roundingDoublingByElement(true),
  SQRDMLAH_se: roundingDoublingScalarByElement(false), SQRDMLSH_se: roundingDoublingScalarByElement(true),
  SDOT_v: dot(true, true), UDOT_v: dot(false, false), USDOT_v: dot(false, true), SDOT_ve: dotByElement(true, true), UDOT_ve: dotByElement(false, false),
  SUDOT_ve: dotByElement(true, false), USDOT_ve: dotByElement(false, true), SMMLA: matrix(true, true), UMMLA: matrix(false, false), USMMLA: matrix(false, true),
  FCMLA_v: complexMultiply, FCADD_v: complexAdd, FCMLA_ve: complexByElement,
  BFDOT_v: bfDot, BFDOT_ve: bfDotByElement, BFMMLA: bfMatrix, BFMLAL_v: bfMultiplyLong, BFMLAL_ve: bfMultiplyLongByElement,

  SHADD_v: three(BHS, halvingAdd(true)), SQADD_v: three(B | H, saturating([X.paddsb, X.paddsw], Lane.add)), SRHADD_v: three(BHS, roundingHalvingAdd(true)),
  SHSUB_v: three(BHS, halvingSub(true)), SQSUB_v: three(B | H, saturating([X.psubsb, X.psubsw], Lane.sub)),
  CMGT_v: three(BHSD, cmgt, comparable), CMGE_v: three(BHSD, greaterOrEqual, comparable),
  SSHL_v: three(S, shiftByLane(true), avx2), SQSHL_v: interpreted, SRSHL_v: interpreted, SQRSHL_v: interpreted,
  SMAX_v: three(BHS, by(Lane.smax)), SMIN_v: three(BHS, by(Lane.smin)), SABD_v: three(BHS, difference(true)), SABA_v: accumulate(BHS, difference(true), Lane.add),
  ADD_v: three(BHSD, by(Lane.add)), CMTST_v: three(BHSD, testBits), MLA_v: accumulate(BHS, multiply, Lane.add), MUL_v: three(BHS, multiply),
  SMAXP_v: three(BHS, pairwise(Lane.smax)), SMINP_v: three(BHS, pairwise(Lane.smin)), SQDMULH_v: three(H, doublingHigh(false)), ADDP_v: three(BHSD, pairwise(Lane.add)),
  UHADD_v: three(BHS, halvingAdd(false)), UQADD_v: three(B | H, saturating([X.paddusb, X.paddusw], Lane.add)), URHADD_v: three(BHS, roundingHalvingAdd(false)),
  UHSUB_v: three(BHS, halvingSub(false)), UQSUB_v: three(B | H, saturating([X.psubusb, X.psubusw], Lane.sub)),
  CMHI_v: three(BHSD, higher, comparable), CMHS_v: three(BHSD, higherOrSame, comparable),
  USHL_v: three(S | D, shiftByLane(false), avx2), UQSHL_v: interpreted, URSHL_v: interpreted, UQRSHL_v: interpreted,
  UMAX_v: three(BHS, by(Lane.umax)), UMIN_v: three(BHS, by(Lane.umin)), UABD_v: three(BHS, difference(false)), UABA_v: accumulate(BHS, difference(false), Lane.add),
  SUB_v: three(BHSD, by(Lane.sub)), CMEQ_v: three(BHSD, cmeq), MLS_v: accumulate(BHS, multiply, Lane.sub), PMUL_v: interpreted,
  UMAXP_v: three(BHS, pairwise(Lane.umax)), UMINP_v: three(BHS, pairwise(Lane.umin)), SQRDMULH_v: three(H, doublingHigh(true)),

  AND_v: bitwise(X.pand), BIC_v: bitwise(X.pandn), ORR_v: bitwise(X.por), ORN_v: orNot, EOR_v: bitwise(X.pxor),
  BSL_v: choose("bsl"), BIT_v: choose("bit"), BIF_v: choose("bif"),

  FMAXNM_v: fpExtreme("max"), FMLA_v: fpFused(false), FADD_v: fpBinary("add"), FMULX_v: interpreted,
  FCMEQ_v: fpCompare(Compare.eq, false, false), FMAX_v: fpExtreme("max"), FRECPS_v: interpreted,
  FMINNM_v: fpExtreme("min"), FMLS_v: fpFused(true), FSUB_v: fpBinary("sub"), FMIN_v: fpExtreme("min"), FRSQRTS_v: interpreted,
  FMAXNMP_v: fpPairsExtreme("max"), FADDP_v: fpPairs, FMUL_v: fpBinary("mul"), FCMGE_v: fpCompare(Compare.le, true, false), FACGE_v: fpCompare(Compare.le, true, true),
  FMAXP_v: fpPairsExtreme("max"), FDIV_v: fpBinary("div"), FMINNMP_v: fpPairsExtreme("min"), FABD_v: fpAbsoluteDifference,
  FCMGT_v: fpCompare(Compare.lt, true, false), FACGT_v: fpCompare(Compare.lt, true, true), FMINP_v: fpPairsExtreme("min"),

  SQADD_s: interpreted, SQSUB_s: interpreted, CMGT_s: scalar(cmgt, comparable), CMGE_s: scalar(greaterOrEqual, comparable),
  SSHL_s: interpreted, SQSHL_s: interpreted, SRSHL_s: interpreted, SQRSHL_s: interpreted, ADD_s: scalar(by(Lane.add)), CMTST_s: scalar(testBits),
  SQDMULH_s: interpreted, UQADD_s: interpreted, UQSUB_s: interpreted, CMHI_s: scalar(higher, comparable), CMHS_s: scalar(higherOrSame, comparable),
  USHL_s: scalar(shiftByLane(false), avx2), UQSHL_s: interpreted, URSHL_s: interpreted, UQRSHL_s: interpreted,
  SUB_s: scalar(by(Lane.sub)), CMEQ_s: scalar(cmeq), SQRDMULH_s: interpreted,
  FMULX_s: interpreted, FCMEQ_s: fpScalarCompare(Compare.eq, false, false), FRECPS_s: interpreted, FRSQRTS_s: interpreted,
  FCMGE_s: fpScalarCompare(Compare.le, true, false), FACGE_s: fpScalarCompare(Compare.le, true, true), FABD_s: fpScalarAbsoluteDifference,
  FCMGT_s: fpScalarCompare(Compare.lt, true, false), FACGT_s: fpScalarCompare(Compare.lt, true, true),

  SADDL_v: long(BHS, addLong(Lane.add, true)), UADDL_v: long(BHS, addLong(Lane.add, false)), SADDW_v: long(BHS, addWide(Lane.add, true)),
  UADDW_v: long(BHS, addWide(Lane.add, false)), SSUBL_v: long(BHS, addLong(Lane.sub, true)), USUBL_v: long(BHS, addLong(Lane.sub, false)),
  SSUBW_v: long(BHS, addWide(Lane.sub, true)), USUBW_v: long(BHS, addWide(Lane.sub, false)),
  ADDHN_v: highNarrow(Lane.add, false), RADDHN_v: highNarrow(Lane.add, true), SUBHN_v: highNarrow(Lane.sub, false), RSUBHN_v: highNarrow(Lane.sub, true),
  SABAL_v: accumulate(BHS, differenceLong(true), Lane.add, 1), UABAL_v: accumulate(BHS, differenceLong(false), Lane.add, 1),
  SABDL_v: long(BHS, differenceLong(true)), UABDL_v: long(BHS, differenceLong(false)),
  SMLAL_v: accumulate(BHS, multiplyLong(true), Lane.add, 1), UMLAL_v: accumulate(BHS, multiplyLong(false), Lane.add, 1), SQDMLAL_v: interpreted,
  SMLSL_v: accumulate(BHS, multiplyLong(true), Lane.sub, 1), UMLSL_v: accumulate(BHS, multiplyLong(false), Lane.sub, 1), SQDMLSL_v: interpreted,
  SMULL_v: long(BHS, multiplyLong(true)), UMULL_v: long(BHS, multiplyLong(false)), SQDMULL_v: interpreted, PMULL_v: polynomialLong,
  SQDMLAL_s: interpreted, SQDMLSL_s: interpreted, SQDMULL_s: interpreted,

  SMLAL_ve: longProduct(true, Lane.add), SQDMLAL_ve: interpreted, SMLSL_ve: longProduct(true, Lane.sub), SQDMLSL_ve: interpreted,
  MUL_ve: product(), SMULL_ve: longProduct(true), SQDMULL_ve: interpreted,
  SQDMULH_ve: byElement(H, doublingHigh(false), undefined, 0), SQRDMULH_ve: byElement(H, doublingHigh(true), undefined, 0),
  MLA_ve: product(Lane.add), UMLAL_ve: longProduct(false, Lane.add), MLS_ve: product(Lane.sub), UMLSL_ve: longProduct(false, Lane.sub),
  UMULL_ve: longProduct(false), FMLA_ve: fpByElement("fmla"), FMLS_ve: fpByElement("fmls"), FMUL_ve: fpByElement("mul"), FMULX_ve: interpreted,
  SQDMLAL_se: interpreted, SQDMLSL_se: interpreted, SQDMULL_se: interpreted, SQDMULH_se: interpreted, SQRDMULH_se: interpreted,
  FMLA_se: fpScalarFused(false), FMLS_se: fpScalarFused(true), FMUL_se: fpScalarByElement, FMULX_se: interpreted,
};
