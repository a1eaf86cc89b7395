// src/cpu/translate/bfloat.ts — BFloat16 (FEAT_BF16): BFDOT, BFMMLA, BFMLAL, BFCVT. Such a number is the upper half of a single.
// Spec: ARM DDI 0487, C7.2, shared pseudocode BFDotAdd. What goes to the interpreter and why: emit-fp.ts.
import { Fpsr } from "../fp/format.ts";
import { Offset, Ready } from "../state.ts";
import { Alu, CC, Reg } from "./assembler.ts";
import { leaveIfAny, roundToOdd } from "./fp-check.ts";
import { fused } from "./fp-lanes.ts";
import { element, type Emit, type IndexedElement, type Three } from "./lanes.ts";
import { disp, type Translator } from "./translator.ts";
import { Compare, WIDE, X, XShift } from "./vector-op.ts";

const { rax, rbp } = Reg;
type Two = { readonly x: number; readonly y: number };

/** to = the lower or the upper number of each word, as singles. */
function single(t: Translator, to: number, a: number, upper: boolean): void {
  if (upper) t.asm.x3c(X.pand, to, a, t.constants.splat(2, 0xffff_0000 | 0));
  else t.asm.xShift(XShift.pslld, to, a, 16);
}

// --- sums of products: each step rounded to odd, denormals are zeros, nothing is flagged, FPCR does not matter ---

/** MXCSR for them: nearest, flush to zero, denormals are zeros, all masked. */
const MODE = 0x9fc0;
/**
 * to = p + r, singles, two or with `wide` four. As doubles, whose sum s has the error e, exactly (Knuth's TwoSum): s is brought to
 * the side of zero, and its last bit set where anything is lost. Uses xmm0..xmm3; p may be xmm2 or `to`, r xmm3.
 */
function addToOdd(t: Translator, to: number, p: number, r: number, wide: number): void {
  const { asm } = t;
  asm.x2(X.cvtps2pd | wide, 2, p);
  asm.x2(X.cvtps2pd | wide, 3, r);
  asm.x3(X.addpd | wide, to, 2, 3);
  asm.x3(X.subpd | wide, 0, to, 2);
  asm.x3(X.subpd | wide, 1, to, 0);
  asm.x3(X.subpd | wide, 1, 2, 1);
  asm.x3(X.subpd | wide, 0, 3, 0);
  asm.x3(X.addpd | wide, 1, 1, 0); // e
  asm.xZero(2);
  asm.x3(X.cmppd | wide, 0, 1, 2, Compare.notEqual);
  asm.x3(X.pxor | wide, 1, 1, to);
  asm.x3(X.pcmpgtq | wide, 1, 2, 1); // of the other sign: s is too large
  asm.x3(X.pand | wide, 1, 1, 0);
  asm.x3(X.paddq | wide, to, to, 1);
  asm.x3(X.psubq | wide, 0, 2, 0);
  asm.x3(X.por | wide, to, to, 0);
  roundToOdd(t, to, wide);
  asm.x2(X.cvtpd2ps | wide, to, to);
}
/** to = d plus the two products of each word: products have 16 bits, they are exact. Uses xmm0..xmm3; `to` is none of the others. */
function dotProduct(t: Translator, to: number, d: number, a: number, b: number, wide: number): void {
  const { asm } = t;
  single(t, 2, a, false);
  single(t, 3, b, false);
  asm.x3(X.mulps, 2, 2, 3);
  single(t, 3, a, true);
  single(t, 0, b, true);
  asm.x3(X.mulps, 3, 3, 0);
  addToOdd(t, to, 2, 3, wide);
  addToOdd(t, to, to, d, wide);
}
/** `body` in that mode; what it leaves in a register that is infinite or a NaN goes to the interpreter. */
function inMode(t: Translator, q: number, body: (d: number, to: number) => void, x: number): Emit {
  if (!t.features.avx2) return false;
  t.ready(Ready.simd, 8);
  const ends: number[] = [];
  const site = t.slowSite();
  const { asm } = t, d = t.vectors.read(x, 16), to = t.vectors.fresh();
  asm.stmxcsr(rbp, disp(Offset.SCRATCH));
  asm.ldmxcsrConstant(t.constants.words(MODE, 0, 0, 0));
  body(d, to);
  asm.ldmxcsr(rbp, disp(Offset.SCRATCH));
  if (q !== 0) asm.vzeroupper();
  const infinity = t.constants.splat(2, 0x7f80_0000);
  asm.x3c(X.pand, 0, to, infinity);
  asm.x3c(X.pcmpeqd, 0, 0, infinity);
  leaveIfAny(t, 0, ends);
  t.vectors.set(x, to, 8 << q);
  t.endSlow(site, ends);
  return true;
}
const dot = (t: Translator, f: Omit<Three, "g">, second: () => number): Emit => inMode(t, f.q, (d, to) => {
  dotProduct(t, to, d, t.vectors.read(f.y, 16), second(), f.q === 0 ? 0 : WIDE);
}, f.x);
export const bfDot = (t: Translator, f: Omit<Three, "g">): Emit => dot(t, f, () => t.vectors.read(f.z, 16));
/** The word of Vm with index H:L against all. */
export const bfDotByElement = (t: Translator, f: Omit<IndexedElement, "g"> & { readonly q: number }): Emit => dot(t, f, () => element(t, { ...f, g: 2 }));
/** The 2x2 singles of Vd plus 2x4 numbers of Vn times the transposed 2x4 of Vm: first the one word of each row, then the other. */
export const bfMatrix = (t: Translator, f: Omit<Three, "g" | "q">): Emit => inMode(t, 1, (d, to) => {
  const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16), middle = t.vectors.fresh(), rowsOfA = t.vectors.fresh(), rowsOfB = t.vectors.fresh();
  const step = (into: number, from: number, orderA: number, orderB: number): void => {
    t.asm.x2(X.pshufd, rowsOfA, a, orderA);
    t.asm.x2(X.pshufd, rowsOfB, b, orderB);
    dotProduct(t, into, from, rowsOfA, rowsOfB, WIDE);
  };
  step(middle, d, 0xa0, 0x88);
  step(to, middle, 0xf5, 0xdd);
}, f.x);

// --- BFMLAL: fused, by FPCR ---

function long(t: Translator, f: Omit<Three, "g">, second: () => number): Emit {
  if (!t.features.fma) return false;
  t.ready(Ready.fp, 7);
  const ends: number[] = [];
  const site = t.slowSite();
  const upper = f.q !== 0; // BFMLALT
  single(t, 2, t.vectors.read(f.y, 16), upper);
  single(t, 3, second(), upper);
  fused(t, { q: 1, g: 0, x: f.x }, 2, 3, false, ends);
  t.endSlow(site, ends);
  return true;
}
export const bfMultiplyLong = (t: Translator, f: Omit<Three, "g">): Emit => long(t, f, () => t.vectors.read(f.z, 16));
export const bfMultiplyLongByElement = (t: Translator, f: Omit<IndexedElement, "g"> & { readonly q: number }): Emit => long(t, f, () => element(t, { ...f, g: 1 }));

// --- BFCVT: as integers, to the nearest; other modes, and what is not a normal number then, go to the interpreter ---

/** xmm1 = the singles of `a` rounded, in the lower half of each word. Uses xmm0, rax. */
function round(t: Translator, a: number, ends: number[]): void {
  const { asm } = t, word = (value: number): number => t.constants.splat(2, value);
  asm.test8(rbp, disp(Offset.READY_MXCSR) + 1, 0x60);
  ends.push(asm.jcc(CC.ne));
  asm.x3c(X.pand, 0, a, word(0x7fff_ffff));
  asm.x3c(X.pcmpgtd, 1, 0, word(0x7f7f_7fff)); // becomes infinite, or is a NaN
  asm.x3c(X.paddd, 0, 0, word(-1));
  asm.x3c(X.pminud, 2, 0, word(0x007f_fffe)); // a denormal, less one
  asm.x3(X.pcmpeqd, 2, 2, 0);
  asm.x3(X.por, 1, 1, 2);
  leaveIfAny(t, 1, ends);
  asm.xShift(XShift.psrld, 1, a, 16);
  asm.x3c(X.pand, 1, 1, word(1));
  asm.x3(X.paddd, 1, 1, a);
  asm.x3c(X.paddd, 1, 1, word(0x7fff));
  asm.xShift(XShift.psrld, 1, 1, 16);
  asm.x3c(X.pand, 0, a, word(0xffff));
  asm.xZero(2);
  asm.x3(X.pcmpeqd, 0, 0, 2);
  asm.x2(X.movmskps, rax, 0);
  asm.aluImm(Alu.cmp, 0, rax, 15);
  const exact = asm.jcc(CC.e);
  asm.aluMemoryImm(Alu.or, 0, rbp, disp(Offset.FPSR), Fpsr.IXC);
  asm.patch(exact, asm.at);
}
export const bfConvert = (t: Translator, f: Two): void => {
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = t.vectors.read(f.y, 4), to = t.vectors.fresh();
  t.asm.x3(X.insertps, 3, a, a, 0x0e);
  round(t, 3, ends);
  t.asm.xMove(to, 1);
  t.vectors.set(f.x, to, 4);
  t.endSlow(site, ends);
};
export const bfConvertNarrow = (t: Translator, f: Two & { readonly q: number }): void => {
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = t.vectors.read(f.y, 16), d = f.q === 0 ? 0 : t.vectors.read(f.x, 16), to = t.vectors.fresh();
  round(t, a, ends);
  t.asm.x3(X.packusdw, 1, 1, 1);
  if (f.q === 0) t.asm.x2(X.movq, to, 1);
  else t.asm.x3(X.punpcklqdq, to, d, 1);
  t.vectors.set(f.x, to, f.q === 0 ? 8 : 16);
  t.endSlow(site, ends);
};
