// src/cpu/fp/host.ts — the same results by the host's doubles, where they are certain to be the same.
// That holds for round to nearest with FPCR.FZ clear (`hostRounds`), when the result is a normal number away from the
// edge of underflow, and no flag would be newly raised: FPSR.IXC is set already, or the result is exact.
// Every function answers NaN when it cannot vouch for the result; the caller then takes the exact path.
// Single-precision results of + - * / sqrt go through double without harm (2 * 24 + 2 <= 53); fused ones are checked.
import { Fpcr, Fpsr } from "./format.ts";

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
/** addend + a * b where the product of the doubles is exact (both are short). */
export function mulAdd64(addend: number, a: number, b: number, fpsr: number): number {
  return fround(a) === a && fround(b) === b && sure64(a * b) ? add64(addend, a * b, fpsr) : NaN;
}
