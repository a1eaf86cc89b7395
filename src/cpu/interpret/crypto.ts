// src/cpu/interpret/crypto.ts — what the encodings of a64/crypto.ts do.
// Spec: ARM DDI 0487, C7.2, and shared pseudocode AESSubBytes, AESMixColumns, SHA256hash, SHAchoose; FIPS 197, FIPS 180-4.
import type { crypto } from "../a64/crypto.ts";
import type { Handlers } from "../a64/pattern.ts";
import { Next, type Cpu, type Result } from "./cpu.ts";
import {
  bcax, eor3, rax1, sha512h, sha512h2, sha512su0, sha512su1, sm3, sm3partw1, sm3partw2, sm3ss1, sm3tt1, sm3tt2, sm4e, sm4ekey, xar,
} from "./crypto-extra.ts";
import { A, B, D, R, loadV, ready, storeV } from "./vector.ts";

/** Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
function times(a: number, b: number): number {
  let r = 0;
  for (let i = 0; i < 8; i++) {
    if (((b >> i) & 1) !== 0) r ^= a;
    a = (a << 1) ^ ((a & 0x80) !== 0 ? 0x11b : 0);
  }
  return r;
}
/** The S-box: inverse, then the affine map. Its inverse beside it. */
const box = new Uint8Array(256);
const inverseBox = new Uint8Array(256);
for (let v = 0; v < 256; v++) {
  let inverse = 0;
  for (let c = 1; c < 256 && inverse === 0; c++) if (times(v, c) === 1) inverse = c;
  let s = 0x63;
  for (const turn of [0, 1, 2, 3, 4]) s ^= ((inverse << turn) | (inverse >> (8 - turn))) & 0xff;
  box[v] = s;
  inverseBox[s] = v;
}
const product = (by: number): Uint8Array => Uint8Array.from({ length: 256 }, (_, v) => times(v, by));
const by2 = product(2), by3 = product(3), by9 = product(9), by11 = product(11), by13 = product(13), by14 = product(14);

interface Two { readonly x: number; readonly y: number }
interface Three extends Two { readonly z: number }
type On<F> = (cpu: Cpu, f: F) => Result;

/** AddRoundKey, ShiftRows and SubBytes, or their inverses. `turn`: columns that row 1 moves by. */
const round = (substitute: Uint8Array, turn: number): On<Two> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  loadV(cpu, A, f.y);
  loadV(cpu, D, f.x);
  for (let i = 0; i < 4; i++) A.i32[i] = (A.i32[i] as number) ^ (D.i32[i] as number);
  for (let i = 0; i < 16; i++) {
    const from = (i + 4 * turn * (i & 3)) & 15;
    R.u8[i] = substitute[A.u8[from] as number] as number;
  }
  storeV(cpu, f.x, R);
  return Next;
};
/** Each column times a circulant matrix. */
const mix = (m0: Uint8Array | undefined, m1: Uint8Array, m2: Uint8Array | undefined, m3: Uint8Array | undefined): On<Two> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  loadV(cpu, A, f.y);
  const times = (m: Uint8Array | undefined, v: number): number => (m === undefined ? v : (m[v] as number));
  for (let c = 0; c < 16; c += 4) {
    for (let row = 0; row < 4; row++) {
      R.u8[c + row] = times(m0, A.u8[c + row] as number) ^ times(m1, A.u8[c + ((row + 1) & 3)] as number)
        ^ times(m2, A.u8[c + ((row + 2) & 3)] as number) ^ times(m3, A.u8[c + ((row + 3) & 3)] as number);
    }
  }
  storeV(cpu, f.x, R);
  return Next;
};

const rol = (v: number, by: number): number => (v << by) | (v >>> (32 - by));
const ror = (v: number, by: number): number => (v >>> by) | (v << (32 - by));
const choose = (x: number, y: number, z: number): number => ((y ^ z) & x) ^ z;
const majority = (x: number, y: number, z: number): number => (x & y) | ((x | y) & z);
const parity = (x: number, y: number, z: number): number => x ^ y ^ z;

const sha1 = (mixing: (x: number, y: number, z: number) => number): On<Three> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  loadV(cpu, D, f.x);
  loadV(cpu, A, f.y);
  loadV(cpu, B, f.z);
  const d = D.i32;
  let a = d[0] as number, b = d[1] as number, c = d[2] as number, e = d[3] as number, y = A.i32[0] as number;
  for (let i = 0; i < 4; i++) {
    const t = (y + rol(a, 5) + mixing(b, c, e) + (B.i32[i] as number)) | 0;
    y = e;
    e = c;
    c = rol(b, 30);
    b = a;
    a = t;
  }
  d[0] = a; d[1] = b; d[2] = c; d[3] = e;
  storeV(cpu, f.x, D);
  return Next;
};

/** SHA256hash on X (a, b, c, d) and Y (e, f, g, h), with the four schedule words of B; leaves both. */
function sha256(x: Int32Array, y: Int32Array): void {
  for (let i = 0; i < 4; i++) {
    const x0 = x[0] as number, y0 = y[0] as number;
    const t = ((y[3] as number) + (ror(y0, 6) ^ ror(y0, 11) ^ ror(y0, 25)) + choose(y0, y[1] as number, y[2] as number) + (B.i32[i] as number)) | 0;
    const sum = t + (ror(x0, 2) ^ ror(x0, 13) ^ ror(x0, 22)) + majority(x0, x[1] as number, x[2] as number);
    const carried = (x[3] as number) + t;
    x[3] = x[2] as number; x[2] = x[1] as number; x[1] = x0; x[0] = sum;
    y[3] = y[2] as number; y[2] = y[1] as number; y[1] = y0; y[0] = carried;
  }
}
/** SHA256H: Vd is X, Vn is Y. SHA256H2: the other way round. Both keep Vd. */
const hash256 = (first: boolean): On<Three> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  loadV(cpu, D, f.x);
  loadV(cpu, A, f.y);
  loadV(cpu, B, f.z);
  if (first) sha256(D.i32, A.i32);
  else sha256(A.i32, D.i32);
  storeV(cpu, f.x, D);
  return Next;
};

export const interpretCrypto: Handlers<typeof crypto, Cpu, Result> = {
  SHA512H: sha512h, SHA512H2: sha512h2, SHA512SU0: sha512su0, SHA512SU1: sha512su1, EOR3: eor3, BCAX: bcax, RAX1: rax1, XAR: xar,
  SM3SS1: sm3ss1, SM3PARTW1: sm3partw1, SM3PARTW2: sm3partw2, SM3TT1A: sm3tt1(sm3.parity), SM3TT1B: sm3tt1(sm3.majority),
  SM3TT2A: sm3tt2(sm3.parity), SM3TT2B: sm3tt2(sm3.choose), SM4E: sm4e, SM4EKEY: sm4ekey,

  AESE: round(box, 1), AESD: round(inverseBox, 3), AESMC: mix(by2, by3, undefined, undefined), AESIMC: mix(by14, by11, by13, by9),

  SHA1C: sha1(choose), SHA1P: sha1(parity), SHA1M: sha1(majority),
  SHA1SU0: (cpu, f) => {
    const r = ready(cpu, false);
    if (r !== Next) return r;
    loadV(cpu, D, f.x);
    loadV(cpu, A, f.y);
    loadV(cpu, B, f.z);
    const d = D.i32, a = A.i32, b = B.i32;
    for (let i = 0; i < 4; i++) R.i32[i] = (i < 2 ? (d[i + 2] as number) : (a[i - 2] as number)) ^ (d[i] as number) ^ (b[i] as number);
    storeV(cpu, f.x, R);
    return Next;
  },
  SHA256H: hash256(true), SHA256H2: hash256(false),
  SHA256SU1: (cpu, f) => {
    const r = ready(cpu, false);
    if (r !== Next) return r;
    loadV(cpu, D, f.x);
    loadV(cpu, A, f.y);
    loadV(cpu, B, f.z);
    for (let i = 0; i < 4; i++) {
      const v = (i < 2 ? B.i32[i + 2] : R.i32[i - 2]) as number;
      const t0 = (i < 3 ? A.i32[i + 1] : B.i32[0]) as number;
      R.i32[i] = (ror(v, 17) ^ ror(v, 19) ^ (v >>> 10)) + (D.i32[i] as number) + t0;
    }
    storeV(cpu, f.x, R);
    return Next;
  },
  SHA1H: (cpu, f) => {
    const r = ready(cpu, false);
    if (r !== Next) return r;
    loadV(cpu, A, f.y);
    R.clear();
    R.i32[0] = rol(A.i32[0] as number, 30);
    storeV(cpu, f.x, R);
    return Next;
  },
  SHA1SU1: (cpu, f) => {
    const r = ready(cpu, false);
    if (r !== Next) return r;
    loadV(cpu, D, f.x);
    loadV(cpu, A, f.y);
    const first = (D.i32[0] as number) ^ (A.i32[1] as number);
    for (let i = 0; i < 3; i++) R.i32[i] = rol((D.i32[i] as number) ^ (A.i32[i + 1] as number), 1);
    R.i32[3] = rol(D.i32[3] as number, 1) ^ rol(first, 2);
    storeV(cpu, f.x, R);
    return Next;
  },
  SHA256SU0: (cpu, f) => {
    const r = ready(cpu, false);
    if (r !== Next) return r;
    loadV(cpu, D, f.x);
    loadV(cpu, A, f.y);
    for (let i = 0; i < 4; i++) {
      const v = (i < 3 ? D.i32[i + 1] : A.i32[0]) as number;
      R.i32[i] = (ror(v, 7) ^ ror(v, 18) ^ (v >>> 3)) + (D.i32[i] as number);
    }
    storeV(cpu, f.x, R);
    return Next;
  },
};
