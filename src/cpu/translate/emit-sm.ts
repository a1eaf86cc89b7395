// src/cpu/translate/emit-sm.ts — SM3 and SM4 (FEAT_SM3, FEAT_SM4): words in xmm registers; the S-box of SM4 by AES-NI.
// Spec: ARM DDI 0487, C7.2; GB/T 32905, GB/T 32907.
import { Ready } from "../state.ts";
import type { Emit } from "./lanes.ts";
import type { Translator } from "./translator.ts";
import { X, XShift } from "./vector-op.ts";

type Two = { readonly x: number; readonly y: number };
type Three = Two & { readonly z: number };

/** r = each word turned left. Uses xmm0. */
function turn(t: Translator, r: number, by: number): void {
  t.asm.xShift(XShift.psrld, 0, r, 32 - by);
  t.asm.xShift(XShift.pslld, r, r, by);
  t.asm.x3(X.por, r, r, 0);
}
/** to = v exclusive-or itself turned left by each. Uses xmm0; `to` is not `v`. */
function spread(t: Translator, to: number, v: number, turns: readonly number[]): void {
  t.asm.xMove(to, v);
  for (const by of turns) {
    t.asm.xShift(XShift.pslld, 0, v, by);
    t.asm.x3(X.pxor, to, to, 0);
    t.asm.xShift(XShift.psrld, 0, v, 32 - by);
    t.asm.x3(X.pxor, to, to, 0);
  }
}
/** to = word i of v in all lanes. */
const every = (t: Translator, to: number, v: number, i: number): void => t.asm.x2(X.pshufd, to, v, i * 0x55);
/** to = the lowest word of v as the highest, zeros below. */
const toTop = (t: Translator, to: number, v: number): void => t.asm.xShift(XShift.pslldq, to, v, 12);

// --- SM3 ---

const P0 = [9, 17], P1 = [15, 23];
export const sm3ss1 = (t: Translator, f: Three & { readonly w: number }): void => {
  t.ready(Ready.simd);
  const { asm } = t, a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16), c = t.vectors.read(f.w, 16), to = t.vectors.fresh();
  asm.xMove(to, a);
  turn(t, to, 12);
  asm.x3(X.paddd, to, to, b);
  asm.x3(X.paddd, to, to, c);
  turn(t, to, 7);
  asm.xShift(XShift.psrldq, to, to, 12);
  toTop(t, to, to);
  t.vectors.set(f.x, to, 16);
};
export const sm3partw1 = (t: Translator, f: Three): void => {
  t.ready(Ready.simd);
  const { asm } = t, a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16), d = t.vectors.read(f.x, 16), to = t.vectors.fresh();
  asm.xShift(XShift.psrldq, 2, b, 4);
  turn(t, 2, 15);
  asm.x3(X.pxor, 2, 2, a);
  asm.x3(X.pxor, 2, 2, d);
  spread(t, to, 2, P1); // all but the last, which has the first result in it
  toTop(t, 3, to);
  turn(t, 3, 15);
  asm.x3(X.pxor, 2, 2, 3);
  spread(t, to, 2, P1);
  t.vectors.set(f.x, to, 16);
};
export const sm3partw2 = (t: Translator, f: Three): void => {
  t.ready(Ready.simd);
  const { asm } = t, a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16), d = t.vectors.read(f.x, 16), to = t.vectors.fresh();
  asm.xMove(2, b);
  turn(t, 2, 7);
  asm.x3(X.pxor, 2, 2, a);
  asm.x3(X.pxor, to, 2, d);
  toTop(t, 3, 2);
  turn(t, 3, 15);
  spread(t, 1, 3, P1);
  asm.x3(X.pxor, to, to, 1);
  t.vectors.set(f.x, to, 16);
};
/** xmm1 = of words 3, 2, 1 in xmm1, xmm2, xmm3. Uses xmm0. */
type Mixing = (t: Translator) => void;
export const parity: Mixing = ({ asm }) => {
  asm.x3(X.pxor, 1, 1, 2);
  asm.x3(X.pxor, 1, 1, 3);
};
export const majority: Mixing = ({ asm }) => {
  asm.x3(X.pxor, 0, 1, 2);
  asm.x3(X.pand, 0, 0, 3);
  asm.x3(X.pand, 1, 1, 2);
  asm.x3(X.pxor, 1, 1, 0);
};
export const choose: Mixing = ({ asm }) => {
  asm.x3(X.pxor, 2, 2, 3);
  asm.x3(X.pand, 1, 1, 2);
  asm.x3(X.pxor, 1, 1, 3);
};
/**
 * Half a round: the words of Vd move down, the one that arrives at 1 is turned, and on top comes the sum of all: with what is
 * in Vn turned by A (SM3TT1), or spread (SM3TT2).
 */
const half = (mixing: Mixing, first: boolean) => (t: Translator, f: Three & { readonly i: number }): void => {
  t.ready(Ready.simd);
  const { asm } = t, a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16), d = t.vectors.read(f.x, 16), to = t.vectors.fresh();
  for (let i = 1; i <= 3; i++) every(t, i, d, 4 - i);
  mixing(t);
  every(t, 2, d, 0);
  asm.x3(X.paddd, 1, 1, 2);
  every(t, 2, b, f.i);
  asm.x3(X.paddd, 1, 1, 2);
  if (first) {
    asm.xMove(2, d);
    turn(t, 2, 12);
    asm.x3(X.pxor, 2, 2, a);
    every(t, 2, 2, 3);
  } else every(t, 2, a, 3);
  asm.x3(X.paddd, 1, 1, 2);
  if (!first) {
    asm.xMove(2, 1);
    spread(t, 1, 2, P0);
  }
  asm.xShift(XShift.psrldq, to, d, 4);
  asm.xMove(2, to);
  turn(t, 2, first ? 9 : 19);
  asm.x3(X.pblendw, to, to, 2, 0x0c);
  asm.x3(X.pblendw, to, to, 1, 0xc0);
  t.vectors.set(f.x, to, 16);
};
export const sm3tt1 = (mixing: Mixing): ReturnType<typeof half> => half(mixing, true);
export const sm3tt2 = (mixing: Mixing): ReturnType<typeof half> => half(mixing, false);

// --- SM4 ---

/**
 * Its S-box inverts in GF(2^8), as AES' does, modulo another polynomial: with x sent to 0x23 the field of the one is that of the
 * other. So there are affine maps before and behind the S-box of AES; of each the values for lower and upper nibbles.
 */
const BEFORE = ["3eb20e82bb378b07a12d911d24a81498", "00dc2ef2c519eb3708d426facd11e33f"] as const;
const BEHIND = ["6cd4a61e52ea98200bb3c179358dff47", "00e050b09d7dcd2dc02090705dbd0ded"] as const;
function affine(t: Translator, r: number, nibbles: readonly [string, string]): void {
  const { asm } = t, low = t.constants.splat(0, 0x0f);
  const table = (to: number, of: string): void => {
    asm.x2c(X.movaps, to, t.constants.bytes(i => Number.parseInt(of.slice(2 * i, 2 * i + 2), 16)));
    asm.x3(X.pshufb, to, to, 0);
  };
  asm.x3c(X.pand, 0, r, low);
  table(1, nibbles[0]);
  asm.xShift(XShift.psrlw, 0, r, 4);
  asm.x3c(X.pand, 0, 0, low);
  table(r, nibbles[1]);
  asm.x3(X.pxor, r, r, 1);
}
/** Four rounds. AESENCLAST turns the rows of its state, too: no matter where all columns are the same. */
function rounds(t: Translator, x: number, state: number, keys: number, turns: readonly number[]): void {
  const { asm } = t, words = [0, 1, 2, 3].map(i => {
    const word = t.vectors.fresh();
    every(t, word, state, i);
    return word;
  });
  for (let i = 0; i < 4; i++) {
    const [a, b, c, d] = [0, 1, 2, 3].map(k => words[(i + k) & 3]) as [number, number, number, number];
    every(t, 2, keys, i);
    for (const word of [b, c, d]) asm.x3(X.pxor, 2, 2, word);
    affine(t, 2, BEFORE);
    asm.xZero(0);
    asm.x3(X.aesenclast, 2, 2, 0);
    affine(t, 2, BEHIND);
    spread(t, 3, 2, turns);
    asm.x3(X.pxor, a, a, 3);
  }
  const [a, b, c, d] = words as [number, number, number, number];
  asm.x3(X.punpckldq, 1, a, b);
  asm.x3(X.punpckldq, 2, c, d);
  asm.x3(X.punpcklqdq, a, 1, 2);
  t.vectors.set(x, a, 16);
}
export const sm4e = (t: Translator, f: Two): Emit => {
  if (!t.features.aes) return false;
  t.ready(Ready.simd, 7);
  rounds(t, f.x, t.vectors.read(f.x, 16), t.vectors.read(f.y, 16), [2, 10, 18, 24]);
  return true;
};
export const sm4ekey = (t: Translator, f: Three): Emit => {
  if (!t.features.aes) return false;
  t.ready(Ready.simd, 7);
  rounds(t, f.x, t.vectors.read(f.y, 16), t.vectors.read(f.z, 16), [13, 23]);
  return true;
};
