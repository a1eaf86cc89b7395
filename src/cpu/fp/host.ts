// src/cpu/fp/host.ts — the same results by the host's doubles, where they are certain to be the same.
// That holds for round to nearest with FPCR.FZ clear (`hostRounds`), when the result is a normal number away from the
// edge of underflow, and no flag would be newly raised: FPSR.IXC is set already, or the result is exact.
// Every function answers NaN when it cannot vouch for the result; the caller then takes the exact path.
// Single-precision results of + - * / sqrt go through double without harm (2 * 24 + 2 <= 53); fused ones are checked.
import { Fpcr, Fpsr, Rounding } from "./format.ts";

const MIN64 = 2.2250738585072014e-308; // smallest normal numbers; a result equal to them may have been rounded up to them
const MAX64 = Number.MAX_VALUE;
const MIN32 = 1.1754943508222875e-38;
const MAX32 = 3.4028234663852886e38;
const { abs, fround, sqrt } = Math;

/** FPCR asks for what the host does. */
export const hostRounds = (fpcr: number): boolean => (fpcr & (Fpcr.RMODE | Fpcr.FZ)) === 0;

const sure64 = (r: number): boolean => abs(r) > MIN64 && abs(r) <= MAX64;
const sure32 = (r: number): boolean => abs(r) > MIN32 && abs(r) <= MAX32;
/** Knuth's two-sum: what `sum`, the rounded a + b, has lost. */
function lost(a: number, b: number, sum: number): number {
  const bb = sum - a;
  return (a - (sum - bb)) + (b - bb);
}

export function add64(a: number, b: number, fpsr: number): number {
  const r = a + b;
  return sure64(r) && ((fpsr & Fpsr.IXC) !== 0 || lost(a, b, r) === 0) ? r : NaN;
}
export function add32(a: number, b: number, fpsr: number): number {
  const wide = a + b;
  const r = fround(wide);
  return sure32(r) && ((fpsr & Fpsr.IXC) !== 0 || (wide === r && lost(a, b, wide) === 0)) ? r : NaN;
}
export function mul64(a: number, b: number, fpsr: number): number {
  const r = a * b;
  return sure64(r) && ((fpsr & Fpsr.IXC) !== 0 || (fround(a) === a && fround(b) === b)) ? r : NaN;
}
export function mul32(a: number, b: number, fpsr: number): number {
  const wide = a * b;
  const r = fround(wide);
  return sure32(r) && ((fpsr & Fpsr.IXC) !== 0 || wide === r) ? r : NaN;
}
export function div64(a: number, b: number, fpsr: number): number {
  const r = a / b;
  return sure64(r) && abs(b) <= MAX64 && ((fpsr & Fpsr.IXC) !== 0 || (fround(r) === r && fround(b) === b && r * b === a)) ? r : NaN;
}
export function div32(a: number, b: number, fpsr: number): number {
  const r = fround(a / b);
  return sure32(r) && ((fpsr & Fpsr.IXC) !== 0 || r * b === a) ? r : NaN;
}
export function sqrt64(a: number, fpsr: number): number {
  const r = sqrt(a);
  return sure64(r) && ((fpsr & Fpsr.IXC) !== 0 || (fround(r) === r && r * r === a)) ? r : NaN;
}
export function sqrt32(a: number, fpsr: number): number {
  const r = fround(sqrt(a));
  return sure32(r) && ((fpsr & Fpsr.IXC) !== 0 || r * r === a) ? r : NaN;
}

const cell = new Float64Array(1);
const words = new Uint32Array(cell.buffer);
/** addend + a * b. The product is exact in double; the sum may then sit on a tie that it only seems to be. */
export function mulAdd32(addend: number, a: number, b: number, fpsr: number): number {
  const product = a * b;
  const wide = addend + product;
  const error = lost(addend, product, wide);
  const r = fround(wide);
  if (!sure32(r)) return NaN;
  if (error === 0) return (fpsr & Fpsr.IXC) !== 0 || wide === r ? r : NaN;
  if ((fpsr & Fpsr.IXC) === 0) return NaN;
  cell[0] = wide;
  return (words[0]! & 0x1fff_ffff) === 0x1000_0000 ? NaN : r;
}
/** What the rounded product of two doubles has lost: Dekker's product on Veltkamp's halves. */
function lostProduct(a: number, b: number, product: number): number {
  const ta = a * 134217729; // 2^27 + 1
  const ah = ta - (ta - a);
  const al = a - ah;
  const tb = b * 134217729;
  const bh = tb - (tb - b);
  const bl = b - bh;
  return al * bl - (product - ah * bh - al * bh - ah * bl);
}
/** Far enough from overflow and underflow that no part of an exact product or sum is lost. */
const moderate = (v: number): boolean => abs(v) > 1e-200 && abs(v) < 1e200;
/** addend + a * b, by way of a sum rounded to odd (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums"). */
export function mulAdd64(addend: number, a: number, b: number, fpsr: number): number {
  const uh = a * b;
  if (!moderate(uh) || !(moderate(addend) || addend === 0) || abs(a) > 1e200 || abs(b) > 1e200) return NaN;
  const ul = lostProduct(a, b, uh);
  const th = addend + ul;
  const tl = lost(addend, ul, th);
  const vh = uh + th;
  const vl = lost(uh, th, vh);
  let z = tl + vl;
  const error = lost(tl, vl, z);
  if (error !== 0) {
    if ((fpsr & Fpsr.IXC) === 0) return NaN;
    cell[0] = z;
    if ((words[0]! & 1) === 0) {
      if (error > 0 === z > 0) words[0]! |= 1;
      else {
        if (words[0] === 0) words[1]!--;
        words[0]!--;
      }
      z = cell[0]!;
    }
  }
  const r = vh + z;
  return sure64(r) && ((fpsr & Fpsr.IXC) !== 0 || lost(vh, z, r) === 0) ? r : NaN;
}

/** Double to single. */
export function narrow(a: number, fpsr: number): number {
  const r = fround(a);
  return sure32(r) && ((fpsr & Fpsr.IXC) !== 0 || r === a) ? r : NaN;
}

/** A finite value as an integral one, in any of the first five rounding modes; NaN for what is not finite. */
export function integral(a: number, mode: number): number {
  const t = Math.trunc(a);
  const rest = a - t; // exact
  const step = a < 0 ? -1 : 1;
  switch (mode) {
    case Rounding.EVEN: return abs(rest) > 0.5 || (abs(rest) === 0.5 && t % 2 !== 0) ? t + step : rest === rest ? t : NaN;
    case Rounding.UP: return rest > 0 ? t + 1 : rest === rest ? t : NaN;
    case Rounding.DOWN: return rest < 0 ? t - 1 : rest === rest ? t : NaN;
    case Rounding.AWAY: return abs(rest) >= 0.5 ? t + step : rest === rest ? t : NaN;
    default: return rest === rest ? t : NaN;
  }
}
