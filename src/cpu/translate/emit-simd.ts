// src/cpu/translate/emit-simd.ts — x86-64 for the few SIMD encodings that every C library's string functions live on.
// Vectors stay in the state: each emitter loads, computes in xmm0 and stores. What is not here is interpreted as yet:
// floating point, and the rest of Advanced SIMD and the cryptographic instructions.
import type { simdFp } from "../a64/simd-fp.ts";
import type { simdMove } from "../a64/simd-move.ts";
import type { simdThree } from "../a64/simd-three.ts";
import type { simdTwo } from "../a64/simd-two.ts";
import type { Handlers } from "../a64/pattern.ts";
import { Packed, Reg } from "./assembler.ts";
import { fpCheck, vector } from "./emit-memory.ts";
import type { Translator } from "./translator.ts";

type Emit = boolean | void;
type Tables = typeof simdFp & typeof simdMove & typeof simdThree & typeof simdTwo;
const { rax, rcx, rbp } = Reg;

/** Wraps an emitter in the check that FP instructions are allowed here. */
function allowed(t: Translator, emit: () => void): true {
  const ends: number[] = [];
  const site = t.slowSite();
  fpCheck(t, ends);
  emit();
  t.endSlow(site, ends);
  return true;
}
/** Vd = xmm0; the upper half is zero for 64-bit vectors. */
function put(t: Translator, q: number, x: number): void {
  t.asm.storeVector(rbp, vector(x));
  if (q === 0) t.asm.storeImm(1, rbp, vector(x) + 8, 0);
}
/** Vd = rax in one or both halves. */
function putBoth(t: Translator, q: number, x: number): void {
  t.asm.store(1, rbp, vector(x), rax);
  if (q === 0) t.asm.storeImm(1, rbp, vector(x) + 8, 0);
  else t.asm.store(1, rbp, vector(x) + 8, rax);
}
type Three = { q: number; z: number; y: number; x: number };
const bitwise = (op: number) => (t: Translator, f: Three): Emit => allowed(t, () => {
  t.asm.loadVector(rbp, vector(f.y));
  t.asm.packed(op, rbp, vector(f.z));
  put(t, f.q, f.x);
});
const EQUAL = [Packed.cmpeqb, Packed.cmpeqw, Packed.cmpeqd, Packed.cmpeqq] as const;
const MAX = [Packed.maxub, Packed.maxuw, Packed.maxud] as const;

export const emitSimd: Partial<Handlers<Tables, Translator, Emit>> = {
  FMOV_xd: (t, f) => allowed(t, () => {
    t.asm.load(1, rax, rbp, vector(f.y));
    t.put(f.d, rax);
  }),
  FMOV_dx: (t, f) => allowed(t, () => {
    t.asm.store(1, rbp, vector(f.x), t.get(f.n, rax));
    t.asm.storeImm(1, rbp, vector(f.x) + 8, 0);
  }),
  AND_v: bitwise(Packed.and),
  ORR_v: bitwise(Packed.or),
  EOR_v: bitwise(Packed.xor),
  BIT_v: (t, f) => allowed(t, () => { // d ^ ((d ^ n) & m)
    t.asm.loadVector(rbp, vector(f.x));
    t.asm.packed(Packed.xor, rbp, vector(f.y));
    t.asm.packed(Packed.and, rbp, vector(f.z));
    t.asm.packed(Packed.xor, rbp, vector(f.x));
    put(t, f.q, f.x);
  }),
  CMEQ_v: (t, f) => f.g === 3 && f.q === 0 ? false : allowed(t, () => {
    t.asm.loadVector(rbp, vector(f.y));
    t.asm.packed(EQUAL[f.g] as number, rbp, vector(f.z));
    put(t, f.q, f.x);
  }),
  CMEQ0_v: (t, f) => f.g === 3 && f.q === 0 ? false : allowed(t, () => {
    t.asm.zeroVector();
    t.asm.packed(EQUAL[f.g] as number, rbp, vector(f.y));
    put(t, f.q, f.x);
  }),
  CMHS_v: (t, f) => f.g === 3 ? false : allowed(t, () => { // n >= m: the larger of both is n
    t.asm.loadVector(rbp, vector(f.y));
    t.asm.packed(MAX[f.g] as number, rbp, vector(f.z));
    t.asm.packed(EQUAL[f.g] as number, rbp, vector(f.y));
    put(t, f.q, f.x);
  }),
  MOVI_8: (t, f) => allowed(t, () => {
    const word = Math.imul(f.i, 0x0101_0101);
    t.asm.constant(rax, word, word);
    putBoth(t, f.q, f.x);
  }),
  MOVI_32_0: (t, f) => allowed(t, () => {
    t.asm.constant(rax, f.i, f.i);
    putBoth(t, f.q, f.x);
  }),
  DUP_gen: (t, f) => {
    const size = (f.i & 1) !== 0 ? 0 : (f.i & 2) !== 0 ? 1 : (f.i & 4) !== 0 ? 2 : 3;
    if ((f.i & 15) === 0 || (size === 3 && f.q === 0)) return false;
    return allowed(t, () => {
      if (size === 3) t.copy(f.n, rax);
      else {
        t.asm.extendReg(0, size, 0, rax, t.get(f.n, rax));
        const [lo, hi] = size === 0 ? [0x0101_0101, 0x0101_0101] : size === 1 ? [0x0001_0001, 0x0001_0001] : [1, 1];
        t.asm.constant(rcx, lo as number, hi as number);
        t.asm.imul(1, rax, rcx);
      }
      putBoth(t, f.q, f.x);
    });
  },
};
