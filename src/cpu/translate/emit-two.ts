// src/cpu/translate/emit-two.ts — x86-64 for the encodings of a64/simd-two.ts: Advanced SIMD with two registers.
// Spec: ARM DDI 0487, C7.2; Intel SDM vol. 2. The floating-point bodies stand in fp-lanes.ts.
// Left out, and interpreted: counts of leading zeros and signs, saturating sums of mixed signs and magnitudes, estimates,
// roundings away from zero or to odd, and conversions to unsigned integers.
import type { Handlers } from "../a64/pattern.ts";
import type { simdTwo } from "../a64/simd-two.ts";
import { Ready } from "../state.ts";
import { Alu, CC, Reg } from "./assembler.ts";
import { bfConvertNarrow } from "./bfloat.ts";
import {
  fpAcross, fpCompareZero, fpFromInteger, fpFromUnsigned, fpLengthen, fpNarrow, fpRound, fpRoundToWidth, fpScalarCompareZero, fpScalarPair, fpScalarPairExtreme, fpSign,
  fpSquareRoot, fpToInteger,
} from "./fp-lanes.ts";
import { lengthenHalves, narrowToHalves } from "./half-lanes.ts";
import {
  B, BH, BHS, BHSD, Lane, type BodyOne, type Emit, type Saturation, type Two, comparable, finish, invert, narrow, saturate, scalarTwo, two, widen,
} from "./lanes.ts";
import { interpreted, type Translator } from "./translator.ts";
import { Compare, X, XShift } from "./vector-op.ts";

const { rax } = Reg;
/** Rounding of ROUNDPS, without raising inexact but for CURRENT alone. */
const NEAREST = 8, DOWN = 9, UP = 10, TO_ZERO = 11, CURRENT = 4, CURRENT_SILENT = 12;

/** Reverses lanes within containers of 2^container bytes. */
const reverse = (container: number): BodyOne => (t, g, to, a) =>
  t.asm.x3c(X.pshufb, to, a, t.constants.bytes(i => i ^ ((1 << container) - (1 << g))));
/** Sums of adjacent lanes in twice the width. Uses xmm0. */
const addPairs = (signed: boolean): BodyOne => (t, g, to, a) => {
  const { asm } = t;
  if (g === 0 && signed) { // PMADDUBSW: unsigned bytes of the first operand by signed ones of the second
    asm.x2c(X.movaps, 0, t.constants.splat(0, 1));
    asm.x3(X.pmaddubsw, to, 0, a);
  } else if (g === 0) asm.x3c(X.pmaddubsw, to, a, t.constants.splat(0, 1));
  else if (g === 1 && signed) asm.x3c(X.pmaddwd, to, a, t.constants.splat(1, 1));
  else if (g === 1) {
    asm.x3c(X.pand, 0, a, t.constants.splat(2, 0xffff));
    asm.xShift(XShift.psrld, to, a, 16);
    asm.x3(X.paddd, to, to, 0);
  } else {
    asm.x2(X.pshufd, 0, a, 0x08);
    asm.x2(X.pshufd, to, a, 0x0d);
    asm.x2(signed ? X.pmovsxdq : X.pmovzxdq, 0, 0);
    asm.x2(signed ? X.pmovsxdq : X.pmovzxdq, to, to);
    asm.x3(X.paddq, to, to, 0);
  }
};
const addPairsTo = (signed: boolean) => (t: Translator, f: Two): Emit => {
  if (f.g === 3) return false;
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16), d = t.vectors.read(f.x, 16);
  const to = t.vectors.fresh();
  addPairs(signed)(t, f.g, to, a, f.q);
  t.asm.x3(Lane.add[f.g + 1] as number, to, to, d);
  finish(t, f.q, f.x, to);
  return true;
};
const greaterThanZero: BodyOne = (t, g, to, a) => {
  t.asm.xZero(1);
  t.asm.x3(Lane.greater[g] as number, to, a, 1);
};
const lessThanZero: BodyOne = (t, g, to, a) => {
  t.asm.xZero(to);
  t.asm.x3(Lane.greater[g] as number, to, to, a);
};
const equalToZero: BodyOne = (t, g, to, a) => {
  t.asm.xZero(1);
  t.asm.x3(Lane.equal[g] as number, to, a, 1);
};
const notGreater: BodyOne = (t, g, to, a, q) => {
  greaterThanZero(t, g, to, a, q);
  invert(t, to);
};
const notLess: BodyOne = (t, g, to, a, q) => {
  lessThanZero(t, g, to, a, q);
  invert(t, to);
};
const negate: BodyOne = (t, g, to, a) => {
  t.asm.xZero(to);
  t.asm.x3(Lane.sub[g] as number, to, to, a);
};
const absolute: BodyOne = (t, g, to, a) => {
  const { asm } = t;
  if (g < 3) {
    asm.x2(Lane.abs[g] as number, to, a);
    return;
  }
  asm.xShift(XShift.psrad, 1, a, 31);
  asm.x2(X.pshufd, 1, 1, 0xf5);
  asm.x3(X.pxor, to, a, 1);
  asm.x3(X.psubq, to, to, 1);
};
/** to = a function of each byte, by its nibbles: tables of 16 for the lower and the upper one. Uses xmm0, xmm1. */
function byNibbles(t: Translator, to: number, a: number, low: (v: number) => number, high: (v: number) => number): void {
  const { asm } = t;
  asm.x3c(X.pand, 0, a, t.constants.splat(0, 0x0f));
  asm.x2c(X.movaps, 1, t.constants.bytes(low));
  asm.x3(X.pshufb, 1, 1, 0);
  asm.xShift(XShift.psrlw, 0, a, 4);
  asm.x3c(X.pand, 0, 0, t.constants.splat(0, 0x0f));
  asm.x2c(X.movaps, to, t.constants.bytes(high));
  asm.x3(X.pshufb, to, to, 0);
  asm.x3(X.paddb, to, to, 1);
}
const ones = (v: number): number => (v & 1) + ((v >> 1) & 1) + ((v >> 2) & 1) + (v >> 3);
const reversed = (v: number): number => ((v & 1) << 3) | ((v & 2) << 1) | ((v & 4) >> 1) | (v >> 3);
const population: BodyOne = (t, _g, to, a) => byNibbles(t, to, a, ones, ones);
const reverseBits: BodyOne = (t, _g, to, a) => byNibbles(t, to, a, v => reversed(v) << 4, reversed);
const complement: BodyOne = (t, _g, to, a) => {
  t.asm.x3(X.pcmpeqd, to, to, to);
  t.asm.x3(X.pxor, to, to, a);
};
/** Bytes, whatever the encoding calls its size. */
const bytes = (body: BodyOne): ((t: Translator, f: { q: number; x: number; y: number }) => Emit) => {
  const emit = two(B, body);
  return (t, f) => emit(t, { q: f.q, g: 0, x: f.x, y: f.y });
};
const extractNarrow = (t: Translator, f: Two): Emit => {
  if (f.g === 3) return false;
  t.ready(Ready.simd);
  narrow(t, f.g, f.q, f.x, t.vectors.read(f.y, 16), false);
  return true;
};
const saturating = (kind: Saturation) => (t: Translator, f: Two): Emit => {
  if (f.g > 1) return false;
  t.ready(Ready.simd);
  saturate(t, f.g, f.q, f.x, t.vectors.read(f.y, 16), kind);
  return true;
};
const shiftLong = (t: Translator, f: Two): Emit => {
  if (f.g === 3) return false;
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16);
  const to = t.vectors.fresh();
  widen(t, f.g, to, a, f.q, false);
  t.asm.xShift(f.g === 0 ? XShift.psllw : f.g === 1 ? XShift.pslld : XShift.psllq, to, to, 8 << f.g);
  t.vectors.set(f.x, to, 16);
  return true;
};

// --- across lanes ---

/** Lane 0 of r = all lanes of size g joined, of the first 8 << q bytes. Uses xmm0. */
function fold(t: Translator, g: number, r: number, op: number, q: number): void {
  for (let by = q === 0 ? 4 : 8; by >= 1 << g; by >>= 1) {
    t.asm.xShift(XShift.psrldq, 0, r, by);
    t.asm.x3(op, r, r, 0);
  }
}
/** Vx = lane 0 alone. */
function keepLane(t: Translator, x: number, to: number, g: number): void {
  if (g === 3) t.asm.x2(X.movq, to, to);
  else t.asm.x3c(X.pand, to, to, t.constants.words(g === 0 ? 0xff : g === 1 ? 0xffff : -1, 0, 0, 0));
  t.vectors.set(x, to, g === 3 ? 8 : 4);
}
const across = (op: readonly number[]) => (t: Translator, f: Two): Emit => {
  if (f.g === 3 || (f.g === 2 && f.q === 0)) return false;
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16);
  const to = t.vectors.fresh();
  t.asm.xMove(to, a);
  fold(t, f.g, to, op[f.g] as number, f.q);
  keepLane(t, f.x, to, f.g);
  return true;
};
const addLongAcross = (signed: boolean) => (t: Translator, f: Two): Emit => {
  if (f.g === 3 || (f.g === 2 && f.q === 0)) return false;
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16);
  const to = t.vectors.fresh();
  addPairs(signed)(t, f.g, to, a, f.q);
  fold(t, f.g + 1, to, Lane.add[f.g + 1] as number, f.q);
  keepLane(t, f.x, to, f.g + 1);
  return true;
};

// --- scalar conversions ---

/** To a signed integer of the same size: see fpToInteger. */
const toInteger = (mode: number) => (t: Translator, f: { g: number; x: number; y: number }): Emit => {
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = t.vectors.read(f.y, 4 << f.g);
  const to = t.vectors.fresh();
  const round = f.g === 0 ? X.roundss : X.roundsd;
  if (mode !== TO_ZERO) t.asm.x3(round, 1, a, a, mode);
  t.asm.x2(f.g === 0 ? X.cvttss2si : X.cvttsd2si, rax, mode === TO_ZERO ? a : 1, -1, f.g);
  t.asm.aluImm(Alu.cmp, f.g, rax, 1); // overflows for the value that stands for out of range
  ends.push(t.asm.jcc(CC.o));
  if (mode !== TO_ZERO) t.asm.x3(round, 1, a, a, TO_ZERO & 3);
  t.asm.x2(X.movd, to, rax, -1, f.g);
  t.vectors.set(f.x, to, 4 << f.g);
  t.endSlow(site, ends);
  return true;
};
const fromInteger = (unsigned: boolean) => (t: Translator, f: { g: number; x: number; y: number }): Emit => {
  if (unsigned && f.g === 1) return false;
  t.ready(Ready.fp);
  const a = t.vectors.read(f.y, 4 << f.g);
  const to = t.vectors.fresh();
  t.asm.x2(X.movdStore, a, rax, -1, f.g);
  t.asm.xZero(to);
  t.asm.x3g(f.g === 0 ? X.cvtsi2ss : X.cvtsi2sd, to, to, rax, -1, unsigned ? 1 : f.g);
  t.vectors.set(f.x, to, 4 << f.g);
  return true;
};
const addPair = (t: Translator, f: { x: number; y: number }): void => {
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16);
  const to = t.vectors.fresh();
  t.asm.x2(X.pshufd, to, a, 0xee);
  t.asm.x3(X.paddq, to, to, a);
  finish(t, 0, f.x, to);
};

export const emitTwo: Handlers<typeof simdTwo, Translator, Emit> = {
  FRINT32Z_v: fpRoundToWidth(TO_ZERO & 3, 32), FRINT32X_v: fpRoundToWidth(CURRENT, 32), FRINT64Z_v: fpRoundToWidth(TO_ZERO & 3, 64),
  FRINT64X_v: fpRoundToWidth(CURRENT, 64), BFCVTN: bfConvertNarrow,

  REV64_v: two(BHS, reverse(3)), REV16_v: two(B, reverse(1)), SADDLP_v: two(BHS, addPairs(true)), SUQADD_v: interpreted, CLS_v: interpreted,
  CNT_v: two(B, population), SADALP_v: addPairsTo(true), SQABS_v: interpreted,
  CMGT0_v: two(BHSD, greaterThanZero, comparable), CMEQ0_v: two(BHSD, equalToZero), CMLT0_v: two(BHSD, lessThanZero, comparable), ABS_v: two(BHSD, absolute),
  XTN_v: extractNarrow, SQXTN_v: saturating("signed"), REV32_v: two(BH, reverse(2)), UADDLP_v: two(BHS, addPairs(false)), USQADD_v: interpreted,
  CLZ_v: interpreted, UADALP_v: addPairsTo(false), SQNEG_v: interpreted, CMGE0_v: two(BHSD, notLess, comparable), CMLE0_v: two(BHSD, notGreater, comparable),
  NEG_v: two(BHSD, negate), SQXTUN_v: saturating("signed to unsigned"), SHLL_v: shiftLong, UQXTN_v: saturating("unsigned"),
  NOT_v: bytes(complement), RBIT_v: bytes(reverseBits),

  FCVTN_v: (t, f) => (f.g === 0 ? narrowToHalves(t, f) : fpNarrow(t, f)), FCVTL_v: (t, f) => (f.g === 0 ? lengthenHalves(t, f) : fpLengthen(t, f)), FRINTN_v: fpRound(NEAREST), FRINTM_v: fpRound(DOWN), FCVTNS_v: fpToInteger(NEAREST & 3), FCVTMS_v: fpToInteger(DOWN & 3),
  FCVTAS_v: interpreted, SCVTF_v: fpFromInteger, FCMGT0_v: fpCompareZero(Compare.lt, true), FCMEQ0_v: fpCompareZero(Compare.eq, false),
  FCMLT0_v: fpCompareZero(Compare.lt, false), FABS_v: fpSign(X.andps), FRINTP_v: fpRound(UP), FRINTZ_v: fpRound(TO_ZERO), FCVTPS_v: fpToInteger(UP & 3),
  FCVTZS_v: fpToInteger(TO_ZERO & 3), URECPE_v: interpreted, FRECPE_v: interpreted, FCVTXN_v: interpreted, FRINTA_v: interpreted, FRINTX_v: fpRound(CURRENT),
  FCVTNU_v: interpreted, FCVTMU_v: interpreted, FCVTAU_v: interpreted, UCVTF_v: fpFromUnsigned, FCMGE0_v: fpCompareZero(Compare.le, true),
  FCMLE0_v: fpCompareZero(Compare.le, false), FNEG_v: fpSign(X.xorps), FRINTI_v: fpRound(CURRENT_SILENT), FCVTPU_v: interpreted, FCVTZU_v: interpreted,
  URSQRTE_v: interpreted, FRSQRTE_v: interpreted, FSQRT_v: fpSquareRoot,

  SUQADD_s: interpreted, SQABS_s: interpreted, CMGT0_s: scalarTwo(greaterThanZero, comparable), CMEQ0_s: scalarTwo(equalToZero),
  CMLT0_s: scalarTwo(lessThanZero, comparable), ABS_s: scalarTwo(absolute), SQXTN_s: interpreted, USQADD_s: interpreted, SQNEG_s: interpreted,
  CMGE0_s: scalarTwo(notLess, comparable), CMLE0_s: scalarTwo(notGreater, comparable), NEG_s: scalarTwo(negate), SQXTUN_s: interpreted, UQXTN_s: interpreted,
  FCVTNS_s: toInteger(NEAREST), FCVTMS_s: toInteger(DOWN), FCVTAS_s: interpreted, SCVTF_s: fromInteger(false),
  FCMGT0_s: fpScalarCompareZero(Compare.lt, true), FCMEQ0_s: fpScalarCompareZero(Compare.eq, false), FCMLT0_s: fpScalarCompareZero(Compare.lt, false),
  FCVTPS_s: toInteger(UP), FCVTZS_s: toInteger(TO_ZERO), FRECPE_s: interpreted, FCVTXN_s: interpreted, FCVTNU_s: interpreted, FCVTMU_s: interpreted,
  FCVTAU_s: interpreted, UCVTF_s: fromInteger(true), FCMGE0_s: fpScalarCompareZero(Compare.le, true), FCMLE0_s: fpScalarCompareZero(Compare.le, false),
  FCVTPU_s: interpreted, FCVTZU_s: interpreted, FRSQRTE_s: interpreted, FRECPX_s: interpreted,

  SADDLV: addLongAcross(true), SMAXV: across(Lane.smax), SMINV: across(Lane.smin), ADDV: across(Lane.add),
  UADDLV: addLongAcross(false), UMAXV: across(Lane.umax), UMINV: across(Lane.umin),
  FMAXNMV: fpAcross("max"), FMAXV: fpAcross("max"), FMINNMV: fpAcross("min"), FMINV: fpAcross("min"),

  ADDP_s: addPair, FMAXNMP_s: fpScalarPairExtreme("max"), FADDP_s: fpScalarPair, FMAXP_s: fpScalarPairExtreme("max"),
  FMINNMP_s: fpScalarPairExtreme("min"), FMINP_s: fpScalarPairExtreme("min"),
};
