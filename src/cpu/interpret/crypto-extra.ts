// src/cpu/interpret/crypto-extra.ts — what the encodings of FEAT_SHA512, FEAT_SHA3, FEAT_SM3 and FEAT_SM4 in a64/crypto.ts do.
// Spec: ARM DDI 0487, C7.2, each instruction's "Operation"; FIPS 180-4, FIPS 202; GB/T 32905, GB/T 32907.
import { Next, type Cpu, type Result } from "./cpu.ts";
import { A, B, D, R, Vector, loadV, ready, storeV } from "./vector.ts";

type On<F> = (cpu: Cpu, f: F) => Result;
interface Two { readonly x: number; readonly y: number }
interface Three extends Two { readonly z: number }
interface Four extends Three { readonly w: number }
/** Va of the four-register forms. */
const C = new Vector();

/** R = run(A = Vn, B = Vm, D = Vd, C = Va). */
const form = <F extends Two & { readonly z?: number; readonly w?: number }>(run: (f: F) => void): On<F> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  loadV(cpu, A, f.y);
  loadV(cpu, D, f.x);
  if (f.z !== undefined) loadV(cpu, B, f.z);
  if (f.w !== undefined) loadV(cpu, C, f.w);
  R.clear();
  run(f);
  storeV(cpu, f.x, R);
  return Next;
};
const rol = (v: number, by: number): number => (v << by) | (v >>> (32 - by));
/** Of a doubleword, which is not negative. */
const ror64 = (v: bigint, by: bigint): bigint => BigInt.asUintN(64, (v >> by) | (v << (64n - by)));
const low = (v: Vector): bigint => v.u64[0] as bigint;
const high = (v: Vector): bigint => v.u64[1] as bigint;
const word = (v: Vector, i: number): number => v.i32[i] as number;

// --- SHA512 ---

const bigSigma1 = (v: bigint): bigint => ror64(v, 14n) ^ ror64(v, 18n) ^ ror64(v, 41n);
const bigSigma0 = (v: bigint): bigint => ror64(v, 28n) ^ ror64(v, 34n) ^ ror64(v, 39n);
const sigma0 = (v: bigint): bigint => ror64(v, 1n) ^ ror64(v, 8n) ^ (v >> 7n);
const sigma1 = (v: bigint): bigint => ror64(v, 19n) ^ ror64(v, 61n) ^ (v >> 6n);
const choose = (x: bigint, y: bigint, z: bigint): bigint => ((y ^ z) & x) ^ z;
const majority = (x: bigint, y: bigint, z: bigint): bigint => (x & y) ^ (x & z) ^ (y & z);
const wrap = (v: bigint): bigint => BigInt.asUintN(64, v);

export const sha512h: On<Three> = form(() => {
  const first = wrap(choose(high(B), low(A), high(A)) + bigSigma1(high(B)) + high(D)), e = wrap(first + low(B));
  R.u64[1] = first;
  R.u64[0] = wrap(choose(e, high(B), low(A)) + bigSigma1(e) + low(D));
});
export const sha512h2: On<Three> = form(() => {
  const first = wrap(majority(low(A), high(B), low(B)) + bigSigma0(low(B)) + high(D));
  R.u64[1] = first;
  R.u64[0] = wrap(majority(first, low(B), high(B)) + bigSigma0(first) + low(D));
});
export const sha512su0: On<Two> = form(() => {
  R.u64[0] = wrap(low(D) + sigma0(high(D)));
  R.u64[1] = wrap(high(D) + sigma0(low(A)));
});
export const sha512su1: On<Three> = form(() => {
  R.u64[0] = wrap(low(D) + sigma1(low(A)) + low(B));
  R.u64[1] = wrap(high(D) + sigma1(high(A)) + high(B));
});

// --- SHA3 ---

export const eor3: On<Four> = form(() => { for (let i = 0; i < 4; i++) R.i32[i] = word(A, i) ^ word(B, i) ^ word(C, i); });
export const bcax: On<Four> = form(() => { for (let i = 0; i < 4; i++) R.i32[i] = word(A, i) ^ (word(B, i) & ~word(C, i)); });
export const rax1: On<Three> = form(() => { for (let i = 0; i < 2; i++) R.u64[i] = (A.u64[i] as bigint) ^ ror64(B.u64[i] as bigint, 63n); });
export const xar: On<Three & { readonly i: number }> = form(f => {
  for (let i = 0; i < 2; i++) R.u64[i] = ror64((A.u64[i] as bigint) ^ (B.u64[i] as bigint), BigInt(f.i));
});

// --- SM3 ---

const permute1 = (v: number): number => v ^ rol(v, 15) ^ rol(v, 23);
export const sm3ss1: On<Four> = form(() => { R.i32[3] = rol((rol(word(A, 3), 12) + word(B, 3) + word(C, 3)) | 0, 7); });
export const sm3partw1: On<Three> = form(() => {
  for (let i = 0; i < 3; i++) R.i32[i] = permute1(word(D, i) ^ word(A, i) ^ rol(word(B, i + 1), 15));
  R.i32[3] = permute1(word(D, 3) ^ word(A, 3) ^ rol(word(R, 0), 15));
});
export const sm3partw2: On<Three> = form(() => {
  let first = 0;
  for (let i = 0; i < 4; i++) {
    const part = word(A, i) ^ rol(word(B, i), 7);
    if (i === 0) first = part;
    R.i32[i] = word(D, i) ^ part;
  }
  R.i32[3] = word(R, 3) ^ permute1(rol(first, 15));
});
type Mixing = (x: number, y: number, z: number) => number;
const parity: Mixing = (x, y, z) => x ^ y ^ z;
/** Half a round on A, B, C, D (words 3 to 0 of Vd), with SS1 in Vn and W' in word `i` of Vm. */
export const sm3tt1 = (mixing: Mixing): On<Three & { readonly i: number }> => form(f => {
  const [d, c, b, a] = D.i32 as unknown as readonly [number, number, number, number];
  R.i32[3] = (mixing(a, c, b) + d + (word(A, 3) ^ rol(a, 12)) + word(B, f.i)) | 0;
  R.i32[2] = a;
  R.i32[1] = rol(b, 9);
  R.i32[0] = c;
});
/** The other half on E, F, G, H, with W. */
export const sm3tt2 = (mixing: Mixing): On<Three & { readonly i: number }> => form(f => {
  const [h, g, ff, e] = D.i32 as unknown as readonly [number, number, number, number];
  const sum = (mixing(e, ff, g) + h + word(A, 3) + word(B, f.i)) | 0;
  R.i32[3] = sum ^ rol(sum, 9) ^ rol(sum, 17);
  R.i32[2] = e;
  R.i32[1] = rol(ff, 19);
  R.i32[0] = g;
});
export const sm3: Readonly<Record<"parity" | "majority" | "choose", Mixing>> = {
  parity, majority: (x, y, z) => (x & y) | ((x | y) & z), choose: (x, y, z) => ((y ^ z) & x) ^ z,
};

// --- SM4 ---

/** Product in GF(2^8) modulo x^8 + x^7 + x^6 + x^5 + x^4 + x^2 + 1. */
function times(a: number, b: number): number {
  let r = 0;
  for (let i = 0; i < 8; i++) {
    if (((b >> i) & 1) !== 0) r ^= a;
    a = (a << 1) ^ ((a & 0x80) !== 0 ? 0x1f5 : 0);
  }
  return r;
}
/** x A + c, with the circulant matrix A. */
function affine(x: number): number {
  let r = 0xd3;
  for (let i = 0; i < 8; i++) {
    let bits = x & ((0xa7 << i) | (0xa7 >> (8 - i)));
    bits ^= bits >> 4;
    bits ^= bits >> 2;
    r ^= ((bits ^ (bits >> 1)) & 1) << i;
  }
  return r;
}
/** The S-box: an affine map, the inverse, the affine map again. */
const box = Uint8Array.from({ length: 256 }, (_, v) => {
  const from = affine(v);
  let inverse = 0;
  for (let c = 1; c < 256 && inverse === 0; c++) if (times(from, c) === 1) inverse = c;
  return affine(inverse);
});
const substitute = (v: number): number =>
  (box[v & 255] as number) | ((box[(v >>> 8) & 255] as number) << 8) | ((box[(v >>> 16) & 255] as number) << 16) | ((box[v >>> 24] as number) << 24);
/** Four rounds on the words of `state`, with the four words of `keys`. */
function sm4(state: Vector, keys: Vector, spread: (v: number) => number): void {
  let [a, b, c, d] = state.i32 as unknown as [number, number, number, number];
  for (let i = 0; i < 4; i++) {
    const next = a ^ spread(substitute(b ^ c ^ d ^ word(keys, i)));
    a = b; b = c; c = d; d = next;
  }
  R.i32[0] = a; R.i32[1] = b; R.i32[2] = c; R.i32[3] = d;
}
export const sm4e: On<Two> = form(() => sm4(D, A, v => v ^ rol(v, 2) ^ rol(v, 10) ^ rol(v, 18) ^ rol(v, 24)));
export const sm4ekey: On<Three> = form(() => sm4(A, B, v => v ^ rol(v, 13) ^ rol(v, 23)));
