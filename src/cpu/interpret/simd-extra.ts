// src/cpu/interpret/simd-extra.ts — what the optional encodings of a64/simd-three.ts do that have forms of their own: dot and
// matrix products, complex numbers, BFloat16.
// Spec: ARM DDI 0487, C7.2, each instruction's "Operation"; shared pseudocode BFDotAdd, BFMatMulAdd.
import { fpAdd, fpMulAdd } from "../fp/arithmetic.ts";
import { bfDotAdd } from "../fp/bfloat.ts";
import { fpConvert } from "../fp/convert.ts";
import { BF16, F32, Fpcr } from "../fp/format.ts";
import { Next, type Cpu, type Result } from "./cpu.ts";
import { HALF, bitsOf, countOf, formatOf, setBits } from "./fp-lanes.ts";
import { A, B, D, R, begin, broadcast, end, env, loadV, ready, storeNarrow, storeV } from "./vector.ts";

type On<F> = (cpu: Cpu, f: F) => Result;
interface Three { readonly x: number; readonly y: number; readonly z: number }
interface Whole extends Three { readonly q: number }
interface Element extends Whole { readonly h: number; readonly l: number }

/** Loads the operands and clears R; runs `compute`; stores R. */
const compute = <F extends Three>(unallocated: (f: F) => boolean, run: (f: F) => void, second: (f: F) => number = f => f.z): On<F> => (cpu, f) => {
  const r = ready(cpu, unallocated(f));
  if (r !== Next) return r;
  begin(cpu);
  loadV(cpu, A, f.y);
  loadV(cpu, B, second(f));
  loadV(cpu, D, f.x);
  R.clear();
  run(f);
  storeV(cpu, f.x, R);
  end(cpu);
  return Next;
};
const always = (): boolean => false;

// --- integers ---

/** A word of D plus four products of bytes, of A from `i` and B from `j`. */
function dotOf(at: number, i: number, j: number, signedA: boolean, signedB: boolean): number {
  const a = signedA ? A.s[0] : A.u8, b = signedB ? B.s[0] : B.u8;
  let sum = at;
  for (let k = 0; k < 4; k++) sum += (a[i + k] as number) * (b[j + k] as number);
  return sum;
}
const dotLanes = (q: number, signedA: boolean, signedB: boolean): void => {
  for (let i = 0; i < 2 << q; i++) R.i32[i] = dotOf(D.i32[i] as number, 4 * i, 4 * i, signedA, signedB);
};
export const dot = (signedA: boolean, signedB: boolean): On<Whole> => compute(always, f => dotLanes(f.q, signedA, signedB));
/** The word of Vm with index H:L against all. */
export const dotByElement = (signedA: boolean, signedB: boolean): On<Element> => compute(always, f => {
  broadcast(B, 2, (f.h << 1) | f.l);
  dotLanes(f.q, signedA, signedB);
});
/** The 2x2 words of D plus 2x8 bytes of A times the transposed 2x8 of B. */
export const matrix = (signedA: boolean, signedB: boolean): On<Three> => compute(always, () => {
  for (let i = 0; i < 2; i++) {
    for (let j = 0; j < 2; j++) {
      const at = 2 * i + j, half = dotOf(D.i32[at] as number, 8 * i, 8 * j, signedA, signedB);
      R.i32[at] = dotOf(half, 8 * i + 4, 8 * j + 4, signedA, signedB);
    }
  }
});

// --- complex numbers: pairs of lanes, the real part first ---

/** Vn + Vm turned by 90 (rot 0) or 270 degrees. */
export const complexAdd: On<Whole & { readonly g: number; readonly r: number }> = compute(f => f.g === 1 && f.q === 0, f => {
  const { g } = f, format = formatOf(g), sign = format.signBit;
  for (let i = 0; i < countOf(g, f.q); i += 2) {
    const re = bitsOf(B, g, i + 1) ^ (f.r === 0 ? sign : 0n), im = bitsOf(B, g, i) ^ (f.r === 0 ? 0n : sign);
    setBits(R, g, i, fpAdd(format, env, bitsOf(A, g, i), re));
    setBits(R, g, i + 1, fpAdd(format, env, bitsOf(A, g, i + 1), im));
  }
});
/** Lanes i and i + 1 of R: D plus half a complex product of A and lanes `j` of B, turned by 90 degrees `rot` times. */
function complexMulAdd(g: number, i: number, j: number, rot: number): void {
  const format = formatOf(g), sign = format.signBit, odd = rot & 1;
  const factor = bitsOf(A, g, i + odd);
  const re = bitsOf(B, g, j + odd) ^ (rot === 1 || rot === 2 ? sign : 0n), im = bitsOf(B, g, j + 1 - odd) ^ (rot >= 2 ? sign : 0n);
  setBits(R, g, i, fpMulAdd(format, env, bitsOf(D, g, i), factor, re));
  setBits(R, g, i + 1, fpMulAdd(format, env, bitsOf(D, g, i + 1), factor, im));
}
export const complexMultiply: On<Whole & { readonly g: number; readonly r: number }> = compute(f => f.g === 1 && f.q === 0, f => {
  for (let i = 0; i < countOf(f.g, f.q); i += 2) complexMulAdd(f.g, i, i, f.r);
});
/** The pair of singles of Vm with index H, or of halves with index H:L. */
export const complexByElement: On<Three & { readonly h: number; readonly r: number }> = compute(always, f => {
  for (let i = 0; i < 4; i += 2) complexMulAdd(0, i, 2 * f.h, f.r);
});
export const complexByHalves: On<Element & { readonly r: number }> = compute(f => f.h === 1 && f.q === 0, f => {
  for (let i = 0; i < 4 << f.q; i += 2) complexMulAdd(HALF, i, 2 * ((f.h << 1) | f.l), f.r);
});

// --- halves that make singles (FEAT_FHM) ---

/** A half as the single of the same value: NaNs keep their kind. Denormals are zeros when FPCR.FZ16 says so. */
function widened(half: number): bigint {
  const sign = BigInt(half >>> 15) << 31n, exp = (half >>> 10) & 31, frac = half & 0x3ff;
  if (exp === 31) return sign | F32.infinity | (BigInt(frac) << 13n);
  if (exp !== 0) return sign | (BigInt(exp + 112) << 23n) | (BigInt(frac) << 13n);
  if (frac === 0 || (env.fpcr & Fpcr.FZ16) !== 0) return sign;
  const top = 31 - Math.clz32(frac);
  return sign | (BigInt(top + 103) << 23n) | ((BigInt(frac) << BigInt(23 - top)) & F32.fracMask);
}
/** D plus or minus products of halves, from lane `first` on; of B always lane `one` when there is such. */
function halvesLong(q: number, first: number, negate: boolean, one?: number): void {
  for (let i = 0; i < 2 << q; i++) {
    const a = widened(A.u16[first + i] as number) ^ (negate ? F32.signBit : 0n), b = widened(B.u16[one ?? first + i] as number);
    R.u32[i] = Number(fpMulAdd(F32, env, BigInt(D.u32[i] as number), a, b));
  }
}
/** `upper`: from the second half of the lanes that there are. */
export const halfMulAddLong = (negate: boolean, upper: boolean): On<Whole> => compute(always, f => halvesLong(f.q, upper ? 2 << f.q : 0, negate));
/** Index H:L:M, Vm of the lower sixteen. */
export const halfMulAddLongByElement = (negate: boolean, upper: boolean): On<Element> => compute(always, f => {
  halvesLong(f.q, upper ? 2 << f.q : 0, negate, (f.h << 2) | (f.l << 1) | (f.z >> 4));
}, f => f.z & 15);

// --- BFloat16 ---

const bfLanes = (q: number): void => {
  for (let i = 0; i < 2 << q; i++) R.u32[i] = bfDotAdd(D.u32[i] as number, A.u16[2 * i] as number, A.u16[2 * i + 1] as number, B.u16[2 * i] as number, B.u16[2 * i + 1] as number);
};
export const bfDot: On<Whole> = compute(always, f => bfLanes(f.q));
export const bfDotByElement: On<Element> = compute(always, f => {
  broadcast(B, 2, (f.h << 1) | f.l);
  bfLanes(f.q);
});
export const bfMatrix: On<Three> = compute(always, () => {
  const a = A.u16, b = B.u16;
  for (let i = 0; i < 2; i++) {
    for (let j = 0; j < 2; j++) {
      const at = 2 * i + j, n = 4 * i, m = 4 * j;
      const half = bfDotAdd(D.u32[at] as number, a[n] as number, a[n + 1] as number, b[m] as number, b[m + 1] as number);
      R.u32[at] = bfDotAdd(half, a[n + 2] as number, a[n + 3] as number, b[m + 2] as number, b[m + 3] as number);
    }
  }
});
/** Singles of D plus products of the even (Q = 0) or odd halfwords. */
const bfLong = (q: number): void => {
  for (let i = 0; i < 4; i++) {
    const a = BigInt(A.u16[2 * i + q] as number) << 16n, b = BigInt(B.u16[2 * i + q] as number) << 16n;
    R.u32[i] = Number(fpMulAdd(F32, env, BigInt(D.u32[i] as number), a, b));
  }
};
export const bfMulAddLong: On<Whole> = compute(always, f => bfLong(f.q));
/** Index H:L:M, Vm of the lower sixteen. */
export const bfMulAddLongByElement: On<Element> = compute(always, f => {
  broadcast(B, 1, (f.h << 2) | (f.l << 1) | (f.z >> 4));
  bfLong(f.q);
}, f => f.z & 15);

const toBFloat = (bits: number): number => Number(fpConvert(F32, BF16, env, BigInt(bits)));
export const bfConvert: On<{ readonly x: number; readonly y: number }> = (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  begin(cpu);
  loadV(cpu, A, f.y);
  R.clear();
  R.u16[0] = toBFloat(A.u32[0] as number);
  storeV(cpu, f.x, R);
  end(cpu);
  return Next;
};
export const bfConvertNarrow: On<{ readonly q: number; readonly x: number; readonly y: number }> = (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  begin(cpu);
  loadV(cpu, A, f.y);
  for (let i = 0; i < 4; i++) R.u16[i] = toBFloat(A.u32[i] as number);
  storeNarrow(cpu, f.x, f.q !== 0);
  end(cpu);
  return Next;
};
