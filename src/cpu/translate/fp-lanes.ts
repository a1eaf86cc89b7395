// src/cpu/translate/fp-lanes.ts — floating point on the lanes of a vector, and the scalar forms of those tables.
// Spec: ARM DDI 0487, C7.2. What goes to the interpreter and why: emit-fp.ts. `g` is 0 for single, 1 for double.
// A 64-bit vector has its half doubled first, so that the upper lanes raise nothing that the lower ones do not.
import { Ready } from "../state.ts";
import { CC, Reg } from "./assembler.ts";
import { finishScalar, leaveIfAny, magnitude, Packed, power, signs, type Op } from "./fp-check.ts";
import { finish, pairs, type Emit, type Three, type Two } from "./lanes.ts";
import { check, checkLanes } from "./nan.ts";
import type { Translator } from "./translator.ts";
import { Compare, X } from "./vector-op.ts";

const Scalar: Readonly<Record<"add" | "sub" | "mul" | "max" | "min" | "compare" | "quiet", Op>> = {
  add: [X.addss, X.addsd], sub: [X.subss, X.subsd], mul: [X.mulss, X.mulsd], max: [X.maxss, X.maxsd], min: [X.minss, X.minsd],
  compare: [X.cmpss, X.cmpsd], quiet: [X.ucomiss, X.ucomisd],
};

/** Rounding of ROUNDPS; SILENT raises no inexact. */
const TO_ZERO = 3, SILENT = 8;

/** `g` of half precision, where something is for all three. */
export const HALF = 2;

/** Jumps out when a lane of a or b is a NaN. Uses xmm0. */
function checkOperands(t: Translator, a: number, b: number, g: number, ends: number[]): void {
  t.asm.x3(Packed.compare[g] as number, 0, a, b, Compare.unordered);
  leaveIfAny(t, 0, ends);
}
/** The operand, or xmm register `scratch` with its half doubled. */
export function operand(t: Translator, r: number, q: number, scratch: number): number {
  const a = t.vectors.read(r, q === 0 ? 8 : 16);
  if (q !== 0) return a;
  t.asm.x2(X.movddup, scratch, a);
  return scratch;
}
export const reserved = (f: { readonly q: number; readonly g: number }): boolean => f.g === 1 && f.q === 0;

export const fpBinary = (name: "add" | "sub" | "mul" | "div") => (t: Translator, f: Three): Emit => {
  if (reserved(f)) return false;
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = operand(t, f.y, f.q, 2), b = operand(t, f.z, f.q, 3);
  const to = t.vectors.fresh();
  t.asm.x3(Packed[name][f.g] as number, to, a, b);
  checkLanes(t, to, f.g, name === "mul" || name === "div", ends, [a, b]);
  finish(t, f.q, f.x, to);
  t.endSlow(site, ends);
  return true;
};
/** Both orders, joined: see `extreme` in emit-fp.ts. */
function extreme(t: Translator, g: number, to: number, a: number, b: number, name: "max" | "min", ends: number[]): void {
  checkOperands(t, a, b, g, ends);
  t.asm.x3(Packed[name][g] as number, to, a, b);
  t.asm.x3(Packed[name][g] as number, 0, b, a);
  t.asm.x3(name === "max" ? X.pand : X.por, to, to, 0);
}
export const fpExtreme = (name: "max" | "min") => (t: Translator, f: Three): Emit => {
  if (reserved(f)) return false;
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = operand(t, f.y, f.q, 2), b = operand(t, f.z, f.q, 3);
  const to = t.vectors.fresh();
  extreme(t, f.g, to, a, b, name, ends);
  finish(t, f.q, f.x, to);
  t.endSlow(site, ends);
  return true;
};
export const fpPairs = (t: Translator, f: Three): Emit => {
  if (reserved(f)) return false;
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16);
  const to = t.vectors.fresh();
  pairs(t, f.g + 2, a, b, f.q);
  t.asm.x3(Packed.add[f.g] as number, to, 2, 3);
  checkLanes(t, to, f.g, false, ends, [2, 3]);
  finish(t, f.q, f.x, to);
  t.endSlow(site, ends);
  return true;
};
export const fpPairsExtreme = (name: "max" | "min") => (t: Translator, f: Three): Emit => {
  if (reserved(f)) return false;
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16);
  const to = t.vectors.fresh();
  pairs(t, f.g + 2, a, b, f.q);
  extreme(t, f.g, to, 2, 3, name, ends);
  finish(t, f.q, f.x, to);
  t.endSlow(site, ends);
  return true;
};
const FMLA: Op = [X.fmadd231ps, X.fmadd231pd], FMLS: Op = [X.fnmadd231ps, X.fnmadd231pd];
const FMLA_S: Op = [X.fmadd231ss, X.fmadd231sd], FMLS_S: Op = [X.fnmadd231ss, X.fnmadd231sd];
/** Vd += a * b, or -= it. */
export function fused(t: Translator, f: { readonly q: number; readonly g: number; readonly x: number }, a: number, b: number, negate: boolean, ends: number[]): void {
  const d = operand(t, f.x, f.q, 1);
  const to = t.vectors.fresh();
  t.asm.xMove(to, d);
  t.asm.x3((negate ? FMLS : FMLA)[f.g] as number, to, a, b);
  checkLanes(t, to, f.g, true, ends, [a, b, t.vectors.read(f.x, f.q === 0 ? 8 : 16)]); // the upper lanes of the last do not matter
  finish(t, f.q, f.x, to);
}
export const fpFused = (negate: boolean) => (t: Translator, f: Three): Emit => {
  if (reserved(f) || !t.features.fma) return false;
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  fused(t, f, operand(t, f.y, f.q, 2), operand(t, f.z, f.q, 3), negate, ends);
  t.endSlow(site, ends);
  return true;
};
/** `swap`: b op a. Comparisons never need the interpreter: a NaN makes them false on both. */
export const fpCompare = (predicate: number, swap: boolean, magnitudes: boolean) => (t: Translator, f: Three): Emit => {
  if (reserved(f)) return false;
  t.ready(Ready.fp);
  let a = operand(t, f.y, f.q, 2), b = operand(t, f.z, f.q, 3);
  const to = t.vectors.fresh();
  if (magnitudes) {
    t.asm.x3c(X.andps, 2, a, magnitude(t, f.g));
    t.asm.x3c(X.andps, 3, b, magnitude(t, f.g));
    a = 2;
    b = 3;
  }
  t.asm.x3(Packed.compare[f.g] as number, to, swap ? b : a, swap ? a : b, predicate);
  finish(t, f.q, f.x, to);
  return true;
};
/** With zero: `swap` puts it first. */
export const fpCompareZero = (predicate: number, swap: boolean) => (t: Translator, f: Two): Emit => {
  if (reserved(f)) return false;
  t.ready(Ready.fp);
  const a = operand(t, f.y, f.q, 2);
  const to = t.vectors.fresh();
  t.asm.xZero(0);
  t.asm.x3(Packed.compare[f.g] as number, to, swap ? 0 : a, swap ? a : 0, predicate);
  finish(t, f.q, f.x, to);
  return true;
};
export const fpAbsoluteDifference = (t: Translator, f: Three): Emit => {
  if (reserved(f)) return false;
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = operand(t, f.y, f.q, 2), b = operand(t, f.z, f.q, 3);
  const to = t.vectors.fresh();
  t.asm.x3(Packed.sub[f.g] as number, to, a, b);
  checkLanes(t, to, f.g, false, ends, [a, b]);
  t.asm.x3c(X.andps, to, to, magnitude(t, f.g));
  finish(t, f.q, f.x, to);
  t.endSlow(site, ends);
  return true;
};

// --- two registers ---

/** A sign changed (xorps) or cleared (andps). */
export const fpSign = (op: number) => (t: Translator, f: Two): Emit => {
  if (reserved(f)) return false;
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16);
  const to = t.vectors.fresh();
  t.asm.x3c(op, to, a, op === X.andps ? magnitude(t, f.g) : signs(t, f.g));
  finish(t, f.q, f.x, to);
  return true;
};
export const fpSquareRoot = (t: Translator, f: Two): Emit => {
  if (reserved(f)) return false;
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = operand(t, f.y, f.q, 2);
  const to = t.vectors.fresh();
  t.asm.x2(Packed.sqrt[f.g] as number, to, a);
  checkLanes(t, to, f.g, false, ends, [a]);
  finish(t, f.q, f.x, to);
  t.endSlow(site, ends);
  return true;
};
export const fpRound = (mode: number) => (t: Translator, f: Two): Emit => {
  if (reserved(f)) return false;
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = operand(t, f.y, f.q, 2);
  const to = t.vectors.fresh();
  t.asm.x2(Packed.round[f.g] as number, to, a, mode);
  checkLanes(t, to, f.g, false, ends, []);
  finish(t, f.q, f.x, to);
  t.endSlow(site, ends);
  return true;
};
/** As far as an integer of `width` bits holds it: see roundToWidth in emit-fp.ts. */
export const fpRoundToWidth = (mode: number, width: number) => (t: Translator, f: Two): Emit => {
  if (reserved(f)) return false;
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const { asm } = t;
  const a = operand(t, f.y, f.q, 2);
  const to = t.vectors.fresh();
  const round = Packed.round[f.g] as number;
  asm.x2(round, 1, a, mode | SILENT);
  asm.x3c(X.andps, 1, 1, magnitude(t, f.g));
  asm.x3c(Packed.compare[f.g] as number, 0, 1, power(t, f.g, width - 1), Compare.notLess);
  leaveIfAny(t, 0, ends);
  asm.x2(round, to, a, mode);
  finish(t, f.q, f.x, to);
  t.endSlow(site, ends);
  return true;
};
/**
 * To signed integers by a rounding of ROUNDPS. Lanes out of range are 0x8000... for all; doublewords go one by one. Where it
 * is not toward zero, inexact is raised behind the conversion: not for what is out of range.
 */
export const fpToInteger = (mode: number) => (t: Translator, f: Two): Emit => {
  if (reserved(f)) return false;
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const { asm } = t;
  const given = operand(t, f.y, f.q, 2);
  const to = t.vectors.fresh();
  const round = Packed.round[f.g] as number;
  const a = mode === TO_ZERO ? given : 1;
  if (a === 1) asm.x2(round, 1, given, mode | SILENT);
  if (f.g === 0) {
    asm.x2(X.cvttps2dq, to, a);
    asm.x3c(X.pcmpeqd, 0, to, signs(t, 0));
    leaveIfAny(t, 0, ends);
  } else {
    asm.x2(X.cvttsd2si, Reg.rax, a, -1, 1);
    asm.aluImm(7, 1, Reg.rax, 1);
    ends.push(asm.jcc(CC.o));
    asm.x2(X.movd, to, Reg.rax, -1, 1);
    asm.x2(X.pshufd, 0, a, 0xee);
    asm.x2(X.cvttsd2si, Reg.rax, 0, -1, 1);
    asm.aluImm(7, 1, Reg.rax, 1);
    ends.push(asm.jcc(CC.o));
    asm.x3g(X.pinsrd, to, to, Reg.rax, 1, 1);
  }
  if (a === 1) asm.x2(round, 1, given, TO_ZERO);
  finish(t, f.q, f.x, to);
  t.endSlow(site, ends);
  return true;
};
/** From signed integers. */
export const fpFromInteger = (t: Translator, f: Two): Emit => {
  if (reserved(f)) return false;
  t.ready(Ready.fp);
  const { asm } = t;
  const a = operand(t, f.y, f.q, 2);
  const to = t.vectors.fresh();
  if (f.g === 0) asm.x2(X.cvtdq2ps, to, a);
  else {
    asm.x2(X.movdStore, a, Reg.rax, -1, 1);
    asm.xZero(to);
    asm.x3g(X.cvtsi2sd, to, to, Reg.rax, -1, 1);
    asm.x2(X.pextrd, a, Reg.rax, 1, 1);
    asm.xZero(0);
    asm.x3g(X.cvtsi2sd, 0, 0, Reg.rax, -1, 1);
    asm.x3(X.punpcklqdq, to, to, 0);
  }
  finish(t, f.q, f.x, to);
  return true;
};
/** From unsigned words: the halves of each are exact, and so is the upper one times 2^16; their sum rounds once. */
export const fpFromUnsigned = (t: Translator, f: Two): Emit => {
  if (f.g === 1) return false;
  t.ready(Ready.fp);
  const { asm } = t;
  const a = operand(t, f.y, f.q, 2);
  const to = t.vectors.fresh();
  asm.x3c(X.pand, 0, a, t.constants.splat(2, 0xffff));
  asm.x2(X.cvtdq2ps, 0, 0);
  asm.x3c(X.pshufb, 1, a, t.constants.bytes(i => ((i & 3) < 2 ? i + 2 : 0x80)));
  asm.x2(X.cvtdq2ps, to, 1);
  asm.x3c(X.mulps, to, to, power(t, 0, 16));
  asm.x3(X.addps, to, to, 0);
  finish(t, f.q, f.x, to);
  return true;
};
/** FCVTL: singles of one half to doubles. */
export const fpLengthen = (t: Translator, f: Two): Emit => {
  if (f.g === 0) return false; // from half precision
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const { asm } = t;
  let a = t.vectors.read(f.y, f.q === 0 ? 8 : 16);
  if (f.q !== 0) {
    asm.x2(X.pshufd, 2, a, 0xee);
    a = 2;
  }
  const to = t.vectors.fresh();
  asm.x2(X.cvtps2pd, to, a);
  checkLanes(t, to, 1, false, ends, []);
  t.vectors.set(f.x, to, 16);
  t.endSlow(site, ends);
  return true;
};
/** FCVTN: doubles to singles in one half. */
export const fpNarrow = (t: Translator, f: Two): Emit => {
  if (f.g === 0) return false;
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const { asm } = t;
  const a = t.vectors.read(f.y, 16), d = f.q === 0 ? 0 : t.vectors.read(f.x, 16);
  const to = t.vectors.fresh();
  asm.x2(X.cvtpd2ps, 2, a); // the upper half is zero
  checkLanes(t, 2, 0, true, ends, []);
  if (f.q === 0) asm.xMove(to, 2);
  else asm.x3(X.punpcklqdq, to, d, 2);
  t.vectors.set(f.x, to, f.q === 0 ? 8 : 16);
  t.endSlow(site, ends);
  return true;
};

// --- scalar forms ---

const width = (g: number): 4 | 8 => (g === 0 ? 4 : 8);
type ScalarThree = { readonly g: number; readonly x: number; readonly y: number; readonly z: number };
function clearScalar(t: Translator, x: number, to: number, g: number): void {
  if (g === 0) t.asm.x3(X.insertps, to, to, to, 0x0e);
  else t.asm.x2(X.movq, to, to);
  t.vectors.set(x, to, width(g));
}
export const fpScalarCompare = (predicate: number, swap: boolean, magnitudes: boolean) => (t: Translator, f: ScalarThree): Emit => {
  t.ready(Ready.fp);
  let a = t.vectors.read(f.y, width(f.g)), b = t.vectors.read(f.z, width(f.g));
  const to = t.vectors.fresh();
  if (magnitudes) {
    t.asm.x3c(X.andps, 2, a, magnitude(t, f.g));
    t.asm.x3c(X.andps, 3, b, magnitude(t, f.g));
    a = 2;
    b = 3;
  }
  t.asm.x3(Scalar.compare[f.g] as number, to, swap ? b : a, swap ? a : b, predicate);
  clearScalar(t, f.x, to, f.g);
};
export const fpScalarCompareZero = (predicate: number, swap: boolean) => (t: Translator, f: { g: number; x: number; y: number }): Emit => {
  t.ready(Ready.fp);
  const a = t.vectors.read(f.y, width(f.g));
  const to = t.vectors.fresh();
  t.asm.xZero(0);
  t.asm.x3(Scalar.compare[f.g] as number, to, swap ? 0 : a, swap ? a : 0, predicate);
  clearScalar(t, f.x, to, f.g);
};
export const fpScalarAbsoluteDifference = (t: Translator, f: ScalarThree): Emit => {
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = t.vectors.read(f.y, width(f.g)), b = t.vectors.read(f.z, width(f.g));
  const to = t.vectors.fresh();
  t.asm.x3(Scalar.sub[f.g] as number, to, a, b);
  check(t, to, f.g, false, ends, [a, b]);
  t.asm.x3c(X.andps, to, to, magnitude(t, f.g));
  finishScalar(t, f.x, to, a, f.g);
  t.endSlow(site, ends);
};
/** The two lowest lanes of a register. */
const lowPair = (t: Translator, y: number, g: number): number => {
  const a = t.vectors.read(y, g === 0 ? 8 : 16);
  t.asm.x2(X.pshufd, 2, a, g === 0 ? 0x55 : 0xee);
  return a;
};
export const fpScalarPair = (t: Translator, f: { g: number; x: number; y: number }): Emit => {
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = lowPair(t, f.y, f.g);
  const to = t.vectors.fresh();
  t.asm.x3(Scalar.add[f.g] as number, to, a, 2);
  check(t, to, f.g, false, ends, [a, 2]);
  clearScalar(t, f.x, to, f.g);
  t.endSlow(site, ends);
};
export const fpScalarPairExtreme = (name: "max" | "min") => (t: Translator, f: { g: number; x: number; y: number }): Emit => {
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = lowPair(t, f.y, f.g);
  const to = t.vectors.fresh();
  t.asm.x2(Scalar.quiet[f.g] as number, a, 2);
  ends.push(t.asm.jcc(CC.p));
  t.asm.x3(Scalar[name][f.g] as number, to, a, 2);
  t.asm.x3(Scalar[name][f.g] as number, 0, 2, a);
  t.asm.x3(name === "max" ? X.pand : X.por, to, to, 0);
  clearScalar(t, f.x, to, f.g);
  t.endSlow(site, ends);
};
/** Over all four singles. Without NaNs the order does not matter. */
export const fpAcross = (name: "max" | "min") => (t: Translator, f: { x: number; y: number }): Emit => {
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = t.vectors.read(f.y, 16);
  const to = t.vectors.fresh();
  t.asm.x2(X.pshufd, 2, a, 0x4e);
  extreme(t, 0, 1, a, 2, name, ends);
  t.asm.x2(X.pshufd, 2, 1, 0xb1);
  t.asm.x3(Packed[name][0], to, 1, 2);
  t.asm.x3(Packed[name][0], 0, 2, 1);
  t.asm.x3(name === "max" ? X.pand : X.por, to, to, 0);
  clearScalar(t, f.x, to, 0);
  t.endSlow(site, ends);
};

// --- by element: index H:L for singles, H for doubles ---

type Element = { readonly g: number; readonly x: number; readonly y: number; readonly z: number; readonly h: number; readonly l: number };
/** xmm3 = the element of Vm in all lanes. */
function element(t: Translator, f: Element): void {
  const from = t.vectors.read(f.z, 16);
  t.asm.x2(X.pshufd, 3, from, f.g === 0 ? ((f.h << 1) | f.l) * 0x55 : f.h === 0 ? 0x44 : 0xee);
}
export const fpByElement = (kind: "mul" | "fmla" | "fmls") => (t: Translator, f: Element & { readonly q: number }): Emit => {
  if (reserved(f) || (f.g === 1 && f.l !== 0) || (kind !== "mul" && !t.features.fma)) return false;
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = operand(t, f.y, f.q, 2);
  element(t, f);
  if (kind === "mul") {
    const to = t.vectors.fresh();
    t.asm.x3(Packed.mul[f.g] as number, to, a, 3);
    checkLanes(t, to, f.g, true, ends, [a, 3]);
    finish(t, f.q, f.x, to);
  } else fused(t, f, a, 3, kind === "fmls", ends);
  t.endSlow(site, ends);
  return true;
};
export const fpScalarByElement = (t: Translator, f: Element): Emit => {
  if (f.g === 1 && f.l !== 0) return false;
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = t.vectors.read(f.y, width(f.g));
  element(t, f);
  const to = t.vectors.fresh();
  t.asm.x3(Scalar.mul[f.g] as number, to, a, 3);
  check(t, to, f.g, true, ends, [a, 3]);
  finishScalar(t, f.x, to, a, f.g);
  t.endSlow(site, ends);
  return true;
};
export const fpScalarFused = (negate: boolean) => (t: Translator, f: Element): Emit => {
  if ((f.g === 1 && f.l !== 0) || !t.features.fma) return false;
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = t.vectors.read(f.y, width(f.g)), d = t.vectors.read(f.x, width(f.g));
  element(t, f);
  const to = t.vectors.fresh();
  t.asm.xMove(to, d);
  t.asm.x3((negate ? FMLS_S : FMLA_S)[f.g] as number, to, a, 3);
  check(t, to, f.g, true, ends, [a, 3, d]);
  finishScalar(t, f.x, to, d, f.g);
  t.endSlow(site, ends);
  return true;
};
