// src/cpu/translate/emit-fp.ts — x86-64 for the encodings of a64/simd-fp.ts: scalar floating point by SSE's arithmetic.
// Spec: ARM DDI 0487, C7.2 and shared pseudocode functions/float; Intel SDM vol. 1, 4.8 and 11.5 (NaNs, exceptions).
//
// Generated code gets here with FPCR.FZ zero, and MXCSR rounds as FPCR.RMode says. The two architectures then give the same results and raise the same
// flags (MXCSR's are added to FPSR when generated code is left), but for these, which go to the interpreter:
//   a NaN as result       which operand's it is, its sign and DN; so every result is tested, and inputs kept until then (nan.ts mends most)
//   the smallest normal   Arm detects underflow before rounding, x86 after: a result that was rounded up to it has
//                         underflowed for Arm alone. Sums and roots are exact there.
//   conversions           out of range, x86 gives one value for all
// An emitter must not raise a flag that Arm would not: where one could, the range is tested first.
// Half precision: half-lanes.ts. Left out: fixed-point targets, unsigned targets with other roundings than to zero.
import { ZR, type Handlers } from "../a64/pattern.ts";
import type { simdFp } from "../a64/simd-fp.ts";
import { Ready } from "../state.ts";
import { Alu, CC, Reg, Shift } from "./assembler.ts";
import { bfConvert } from "./bfloat.ts";
import { fpImmediate32, fpImmediate64 } from "../interpret/simd-move.ts";
import { bytes, clearUpper, compareFlags, conditionally, finishScalar, magnitude, power, Quiet, signs, Signal, x0, type Op } from "./fp-check.ts";
import { halfTo, toHalf } from "./half-lanes.ts";
import { check } from "./nan.ts";
import { interpreted, type Translator } from "./translator.ts";
import { X } from "./vector-op.ts";

type Emit = boolean | void;
const { rax, rcx, rdx } = Reg;
const x1 = 1;
const Add: Op = [X.addss, X.addsd], Sub: Op = [X.subss, X.subsd], Mul: Op = [X.mulss, X.mulsd], Div: Op = [X.divss, X.divsd];
const Max: Op = [X.maxss, X.maxsd], Min: Op = [X.minss, X.minsd], Sqrt: Op = [X.sqrtss, X.sqrtsd], Round: Op = [X.roundss, X.roundsd];
const FromInteger: Op = [X.cvtsi2ss, X.cvtsi2sd], ToInteger: Op = [X.cvttss2si, X.cvttsd2si];
/** Rounding of ROUNDSD; SILENT raises no inexact; CURRENT is MXCSR's. */
const NEAREST = 0, DOWN = 1, UP = 2, TO_ZERO = 3, CURRENT = 4, SILENT = 8, AWAY = -1;

type Two = { g: number; y: number; x: number };
type Three = Two & { z: number };
function binary(t: Translator, f: Three, op: Op, tiny: boolean, negate = false): void {
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const { asm, vectors } = t;
  const a = vectors.read(f.y, bytes(f.g)), b = vectors.read(f.z, bytes(f.g));
  const to = vectors.fresh();
  asm.x3(op[f.g] as number, to, a, b);
  check(t, to, f.g, tiny, ends, [a, b]);
  if (negate) asm.x3c(X.xorps, to, to, f.g === 0 ? t.constants.words(0x8000_0000, 0, 0, 0) : t.constants.words(0, 0x8000_0000, 0, 0));
  finishScalar(t, f.x, to, a, f.g);
  t.endSlow(site, ends);
}
/** Of two zeros x86 gives the second: both orders, and their AND has no minus sign for max, their OR one for min. */
function extreme(t: Translator, f: Three, op: Op, join: number): void {
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const { asm, vectors } = t;
  const a = vectors.read(f.y, bytes(f.g)), b = vectors.read(f.z, bytes(f.g));
  const to = vectors.fresh();
  asm.x2(Quiet[f.g] as number, a, b); // MAXSD would raise invalid for quiet NaNs
  ends.push(asm.jcc(CC.p));
  asm.x3(op[f.g] as number, to, a, b);
  asm.x3(op[f.g] as number, x0, b, a);
  asm.x3(join, to, to, x0);
  if (vectors.zeroFrom(b) > bytes(f.g)) clearUpper(t, to, f.g);
  finishScalar(t, f.x, to, a, f.g);
  t.endSlow(site, ends);
}
type Fused = Three & { w: number };
/** `negated`: the addend is. */
function fused(t: Translator, f: Fused, op: Op, negated = false): Emit {
  if (!t.features.fma) return false;
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const { asm, vectors } = t;
  const a = vectors.read(f.y, bytes(f.g)), b = vectors.read(f.z, bytes(f.g)), c = vectors.read(f.w, bytes(f.g));
  const to = vectors.fresh();
  asm.xMove(to, c);
  asm.x3(op[f.g] as number, to, a, b);
  check(t, to, f.g, true, ends, negated ? undefined : [a, b, c]);
  finishScalar(t, f.x, to, c, f.g);
  t.endSlow(site, ends);
  return true;
}
function squareRoot(t: Translator, f: Two): void {
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = t.vectors.read(f.y, bytes(f.g));
  const to = t.vectors.fresh();
  t.asm.x3(Sqrt[f.g] as number, to, a, a);
  check(t, to, f.g, false, ends, [a]);
  finishScalar(t, f.x, to, a, f.g);
  t.endSlow(site, ends);
}

/**
 * xmm1 = a rounded to integral, ties away from zero. Uses xmm0..xmm3 and leaves to `ends` for what is 2^52 (2^23) and more.
 * On magnitudes: the part behind the point is exact, and one is added where it is a half or more. Raises no flag.
 */
function roundAway(t: Translator, a: number, g: number, ends: number[]): void {
  const { asm } = t;
  asm.x3c(X.andps, x0, a, magnitude(t, g));
  asm.x2c(g === 0 ? X.movss : X.movsd, x1, power(t, g, g === 0 ? 23 : 52));
  asm.x2(Quiet[g] as number, x1, x0);
  ends.push(asm.jcc(CC.be)); // or unordered
  asm.x3(Round[g] as number, x1, x0, x0, TO_ZERO | SILENT);
  asm.x3(Sub[g] as number, 2, x0, x1);
  asm.x2c(g === 0 ? X.movss : X.movsd, 3, power(t, g, -1));
  asm.x3(g === 0 ? X.cmpss : X.cmpsd, 3, 3, 2, 2); // a half <= the rest
  asm.x3c(X.andps, 3, 3, power(t, g, 0));
  asm.x3(Add[g] as number, x1, x1, 3);
  asm.x3c(X.andps, x0, a, signs(t, g));
  asm.x3(X.por, x1, x1, x0);
}
function roundTo(t: Translator, f: Two, mode: number): void {
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const { asm, vectors } = t;
  const a = vectors.read(f.y, bytes(f.g));
  const to = vectors.fresh();
  if (mode === AWAY) {
    roundAway(t, a, f.g, ends);
    asm.xMove(to, x1);
    clearUpper(t, to, f.g);
    vectors.set(f.x, to, bytes(f.g));
  } else {
    asm.x3(Round[f.g] as number, to, a, a, mode);
    check(t, to, f.g, false, ends, []);
    finishScalar(t, f.x, to, a, f.g);
  }
  t.endSlow(site, ends);
}
/** As far as an integer of `width` bits holds it: what does not is found before inexact is raised. */
function roundToWidth(t: Translator, f: Two, mode: number, width: number): void {
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const { asm, vectors } = t;
  const a = vectors.read(f.y, bytes(f.g));
  const to = vectors.fresh();
  asm.x3(Round[f.g] as number, x1, a, a, mode | SILENT);
  asm.x3c(X.andps, x1, x1, magnitude(t, f.g));
  asm.x2c(f.g === 0 ? X.movss : X.movsd, x0, power(t, f.g, width - 1));
  asm.x2(Quiet[f.g] as number, x0, x1);
  ends.push(asm.jcc(CC.be)); // or unordered
  asm.x3(Round[f.g] as number, to, a, a, mode);
  finishScalar(t, f.x, to, a, f.g);
  t.endSlow(site, ends);
}
function convert(t: Translator, f: { x: number; y: number }, op: number, from: number, to: number): void {
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const { asm, vectors } = t;
  const a = vectors.read(f.y, bytes(from));
  const r = vectors.fresh();
  asm.xZero(r);
  asm.x3(op, r, r, a);
  check(t, r, to, to < from, ends, []);
  vectors.set(f.x, r, bytes(to));
  t.endSlow(site, ends);
}

type ToGeneral = { f: number; g: number; y: number; d: number };
/** Rd = the integer in an xmm register; its value for what is out of range leaves. */
function truncate(t: Translator, f: ToGeneral, from: number, ends: number[]): void {
  const { asm } = t;
  asm.x2(ToInteger[f.g] as number, rax, from, -1, f.f);
  asm.aluImm(Alu.cmp, f.f, rax, 1); // overflows for the smallest integer alone
  ends.push(asm.jcc(CC.o));
}
function toSigned(t: Translator, f: ToGeneral, mode: number): void {
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const { asm } = t;
  const a = t.vectors.read(f.y, bytes(f.g));
  if (mode === TO_ZERO) truncate(t, f, a, ends);
  else {
    if (mode === AWAY) roundAway(t, a, f.g, ends);
    else asm.x3(Round[f.g] as number, x1, a, a, mode | SILENT);
    truncate(t, f, x1, ends);
    asm.x3(Round[f.g] as number, x1, a, a, TO_ZERO); // in range: inexact if it has a fraction
  }
  t.put(f.d, rax);
  t.endSlow(site, ends);
}
/** FJCVTZS: Z says that the integer is the number, to the sign of its zero. Flags go to memory, where the interpreter leaves them, too. */
function javaScriptInteger(t: Translator, f: { y: number; d: number }): void {
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const { asm } = t;
  const a = t.vectors.read(f.y, 8);
  truncate(t, { f: 0, g: 1, ...f }, a, ends);
  asm.xZero(x0);
  asm.x3g(X.cvtsi2sd, x0, x0, rax);
  t.put(f.d, rax);
  asm.x2(X.movdStore, x0, rcx, -1, 1);
  asm.x2(X.movdStore, a, rdx, -1, 1);
  asm.constant(rax, 0, 0);
  asm.alu(Alu.cmp, 1, rcx, rdx);
  asm.setcc(CC.e, rax);
  asm.shift(Shift.shl, 0, rax, 14); // as LAHF has it
  asm.aluImm(Alu.or, 0, rax, 0x100); // !C
  t.flagsToMemory();
  t.endSlow(site, ends);
}
/** To zero. Negative values and those beyond the range (2^63 for 64 bits) leave, before anything is raised. */
function toUnsigned(t: Translator, f: ToGeneral): void {
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const { asm } = t;
  const a = t.vectors.read(f.y, bytes(f.g));
  asm.x2(X.movdStore, a, rcx, -1, f.g);
  asm.test(f.g, rcx, rcx);
  ends.push(asm.jcc(CC.s));
  asm.x2c(f.g === 0 ? X.movss : X.movsd, x0, power(t, f.g, f.f === 0 ? 32 : 63));
  asm.x2(Quiet[f.g] as number, x0, a);
  ends.push(asm.jcc(CC.be)); // or unordered
  asm.x2(ToInteger[f.g] as number, rax, a, -1, 1);
  t.put(f.d, rax);
  t.endSlow(site, ends);
}
type FromGeneral = { f: number; g: number; n: number; x: number };
function fromGeneral(t: Translator, f: FromGeneral, unsigned: boolean, fraction: number): void {
  t.ready(Ready.fp);
  const { asm, vectors } = t;
  const to = vectors.fresh();
  const op = FromInteger[f.g] as number;
  asm.xZero(to);
  if (!unsigned) asm.x3g(op, to, to, t.get(f.n, rax), -1, f.f);
  else if (f.f === 0) {
    asm.mov(0, rax, t.get(f.n, rax));
    asm.x3g(op, to, to, rax, -1, 1);
  } else { // of 2^63 and more: half of it, with what is lost kept as its last bit, twice
    t.copy(f.n, rax);
    asm.test(1, rax, rax);
    const large = asm.jcc(CC.s);
    asm.x3g(op, to, to, rax, -1, 1);
    const end = asm.jmp();
    asm.patch(large, asm.at);
    asm.mov(1, rcx, rax);
    asm.shift(Shift.shr, 1, rcx, 1);
    asm.aluImm(Alu.and, 0, rax, 1);
    asm.alu(Alu.or, 1, rcx, rax);
    asm.x3g(op, to, to, rcx, -1, 1);
    asm.x3(Add[f.g] as number, to, to, to);
    asm.patch(end, asm.at);
  }
  if (fraction !== 0) asm.x3c(Mul[f.g] as number, to, to, power(t, f.g, -fraction)); // exact
  vectors.set(f.x, to, bytes(f.g));
}
const fromFixed = (t: Translator, f: FromGeneral & { i: number }, unsigned: boolean): Emit => {
  if (f.f === 0 && f.i < 32) return false;
  fromGeneral(t, f, unsigned, 64 - f.i);
  return true;
};

function compare(t: Translator, f: { g: number; y: number; z?: number }, op: Op): void {
  t.ready(Ready.fp);
  const a = t.vectors.read(f.y, bytes(f.g));
  let b = x0;
  if (f.z === undefined) t.asm.xZero(x0);
  else b = t.vectors.read(f.z, bytes(f.g));
  compareFlags(t, op[f.g] as number, a, b);
  t.flagsSet("sub");
}
function conditionalCompare(t: Translator, f: { g: number; y: number; z: number; c: number; v: number }, op: Op): void {
  t.ready(Ready.fp);
  const a = t.vectors.read(f.y, bytes(f.g)), b = t.vectors.read(f.z, bytes(f.g));
  conditionally(t, f, () => compareFlags(t, op[f.g] as number, a, b));
}
function select(t: Translator, f: Three & { c: number }): void {
  t.ready(Ready.simd);
  const { asm, vectors } = t;
  const a = vectors.read(f.y, bytes(f.g)), b = vectors.read(f.z, bytes(f.g));
  const to = vectors.fresh();
  asm.x2(X.movdStore, a, rcx, -1, f.g);
  if (f.c < 14) {
    t.needFlags();
    asm.x2(X.movdStore, b, rdx, -1, f.g);
    asm.cmov(t.condition(f.c), 1, rdx, rcx);
  } else asm.mov(1, rdx, rcx);
  asm.x2(X.movd, to, rdx, -1, f.g);
  vectors.set(f.x, to, bytes(f.g));
}

/** Rd = a lane of 32 << w bits at `index`. */
function toRegister(t: Translator, y: number, d: number, w: number, index: number): void {
  t.ready(Ready.simd);
  const host = t.pin(d) >= 0 ? t.pin(d) : rax;
  const a = t.vectors.read(y, index === 0 ? 4 << w : 16);
  if (index === 0) t.asm.x2(X.movdStore, a, host, -1, w);
  else t.asm.x2(X.pextrd, a, host, index, w);
  t.put(d, host);
}
function fromRegister(t: Translator, n: number, x: number, w: number): void {
  t.ready(Ready.simd);
  const to = t.vectors.fresh();
  if (n === ZR) t.asm.xZero(to);
  else t.asm.x2(X.movd, to, t.get(n, rax), -1, w);
  t.vectors.set(x, to, 4 << w);
}
/** Vx = the low lane of Vy, through a mask or whole. */
function moveLane(t: Translator, f: Two): void {
  t.ready(Ready.simd);
  const { asm, vectors } = t;
  const a = vectors.read(f.y, bytes(f.g));
  const to = vectors.fresh();
  if (f.g === 1) asm.x2(X.movq, to, a);
  else asm.x3(X.insertps, to, a, a, 0x0e);
  vectors.set(f.x, to, bytes(f.g));
}
function changeSign(t: Translator, f: Two, op: number): void {
  t.ready(Ready.simd);
  const { asm, vectors } = t;
  const a = vectors.read(f.y, bytes(f.g));
  const to = vectors.fresh();
  const clear = op === X.andps ? -1 : 0; // the sign's own bit, set or clear
  const mask = clear ^ (0x8000_0000 | 0);
  if (op === X.andps) asm.x3c(op, to, a, f.g === 0 ? t.constants.words(mask, 0, 0, 0) : t.constants.words(-1, mask, 0, 0));
  else {
    asm.x3c(op, to, a, f.g === 0 ? t.constants.words(mask, 0, 0, 0) : t.constants.words(0, mask, 0, 0));
    if (vectors.zeroFrom(a) > bytes(f.g)) clearUpper(t, to, f.g);
  }
  vectors.set(f.x, to, bytes(f.g));
}

export const emitFp: Handlers<typeof simdFp, Translator, Emit> = {
  FJCVTZS: (t, f) => javaScriptInteger(t, f), BFCVT: (t, f) => bfConvert(t, f),
  FRINT32Z: (t, f) => roundToWidth(t, f, TO_ZERO, 32), FRINT32X: (t, f) => roundToWidth(t, f, CURRENT, 32),
  FRINT64Z: (t, f) => roundToWidth(t, f, TO_ZERO, 64), FRINT64X: (t, f) => roundToWidth(t, f, CURRENT, 64),

  SCVTF_fix: (t, f) => fromFixed(t, f, false), UCVTF_fix: (t, f) => fromFixed(t, f, true), FCVTZS_fix: interpreted, FCVTZU_fix: interpreted,
  FCVTNS: (t, f) => toSigned(t, f, NEAREST), FCVTNU: interpreted,
  SCVTF: (t, f) => fromGeneral(t, f, false, 0), UCVTF: (t, f) => fromGeneral(t, f, true, 0),
  FCVTAS: (t, f) => toSigned(t, f, AWAY), FCVTAU: interpreted,
  FCVTPS: (t, f) => toSigned(t, f, UP), FCVTPU: interpreted,
  FCVTMS: (t, f) => toSigned(t, f, DOWN), FCVTMU: interpreted,
  FCVTZS: (t, f) => toSigned(t, f, TO_ZERO), FCVTZU: (t, f) => toUnsigned(t, f),
  FMOV_ws: (t, f) => toRegister(t, f.y, f.d, 0, 0), FMOV_xd: (t, f) => toRegister(t, f.y, f.d, 1, 0), FMOV_xtop: (t, f) => toRegister(t, f.y, f.d, 1, 1),
  FMOV_sw: (t, f) => fromRegister(t, f.n, f.x, 0), FMOV_dx: (t, f) => fromRegister(t, f.n, f.x, 1),
  FMOV_topx: (t, f) => {
    t.ready(Ready.simd);
    const a = t.vectors.read(f.x, 16);
    const to = t.vectors.fresh();
    t.asm.x3g(X.pinsrd, to, a, t.get(f.n, rax), 1, 1);
    t.vectors.set(f.x, to, 16);
  },

  FMOV: (t, f) => moveLane(t, f), FABS: (t, f) => changeSign(t, f, X.andps), FNEG: (t, f) => changeSign(t, f, X.xorps), FSQRT: (t, f) => squareRoot(t, f),
  FCVT_ds: (t, f) => convert(t, f, X.cvtss2sd, 0, 1), FCVT_sd: (t, f) => convert(t, f, X.cvtsd2ss, 1, 0),
  FCVT_hs: toHalf(0), FCVT_hd: toHalf(1), FCVT_sh: halfTo(0), FCVT_dh: halfTo(1),
  FRINTN: (t, f) => roundTo(t, f, NEAREST | SILENT), FRINTP: (t, f) => roundTo(t, f, UP | SILENT), FRINTM: (t, f) => roundTo(t, f, DOWN | SILENT),
  FRINTZ: (t, f) => roundTo(t, f, TO_ZERO | SILENT), FRINTA: (t, f) => roundTo(t, f, AWAY), FRINTX: (t, f) => roundTo(t, f, CURRENT),
  FRINTI: (t, f) => roundTo(t, f, CURRENT | SILENT),

  FCMP: (t, f) => compare(t, f, Quiet), FCMP_zero: (t, f) => compare(t, { g: f.g, y: f.y }, Quiet),
  FCMPE: (t, f) => compare(t, f, Signal), FCMPE_zero: (t, f) => compare(t, { g: f.g, y: f.y }, Signal),
  FMOV_imm: (t, f) => {
    t.ready(Ready.simd);
    const to = t.vectors.fresh();
    if (f.g === 0) t.asm.constant(rax, fpImmediate32(f.i), 0);
    else t.asm.constant(rax, 0, fpImmediate64(f.i));
    t.asm.x2(X.movd, to, rax, -1, f.g);
    t.vectors.set(f.x, to, bytes(f.g));
  },
  FCCMP: (t, f) => conditionalCompare(t, f, Quiet), FCCMPE: (t, f) => conditionalCompare(t, f, Signal),

  FMUL: (t, f) => binary(t, f, Mul, true), FDIV: (t, f) => binary(t, f, Div, true), FADD: (t, f) => binary(t, f, Add, false), FSUB: (t, f) => binary(t, f, Sub, false),
  FMAX: (t, f) => extreme(t, f, Max, X.pand), FMIN: (t, f) => extreme(t, f, Min, X.por),
  FMAXNM: (t, f) => extreme(t, f, Max, X.pand), FMINNM: (t, f) => extreme(t, f, Min, X.por), FNMUL: (t, f) => binary(t, f, Mul, true, true),
  FCSEL: (t, f) => select(t, f),
  FMADD: (t, f) => fused(t, f, [X.fmadd231ss, X.fmadd231sd]), FMSUB: (t, f) => fused(t, f, [X.fnmadd231ss, X.fnmadd231sd]),
  FNMADD: (t, f) => fused(t, f, [X.fnmsub231ss, X.fnmsub231sd], true), FNMSUB: (t, f) => fused(t, f, [X.fmsub231ss, X.fmsub231sd], true),
};
