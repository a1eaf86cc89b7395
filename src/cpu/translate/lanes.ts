// src/cpu/translate/lanes.ts — what the emitters of Advanced SIMD share: instructions by lane size, widening, narrowing,
// pairs, and the frame of an instruction (operands read, result set). Lane sizes are log2 of bytes, as in the encodings.
// xmm0..xmm3 are scratch everywhere here; a frame's body may use all of them.
import { Fpsr } from "../fp/format.ts";
import { Offset, Ready } from "../state.ts";
import { Alu, CC, Reg } from "./assembler.ts";
import { disp, type Translator } from "./translator.ts";
import { X, XShift } from "./vector-op.ts";

export type Emit = boolean | void;
/** One instruction for each lane size that x86 has. */
export type Sized = readonly number[];
type LaneName = "add" | "sub" | "equal" | "greater" | "smax" | "smin" | "umax" | "umin" | "signExtend" | "zeroExtend" | "abs";
export const Lane: Readonly<Record<LaneName, Sized>> = {
  add: [X.paddb, X.paddw, X.paddd, X.paddq], sub: [X.psubb, X.psubw, X.psubd, X.psubq],
  equal: [X.pcmpeqb, X.pcmpeqw, X.pcmpeqd, X.pcmpeqq], greater: [X.pcmpgtb, X.pcmpgtw, X.pcmpgtd, X.pcmpgtq],
  smax: [X.pmaxsb, X.pmaxsw, X.pmaxsd], smin: [X.pminsb, X.pminsw, X.pminsd], umax: [X.pmaxub, X.pmaxuw, X.pmaxud], umin: [X.pminub, X.pminuw, X.pminud],
  signExtend: [X.pmovsxbw, X.pmovsxwd, X.pmovsxdq], zeroExtend: [X.pmovzxbw, X.pmovzxwd, X.pmovzxdq], abs: [X.pabsb, X.pabsw, X.pabsd],
};
/** Sets of sizes as bits. */
export const B = 1, H = 2, S = 4, D = 8, BH = 3, HS = 6, BHS = 7, BHSD = 15;
const has = (sizes: number, g: number): boolean => ((sizes >> g) & 1) !== 0;

export type Three = { readonly q: number; readonly g: number; readonly x: number; readonly y: number; readonly z: number };
export type Two = { readonly q: number; readonly g: number; readonly x: number; readonly y: number };
/** Computes `to` from a and b; `q` as in the encoding. */
export interface Body {
  (t: Translator, g: number, to: number, a: number, b: number, q: number): void;
  /** Lanes that are zero in both operands are zero in the result. */
  readonly keepsZero?: boolean;
}
export type BodyOne = (t: Translator, g: number, to: number, a: number, q: number) => void;

/** Vx = to, which is zero from byte `zero` on; the upper half becomes zero for 64-bit vectors. */
export function finish(t: Translator, q: number, x: number, to: number, zero = 16): void {
  if (q === 0 && zero > 8) t.asm.x2(X.movq, to, to);
  t.vectors.set(x, to, q === 0 ? Math.min(8, zero) : zero);
}
/** Vx = the low bytes of `to`: 2, 4, 8 or all; the rest zero. */
export function keepLow(t: Translator, x: number, to: number, bytes: number): void {
  if (bytes === 2) t.asm.x3c(X.pand, to, to, t.constants.words(0xffff, 0, 0, 0));
  else if (bytes === 4) t.asm.x3(X.insertps, to, to, to, 0x0e);
  else if (bytes === 8) t.asm.x2(X.movq, to, to);
  t.vectors.set(x, to, Math.max(4, bytes));
}
export type IndexedElement = Omit<Three, "q"> & { readonly h: number; readonly l: number };
/** A register with the element of Vm in all lanes; index H:L:M for halfwords, H:L for words. */
export function element(t: Translator, f: IndexedElement): number {
  const index = f.g === 1 ? (f.h << 2) | (f.l << 1) | (f.z >> 4) : (f.h << 1) | f.l;
  const from = t.vectors.read(f.g === 1 ? f.z & 15 : f.z, 16);
  const to = t.vectors.fresh();
  if (f.g === 1) t.asm.x3c(X.pshufb, to, from, t.constants.bytes(i => 2 * index + (i & 1)));
  else t.asm.x2(X.pshufd, to, from, index * 0x55);
  return to;
}
/** From which byte on both operands are zero. */
export const bothZeroFrom = (t: Translator, a: number, b: number): number => Math.max(t.vectors.zeroFrom(a), t.vectors.zeroFrom(b));
/** Lanes of 64 bits are compared by SSE4.2. */
export const comparable = (t: Translator, g: number): boolean => g < 3 || t.features.sse42;

/** Three registers, lane by lane. The scalar forms are 64-bit vectors of one lane. */
export const three = (sizes: number, body: Body, needs: (t: Translator, g: number) => boolean = () => true) => (t: Translator, f: Three): Emit => {
  if (!has(sizes, f.g) || (f.g === 3 && f.q === 0) || !needs(t, f.g)) return false;
  emitThree(t, f, body);
  return true;
};
export const scalar = (body: Body, needs: (t: Translator, g: number) => boolean = () => true) => (t: Translator, f: { x: number; y: number; z: number }): Emit => {
  if (!needs(t, 3)) return false;
  emitThree(t, { q: 0, g: 3, x: f.x, y: f.y, z: f.z }, body);
  return true;
};
function emitThree(t: Translator, f: Three, body: Body): void {
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16);
  const to = t.vectors.fresh();
  body(t, f.g, to, a, b, f.q);
  finish(t, f.q, f.x, to, body.keepsZero === true ? bothZeroFrom(t, a, b) : 16);
}
/** The old Vd plus or minus what the body gives, in lanes of size `g + wider`. */
export const accumulate = (sizes: number, body: Body, op: Sized, wider: 0 | 1 = 0) => (t: Translator, f: Three): Emit => {
  if (!has(sizes, f.g)) return false;
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16), d = t.vectors.read(f.x, 16);
  const value = t.vectors.fresh(), to = t.vectors.fresh();
  body(t, f.g, value, a, b, f.q);
  t.asm.x3(op[f.g + wider] as number, to, d, value);
  finish(t, wider === 1 ? 1 : f.q, f.x, to);
  return true;
};
/** A result in lanes of twice the width: always the whole register. */
export const long = (sizes: number, body: Body) => (t: Translator, f: Three): Emit => {
  if (!has(sizes, f.g)) return false;
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16);
  const to = t.vectors.fresh();
  body(t, f.g, to, a, b, f.q);
  t.vectors.set(f.x, to, 16);
  return true;
};
/** Two registers. */
export const two = (sizes: number, body: BodyOne, needs: (t: Translator, g: number) => boolean = () => true) => (t: Translator, f: Two): Emit => {
  if (!has(sizes, f.g) || (f.g === 3 && f.q === 0) || !needs(t, f.g)) return false;
  emitTwo(t, f, body);
  return true;
};
export const scalarTwo = (body: BodyOne, needs: (t: Translator, g: number) => boolean = () => true) => (t: Translator, f: { x: number; y: number }): Emit => {
  if (!needs(t, 3)) return false;
  emitTwo(t, { q: 0, g: 3, x: f.x, y: f.y }, body);
  return true;
};
function emitTwo(t: Translator, f: Two, body: BodyOne): void {
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16);
  const to = t.vectors.fresh();
  body(t, f.g, to, a, f.q);
  finish(t, f.q, f.x, to);
}

// --- pieces of bodies ---

export const by = (op: Sized): Body =>
  Object.assign((t: Translator, g: number, to: number, a: number, b: number) => t.asm.x3(op[g] as number, to, a, b), { keepsZero: op !== Lane.equal });
/** r = ~r. Uses xmm0. */
export function invert(t: Translator, r: number): void {
  t.asm.x3(X.pcmpeqd, 0, 0, 0);
  t.asm.x3(X.pxor, r, r, 0);
}
/** to = the lower or upper half of `a`, each lane of size g extended to twice the width. */
export function widen(t: Translator, g: number, to: number, a: number, upper: number, signed: boolean): void {
  const op = (signed ? Lane.signExtend : Lane.zeroExtend)[g] as number;
  if (upper === 0) t.asm.x2(op, to, a);
  else {
    t.asm.x2(X.pshufd, to, a, 0xee);
    t.asm.x2(op, to, to);
  }
}
/** to = product of lanes; of bytes by words, of halfwords and words as they are. Uses xmm0, xmm1. */
export const multiply: Body = (t, g, to, a, b) => {
  const { asm } = t;
  if (g !== 0) {
    asm.x3(g === 1 ? X.pmullw : X.pmulld, to, a, b);
    return;
  }
  asm.xShift(XShift.psrlw, 0, a, 8);
  asm.x3c(X.pand, 1, b, t.constants.splat(1, 0xff00));
  asm.x3(X.pmullw, 0, 0, 1); // the odd lanes, in their place
  asm.x3(X.pmullw, to, a, b);
  asm.x3c(X.pand, to, to, t.constants.splat(1, 0xff));
  asm.x3(X.por, to, to, 0);
};
/** to = products of the lower or upper halves, in twice the width. Uses xmm0, xmm1. */
export const multiplyLong = (signed: boolean): Body => (t, g, to, a, b, q) => {
  const { asm } = t;
  if (g === 2) {
    asm.x2(X.pshufd, 0, a, q === 0 ? 0x50 : 0xfa);
    asm.x2(X.pshufd, 1, b, q === 0 ? 0x50 : 0xfa);
    asm.x3(signed ? X.pmuldq : X.pmuludq, to, 0, 1);
    return;
  }
  widen(t, g, 0, a, q, signed);
  widen(t, g, 1, b, q, signed);
  asm.x3(g === 0 ? X.pmullw : X.pmulld, to, 0, 1);
};
/** to = |a - b|. Uses xmm0. */
export const difference = (signed: boolean): Body => (t, g, to, a, b) => {
  t.asm.x3((signed ? Lane.smax : Lane.umax)[g] as number, to, a, b);
  t.asm.x3((signed ? Lane.smin : Lane.umin)[g] as number, 0, a, b);
  t.asm.x3(Lane.sub[g] as number, to, to, 0);
};
/** The mask of PSHUFB that gathers the even lanes in the lower half and the odd ones in the upper half. */
const evenOdd = (t: Translator, g: number): number => t.constants.bytes(i => {
  const lane = (i & 7) >> g;
  return ((2 * lane + (i >> 3)) << g) | (i & ((1 << g) - 1));
});
/** xmm2, xmm3 = first and second lanes of the pairs of a, then b. For 64-bit vectors both halves hold them. Uses xmm0, xmm1. */
export function pairs(t: Translator, g: number, a: number, b: number, q: number): void {
  const { asm } = t;
  if (q === 0) {
    asm.x3(X.punpcklqdq, 0, a, b);
    asm.x3c(X.pshufb, 0, 0, evenOdd(t, g));
    asm.x2(X.pshufd, 2, 0, 0x44);
    asm.x2(X.pshufd, 3, 0, 0xee);
  } else if (g === 3) {
    asm.x3(X.punpcklqdq, 2, a, b);
    asm.x3(X.punpckhqdq, 3, a, b);
  } else if (g === 2) {
    asm.x3(X.shufps, 2, a, b, 0x88);
    asm.x3(X.shufps, 3, a, b, 0xdd);
  } else {
    const mask = evenOdd(t, g);
    asm.x3c(X.pshufb, 0, a, mask);
    asm.x3c(X.pshufb, 1, b, mask);
    asm.x3(X.punpcklqdq, 2, 0, 1);
    asm.x3(X.punpckhqdq, 3, 0, 1);
  }
}
/** Vx = the lower or upper parts of the lanes of size g + 1 in `from`: in the lower half, or for the "2" forms the upper. */
export function narrow(t: Translator, g: number, q: number, x: number, from: number, upperParts: boolean): void {
  const mask = t.constants.bytes(i => {
    const lane = i >> g, at = i & ((1 << g) - 1);
    return i >= 8 ? 0x80 : (lane << (g + 1)) + at + (upperParts ? 1 << g : 0);
  });
  const r = t.vectors.fresh();
  t.asm.x3c(X.pshufb, r, from, mask);
  storeHalf(t, q, x, r);
}
/** Vx = the lower half of `r`, zero above; or for the "2" forms that as its upper half. */
function storeHalf(t: Translator, q: number, x: number, r: number): void {
  if (q === 0) {
    t.asm.x2(X.movq, r, r);
    t.vectors.set(x, r, 8);
    return;
  }
  const d = t.vectors.read(x, 16);
  const to = t.vectors.fresh();
  t.asm.x3(X.punpcklqdq, to, d, r);
  t.vectors.set(x, to, 16);
}
export type Saturation = "signed" | "unsigned" | "signed to unsigned";
/** Vx = the lanes of size g + 1 (g 0 or 1) in `from`, saturated to size g. Uses xmm0, xmm1, rax. */
export function saturate(t: Translator, g: number, q: number, x: number, from: number, kind: Saturation): void {
  const { asm } = t;
  const r = t.vectors.fresh();
  if (kind === "unsigned") { // the packs take signed lanes: first what fits
    asm.x3c((Lane.umin)[g + 1] as number, 1, from, t.constants.splat(g + 1, g === 0 ? 0xff : 0xffff));
    asm.x3(g === 0 ? X.packuswb : X.packusdw, r, 1, 1);
  } else if (kind === "signed") {
    asm.x3(g === 0 ? X.packsswb : X.packssdw, r, from, from);
    asm.x2(Lane.signExtend[g] as number, 1, r);
  } else {
    asm.x3(g === 0 ? X.packuswb : X.packusdw, r, from, from);
    asm.x2(Lane.zeroExtend[g] as number, 1, r);
  }
  flagSaturation(t, 1, from, 16);
  storeHalf(t, q, x, r);
}
/** Sets FPSR.QC unless the low `bytes` of two registers agree. Uses xmm0, rax. */
export function flagSaturation(t: Translator, saturated: number, exact: number, bytes: number): void {
  const { asm } = t;
  asm.x3(X.pcmpeqb, 0, saturated, exact);
  asm.x2(X.pmovmskb, Reg.rax, 0);
  asm.not(0, Reg.rax);
  asm.testImm(0, Reg.rax, (1 << bytes) - 1);
  const none = asm.jcc(CC.e);
  asm.aluMemoryImm(Alu.or, 0, Reg.rbp, disp(Offset.FPSR), Fpsr.QC);
  asm.patch(none, asm.at);
}
/** to = a >> n in lanes, n from 1 to the lane's width. Uses xmm0. */
export function shiftRight(t: Translator, g: number, to: number, a: number, n: number, signed: boolean): void {
  const { asm } = t;
  if (n === 0) asm.xMove(to, a);
  else if (g === 0) {
    if (!signed) {
      asm.xShift(XShift.psrlw, to, a, n);
      asm.x3c(X.pand, to, to, t.constants.splat(0, 0xff >> n));
      return;
    }
    asm.xShift(XShift.psllw, 0, a, 8); // the even bytes
    asm.xShift(XShift.psraw, 0, 0, n);
    asm.xShift(XShift.psrlw, 0, 0, 8);
    asm.xShift(XShift.psraw, to, a, n);
    asm.x3c(X.pand, to, to, t.constants.splat(1, 0xff00));
    asm.x3(X.por, to, to, 0);
  } else if (g < 3) asm.xShift(g === 1 ? (signed ? XShift.psraw : XShift.psrlw) : signed ? XShift.psrad : XShift.psrld, to, a, n);
  else if (!signed) asm.xShift(XShift.psrlq, to, a, n);
  else { // of the complement where it is negative
    asm.xShift(XShift.psrad, 0, a, 31);
    asm.x2(X.pshufd, 0, 0, 0xf5);
    asm.x3(X.pxor, to, a, 0);
    asm.xShift(XShift.psrlq, to, to, n);
    asm.x3(X.pxor, to, to, 0);
  }
}
/** The same rounded: the last bit lost is added. Uses xmm0, xmm2. */
export function shiftRightRounding(t: Translator, g: number, to: number, a: number, n: number, signed: boolean): void {
  shiftRight(t, g, to, a, n, signed);
  shiftRight(t, g, 2, a, n - 1, false);
  t.asm.x3c(X.pand, 2, 2, t.constants.splat(g, 1, 0));
  t.asm.x3(Lane.add[g] as number, to, to, 2);
}
export function shiftLeft(t: Translator, g: number, to: number, a: number, n: number): void {
  const { asm } = t;
  asm.xShift(g < 2 ? XShift.psllw : g === 2 ? XShift.pslld : XShift.psllq, to, a, n);
  if (g === 0) asm.x3c(X.pand, to, to, t.constants.splat(0, 0xff << n));
}
