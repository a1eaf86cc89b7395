// src/cpu/translate/half-lanes.ts — half precision by F16C: the bodies of emit-half.ts, and conversions from and to halves.
// Spec: ARM DDI 0487, C7.2; Intel SDM vol. 2, VCVTPH2PS, VCVTPS2PH. NaNs and what x86 says of tiny results: emit-fp.ts.
//
// Halves become singles, which is exact, then comes the operation of singles, then VCVTPS2PH: two roundings, to 24 bits and then to
// 11 (or fewer, where the result is tiny). By directed modes the two are one. To the nearest they differ only if the first gives
// a number M of at most 12 bits, a half or the middle of two, where the exact result x is none, on the wrong side of it or upon
// it. No x comes so near that the first rounding, whose error is 2^-24 of a binade's start at most, gives the wrong one:
//   product      22 bits: exact
//   sum          a multiple of the last bit of the smaller operand: if it has more than 24 bits, that operand is less than 2^-13
//                of it. So the other one, a half, is the nearest M by far, and both ways give it
//   quotient     of a by b, 11 bits each, and M = k / 2^11: |a/b - M| = |2^11 a - kb| / 2^11 b, which is zero or more than 2^-22
//   root         |sqrt(a) - M| = |a - M^2| / (sqrt(a) + M), the one a multiple of 2^-22, the other less than 4: more than 2^-24
//   fused        in doubles, and these then to singles rounded to odd (fp-check.ts), which leaves every later rounding as it is.
//                A sum of more than 53 bits is 2^29 or more, an overflow, or the product is less than 2^-31 of it: as above
//   integers     are exact as singles up to 2^24, and infinite or the largest half from 65520 on
// Flags: one step or the other raises inexact when anything is lost; tiny and too large are what the second step finds so, as
// what is less than a power of two does not become more by the first.
import { Ready } from "../state.ts";
import { Alu, CC, Reg } from "./assembler.ts";
import { compareFlags, power, Quiet, roundToOdd } from "./fp-check.ts";
import { fused } from "./fp-lanes.ts";
import { element, keepLow, type Emit, type IndexedElement, type Three, type Two } from "./lanes.ts";
import { check, checkLanes, leaveForDefault } from "./nan.ts";
import type { Translator } from "./translator.ts";
import { Compare, WIDE, X, XShift } from "./vector-op.ts";

const { rax } = Reg;
/** Rounding of ROUNDPS and, CURRENT, VCVTPS2PH; SILENT raises no inexact. */
export const NEAREST = 0, DOWN = 1, UP = 2, TO_ZERO = 3, CURRENT = 4, SILENT = 8, AWAY = -1;

/** The fields of an encoding of halves: which of them there are is in its pattern. */
export type Fields = Readonly<Record<"q" | "x" | "y" | "z" | "w" | "h" | "l" | "r", number>>;
/** How many halves: one, four or eight. */
export type Lanes = number;
const wide = (lanes: Lanes): number => (lanes === 8 ? WIDE : 0);
/** The halves of a guest register. */
export const read = (t: Translator, r: number, lanes: Lanes): number => t.vectors.read(r, lanes === 1 ? 4 : lanes === 4 ? 8 : 16);
/** The lanes of `into` = halves of `a` as singles; behind one there are zeros. */
export function widen(t: Translator, into: number, a: number, lanes: Lanes): void {
  let from = a;
  if (lanes === 1) {
    t.asm.x3c(X.pand, into, a, t.constants.words(0xffff, 0, 0, 0));
    from = into;
  }
  t.asm.x2(X.cvtph2ps | wide(lanes), into, from);
}
/** to = singles as halves, zero behind them. */
function narrow(t: Translator, to: number, from: number, lanes: Lanes): void {
  t.asm.x2(X.cvtps2ph | wide(lanes), from, to, CURRENT);
  if (lanes === 8) t.asm.vzeroupper();
}
function set(t: Translator, x: number, to: number, lanes: Lanes): void { t.vectors.set(x, to, lanes === 1 ? 4 : 2 * lanes); }
/** Jumps out where a lane of a mask is set. */
function leaveIf(t: Translator, mask: number, lanes: Lanes, ends: number[]): void {
  t.asm.x2(X.pmovmskb, rax, mask);
  t.asm.testImm(0, rax, (1 << (2 * lanes)) - 1);
  ends.push(t.asm.jcc(CC.ne));
}
/** Jumps out for a result that is a NaN or, where `tiny`, the smallest normal half. Uses xmm0, xmm1. */
function checkHalves(t: Translator, r: number, lanes: Lanes, tiny: boolean, ends: number[]): void {
  const { asm } = t;
  asm.x3c(X.pand, 0, r, t.constants.splat(1, 0x7fff));
  asm.x3c(X.pcmpgtw, 1, 0, t.constants.splat(1, 0x7c00));
  if (tiny) {
    asm.x3c(X.pcmpeqw, 0, 0, t.constants.splat(1, 0x0400));
    asm.x3(X.por, 1, 1, 0);
  }
  leaveIf(t, 1, lanes, ends);
}
/** Jumps out, before anything is raised, where an operand is a NaN, or also infinite. Uses xmm0, xmm1. */
function checkOperands(t: Translator, a: number, b: number, lanes: Lanes, finite: boolean, ends: number[]): void {
  const { asm } = t, magnitude = t.constants.splat(1, 0x7fff);
  asm.x3c(X.pand, 0, a, magnitude);
  asm.x3c(X.pand, 1, b, magnitude);
  asm.x3(X.pmaxsw, 0, 0, 1);
  asm.x3c(X.pcmpgtw, 0, 0, t.constants.splat(1, finite ? 0x7bff : 0x7c00));
  leaveIf(t, 0, lanes, ends);
}

// --- the frame of an instruction ---

/** Emits one on so many lanes; `ends` are jumps to the interpreter. */
export type Body = (t: Translator, f: Fields, lanes: Lanes, ends: number[]) => void;
type Form = (t: Translator, f: Fields) => Emit;
const frame = (lanes: (f: Fields) => Lanes, body: Body, fma: boolean): Form => (t, f) => {
  if (!t.features.f16c || (fma && !t.features.fma)) return false;
  t.ready(Ready.half, 8);
  const ends: number[] = [];
  const site = t.slowSite();
  body(t, f, lanes(f), ends);
  if (ends.length !== 0) t.endSlow(site, ends);
  return true;
};
export const vector = (body: Body, fma = false): Form => frame(f => 4 << f.q, body, fma);
export const scalar = (body: Body, fma = false): Form => frame(() => 1, body, fma);

/** The second operand: a register, or a lane of one in all lanes. */
type Second = (t: Translator, f: Fields, lanes: Lanes) => number;
const whole: Second = (t, f, lanes) => read(t, f.z, lanes);
export const lane: Second = (t, f) => element(t, { ...f, g: 1 });

// --- arithmetic ---

interface Options {
  readonly tiny?: true;
  readonly second?: Second;
  /** Infinite operands go to the interpreter. */
  readonly finite?: true;
  /** The result's sign is changed (one lane); cleared. */
  readonly negate?: true;
  readonly absolute?: true;
}
/** Of singles: packed, scalar. Lanes of zeros would not always give zero. */
type Operation = readonly [number, number];
export const ADD: Operation = [X.addps, X.addss], SUB: Operation = [X.subps, X.subss], MUL: Operation = [X.mulps, X.mulss], DIV: Operation = [X.divps, X.divss];
export const binary = ([packed, one]: Operation, { tiny, second = whole, finite, negate, absolute }: Options = {}): Body => (t, f, lanes, ends) => {
  const { asm } = t, a = read(t, f.y, lanes), b = second(t, f, lanes), to = t.vectors.fresh();
  if (finite === true) checkOperands(t, a, b, lanes, true, ends);
  widen(t, 2, a, lanes);
  widen(t, 3, b, lanes);
  asm.x3(lanes === 1 ? one : packed | wide(lanes), 2, 2, 3);
  narrow(t, to, 2, lanes);
  checkHalves(t, to, lanes, tiny === true, ends);
  if (negate === true) asm.x3c(X.pxor, to, to, t.constants.words(0x8000, 0, 0, 0));
  if (absolute === true) asm.x3c(X.pand, to, to, t.constants.splat(1, 0x7fff));
  set(t, f.x, to, lanes);
};
/** r = the extreme of singles r and b, in both orders: see `extreme` in emit-fp.ts. Uses xmm0, xmm1. */
function extremeOf(t: Translator, r: number, b: number, name: "max" | "min", lanes: Lanes): void {
  const op = (name === "max" ? X.maxps : X.minps) | wide(lanes);
  t.asm.x3(op, 0, r, b);
  t.asm.x3(op, 1, b, r);
  t.asm.x3((name === "max" ? X.pand : X.por) | wide(lanes), r, 0, 1);
}
/** xmm2, xmm3 = the operands' halves, which may be in these registers. */
function extremeInto(t: Translator, x: number, a: number, b: number, name: "max" | "min", lanes: Lanes, ends: number[]): void {
  const to = t.vectors.fresh();
  checkOperands(t, a, b, lanes, false, ends);
  widen(t, 2, a, lanes);
  widen(t, 3, b, lanes);
  extremeOf(t, 2, 3, name, lanes);
  narrow(t, to, 2, lanes);
  set(t, x, to, lanes);
}
export const extreme = (name: "max" | "min"): Body => (t, f, lanes, ends) => extremeInto(t, f.x, read(t, f.y, lanes), read(t, f.z, lanes), name, lanes, ends);
/** `split` leaves the two operands in xmm2 and xmm3: pairs of lanes. */
type Split = (t: Translator, f: Fields) => void;
export const paired = (split: Split, name: "add" | "max" | "min"): Body => (t, f, lanes, ends) => {
  split(t, f);
  if (name !== "add") {
    extremeInto(t, f.x, 2, 3, name, lanes, ends);
    return;
  }
  const to = t.vectors.fresh();
  widen(t, 2, 2, lanes);
  widen(t, 3, 3, lanes);
  t.asm.x3(X.addps | wide(lanes), 2, 2, 3);
  narrow(t, to, 2, lanes);
  checkHalves(t, to, lanes, false, ends);
  set(t, f.x, to, lanes);
};
/** The two lowest halves of Vy. */
export const lowestPair: Split = (t, f) => {
  const a = t.vectors.read(f.y, 4);
  t.asm.xMove(2, a);
  t.asm.xShift(XShift.psrld, 3, a, 16);
};
/** Over all halves: without NaNs the order does not matter. */
export const across = (name: "max" | "min"): Body => (t, f, lanes, ends) => {
  const { asm } = t, a = read(t, f.y, lanes), to = t.vectors.fresh();
  checkOperands(t, a, a, lanes, false, ends);
  asm.x2(X.cvtph2ps, 2, a);
  if (lanes === 8) {
    asm.x2(X.pshufd, 3, a, 0xee);
    asm.x2(X.cvtph2ps, 3, 3);
    extremeOf(t, 2, 3, name, 4);
  }
  for (const order of [0x4e, 0xb1]) {
    asm.x2(X.pshufd, 3, 2, order);
    extremeOf(t, 2, 3, name, 4);
  }
  asm.x3(X.insertps, 2, 2, 2, 0x0e);
  narrow(t, to, 2, 1);
  set(t, f.x, to, 1);
};
export const squareRoot: Body = (t, f, lanes, ends) => {
  const a = read(t, f.y, lanes), to = t.vectors.fresh();
  widen(t, 2, a, lanes);
  t.asm.x2(X.sqrtps | wide(lanes), 2, 2);
  narrow(t, to, 2, lanes);
  checkHalves(t, to, lanes, false, ends);
  set(t, f.x, to, lanes);
};

// --- fused products ---

/** Instructions on doubles: packed, scalar. Plus or minus the product; of scalars alone also with the addend negated. */
type Fused = readonly [number, number];
export const PLUS: Fused = [X.fmadd231pd, X.fmadd231sd], MINUS: Fused = [X.fnmadd231pd, X.fnmadd231sd];
export const NEGATED_PLUS: Fused = [0, X.fmsub231sd], NEGATED_MINUS: Fused = [0, X.fnmsub231sd];
/** to = d + a * b in up to four lanes, the lower ones or the upper. Uses xmm0..xmm3. */
function fusedGroup(t: Translator, to: number, d: number, a: number, b: number, lanes: Lanes, op: Fused, upper: boolean, halved: boolean): void {
  const { asm } = t, one = lanes === 1, four = one ? 0 : WIDE;
  const double = (into: number, from: number): void => {
    if (upper) asm.x2(X.pshufd, into, from, 0xee);
    widen(t, into, upper ? into : from, one ? 1 : 4);
    asm.x2(X.cvtps2pd | four, into, into);
  };
  double(1, a);
  double(2, b);
  double(3, d);
  asm.x3((op[one ? 1 : 0] as number) | four, 3, 1, 2);
  if (halved) {
    if (one) asm.x2c(X.movsd, 1, power(t, 1, -1));
    else asm.x2c(X.broadcastsd, 1, power(t, 1, -1));
    asm.x3((one ? X.mulsd : X.mulpd) | four, 3, 3, 1);
  }
  roundToOdd(t, 3, four);
  asm.x2(X.cvtpd2ps | four, 3, 3);
  asm.x2(X.cvtps2ph, 3, to, CURRENT);
}
function fusedInto(t: Translator, x: number, d: number, a: number, b: number, lanes: Lanes, op: Fused, ends: number[], halved = false): void {
  const to = t.vectors.fresh();
  fusedGroup(t, to, d, a, b, lanes, op, false, halved);
  if (lanes === 8) {
    fusedGroup(t, 2, d, a, b, lanes, op, true, halved);
    t.asm.x3(X.punpcklqdq, to, to, 2);
  }
  if (lanes !== 1) t.asm.vzeroupper();
  checkHalves(t, to, lanes, true, ends);
  set(t, x, to, lanes);
}
/** Vd += or -= the product. */
export const accumulate = (op: Fused, second: Second = whole): Body => (t, f, lanes, ends) =>
  fusedInto(t, f.x, read(t, f.x, lanes), read(t, f.y, lanes), second(t, f, lanes), lanes, op, ends);
/** Of four registers. */
export const multiplyAdd = (op: Fused): Body => (t, f, lanes, ends) =>
  fusedInto(t, f.x, read(t, f.w, lanes), read(t, f.y, lanes), read(t, f.z, lanes), lanes, op, ends);
/** FRECPS: 2 - a * b; FRSQRTS (`root`): (3 - a * b) / 2. Infinity times zero counts as zero there: it leaves. */
export const step = (root: boolean): Body => (t, f, lanes, ends) => {
  const a = read(t, f.y, lanes), b = read(t, f.z, lanes), d = t.vectors.fresh();
  checkOperands(t, a, b, lanes, true, ends);
  t.asm.x2c(X.movaps, d, t.constants.splat(1, root ? 0x4200 : 0x4000));
  fusedInto(t, f.x, d, a, b, lanes, MINUS, ends, root);
};
/** Complex numbers: `arrange` makes the operands, see complex.ts. */
export const complexMultiply = (arrange: (t: Translator, f: Fields, toA: number, a: number, toB: number, b: number) => void, second: Second = whole): Body => (t, f, lanes, ends) => {
  const a = read(t, f.y, lanes), b = second(t, f, lanes), d = read(t, f.x, lanes), toA = t.vectors.fresh(), toB = t.vectors.fresh();
  arrange(t, f, toA, a, toB, b);
  fusedInto(t, f.x, d, toA, toB, lanes, PLUS, ends);
};

// --- integral values, integers ---

/** to = a rounded to integral, of singles that were halves: to these a half can be added. Uses xmm0, xmm1; `to` is not `a`. */
function integral(t: Translator, to: number, a: number, mode: number, lanes: Lanes): void {
  const { asm } = t, w = wide(lanes);
  if (mode !== AWAY) {
    asm.x2(X.roundps | w, to, a, mode);
    return;
  }
  asm.x2c(X.broadcastss | w, 0, t.constants.splat(2, 0x7fff_ffff));
  asm.x3(X.pand | w, 1, a, 0);
  asm.x3(X.pxor | w, 0, a, 1); // the sign
  asm.x2c(X.broadcastss | w, to, power(t, 0, -1));
  asm.x3(X.addps | w, 1, 1, to);
  asm.x2(X.roundps | w, 1, 1, TO_ZERO | SILENT);
  asm.x3(X.por | w, to, 1, 0);
}
export const roundTo = (mode: number): Body => (t, f, lanes, ends) => {
  const a = read(t, f.y, lanes), to = t.vectors.fresh();
  widen(t, 2, a, lanes);
  integral(t, 3, 2, mode, lanes);
  narrow(t, to, 3, lanes);
  checkHalves(t, to, lanes, false, ends);
  set(t, f.x, to, lanes);
};
/** To integers of 16 bits. What is beyond them, and below zero for unsigned ones, leaves first. */
export const toIntegers = (mode: number, unsigned: boolean): Body => (t, f, lanes, ends) => {
  const { asm } = t, w = wide(lanes), a = read(t, f.y, lanes), to = t.vectors.fresh();
  if (unsigned) {
    asm.x3c(X.pcmpgtw, 0, a, t.constants.splat(1, 0x7bff));
    asm.xShift(XShift.psraw, 1, a, 15);
    asm.x3(X.por, 0, 0, 1);
  } else {
    asm.x3c(X.pand, 0, a, t.constants.splat(1, 0x7fff));
    asm.x3c(X.pcmpgtw, 0, 0, t.constants.splat(1, 0x77ff));
  }
  leaveIf(t, 0, lanes, ends);
  widen(t, 2, a, lanes);
  if (mode !== TO_ZERO) integral(t, 3, 2, mode === AWAY ? AWAY : mode | SILENT, lanes);
  asm.x2(X.cvttps2dq | w, 3, mode === TO_ZERO ? 2 : 3);
  if (mode !== TO_ZERO) asm.x2(X.roundps | w, 0, 2, TO_ZERO); // inexact if it has a fraction
  if (lanes === 8) {
    asm.x2(X.extracti128, 3, 2, 1);
    asm.vzeroupper();
  }
  asm.x3(unsigned ? X.packusdw : X.packssdw, to, 3, lanes === 8 ? 2 : 3);
  keepLow(t, f.x, to, 2 * lanes);
};
export const fromIntegers = (unsigned: boolean): Body => (t, f, lanes) => {
  const { asm } = t, w = wide(lanes), to = t.vectors.fresh();
  let a = read(t, f.y, lanes);
  if (lanes === 1) {
    asm.x3c(X.pand, 2, a, t.constants.words(0xffff, 0, 0, 0));
    a = 2;
  }
  asm.x2((unsigned ? X.pmovzxwd : X.pmovsxwd) | w, 2, a);
  asm.x2(X.cvtdq2ps | w, 2, 2);
  narrow(t, to, 2, lanes);
  set(t, f.x, to, lanes);
};

// --- comparisons ---

/** Of a and b, or with zero; `swap`: b op a; `magnitudes`: without their signs. */
export const comparison = (predicate: number, swap: boolean, zero: boolean, magnitudes = false): Body => (t, f, lanes) => {
  const { asm } = t, a = read(t, f.y, lanes), b = zero ? -1 : read(t, f.z, lanes), to = t.vectors.fresh();
  const part = (into: number, from: number, upper: boolean): void => {
    if (from < 0) return asm.xZero(into);
    const mask = magnitudes ? 0x7fff : 0xffff, masked = lanes === 1 || magnitudes;
    if (upper) asm.x2(X.pshufd, into, from, 0xee);
    if (masked) asm.x3c(X.pand, into, upper ? into : from, lanes === 1 ? t.constants.words(mask, 0, 0, 0) : t.constants.splat(1, mask));
    asm.x2(X.cvtph2ps, into, upper || masked ? into : from);
  };
  const both = (into: number, other: number, upper: boolean): void => {
    part(into, a, upper);
    part(other, b, upper);
    asm.x3(X.cmpps, into, swap ? other : into, swap ? into : other, predicate);
  };
  both(1, 2, false);
  if (lanes === 8) both(2, 3, true);
  asm.x3(X.packssdw, to, 1, lanes === 8 ? 2 : 1);
  keepLow(t, f.x, to, 2 * lanes);
};
/** EFLAGS = NZCV of comparing two halves; `b` < 0: with zero. VCVTPH2PS raises invalid for a signalling NaN, as Arm does. */
export function compareHalves(t: Translator, a: number, b: number, op: number): void {
  widen(t, 1, a, 1);
  if (b < 0) t.asm.xZero(2);
  else widen(t, 2, b, 1);
  compareFlags(t, op, 1, 2);
}
export const Test: Readonly<Record<"eq" | "ge" | "gt" | "age" | "agt" | "eq0" | "ge0" | "gt0" | "le0" | "lt0", Body>> = {
  eq: comparison(Compare.eq, false, false), ge: comparison(Compare.le, true, false), gt: comparison(Compare.lt, true, false),
  age: comparison(Compare.le, true, false, true), agt: comparison(Compare.lt, true, false, true),
  eq0: comparison(Compare.eq, false, true), ge0: comparison(Compare.le, true, true), gt0: comparison(Compare.lt, true, true),
  le0: comparison(Compare.le, false, true), lt0: comparison(Compare.lt, false, true),
};

// --- general registers ---

type ToGeneral = { readonly f: number; readonly y: number; readonly d: number };
/**
 * With `fraction` bits behind the point. Without them all finite halves are in range, but for negative ones as unsigned integers:
 * these leave before anything is raised, as does what is too large for an unsigned one.
 */
function toGeneralRegister(t: Translator, f: ToGeneral, mode: number, unsigned: boolean, fraction: number): Emit {
  if (!t.features.f16c) return false;
  t.ready(Ready.half, 8);
  const ends: number[] = [];
  const site = t.slowSite();
  const { asm } = t;
  widen(t, 2, read(t, f.y, 1), 1);
  if (fraction !== 0) asm.x3c(X.mulss, 2, 2, power(t, 0, fraction)); // exact
  integral(t, 3, 2, mode === AWAY ? AWAY : mode | SILENT, 1);
  if (unsigned && fraction !== 0) {
    asm.x2c(X.movss, 0, power(t, 0, f.f === 0 ? 32 : 63));
    asm.x2(X.ucomiss, 0, 3);
    ends.push(asm.jcc(CC.be)); // or unordered
  }
  asm.x2(X.cvttss2si, rax, 3, -1, unsigned ? 1 : f.f);
  if (unsigned) {
    asm.test(1, rax, rax);
    ends.push(asm.jcc(CC.s));
  } else {
    asm.aluImm(Alu.cmp, f.f, rax, 1); // overflows for the smallest integer alone
    ends.push(asm.jcc(CC.o));
  }
  asm.x2(X.roundps, 2, 2, TO_ZERO); // inexact if it has a fraction
  t.put(f.d, rax);
  t.endSlow(site, ends);
  return true;
}
export const toGeneral = (mode: number, unsigned: boolean) => (t: Translator, f: ToGeneral): Emit => toGeneralRegister(t, f, mode, unsigned, 0);
export const toFixed = (unsigned: boolean) => (t: Translator, f: ToGeneral & { readonly i: number }): Emit =>
  (f.f === 0 && f.i < 32 ? false : toGeneralRegister(t, f, TO_ZERO, unsigned, 64 - f.i));
type FromGeneral = { readonly f: number; readonly n: number; readonly x: number };
/** `fraction` bits behind the point: through a double, which 32 bits fit. */
function fromGeneralRegister(t: Translator, f: FromGeneral, unsigned: boolean, fraction: number): Emit {
  if (!t.features.f16c || (fraction !== 0 && f.f === 1)) return false;
  t.ready(Ready.half, 8);
  const ends: number[] = [];
  const site = t.slowSite();
  const { asm } = t, to = t.vectors.fresh();
  let from = t.get(f.n, rax), w = f.f;
  if (unsigned && w === 0) {
    asm.mov(0, rax, from);
    from = rax;
    w = 1;
  } else if (unsigned) {
    asm.test(1, from, from); // far too large
    ends.push(asm.jcc(CC.s));
  }
  asm.xZero(2);
  if (fraction === 0) asm.x3g(X.cvtsi2ss, 2, 2, from, -1, w);
  else {
    asm.x3g(X.cvtsi2sd, 2, 2, from, -1, w);
    asm.x3c(X.mulsd, 2, 2, power(t, 1, -fraction));
    roundToOdd(t, 2);
    asm.x2(X.cvtpd2ps, 2, 2);
  }
  narrow(t, to, 2, 1);
  if (fraction !== 0) checkHalves(t, to, 1, true, ends);
  set(t, f.x, to, 1);
  if (ends.length !== 0) t.endSlow(site, ends);
  return true;
}
export const fromGeneral = (unsigned: boolean) => (t: Translator, f: FromGeneral): Emit => fromGeneralRegister(t, f, unsigned, 0);
export const fromFixed = (unsigned: boolean) => (t: Translator, f: FromGeneral & { readonly i: number }): Emit =>
  (f.f === 0 && f.i < 32 ? false : fromGeneralRegister(t, f, unsigned, 64 - f.i));

// --- between formats: in Armv8.0, too ---

type Pair = { readonly x: number; readonly y: number };
/** FCVT to a single (`g` 0) or double. */
export const halfTo = (g: 0 | 1) => (t: Translator, f: Pair): Emit => {
  if (!t.features.f16c) return false;
  t.ready(Ready.half);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = read(t, f.y, 1), to = t.vectors.fresh();
  widen(t, to, a, 1);
  check(t, to, 0, false, ends, []);
  if (g === 1) t.asm.x2(X.cvtps2pd, to, to);
  t.vectors.set(f.x, to, 4 << g);
  t.endSlow(site, ends);
  return true;
};
/** FCVT from a single or double. A double below the singles is zero or the smallest half, whatever it is as a single. */
export const toHalf = (g: 0 | 1) => (t: Translator, f: Pair): Emit => {
  if (!t.features.f16c) return false;
  t.ready(Ready.half);
  const ends: number[] = [];
  const site = t.slowSite();
  const { asm } = t, a = t.vectors.read(f.y, 4 << g), to = t.vectors.fresh();
  if (g === 0) asm.x3(X.insertps, 2, a, a, 0x0e);
  else {
    asm.x2(X.movq, 2, a);
    roundToOdd(t, 2);
    asm.x2(X.cvtpd2ps, 2, 2);
  }
  narrow(t, to, 2, 1);
  const found: number[] = [];
  checkHalves(t, to, 1, true, found);
  t.mend(found[0] as number, leave => {
    asm.x2(Quiet[g] as number, a, a);
    leave.push(asm.jcc(CC.np));
    leaveForDefault(t, leave);
  });
  set(t, f.x, to, 1);
  t.endSlow(site, ends);
  return true;
};
/** FCVTL and FCVTN: four of them, in either half of the vector of halves. */
export const lengthenHalves = (t: Translator, f: Two): Emit => {
  if (!t.features.f16c) return false;
  t.ready(Ready.half);
  const ends: number[] = [];
  const site = t.slowSite();
  let a = t.vectors.read(f.y, f.q === 0 ? 8 : 16);
  if (f.q !== 0) {
    t.asm.x2(X.pshufd, 2, a, 0xee);
    a = 2;
  }
  const to = t.vectors.fresh();
  widen(t, to, a, 4);
  checkLanes(t, to, 0, false, ends);
  t.vectors.set(f.x, to, 16);
  t.endSlow(site, ends);
  return true;
};
export const narrowToHalves = (t: Translator, f: Two): Emit => {
  if (!t.features.f16c) return false;
  t.ready(Ready.half);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = t.vectors.read(f.y, 16), d = f.q === 0 ? 0 : t.vectors.read(f.x, 16), to = t.vectors.fresh();
  narrow(t, 2, a, 4);
  checkHalves(t, 2, 4, true, ends);
  if (f.q === 0) t.asm.xMove(to, 2);
  else t.asm.x3(X.punpcklqdq, to, d, 2);
  t.vectors.set(f.x, to, f.q === 0 ? 8 : 16);
  t.endSlow(site, ends);
  return true;
};

// --- FMLAL, FMLSL (FEAT_FHM): products of halves, exact as singles, into singles ---

const long = (t: Translator, f: Pick<Three, "q" | "x" | "y">, second: () => number, negate: boolean, upper: boolean, all: boolean): Emit => {
  if (!t.features.f16c || !t.features.fma) return false;
  t.ready(Ready.half, 7);
  const ends: number[] = [];
  const site = t.slowSite();
  const order = f.q === 0 ? (upper ? 0x55 : 0x00) : upper ? 0xee : 0x44; // of two halves twice, or four
  const part = (into: number, from: number): void => {
    t.asm.x2(X.pshufd, into, from, order);
    t.asm.x2(X.cvtph2ps, into, into);
  };
  part(2, t.vectors.read(f.y, 16));
  const b = second();
  if (all) t.asm.x2(X.cvtph2ps, 3, b);
  else part(3, b);
  fused(t, { q: f.q, g: 0, x: f.x }, 2, 3, negate, ends);
  t.endSlow(site, ends);
  return true;
};
export const multiplyLong = (negate: boolean, upper: boolean) => (t: Translator, f: Omit<Three, "g">): Emit =>
  long(t, f, () => t.vectors.read(f.z, 16), negate, upper, false);
export const multiplyLongByElement = (negate: boolean, upper: boolean) => (t: Translator, f: Omit<IndexedElement, "g"> & { readonly q: number }): Emit =>
  long(t, f, () => element(t, { ...f, g: 1 }), negate, upper, true);
