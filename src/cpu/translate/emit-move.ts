// src/cpu/translate/emit-move.ts — x86-64 for the encodings of a64/simd-move.ts: copies, permutations, tables, modified
// immediates, shifts by immediate.
// Spec: ARM DDI 0487, C7.2; Intel SDM vol. 2.
// Left out, and interpreted: saturating shifts to the left, narrowing ones of doublewords and scalars, fixed point.
import { ZR, type Handlers } from "../a64/pattern.ts";
import type { simdMove } from "../a64/simd-move.ts";
import { fpImmediate16, fpImmediate32, fpImmediate64 } from "../interpret/simd-move.ts";
import { Ready } from "../state.ts";
import { Reg } from "./assembler.ts";
import {
  Lane, type Emit, type Saturation, finish, narrow, pairs, saturate, shiftLeft, shiftRight, shiftRightRounding, widen,
  bothZeroFrom,
} from "./lanes.ts";
import { interpreted, type Translator } from "./translator.ts";
import { X, XShift } from "./vector-op.ts";

const { rax } = Reg;

// --- copies ---

/** The size that imm5 names by its lowest set bit (4: none), and the index above it. */
const elementSize = (i: number): number => ((i & 1) !== 0 ? 0 : (i & 2) !== 0 ? 1 : (i & 4) !== 0 ? 2 : (i & 8) !== 0 ? 3 : 4);
/** to = one lane of `a` in all lanes. */
function broadcast(t: Translator, to: number, a: number, g: number, index: number): void {
  if (g >= 2) t.asm.x2(X.pshufd, to, a, g === 2 ? index * 0x55 : index === 0 ? 0x44 : 0xee);
  else t.asm.x3c(X.pshufb, to, a, t.constants.bytes(i => (index << g) + (i & ((1 << g) - 1))));
}
const EXTRACT = [X.pextrb, X.pextrw, X.pextrd, X.pextrd] as const;
const INSERT = [X.pinsrb, X.pinsrw, X.pinsrd, X.pinsrd] as const;
/** A host register = one lane of Vy, zero-extended. */
function extract(t: Translator, y: number, g: number, index: number, host: number): void {
  const a = t.vectors.read(y, index === 0 && g >= 2 ? 1 << g : 16);
  if (index === 0 && g >= 2) t.asm.x2(X.movdStore, a, host, -1, g - 2);
  else t.asm.x2(EXTRACT[g] as number, a, host, index, g === 3 ? 1 : 0);
}

// --- tables ---

/** Of each register of the table: PSHUFB gives zero for an index whose bit 7 is set, which adding 0x70 does to 16 and more. */
const lookup = (keep: boolean) => (t: Translator, f: { q: number; i: number; x: number; y: number; z: number }): void => {
  t.ready(Ready.simd, 8);
  const { asm, vectors } = t;
  const indexes = vectors.read(f.z, 16), d = keep ? vectors.read(f.x, 16) : 0;
  const to = vectors.fresh();
  for (let k = 0; k <= f.i; k++) {
    const table = vectors.read((f.y + k) & 31, 16);
    if (k === 0) asm.x3c(X.paddusb, 0, indexes, t.constants.splat(0, 0x70));
    else {
      asm.x3c(X.psubb, 0, indexes, t.constants.splat(0, 16 * k));
      asm.x3c(X.paddusb, 0, 0, t.constants.splat(0, 0x70));
    }
    asm.x3(X.pshufb, k === 0 ? to : 1, table, 0);
    if (k !== 0) asm.x3(X.por, to, to, 1);
  }
  if (keep) { // where the index is beyond: the larger of it and the size is itself
    asm.x3c(X.pmaxub, 0, indexes, t.constants.splat(0, 16 * (f.i + 1)));
    asm.x3(X.pcmpeqb, 0, 0, indexes);
    asm.x3(X.pand, 0, 0, d);
    asm.x3(X.por, to, to, 0);
  }
  finish(t, f.q, f.x, to);
};

// --- permutations ---

type Permuted = { q: number; g: number; x: number; y: number; z: number };
const zip = (upper: boolean) => (t: Translator, f: Permuted): Emit => {
  if (f.g === 3 && f.q === 0) return false;
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16);
  const to = t.vectors.fresh();
  const low = [X.punpcklbw, X.punpcklwd, X.punpckldq, X.punpcklqdq], high = [X.punpckhbw, X.punpckhwd, X.punpckhdq, X.punpckhqdq];
  t.asm.x3((upper && f.q !== 0 ? high : low)[f.g] as number, to, a, b);
  if (upper && f.q === 0) t.asm.x2(X.pshufd, to, to, 0xee);
  finish(t, f.q, f.x, to);
  return true;
};
const unzip = (odd: boolean) => (t: Translator, f: Permuted): Emit => {
  if (f.g === 3 && f.q === 0) return false;
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16);
  const to = t.vectors.fresh();
  pairs(t, f.g, a, b, f.q);
  t.asm.xMove(to, odd ? 3 : 2);
  finish(t, f.q, f.x, to);
  return true;
};
/** Even (odd) lanes of both, those of Vm in the odd places. */
const transpose = (odd: boolean) => (t: Translator, f: Permuted): Emit => {
  if (f.g === 3 && f.q === 0) return false;
  t.ready(Ready.simd);
  const { asm } = t;
  const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16);
  const to = t.vectors.fresh();
  if (f.g === 3) asm.x3(odd ? X.punpckhqdq : X.punpcklqdq, to, a, b);
  else {
    const evens = t.constants.bytes(i => (((i >> f.g) & 1) === (odd ? 1 : 0) ? 0xff : 0));
    const left = [XShift.psllw, XShift.pslld, XShift.psllq], right = [XShift.psrlw, XShift.psrld, XShift.psrlq];
    asm.xShift((odd ? right : left)[f.g] as readonly [number, number], to, odd ? a : b, 8 << f.g);
    asm.x3c(X.pand, 0, odd ? b : a, evens);
    asm.x3(X.por, to, to, 0);
  }
  finish(t, f.q, f.x, to);
  return true;
};

// --- modified immediates ---

type Expand = (i: number) => number;
const word = (shift: number): Expand => i => i << shift;
const half = (shift: number): Expand => i => (i << shift) | (i << (shift + 16));
const onesWord = (shift: number): Expand => i => (i << shift) | ((1 << shift) - 1);
const byte: Expand = i => Math.imul(i, 0x0101_0101);
const bitsToBytes: Expand = i => ((i & 1) | ((i & 2) << 7) | ((i & 4) << 14) | ((i & 8) << 21)) * 0xff | 0;
type Immediate = { q: number; i: number; x: number };
/** to = a pair of words in one or both halves. */
function pairOfWords(t: Translator, to: number, lo: number, hi: number, q: number): void {
  const { asm } = t;
  if ((lo | hi) === 0) asm.xZero(to);
  else if (q !== 0 && (lo & hi) === -1) asm.x3(X.pcmpeqd, to, to, to);
  else {
    asm.constant(rax, lo, hi);
    asm.x2(X.movd, to, rax, -1, 1);
    if (q !== 0) asm.x3(X.punpcklqdq, to, to, to);
  }
}
function setImmediate(t: Translator, q: number, x: number, lo: number, hi: number): void {
  t.ready(Ready.simd);
  const to = t.vectors.fresh();
  pairOfWords(t, to, lo, hi, q);
  t.vectors.set(x, to, q === 0 || (lo | hi) === 0 ? 8 : 16);
}
const move = (e: Expand, flip: 0 | -1 = 0) => (t: Translator, f: Immediate): void => setImmediate(t, f.q, f.x, e(f.i) ^ flip, e(f.i) ^ flip);
const combine = (e: Expand, op: number) => (t: Translator, f: Immediate): void => {
  t.ready(Ready.simd);
  const d = t.vectors.read(f.x, 16);
  const to = t.vectors.fresh();
  pairOfWords(t, 0, e(f.i), e(f.i), 1);
  if (op === X.pandn) t.asm.x3(op, to, 0, d); // BIC
  else t.asm.x3(op, to, d, 0);
  finish(t, f.q, f.x, to);
};
const orr = (e: Expand): ((t: Translator, f: Immediate) => void) => combine(e, X.por);
const bic = (e: Expand): ((t: Translator, f: Immediate) => void) => combine(e, X.pandn);

// --- shifts by immediate ---

type Shift = { h: number; i: number; x: number; y: number };
type VectorShift = Shift & { q: number };
const sizeOf = (f: Shift): number => 31 - Math.clz32(f.h);
const leftBy = (f: Shift): number => ((f.h << 3) | f.i) - (8 << sizeOf(f));
const rightBy = (f: Shift): number => (16 << sizeOf(f)) - ((f.h << 3) | f.i);
/** `d` is the old destination, where the body wants it. */
type ShiftBody = (t: Translator, g: number, to: number, a: number, n: number, d: number) => void;
function emitShift(t: Translator, f: Shift, q: number, body: ShiftBody, left: boolean, old: boolean): void {
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16), d = old ? t.vectors.read(f.x, 16) : 0;
  const to = t.vectors.fresh();
  body(t, sizeOf(f), to, a, left ? leftBy(f) : rightBy(f), d);
  finish(t, q, f.x, to, old ? bothZeroFrom(t, a, d) : t.vectors.zeroFrom(a));
}
const vectorShift = (body: ShiftBody, left: boolean, old = false) => (t: Translator, f: VectorShift): Emit => {
  if (f.h === 0 || (f.h >= 8 && f.q === 0)) return false;
  emitShift(t, f, f.q, body, left, old);
  return true;
};
/** Doublewords only. */
const scalarShift = (body: ShiftBody, left: boolean, old = false) => (t: Translator, f: Shift): Emit => {
  if (f.h < 8) return false;
  emitShift(t, f, 0, body, left, old);
  return true;
};
const right = (signed: boolean): ShiftBody => (t, g, to, a, n) => shiftRight(t, g, to, a, n, signed);
const rounding = (signed: boolean): ShiftBody => (t, g, to, a, n) => shiftRightRounding(t, g, to, a, n, signed);
const accumulated = (body: ShiftBody): ShiftBody => (t, g, to, a, n, d) => {
  body(t, g, to, a, n, d);
  t.asm.x3(Lane.add[g] as number, to, to, d);
};
const left: ShiftBody = (t, g, to, a, n) => shiftLeft(t, g, to, a, n);
/** A constant with the low `n` bits of every lane set, or all but those. */
function lowBits(t: Translator, g: number, n: number, flip: 0 | -1): number {
  const lo = n >= 32 ? -1 : (1 << n) - 1, hi = n <= 32 ? 0 : n >= 64 ? -1 : (1 << (n - 32)) - 1;
  return t.constants.splat(g, lo ^ flip, hi ^ flip);
}
const leftInsert: ShiftBody = (t, g, to, a, n, d) => {
  shiftLeft(t, g, to, a, n);
  t.asm.x3c(X.pand, 0, d, lowBits(t, g, n, 0));
  t.asm.x3(X.por, to, to, 0);
};
const rightInsert: ShiftBody = (t, g, to, a, n, d) => {
  shiftRight(t, g, to, a, n, false);
  t.asm.x3c(X.pand, 0, d, lowBits(t, g, (8 << g) - n, -1));
  t.asm.x3(X.por, to, to, 0);
};
const shiftNarrow = (rounded: boolean) => (t: Translator, f: VectorShift): Emit => {
  if (f.h === 0 || f.h >= 8) return false;
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16);
  (rounded ? shiftRightRounding : shiftRight)(t, sizeOf(f) + 1, 1, a, rightBy(f), false);
  narrow(t, sizeOf(f), f.q, f.x, 1, false);
  return true;
};
const saturatingNarrow = (kind: Saturation, rounded: boolean) => (t: Translator, f: VectorShift): Emit => {
  if (f.h === 0 || f.h >= 4) return false;
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16);
  const r = t.vectors.fresh();
  (rounded ? shiftRightRounding : shiftRight)(t, sizeOf(f) + 1, r, a, rightBy(f), kind !== "unsigned");
  saturate(t, sizeOf(f), f.q, f.x, r, kind);
  return true;
};
const shiftLong = (signed: boolean) => (t: Translator, f: VectorShift): Emit => {
  if (f.h === 0 || f.h >= 8) return false;
  t.ready(Ready.simd);
  const a = t.vectors.read(f.y, 16);
  const to = t.vectors.fresh();
  widen(t, sizeOf(f), to, a, f.q, signed);
  if (leftBy(f) !== 0) shiftLeft(t, sizeOf(f) + 1, to, to, leftBy(f));
  t.vectors.set(f.x, to, 16);
  return true;
};

export const emitMove: Handlers<typeof simdMove, Translator, Emit> = {
  DUP_elem: (t, f) => {
    const g = elementSize(f.i);
    if (g > 3 || (g === 3 && f.q === 0)) return false;
    t.ready(Ready.simd);
    const a = t.vectors.read(f.y, 16);
    const to = t.vectors.fresh();
    broadcast(t, to, a, g, f.i >> (g + 1));
    finish(t, f.q, f.x, to);
    return true;
  },
  DUP_gen: (t, f) => {
    const g = elementSize(f.i);
    if (g > 3 || (g === 3 && f.q === 0)) return false;
    t.ready(Ready.simd);
    const to = t.vectors.fresh();
    if (f.n === ZR) t.asm.xZero(to);
    else {
      t.asm.x2(X.movd, to, t.get(f.n, rax), -1, g === 3 ? 1 : 0);
      broadcast(t, to, to, g, 0);
    }
    finish(t, f.q, f.x, to);
    return true;
  },
  SMOV: (t, f) => {
    const g = elementSize(f.i);
    if (g > 1 + f.q) return false;
    t.ready(Ready.simd);
    extract(t, f.y, g, f.i >> (g + 1), rax);
    t.asm.extendReg(f.q, g, 1, rax, rax);
    t.put(f.d, rax);
    return true;
  },
  UMOV: (t, f) => {
    const g = elementSize(f.i);
    if (f.q !== 0 ? g !== 3 : g > 2) return false;
    t.ready(Ready.simd);
    const host = t.pin(f.d) >= 0 ? t.pin(f.d) : rax;
    extract(t, f.y, g, f.i >> (g + 1), host);
    t.put(f.d, host);
    return true;
  },
  INS_gen: (t, f) => {
    const g = elementSize(f.i);
    if (g > 3) return false;
    t.ready(Ready.simd);
    const d = t.vectors.read(f.x, 16);
    const to = t.vectors.fresh();
    t.asm.x3g(INSERT[g] as number, to, d, t.get(f.n, rax), f.i >> (g + 1), g === 3 ? 1 : 0);
    t.vectors.set(f.x, to, 16);
    return true;
  },
  INS_elem: (t, f) => {
    const g = elementSize(f.i);
    if (g > 3) return false;
    t.ready(Ready.simd);
    const { asm } = t;
    const a = t.vectors.read(f.y, 16), d = t.vectors.read(f.x, 16);
    const to = t.vectors.fresh();
    const index = f.i >> (g + 1), from = f.j >> g;
    if (g === 2) asm.x3(X.insertps, to, d, a, from << 6 | index << 4);
    else if (g === 3) {
      if (from !== index) asm.x2(X.pshufd, 0, a, 0x4e);
      asm.x3(X.pblendw, to, d, from !== index ? 0 : a, index === 0 ? 0x0f : 0xf0);
    } else {
      asm.x2(EXTRACT[g] as number, a, rax, from);
      asm.x3g(INSERT[g] as number, to, d, rax, index);
    }
    t.vectors.set(f.x, to, 16);
    return true;
  },
  DUP_s: (t, f) => {
    const g = elementSize(f.i);
    if (g > 3) return false;
    t.ready(Ready.simd);
    const to = t.vectors.fresh();
    extract(t, f.y, g, f.i >> (g + 1), rax);
    t.asm.x2(X.movd, to, rax, -1, g === 3 ? 1 : 0);
    t.vectors.set(f.x, to, g === 3 ? 8 : 4);
    return true;
  },

  EXT: (t, f) => {
    if (f.q === 0 && f.i >= 8) return false;
    t.ready(Ready.simd);
    const { asm } = t;
    const a = t.vectors.read(f.y, 16), b = t.vectors.read(f.z, 16);
    const to = t.vectors.fresh();
    if (f.q !== 0) asm.x3(X.palignr, to, b, a, f.i);
    else {
      asm.x3(X.punpcklqdq, to, a, b);
      asm.xShift(XShift.psrldq, to, to, f.i);
    }
    finish(t, f.q, f.x, to);
    return true;
  },
  TBL: lookup(false), TBX: lookup(true),

  UZP1: unzip(false), UZP2: unzip(true), TRN1: transpose(false), TRN2: transpose(true), ZIP1: zip(false), ZIP2: zip(true),

  MOVI_32_0: move(word(0)), MOVI_32_8: move(word(8)), MOVI_32_16: move(word(16)), MOVI_32_24: move(word(24)),
  ORR_32_0: orr(word(0)), ORR_32_8: orr(word(8)), ORR_32_16: orr(word(16)), ORR_32_24: orr(word(24)),
  MOVI_16_0: move(half(0)), MOVI_16_8: move(half(8)), ORR_16_0: orr(half(0)), ORR_16_8: orr(half(8)),
  MOVI_ones_8: move(onesWord(8)), MOVI_ones_16: move(onesWord(16)), MOVI_8: move(byte), FMOV_vs: move(fpImmediate32), FMOV_vh: move(i => fpImmediate16(i) * 0x1_0001 | 0),
  MVNI_32_0: move(word(0), -1), MVNI_32_8: move(word(8), -1), MVNI_32_16: move(word(16), -1), MVNI_32_24: move(word(24), -1),
  BIC_32_0: bic(word(0)), BIC_32_8: bic(word(8)), BIC_32_16: bic(word(16)), BIC_32_24: bic(word(24)),
  MVNI_16_0: move(half(0), -1), MVNI_16_8: move(half(8), -1), BIC_16_0: bic(half(0)), BIC_16_8: bic(half(8)),
  MVNI_ones_8: move(onesWord(8), -1), MVNI_ones_16: move(onesWord(16), -1),
  MOVI_64: (t, f) => setImmediate(t, f.q, f.x, bitsToBytes(f.i & 15), bitsToBytes(f.i >> 4)),
  FMOV_vd: (t, f) => setImmediate(t, 1, f.x, 0, fpImmediate64(f.i)),

  SSHR_vi: vectorShift(right(true), false), SSRA_vi: vectorShift(accumulated(right(true)), false, true), SRSHR_vi: vectorShift(rounding(true), false),
  SRSRA_vi: vectorShift(accumulated(rounding(true)), false, true), SHL_vi: vectorShift(left, true), SQSHL_vi: interpreted,
  SHRN_vi: shiftNarrow(false), RSHRN_vi: shiftNarrow(true), SQSHRN_vi: saturatingNarrow("signed", false), SQRSHRN_vi: saturatingNarrow("signed", true),
  SSHLL_vi: shiftLong(true), SCVTF_vi: interpreted, FCVTZS_vi: interpreted,
  USHR_vi: vectorShift(right(false), false), USRA_vi: vectorShift(accumulated(right(false)), false, true), URSHR_vi: vectorShift(rounding(false), false),
  URSRA_vi: vectorShift(accumulated(rounding(false)), false, true), SRI_vi: vectorShift(rightInsert, false, true), SLI_vi: vectorShift(leftInsert, true, true),
  SQSHLU_vi: interpreted, UQSHL_vi: interpreted, SQSHRUN_vi: saturatingNarrow("signed to unsigned", false),
  SQRSHRUN_vi: saturatingNarrow("signed to unsigned", true), UQSHRN_vi: saturatingNarrow("unsigned", false), UQRSHRN_vi: saturatingNarrow("unsigned", true),
  USHLL_vi: shiftLong(false), UCVTF_vi: interpreted, FCVTZU_vi: interpreted,

  SSHR_si: scalarShift(right(true), false), SSRA_si: scalarShift(accumulated(right(true)), false, true), SRSHR_si: scalarShift(rounding(true), false),
  SRSRA_si: scalarShift(accumulated(rounding(true)), false, true), SHL_si: scalarShift(left, true), SQSHL_si: interpreted, SQSHRN_si: interpreted,
  SQRSHRN_si: interpreted, SCVTF_si: interpreted, FCVTZS_si: interpreted,
  USHR_si: scalarShift(right(false), false), USRA_si: scalarShift(accumulated(right(false)), false, true), URSHR_si: scalarShift(rounding(false), false),
  URSRA_si: scalarShift(accumulated(rounding(false)), false, true), SRI_si: scalarShift(rightInsert, false, true), SLI_si: scalarShift(leftInsert, true, true),
  SQSHLU_si: interpreted, UQSHL_si: interpreted, SQSHRUN_si: interpreted, SQRSHRUN_si: interpreted, UQSHRN_si: interpreted, UQRSHRN_si: interpreted,
  UCVTF_si: interpreted, FCVTZU_si: interpreted,
};
