// src/cpu/translate/emit-half.ts — x86-64 for the encodings of a64/half.ts: half precision (FEAT_FP16), by the bodies of
// half-lanes.ts.
// Spec: ARM DDI 0487, C7.2.
// Left out, and interpreted: estimates and FRECPX; fixed point of 64 bits made a half.
import type { halfMove } from "../a64/half.ts";
import type { Handlers } from "../a64/pattern.ts";
import { fpImmediate16 } from "../interpret/simd-move.ts";
import { Ready } from "../state.ts";
import { Reg } from "./assembler.ts";
import { factors, turned } from "./complex.ts";
import { conditionally, Quiet, Signal } from "./fp-check.ts";
import { HALF } from "./fp-lanes.ts";
import {
  accumulate, across, ADD, AWAY, binary, compareHalves, complexMultiply, CURRENT, DIV, DOWN, extreme, fromFixed, fromGeneral, fromIntegers, lane, lowestPair, MINUS,
  MUL, multiplyAdd, NEAREST, NEGATED_MINUS, NEGATED_PLUS, paired, PLUS, read, roundTo, scalar, SILENT, squareRoot, step, SUB, Test, TO_ZERO, toFixed, toGeneral, toIntegers, UP, vector, type Fields,
} from "./half-lanes.ts";
import { finish, pairs, type Emit } from "./lanes.ts";
import type { Translator } from "./translator.ts";
import { X } from "./vector-op.ts";

const { rax, rcx, rdx } = Reg;

// --- what moves bits ---

type Two = { readonly x: number; readonly y: number };
/** Vx = the half in a host register, which may have more above it. */
function setFrom(t: Translator, x: number, from: number): void {
  const to = t.vectors.fresh();
  t.asm.extendReg(0, 1, 0, rax, from);
  t.asm.x2(X.movd, to, rax);
  t.vectors.set(x, to, 4);
}
/** Bits of Vy kept, of it or of its vector, and then changed. */
const bits = (mask: number, change: number) => (t: Translator, f: Two): void => {
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 4), to = t.vectors.fresh();
  t.asm.x3c(X.pand, to, a, t.constants.words(mask, 0, 0, 0));
  if (change !== 0) t.asm.x3c(X.pxor, to, to, t.constants.words(change, 0, 0, 0));
  t.vectors.set(f.x, to, 4);
};
const vectorBits = (op: number, mask: number) => (t: Translator, f: Two & { readonly q: number }): void => {
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16), to = t.vectors.fresh();
  t.asm.x3c(op, to, a, t.constants.splat(1, mask));
  finish(t, f.q, f.x, to);
};
const immediate = (t: Translator, f: { readonly i: number; readonly x: number }): void => {
  t.ready(Ready.simd);
  t.asm.constant(rcx, fpImmediate16(f.i), 0);
  setFrom(t, f.x, rcx);
};
const select = (t: Translator, f: Two & { readonly z: number; readonly c: number }): void => {
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 4), b = t.vectors.read(f.z, 4);
  t.asm.x2(X.movdStore, a, rcx);
  if (f.c < 14) {
    t.needFlags();
    t.asm.x2(X.movdStore, b, rdx);
    t.asm.cmov(t.condition(f.c), 0, rdx, rcx);
    setFrom(t, f.x, rdx);
  } else setFrom(t, f.x, rcx);
};
const toRegister = (t: Translator, f: { readonly y: number; readonly d: number }): void => {
  t.ready(Ready.simd);
  t.asm.x2(X.movdStore, t.vectors.read(f.y, 4), rax);
  t.asm.extendReg(0, 1, 0, rax, rax);
  t.put(f.d, rax);
};
const fromRegister = (t: Translator, f: { readonly n: number; readonly x: number }): void => {
  t.ready(Ready.simd);
  setFrom(t, f.x, t.get(f.n, rax));
};

// --- comparisons that set NZCV ---

const compare = (op: number) => (t: Translator, f: { readonly y: number; readonly z?: number }): Emit => {
  if (!t.features.f16c) return false;
  t.ready(Ready.half);
  compareHalves(t, read(t, f.y, 1), f.z === undefined ? -1 : read(t, f.z, 1), op);
  t.flagsSet("sub");
  return true;
};
const conditionalCompare = (op: number) => (t: Translator, f: { readonly y: number; readonly z: number; readonly c: number; readonly v: number }): Emit => {
  if (!t.features.f16c) return false;
  t.ready(Ready.half);
  const a = read(t, f.y, 1), b = read(t, f.z, 1);
  conditionally(t, f, () => compareHalves(t, a, b, op));
  return true;
};

// --- complex numbers ---

const turnedOperand = (t: Translator, f: Fields): number => {
  const b = t.vectors.read(f.z, 16), to = t.vectors.fresh();
  turned(t, HALF, to, b, f.r);
  return to;
};
const arrange = (t: Translator, f: Fields, toA: number, a: number, toB: number, b: number): void => factors(t, HALF, toA, a, toB, b, f.r);
/** The pair of halves with index H:L. */
const pairLane = (t: Translator, f: Fields): number => {
  const b = t.vectors.read(f.z, 16), to = t.vectors.fresh();
  t.asm.x2(X.pshufd, to, b, ((f.h << 1) | f.l) * 0x55);
  return to;
};
const complexByElement = vector(complexMultiply(arrange, pairLane), true);

const pairsOf = (t: Translator, f: Fields): void => pairs(t, 1, t.vectors.read(f.y, 16), t.vectors.read(f.z, 16), f.q);

/** By name, the table having been made from others: what is not here is left to the interpreter. */
export const emitHalf: Readonly<Record<string, unknown>> = {
  FADD_v_h: vector(binary(ADD)), FSUB_v_h: vector(binary(SUB)), FMUL_v_h: vector(binary(MUL, { tiny: true })),
  FDIV_v_h: vector(binary(DIV, { tiny: true })), FABD_v_h: vector(binary(SUB, { absolute: true })), FMULX_v_h: vector(binary(MUL, { tiny: true, finite: true })),
  FMAX_v_h: vector(extreme("max")), FMIN_v_h: vector(extreme("min")), FMAXNM_v_h: vector(extreme("max")), FMINNM_v_h: vector(extreme("min")),
  FADDP_v_h: vector(paired(pairsOf, "add")), FMAXP_v_h: vector(paired(pairsOf, "max")), FMINP_v_h: vector(paired(pairsOf, "min")),
  FMAXNMP_v_h: vector(paired(pairsOf, "max")), FMINNMP_v_h: vector(paired(pairsOf, "min")),
  FMLA_v_h: vector(accumulate(PLUS), true), FMLS_v_h: vector(accumulate(MINUS), true),
  FCMLA_v_h: vector(complexMultiply(arrange), true), FCADD_v_h: vector(binary(ADD, { second: turnedOperand })),
  FCMEQ_v_h: vector(Test.eq), FCMGE_v_h: vector(Test.ge), FCMGT_v_h: vector(Test.gt), FACGE_v_h: vector(Test.age), FACGT_v_h: vector(Test.agt),

  FRECPS_v_h: vector(step(false), true), FRSQRTS_v_h: vector(step(true), true), FRECPS_s_h: scalar(step(false), true), FRSQRTS_s_h: scalar(step(true), true),
  FABD_s_h: scalar(binary(SUB, { absolute: true })), FMULX_s_h: scalar(binary(MUL, { tiny: true, finite: true })),
  FCMEQ_s_h: scalar(Test.eq), FCMGE_s_h: scalar(Test.ge), FCMGT_s_h: scalar(Test.gt), FACGE_s_h: scalar(Test.age), FACGT_s_h: scalar(Test.agt),

  FMUL_ve_h: vector(binary(MUL, { tiny: true, second: lane })), FMULX_ve_h: vector(binary(MUL, { tiny: true, finite: true, second: lane })),
  FMLA_ve_h: vector(accumulate(PLUS, lane), true), FMLS_ve_h: vector(accumulate(MINUS, lane), true),
  FMUL_se_h: scalar(binary(MUL, { tiny: true, second: lane })), FMULX_se_h: scalar(binary(MUL, { tiny: true, finite: true, second: lane })),
  FMLA_se_h: scalar(accumulate(PLUS, lane), true), FMLS_se_h: scalar(accumulate(MINUS, lane), true),

  FRINTN_v_h: vector(roundTo(NEAREST | SILENT)), FRINTM_v_h: vector(roundTo(DOWN | SILENT)), FRINTP_v_h: vector(roundTo(UP | SILENT)),
  FRINTZ_v_h: vector(roundTo(TO_ZERO | SILENT)), FRINTA_v_h: vector(roundTo(AWAY)), FRINTX_v_h: vector(roundTo(CURRENT)), FRINTI_v_h: vector(roundTo(CURRENT | SILENT)),
  FCVTNS_v_h: vector(toIntegers(NEAREST, false)), FCVTMS_v_h: vector(toIntegers(DOWN, false)), FCVTPS_v_h: vector(toIntegers(UP, false)),
  FCVTZS_v_h: vector(toIntegers(TO_ZERO, false)), FCVTAS_v_h: vector(toIntegers(AWAY, false)),
  FCVTNU_v_h: vector(toIntegers(NEAREST, true)), FCVTMU_v_h: vector(toIntegers(DOWN, true)), FCVTPU_v_h: vector(toIntegers(UP, true)),
  FCVTZU_v_h: vector(toIntegers(TO_ZERO, true)), FCVTAU_v_h: vector(toIntegers(AWAY, true)),
  SCVTF_v_h: vector(fromIntegers(false)), UCVTF_v_h: vector(fromIntegers(true)), FABS_v_h: vectorBits(X.pand, 0x7fff), FNEG_v_h: vectorBits(X.pxor, 0x8000),
  FCMEQ0_v_h: vector(Test.eq0), FCMGE0_v_h: vector(Test.ge0), FCMGT0_v_h: vector(Test.gt0), FCMLE0_v_h: vector(Test.le0), FCMLT0_v_h: vector(Test.lt0),
  FSQRT_v_h: vector(squareRoot),

  FCVTNS_s_h: scalar(toIntegers(NEAREST, false)), FCVTMS_s_h: scalar(toIntegers(DOWN, false)), FCVTPS_s_h: scalar(toIntegers(UP, false)),
  FCVTZS_s_h: scalar(toIntegers(TO_ZERO, false)), FCVTAS_s_h: scalar(toIntegers(AWAY, false)),
  FCVTNU_s_h: scalar(toIntegers(NEAREST, true)), FCVTMU_s_h: scalar(toIntegers(DOWN, true)), FCVTPU_s_h: scalar(toIntegers(UP, true)),
  FCVTZU_s_h: scalar(toIntegers(TO_ZERO, true)), FCVTAU_s_h: scalar(toIntegers(AWAY, true)),
  SCVTF_s_h: scalar(fromIntegers(false)), UCVTF_s_h: scalar(fromIntegers(true)),
  FCMEQ0_s_h: scalar(Test.eq0), FCMGE0_s_h: scalar(Test.ge0), FCMGT0_s_h: scalar(Test.gt0), FCMLE0_s_h: scalar(Test.le0), FCMLT0_s_h: scalar(Test.lt0),

  FMAXV_h: vector(across("max")), FMINV_h: vector(across("min")), FMAXNMV_h: vector(across("max")), FMINNMV_h: vector(across("min")),
  FADDP_s_h: scalar(paired(lowestPair, "add")), FMAXP_s_h: scalar(paired(lowestPair, "max")), FMINP_s_h: scalar(paired(lowestPair, "min")),
  FMAXNMP_s_h: scalar(paired(lowestPair, "max")), FMINNMP_s_h: scalar(paired(lowestPair, "min")),

  FCVTZS_fix_h: toFixed(false), FCVTZU_fix_h: toFixed(true), SCVTF_fix_h: fromFixed(false), UCVTF_fix_h: fromFixed(true), SCVTF_h: fromGeneral(false), UCVTF_h: fromGeneral(true),
  FCVTNS_h: toGeneral(NEAREST, false), FCVTMS_h: toGeneral(DOWN, false), FCVTPS_h: toGeneral(UP, false), FCVTZS_h: toGeneral(TO_ZERO, false), FCVTAS_h: toGeneral(AWAY, false),
  FCVTNU_h: toGeneral(NEAREST, true), FCVTMU_h: toGeneral(DOWN, true), FCVTPU_h: toGeneral(UP, true), FCVTZU_h: toGeneral(TO_ZERO, true), FCVTAU_h: toGeneral(AWAY, true),
  FMOV_h: bits(0xffff, 0), FABS_h: bits(0x7fff, 0), FNEG_h: bits(0xffff, 0x8000), FMOV_imm_h: immediate, FCSEL_h: select, FSQRT_h: scalar(squareRoot),
  FRINTN_h: scalar(roundTo(NEAREST | SILENT)), FRINTM_h: scalar(roundTo(DOWN | SILENT)), FRINTP_h: scalar(roundTo(UP | SILENT)), FRINTZ_h: scalar(roundTo(TO_ZERO | SILENT)),
  FRINTA_h: scalar(roundTo(AWAY)), FRINTX_h: scalar(roundTo(CURRENT)), FRINTI_h: scalar(roundTo(CURRENT | SILENT)),
  FCMP_h: compare(Quiet[0]), FCMP_zero_h: compare(Quiet[0]), FCMPE_h: compare(Signal[0]), FCMPE_zero_h: compare(Signal[0]),
  FCCMP_h: conditionalCompare(Quiet[0]), FCCMPE_h: conditionalCompare(Signal[0]),
  FADD_h: scalar(binary(ADD)), FSUB_h: scalar(binary(SUB)), FMUL_h: scalar(binary(MUL, { tiny: true })), FDIV_h: scalar(binary(DIV, { tiny: true })),
  FNMUL_h: scalar(binary(MUL, { tiny: true, negate: true })),
  FMAX_h: scalar(extreme("max")), FMIN_h: scalar(extreme("min")), FMAXNM_h: scalar(extreme("max")), FMINNM_h: scalar(extreme("min")),
  FMADD_h: scalar(multiplyAdd(PLUS), true), FMSUB_h: scalar(multiplyAdd(MINUS), true),
  FNMADD_h: scalar(multiplyAdd(NEGATED_MINUS), true), FNMSUB_h: scalar(multiplyAdd(NEGATED_PLUS), true),
};
export const emitHalfMove: Handlers<typeof halfMove, Translator, Emit> = {
  FMOV_wh: toRegister, FMOV_xh: toRegister, FMOV_hw: fromRegister, FMOV_hx: fromRegister,
  FCMLA_ve_h: (t, f) => (f.h === 1 && f.q === 0 ? false : complexByElement(t, f as unknown as Fields)),
};
