// src/cpu/translate/doubling.ts — SQRDMLAH and SQRDMLSH (FEAT_RDM): Vd plus or minus the doubled products' upper halves, rounded
// and saturated; vectors, by element, scalars.
// Spec: ARM DDI 0487, C7.2.
import { Ready } from "../state.ts";
import { element, flagSaturation, keepLow, type Emit, type IndexedElement, type Three } from "./lanes.ts";
import type { Translator } from "./translator.ts";
import { X, XShift } from "./vector-op.ts";

/** to = d with the products of a and b; sets QC for what saturates in the low `bytes`. Uses xmm0..xmm3, rax. */
type Body = (t: Translator, to: number, d: number, a: number, b: number, bytes: number, minus: boolean) => void;

/** Of halfwords: the accumulator has no bits below the rounding's, so it is added behind it. */
const halfwords: Body = (t, to, d, a, b, bytes, minus) => {
  const { asm } = t, [plain, turned] = minus ? [X.psubsw, X.paddsw] : [X.paddsw, X.psubsw], exact = minus ? X.psubw : X.paddw;
  const least = t.constants.splat(1, 0x8000);
  asm.x3(X.pmulhrsw, 3, a, b);
  if (minus) { // the product is rounded behind its sign's change: halves the other way
    asm.x3(X.pmullw, 0, a, b);
    asm.x3(X.paddw, 0, 0, 0);
    asm.x3c(X.pcmpeqw, 0, 0, least);
    asm.x3(X.paddw, 3, 3, 0);
  }
  asm.x3c(X.pcmpeqw, 2, 3, least); // 2^15, of the least numbers both: it has no sign of its own
  asm.x3(plain as number, to, d, 3);
  asm.x3(turned as number, 1, d, 3);
  asm.x3(X.pxor, 1, 1, to);
  asm.x3(X.pand, 1, 1, 2);
  asm.x3(X.pxor, to, to, 1);
  asm.x3(exact, 1, d, 3); // modulo 2^16 both are the same
  flagSaturation(t, to, 1, bytes);
};
/**
 * Of words: half of all of it, d * 2^31 + a * b + 2^30, is at most 2^63 - 2^30 in magnitude, also for the least numbers. The
 * result is bits 31 to 62, if the two bits above are the same.
 */
const words: Body = (t, to, d, a, b, bytes, minus) => {
  const { asm } = t, half = t.constants.splat(3, 1 << 30, 0);
  const scale = t.constants.splat(2, 0x8000_0000 | 0); // -2^31
  const sum = (r: number): void => { // xmm0 = -d * 2^31
    if (!minus) {
      asm.x3(X.psubq, r, r, 0);
      asm.x3c(X.paddq, r, r, half);
    } else {
      asm.x3(X.paddq, 0, 0, r);
      asm.x2c(X.movaps, r, half);
      asm.x3(X.psubq, r, r, 0);
    }
  };
  asm.x3(X.pmuldq, 1, a, b); // the even lanes
  asm.x3c(X.pmuldq, 0, d, scale);
  sum(1);
  asm.xShift(XShift.psrlq, 2, a, 32); // the odd ones
  asm.xShift(XShift.psrlq, 0, b, 32);
  asm.x3(X.pmuldq, 2, 2, 0);
  asm.xShift(XShift.psrlq, 0, d, 32);
  asm.x3c(X.pmuldq, 0, 0, scale);
  sum(2);
  const upper = (r: number): void => { // the upper words of both, in their lanes
    asm.x3(X.shufps, r, 1, 2, 0xdd);
    asm.x2(X.pshufd, r, r, 0xd8);
  };
  upper(3);
  asm.x3(X.paddq, 1, 1, 1);
  asm.x3(X.paddq, 2, 2, 2);
  upper(to); // before saturation
  asm.x3(X.pxor, 1, to, 3);
  asm.xShift(XShift.psrad, 1, 1, 31); // where it does
  asm.xShift(XShift.psrad, 3, 3, 31);
  asm.x3c(X.pxor, 3, 3, t.constants.splat(2, 0x7fff_ffff)); // to what
  asm.x3(X.pxor, 3, 3, to);
  asm.x3(X.pand, 3, 3, 1);
  asm.xMove(1, to);
  asm.x3(X.pxor, to, to, 3);
  flagSaturation(t, to, 1, bytes);
};
function emit(t: Translator, f: { readonly g: number; readonly x: number; readonly y: number }, second: () => number, bytes: number, minus: boolean): Emit {
  if (f.g !== 1 && f.g !== 2) return false;
  t.ready(Ready.simd, 7);
  const a = t.vectors.read(f.y, 16), d = t.vectors.read(f.x, 16), b = second(), to = t.vectors.fresh();
  (f.g === 1 ? halfwords : words)(t, to, d, a, b, bytes, minus);
  keepLow(t, f.x, to, bytes);
  return true;
}
export const roundingDoubling = (minus: boolean) => (t: Translator, f: Three): Emit => emit(t, f, () => t.vectors.read(f.z, 16), 8 << f.q, minus);
export const roundingDoublingByElement = (minus: boolean) => (t: Translator, f: IndexedElement & { readonly q: number }): Emit => emit(t, f, () => element(t, f), 8 << f.q, minus);
export const roundingDoublingScalar = (minus: boolean) => (t: Translator, f: Omit<Three, "q">): Emit => emit(t, f, () => t.vectors.read(f.z, 16), 1 << f.g, minus);
export const roundingDoublingScalarByElement = (minus: boolean) => (t: Translator, f: IndexedElement): Emit => emit(t, f, () => element(t, f), 1 << f.g, minus);
