// src/cpu/translate/emit-crypto.ts — x86-64 for the encodings of a64/crypto.ts, and the CRCs: by AES-NI, SHA-NI, PCLMULQDQ and
// SSE4.2's CRC32, on hosts that have them; interpreted on others.
// Spec: ARM DDI 0487, C7.2; Intel SDM vol. 2, the instruction pages; for the CRC by PCLMULQDQ: Intel, "Fast CRC Computation
// for Generic Polynomials Using PCLMULQDQ Instruction", the Barrett reduction of reflected polynomials.
import type { crypto } from "../a64/crypto.ts";
import type { Handlers } from "../a64/pattern.ts";
import { Ready } from "../state.ts";
import { Alu, Reg, Shift } from "./assembler.ts";
import { choose, majority, parity, sm3partw1, sm3partw2, sm3ss1, sm3tt1, sm3tt2, sm4e, sm4ekey } from "./emit-sm.ts";
import type { Emit } from "./lanes.ts";
import type { Translator } from "./translator.ts";
import { X, XShift } from "./vector-op.ts";

const { rax, rcx } = Reg;
type Two = { readonly x: number; readonly y: number };
type Three = Two & { readonly z: number };

/** ShiftRows and SubBytes (their inverses) of Vd ^ Vn: the last round of x86, with a key of zero. */
const lastRound = (op: number) => (t: Translator, f: Two): Emit => {
  if (!t.features.aes) return false;
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16), d = t.vectors.read(f.x, 16);
  const to = t.vectors.fresh();
  t.asm.x3(X.pxor, to, d, a);
  t.asm.xZero(0);
  t.asm.x3(op, to, to, 0);
  t.vectors.set(f.x, to, 16);
  return true;
};

// --- SHA: x86 has the words of a state in the other order, and A, B, E, F in one register ---

const REVERSE = 0x1b, SWAP = 0xb1;
/** Four rounds from X = a b c d and Y = e f g h; Vx = the new X, or the new Y. */
const sha256 = (first: boolean) => (t: Translator, f: Three): Emit => {
  if (!t.features.sha) return false;
  t.ready(Ready.simd);
  const { asm, vectors } = t;
  const n = vectors.read(f.y, 16), w = vectors.read(f.z, 16), d = vectors.read(f.x, 16);
  const to = vectors.fresh();
  asm.x2(X.pshufd, 1, first ? d : n, REVERSE); // d c b a
  asm.x2(X.pshufd, 2, first ? n : d, REVERSE); // h g f e
  asm.x3(X.punpcklqdq, 3, 2, 1); // C D G H
  asm.x3(X.punpckhqdq, to, 2, 1); // A B E F
  asm.xMove(0, w);
  asm.x3(X.sha256rnds2, 3, 3, to); // two rounds: the new A B E F; the old one is C D G H now
  asm.x2(X.pshufd, 0, w, 0xee);
  asm.x3(X.sha256rnds2, to, to, 3);
  asm.x3(first ? X.punpckhqdq : X.punpcklqdq, 1, to, 3);
  asm.x2(X.pshufd, to, 1, SWAP);
  vectors.set(f.x, to, 16);
  return true;
};
/** Four rounds of SHA-1. The host adds the round constant; Arm's program has done so: it is taken off. */
const sha1 = (kind: 0 | 1 | 2, constant: number) => (t: Translator, f: Three): Emit => {
  if (!t.features.sha) return false;
  t.ready(Ready.simd);
  const { asm, vectors } = t;
  const e = vectors.read(f.y, 4), w = vectors.read(f.z, 16), d = vectors.read(f.x, 16);
  const to = vectors.fresh();
  asm.x3c(X.psubd, 0, w, t.constants.splat(2, constant | 0));
  if (vectors.zeroFrom(e) === 4) asm.x3(X.paddd, 0, 0, e);
  else {
    asm.x3(X.insertps, 1, e, e, 0x0e);
    asm.x3(X.paddd, 0, 0, 1);
  }
  asm.x2(X.pshufd, 0, 0, REVERSE);
  asm.x2(X.pshufd, to, d, REVERSE);
  asm.x3(X.sha1rnds4, to, to, 0, kind);
  asm.x2(X.pshufd, to, to, REVERSE);
  vectors.set(f.x, to, 16);
  return true;
};
/** r = each word turned left by one. Uses xmm1. */
function turnLeft(t: Translator, r: number): void {
  t.asm.xShift(XShift.psrld, 1, r, 31);
  t.asm.x3(X.paddd, r, r, r);
  t.asm.x3(X.por, r, r, 1);
}

// --- SHA-512: doublewords, turned by pairs of shifts ---

/** Shifts to the right and to the left that are all exclusive-ored: a rotation is one of each. */
interface Mix { readonly right: readonly number[]; readonly left: readonly number[] }
const rotations = (...by: readonly number[]): Mix => ({ right: by, left: by.map(n => 64 - n) });
const BIG_SIGMA0 = rotations(28, 34, 39), BIG_SIGMA1 = rotations(14, 18, 41);
const SIGMA0: Mix = { right: [1, 8, 7], left: [63, 56] }, SIGMA1: Mix = { right: [19, 61, 6], left: [45, 3] };
/** to = each doubleword of `a` mixed. Uses xmm0; `to` is not `a`. */
function mix(t: Translator, to: number, a: number, { right, left }: Mix): void {
  t.asm.xShift(XShift.psrlq, to, a, right[0] as number);
  for (const by of right.slice(1)) {
    t.asm.xShift(XShift.psrlq, 0, a, by);
    t.asm.x3(X.pxor, to, to, 0);
  }
  for (const by of left) {
    t.asm.xShift(XShift.psllq, 0, a, by);
    t.asm.x3(X.pxor, to, to, 0);
  }
}
/**
 * Two rounds' halves, the second with the first one's result: each is `select` of three words, a mix of the first of them and a
 * word of Vd. `select`: to = of m, f (which it may destroy) and to; uses xmm0. `add`: SHA512H adds the lower word of Vm in between.
 */
const sha512 = (sigma: Mix, select: (t: Translator, to: number, m: number, f: number) => void, add: boolean) => (t: Translator, f: Three): Emit => {
  t.ready(Ready.simd, 7);
  const { asm, vectors } = t;
  const n = vectors.read(f.y, 16), m = vectors.read(f.z, 16), d = vectors.read(f.x, 16);
  const first = vectors.fresh(), to = vectors.fresh(), upper = vectors.fresh();
  asm.x2(X.pshufd, upper, m, 0xee);
  if (add) asm.x2(X.pshufd, first, n, 0xee); // choose(M1, N0, N1)
  else asm.xMove(first, upper); // majority(M0, N0, M1)
  asm.xMove(1, n);
  asm.xMove(3, add ? upper : m);
  select(t, first, 3, 1);
  mix(t, to, 3, sigma);
  asm.x3(X.paddq, first, first, to);
  asm.x2(X.pshufd, 1, d, 0xee);
  asm.x3(X.paddq, first, first, 1);
  asm.xMove(3, first);
  if (add) {
    asm.x3(X.paddq, 3, 3, m); // e
    asm.xMove(2, n); // choose(e, M1, N0)
    asm.xMove(1, upper);
  } else {
    asm.xMove(2, m); // majority(first, M1, M0)
    asm.xMove(1, upper);
  }
  select(t, 2, 3, 1);
  mix(t, to, 3, sigma);
  asm.x3(X.paddq, to, to, 2);
  asm.x3(X.paddq, to, to, d);
  asm.x3(X.punpcklqdq, to, to, first);
  vectors.set(f.x, to, 16);
};
/** Vx = body(Vy, Vz, Vw). */
const four = (body: (t: Translator, to: number, a: number, b: number, c: number) => void) => (t: Translator, f: Three & { readonly w: number }): Emit => {
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16), c = t.vectors.read(f.w, 16), to = t.vectors.fresh();
  body(t, to, a, b, c);
  t.vectors.set(f.x, to, 16);
};

export const emitCrypto: Handlers<typeof crypto, Translator, Emit> = {
  SHA512H: sha512(BIG_SIGMA1, (t, to, m, f) => { // choose(m, f, to)
    t.asm.x3(X.pxor, f, f, to);
    t.asm.x3(X.pand, f, f, m);
    t.asm.x3(X.pxor, to, to, f);
  }, true),
  SHA512H2: sha512(BIG_SIGMA0, (t, to, m, f) => { // majority(m, f, to)
    t.asm.x3(X.pxor, 0, f, to);
    t.asm.x3(X.pand, 0, 0, m);
    t.asm.x3(X.pand, to, to, f);
    t.asm.x3(X.pxor, to, to, 0);
  }, false),
  SHA512SU0: (t, f) => {
    t.ready(Ready.simd);
    const a = t.vectors.read(f.y, 16), d = t.vectors.read(f.x, 16), to = t.vectors.fresh();
    t.asm.x3(X.palignr, 3, a, d, 8);
    mix(t, to, 3, SIGMA0);
    t.asm.x3(X.paddq, to, to, d);
    t.vectors.set(f.x, to, 16);
  },
  SHA512SU1: (t, f) => {
    t.ready(Ready.simd);
    const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16), d = t.vectors.read(f.x, 16), to = t.vectors.fresh();
    mix(t, to, a, SIGMA1);
    t.asm.x3(X.paddq, to, to, d);
    t.asm.x3(X.paddq, to, to, b);
    t.vectors.set(f.x, to, 16);
  },
  EOR3: four((t, to, a, b, c) => {
    t.asm.x3(X.pxor, to, a, b);
    t.asm.x3(X.pxor, to, to, c);
  }),
  BCAX: four((t, to, a, b, c) => {
    t.asm.x3(X.pandn, to, c, b);
    t.asm.x3(X.pxor, to, to, a);
  }),
  RAX1: (t, f) => {
    t.ready(Ready.simd);
    const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16), to = t.vectors.fresh();
    t.asm.xShift(XShift.psrlq, to, b, 63);
    t.asm.x3(X.paddq, 0, b, b);
    t.asm.x3(X.por, to, to, 0);
    t.asm.x3(X.pxor, to, to, a);
    t.vectors.set(f.x, to, 16);
  },
  XAR: (t, f) => {
    t.ready(Ready.simd);
    const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16), to = t.vectors.fresh();
    t.asm.x3(X.pxor, to, a, b);
    if (f.i !== 0) {
      t.asm.xShift(XShift.psllq, 0, to, 64 - f.i);
      t.asm.xShift(XShift.psrlq, to, to, f.i);
      t.asm.x3(X.por, to, to, 0);
    }
    t.vectors.set(f.x, to, 16);
  },
  SM3SS1: sm3ss1, SM3PARTW1: sm3partw1, SM3PARTW2: sm3partw2, SM3TT1A: sm3tt1(parity), SM3TT1B: sm3tt1(majority), SM3TT2A: sm3tt2(parity),
  SM3TT2B: sm3tt2(choose), SM4E: sm4e, SM4EKEY: sm4ekey,

  AESE: lastRound(X.aesenclast), AESD: lastRound(X.aesdeclast),
  AESMC: (t, f) => { // a round whose other steps were undone before
    if (!t.features.aes) return false;
    t.ready(Ready.simd);
    const a = t.vectors.read(f.y, 16);
    const to = t.vectors.fresh();
    t.asm.xZero(0);
    t.asm.x3(X.aesdeclast, to, a, 0);
    t.asm.x3(X.aesenc, to, to, 0);
    t.vectors.set(f.x, to, 16);
    return true;
  },
  AESIMC: (t, f) => {
    if (!t.features.aes) return false;
    t.ready(Ready.simd);
    const a = t.vectors.read(f.y, 16);
    const to = t.vectors.fresh();
    t.asm.x2(X.aesimc, to, a);
    t.vectors.set(f.x, to, 16);
    return true;
  },

  SHA1C: sha1(0, 0x5a82_7999), SHA1P: sha1(1, 0x6ed9_eba1), SHA1M: sha1(2, 0x8f1b_bcdc),
  SHA1SU0: (t, f) => {
    t.ready(Ready.simd);
    const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16), d = t.vectors.read(f.x, 16);
    const to = t.vectors.fresh();
    t.asm.x3(X.palignr, to, a, d, 8);
    t.asm.x3(X.pxor, to, to, d);
    t.asm.x3(X.pxor, to, to, b);
    t.vectors.set(f.x, to, 16);
  },
  SHA256H: sha256(true), SHA256H2: sha256(false),
  SHA256SU1: (t, f) => {
    if (!t.features.sha) return false;
    t.ready(Ready.simd);
    const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16), d = t.vectors.read(f.x, 16);
    const to = t.vectors.fresh();
    t.asm.x3(X.palignr, 0, b, a, 4);
    t.asm.x3(X.paddd, to, d, 0);
    t.asm.x3(X.sha256msg2, to, to, b);
    t.vectors.set(f.x, to, 16);
    return true;
  },
  SHA1H: (t, f) => {
    t.ready(Ready.simd);
    const a = t.vectors.read(f.y, 4);
    const to = t.vectors.fresh();
    t.asm.x2(X.movdStore, a, rax);
    t.asm.shift(Shift.rol, 0, rax, 30);
    t.asm.x2(X.movd, to, rax);
    t.vectors.set(f.x, to, 4);
  },
  SHA1SU1: (t, f) => {
    t.ready(Ready.simd);
    const a = t.vectors.read(f.y, 16), d = t.vectors.read(f.x, 16);
    const to = t.vectors.fresh();
    t.asm.xShift(XShift.psrldq, 0, a, 4);
    t.asm.x3(X.pxor, to, d, 0);
    turnLeft(t, to);
    t.asm.xShift(XShift.pslldq, 2, to, 12);
    turnLeft(t, 2);
    t.asm.x3(X.pxor, to, to, 2);
    t.vectors.set(f.x, to, 16);
  },
  SHA256SU0: (t, f) => {
    if (!t.features.sha) return false;
    t.ready(Ready.simd);
    const a = t.vectors.read(f.y, 16), d = t.vectors.read(f.x, 16);
    const to = t.vectors.fresh();
    t.asm.xMove(to, d);
    t.asm.x3(X.sha256msg1, to, to, a);
    t.vectors.set(f.x, to, 16);
    return true;
  },
};

// --- CRC32 ---

type Crc = { readonly m: number; readonly n: number; readonly d: number };
/** The Castagnoli polynomial is the one that x86 has. */
export const emitCrc32c = (log2: number) => (t: Translator, f: Crc): Emit => {
  if (!t.features.sse42) return false;
  t.asm.mov(0, rax, t.get(f.n, rax));
  t.asm.crc32c(log2, rax, t.get(f.m, rcx));
  t.put(f.d, rax);
  return true;
};
/** The quotient's and the polynomial's constants of the IEEE polynomial, reflected, with their 33rd bits. */
const QUOTIENT = [0xf701_1641 | 0, 1] as const, POLYNOMIAL = [0xdb71_0641 | 0, 1] as const;
/** eax = the remainder of eax followed by 32 zero bits. Uses xmm0. */
function reduce(t: Translator): void {
  const { asm } = t;
  const factors = t.constants.words(QUOTIENT[0], QUOTIENT[1], POLYNOMIAL[0], POLYNOMIAL[1]);
  asm.x2(X.movd, 0, rax);
  asm.x3c(X.pclmulqdq, 0, 0, factors, 0x00);
  asm.x3c(X.pand, 0, 0, t.constants.words(-1, 0, 0, 0));
  asm.x3c(X.pclmulqdq, 0, 0, factors, 0x10);
  asm.x2(X.pextrd, 0, rax, 1);
}
export const emitCrc32 = (log2: number) => (t: Translator, f: Crc): Emit => {
  if (!t.features.pclmul) return false;
  const { asm } = t;
  asm.mov(0, rax, t.get(f.n, rax));
  t.copy(f.m, rcx);
  if (log2 >= 2) {
    asm.alu(Alu.xor, 0, rax, rcx);
    reduce(t);
    if (log2 === 3) {
      asm.shift(Shift.shr, 1, rcx, 32);
      asm.alu(Alu.xor, 0, rax, rcx);
      reduce(t);
    }
  } else { // the data's bits meet the lowest ones; the others move down
    const bits = 8 << log2;
    asm.alu(Alu.xor, 0, rcx, rax);
    asm.shift(Shift.shl, 0, rcx, 32 - bits);
    asm.shift(Shift.shr, 0, rax, bits);
    asm.mov(0, Reg.rdx, rax);
    asm.mov(0, rax, rcx);
    reduce(t);
    asm.alu(Alu.xor, 0, rax, Reg.rdx);
  }
  t.put(f.d, rax);
  return true;
};
