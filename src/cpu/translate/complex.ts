// src/cpu/translate/complex.ts — FCADD and FCMLA (FEAT_FCMA) of singles and doubles: complex numbers are pairs of lanes, the
// real part first. Turning one by 90 degrees exchanges its parts and changes a sign; what is left are sums and fused products.
// Spec: ARM DDI 0487, C7.2. What goes to the interpreter and why: emit-fp.ts. Halves: emit-half.ts.
import { Ready } from "../state.ts";
import { Packed } from "./fp-check.ts";
import { fused, HALF, operand, reserved } from "./fp-lanes.ts";
import { checkLanes } from "./nan.ts";
import { finish, type Emit, type Three } from "./lanes.ts";
import type { Translator } from "./translator.ts";
import { X } from "./vector-op.ts";

/** How the lanes of each pair are filled. */
type Pairing = "first" | "second" | "exchanged";
/** For PSHUFD, of singles and doubles. */
const ORDER: Readonly<Record<Pairing, readonly [number, number]>> = { first: [0xa0, 0x44], second: [0xf5, 0xee], exchanged: [0xb1, 0x4e] };
/** to = the lanes of `from`, paired. */
function pair(t: Translator, g: number, to: number, from: number, how: Pairing): void {
  if (g === HALF) t.asm.x3c(X.pshufb, to, from, t.constants.bytes(i => (how === "first" ? i & ~2 : how === "second" ? i | 2 : i ^ 2)));
  else t.asm.x2(X.pshufd, to, from, ORDER[how][g] as number);
}
/** r with the sign of its real or imaginary parts changed, or both. */
function negate(t: Translator, g: number, r: number, real: boolean, imaginary: boolean): void {
  if (!real && !imaginary) return;
  const sign = 0x8000_0000 | 0;
  const mask = g === HALF ? t.constants.splat(2, (real ? 0x8000 : 0) | (imaginary ? sign : 0))
    : g === 0 ? t.constants.splat(3, real ? sign : 0, imaginary ? sign : 0) : t.constants.words(0, real ? sign : 0, 0, imaginary ? sign : 0);
  t.asm.x3c(X.pxor, r, r, mask);
}
/** to = b turned by 90 degrees (`r` 0) or 270: what FCADD adds. */
export function turned(t: Translator, g: number, to: number, b: number, r: number): void {
  pair(t, g, to, b, "exchanged");
  negate(t, g, to, r === 0, r !== 0);
}
/** toA, toB = the factors of FCMLA, by `rot` quarters of a turn. */
export function factors(t: Translator, g: number, toA: number, a: number, toB: number, b: number, rot: number): void {
  const odd = (rot & 1) !== 0;
  pair(t, g, toA, a, odd ? "second" : "first");
  if (odd) pair(t, g, toB, b, "exchanged");
  else t.asm.xMove(toB, b);
  negate(t, g, toB, rot === 1 || rot === 2, rot >= 2);
}

export const complexAdd = (t: Translator, f: Three & { readonly r: number }): Emit => {
  if (f.g > 1 || reserved(f)) return false;
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = operand(t, f.y, f.q, 2), b = operand(t, f.z, f.q, 3), to = t.vectors.fresh();
  turned(t, f.g, 3, b, f.r);
  t.asm.x3(Packed.add[f.g] as number, to, a, 3);
  checkLanes(t, to, f.g, false, ends);
  finish(t, f.q, f.x, to);
  t.endSlow(site, ends);
  return true;
};
export const complexMultiply = (t: Translator, f: Three & { readonly r: number }): Emit => {
  if (f.g > 1 || reserved(f) || !t.features.fma) return false;
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  factors(t, f.g, 2, operand(t, f.y, f.q, 2), 3, operand(t, f.z, f.q, 3), f.r);
  fused(t, f, 2, 3, false, ends);
  t.endSlow(site, ends);
  return true;
};
/** The pair of singles of Vm with index H. */
export const complexByElement = (t: Translator, f: Omit<Three, "q" | "g"> & { readonly h: number; readonly r: number }): Emit => {
  if (!t.features.fma) return false;
  t.ready(Ready.fp);
  const ends: number[] = [];
  const site = t.slowSite();
  const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16);
  t.asm.x2(X.pshufd, 3, b, f.h === 0 ? 0x44 : 0xee);
  factors(t, 0, 2, a, 3, 3, f.r);
  fused(t, { q: 1, g: 0, x: f.x }, 2, 3, false, ends);
  t.endSlow(site, ends);
  return true;
};
