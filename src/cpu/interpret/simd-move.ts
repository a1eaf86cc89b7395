// src/cpu/interpret/simd-move.ts — what the encodings of a64/simd-move.ts do.
// Spec: ARM DDI 0487, C7.2, each instruction's "Operation"; shared pseudocode AdvSIMDExpandImm, VFPExpandImm.
import type { Handlers } from "../a64/pattern.ts";
import type { simdMove } from "../a64/simd-move.ts";
import { fixedToFp, fpToFixed } from "../fp/convert.ts";
import { Rounding } from "../fp/format.ts";
import { Offset } from "../state.ts";
import { Next, type Cpu, type Result } from "./cpu.ts";
import { HALF, mapUnary, type FpUnary } from "./fp-lanes.ts";
import {
  A, B, D, R, type LaneOp, begin, broadcast, end, loadV, mapLanes, mapLong, mapNarrow, noWide, ready, satS, satS64, satU, satU64, storeNarrow,
  storeV, upperHalf,
} from "./vector.ts";

type On<F> = (cpu: Cpu, f: F) => Result;

// --- modified immediates ---

interface Immediate { readonly i: number; readonly x: number }
interface VectorImmediate extends Immediate { readonly q: number }
/** Fills R's lower 64 bits (or all) with a pair of words, combined with Vd by `op`. */
const immediate = (lo: (i: number) => number, hi: (i: number) => number, op: (d: number, v: number) => number): On<VectorImmediate> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  loadV(cpu, D, f.x);
  R.clear();
  const words = 2 << f.q;
  for (let k = 0; k < words; k++) R.i32[k] = op(D.i32[k] as number, (k & 1) === 0 ? lo(f.i) : hi(f.i));
  storeV(cpu, f.x, R);
  return Next;
};
type Expand = (i: number) => number;
const word = (shift: number): Expand => i => i << shift;
const half = (shift: number): Expand => i => (i << shift) | (i << (shift + 16));
const onesWord = (shift: number): Expand => i => (i << shift) | ((1 << shift) - 1);
const byte: Expand = i => Math.imul(i, 0x0101_0101);
/** Each bit makes a byte. */
const bitsToBytes = (i: number): number => ((i & 1) | ((i & 2) << 7) | ((i & 4) << 14) | ((i & 8) << 21)) * 0xff | 0;
const movi = (e: Expand): On<VectorImmediate> => immediate(e, e, (_, v) => v);
const mvni = (e: Expand): On<VectorImmediate> => immediate(e, e, (_, v) => ~v);
const orr = (e: Expand): On<VectorImmediate> => immediate(e, e, (d, v) => d | v);
const bic = (e: Expand): On<VectorImmediate> => immediate(e, e, (d, v) => d & ~v);
/** VFPExpandImm for single precision; for double, its upper word. */
export const fpImmediate32 = (i: number): number =>
  ((i & 0x80) << 24) | ((i & 0x40) !== 0 ? 0x3e00_0000 : 0x4000_0000) | ((i & 0x3f) << 19);
export const fpImmediate16 = (i: number): number => ((i & 0x80) << 8) | ((i & 0x40) !== 0 ? 0x3000 : 0x4000) | ((i & 0x3f) << 6);
export const fpImmediate64 = (i: number): number =>
  ((i & 0x80) << 24) | ((i & 0x40) !== 0 ? 0x3fc0_0000 : 0x4000_0000) | ((i & 0x3f) << 16);

// --- shifts by immediate ---

/** The shift of the instruction being executed, both ways. */
let by = 0;
let wideBy = 0n;
const lane = (signed: boolean, n: LaneOp["n"], w: LaneOp["w"] = noWide): LaneOp => ({ signed, n, w });
/** Right shifts by 1..width: exact in doubles, also by the full width. */
const right = (a: number, rounding: boolean): number => Math.floor((rounding ? a + 2 ** (by - 1) : a) / 2 ** by);
const wideRight = (a: bigint, rounding: boolean): bigint => (rounding ? a + (1n << (wideBy - 1n)) : a) >> wideBy;
const shr = (signed: boolean, rounding: boolean): LaneOp => lane(signed, a => right(a, rounding), a => wideRight(a, rounding));
const sra = (signed: boolean, rounding: boolean): LaneOp =>
  lane(signed, (a, _, d) => d + right(a, rounding), (a, _, d) => d + wideRight(a, rounding));
const sri = lane(false, (a, _, d, bits) => d - (d % 2 ** (bits - by)) + right(a, false), (a, _, d) => ((d >> (64n - wideBy)) << (64n - wideBy)) | (a >> wideBy));
const shl = lane(false, a => a << by, a => a << wideBy);
const sli = lane(false, (a, _, d) => (d & ((1 << by) - 1)) | (a << by), (a, _, d) => (d & ((1n << wideBy) - 1n)) | (a << wideBy));
const sqshl = lane(true, (a, _b, _d, bits) => satS(a * 2 ** by, bits), a => satS64(a << wideBy));
const uqshl = lane(false, (a, _b, _d, bits) => satU(a * 2 ** by, bits), a => satU64(a << wideBy));
const sqshlu = lane(true, (a, _b, _d, bits) => satU(a * 2 ** by, bits), a => satU64(a << wideBy));
const sqshrn = (rounding: boolean): LaneOp =>
  lane(true, (a, _b, _d, bits) => satS(right(a, rounding), bits), a => BigInt(satS(Number(wideRight(a, rounding)), 32)));
const sqshrun = (rounding: boolean): LaneOp =>
  lane(true, (a, _b, _d, bits) => satU(right(a, rounding), bits), a => BigInt(satU(Number(wideRight(a, rounding)), 32)));
const uqshrn = (rounding: boolean): LaneOp =>
  lane(false, (a, _b, _d, bits) => satU(right(a, rounding), bits), a => BigInt(satU(Number(wideRight(a, rounding)), 32)));
const shll = (signed: boolean): LaneOp => lane(signed, a => a * 2 ** by, a => a << wideBy);

interface Shift { readonly h: number; readonly i: number; readonly x: number; readonly y: number }
interface VectorShift extends Shift { readonly q: number }
/** log2 of the lane's bytes, from the highest bit of immh (not zero). */
const sizeOf = (f: Shift): number => 31 - Math.clz32(f.h);
function setShift(f: Shift, left: boolean): void {
  const width = 8 << sizeOf(f);
  const value = (f.h << 3) | f.i;
  by = left ? value - width : 2 * width - value;
  wideBy = BigInt(by);
}
function operands(cpu: Cpu, f: Shift, left: boolean): void {
  setShift(f, left);
  begin(cpu);
  loadV(cpu, A, f.y);
  loadV(cpu, D, f.x);
  R.clear();
}
function result(cpu: Cpu, f: { readonly x: number }): Result {
  storeV(cpu, f.x, R);
  end(cpu);
  return Next;
}
const shiftVector = (op: LaneOp, left: boolean): On<VectorShift> => (cpu, f) => {
  const r = ready(cpu, f.h === 0 || (f.h >= 8 && f.q === 0));
  if (r !== Next) return r;
  operands(cpu, f, left);
  mapLanes(op, (8 << f.q) >> sizeOf(f), sizeOf(f));
  return result(cpu, f);
};
/** Scalar: doublewords only, unless `all`. */
const shiftScalar = (op: LaneOp, left: boolean, all = false): On<Shift> => (cpu, f) => {
  const r = ready(cpu, f.h === 0 || (f.h < 8 && !all));
  if (r !== Next) return r;
  operands(cpu, f, left);
  mapLanes(op, 1, sizeOf(f));
  return result(cpu, f);
};
const shiftNarrow = (op: LaneOp): On<VectorShift> => (cpu, f) => {
  const r = ready(cpu, f.h === 0 || f.h >= 8);
  if (r !== Next) return r;
  operands(cpu, f, false);
  mapNarrow(op, 8 >> sizeOf(f), sizeOf(f));
  storeNarrow(cpu, f.x, f.q !== 0);
  end(cpu);
  return Next;
};
const shiftScalarNarrow = (op: LaneOp): On<Shift> => (cpu, f) => {
  const r = ready(cpu, f.h === 0 || f.h >= 8);
  if (r !== Next) return r;
  operands(cpu, f, false);
  mapNarrow(op, 1, sizeOf(f));
  return result(cpu, f);
};
const shiftLong = (op: LaneOp): On<VectorShift> => (cpu, f) => {
  const r = ready(cpu, f.h === 0 || f.h >= 8);
  if (r !== Next) return r;
  operands(cpu, f, true);
  if (f.q !== 0) upperHalf(A);
  mapLong(op, 8 >> sizeOf(f), sizeOf(f));
  return result(cpu, f);
};
/** Fixed point: words and doublewords, and halfwords with FEAT_FP16. */
const tooSmall = (cpu: Cpu, f: Shift): boolean => f.h < (cpu.features.has("FP16") ? 2 : 4);
const precision = (f: Shift): number => (sizeOf(f) === 1 ? HALF : sizeOf(f) - 2);
const fixedVector = (op: FpUnary): On<VectorShift> => (cpu, f) => {
  const r = ready(cpu, tooSmall(cpu, f) || (f.h >= 8 && f.q === 0));
  if (r !== Next) return r;
  operands(cpu, f, false);
  mapUnary(op, (8 << f.q) >> sizeOf(f), precision(f));
  return result(cpu, f);
};
const fixedScalar = (op: FpUnary): On<Shift> => (cpu, f) => {
  const r = ready(cpu, tooSmall(cpu, f));
  if (r !== Next) return r;
  operands(cpu, f, false);
  mapUnary(op, 1, precision(f));
  return result(cpu, f);
};
const fromFixed = (unsigned: boolean): FpUnary => (f, e, a) => fixedToFp(f, e, a, f.bits, by, unsigned);
const toFixed = (unsigned: boolean): FpUnary => (f, e, a) => fpToFixed(f, e, a, f.bits, by, unsigned, Rounding.ZERO);

// --- copies and permutations ---

/** The size that imm5 names by its lowest set bit (4 and more: none), and the index above it. */
const elementSize = (imm5: number): number => 31 - Math.clz32((imm5 | 0x100) & -(imm5 | 0x100));
const elementIndex = (imm5: number): number => imm5 >> (elementSize(imm5) + 1);

interface Permuted { readonly q: number; readonly g: number; readonly x: number; readonly y: number; readonly z: number }
/** R[i] = lane `from(i, count)` of the concatenation Vm:Vn. */
const permute = (from: (i: number, count: number) => number): On<Permuted> => (cpu, f) => {
  const r = ready(cpu, f.g === 3 && f.q === 0);
  if (r !== Next) return r;
  loadV(cpu, A, f.y);
  loadV(cpu, B, f.z);
  R.clear();
  const bytes = 1 << f.g;
  const count = (8 << f.q) >> f.g;
  for (let i = 0; i < count; i++) {
    const at = from(i, count);
    const source = at < count ? A : B;
    const start = (at % count) * bytes;
    for (let k = 0; k < bytes; k++) R.u8[i * bytes + k] = source.u8[start + k] as number;
  }
  storeV(cpu, f.x, R);
  return Next;
};
interface Lookup { readonly q: number; readonly i: number; readonly x: number; readonly y: number; readonly z: number }
const lookup = (keep: boolean): On<Lookup> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  loadV(cpu, B, f.z);
  loadV(cpu, D, f.x);
  R.clear();
  const size = 16 * (f.i + 1);
  const u8 = cpu.state.u8;
  for (let i = 0; i < 8 << f.q; i++) {
    const index = B.u8[i] as number;
    const register = (f.y + (index >> 4)) & 31;
    if (index < size) R.u8[i] = u8[Offset.V + 16 * register + (index & 15)] as number;
    else if (keep) R.u8[i] = D.u8[i] as number;
  }
  storeV(cpu, f.x, R);
  return Next;
};

export const interpretSimdMove: Handlers<typeof simdMove, Cpu, Result> = {
  DUP_elem: (cpu, f) => {
    const size = elementSize(f.i);
    const r = ready(cpu, size > 3 || (size === 3 && f.q === 0));
    if (r !== Next) return r;
    loadV(cpu, R, f.y);
    broadcast(R, size, elementIndex(f.i));
    if (f.q === 0) R.i64[1] = 0n;
    storeV(cpu, f.x, R);
    return Next;
  },
  DUP_gen: (cpu, f) => {
    const size = elementSize(f.i);
    const r = ready(cpu, size > 3 || (size === 3 && f.q === 0));
    if (r !== Next) return r;
    R.i32[0] = cpu.x[2 * f.n] as number;
    R.i32[1] = cpu.x[2 * f.n + 1] as number;
    broadcast(R, size, 0);
    if (f.q === 0) R.i64[1] = 0n;
    storeV(cpu, f.x, R);
    return Next;
  },
  SMOV: (cpu, f) => {
    const size = elementSize(f.i);
    const r = ready(cpu, size > 1 + f.q);
    if (r !== Next) return r;
    loadV(cpu, A, f.y);
    const v = (A.s[size] as Int8Array)[elementIndex(f.i)] as number;
    if (f.q !== 0) cpu.setX(f.d, v, v >> 31);
    else cpu.setW(f.d, v);
    return Next;
  },
  UMOV: (cpu, f) => {
    const size = elementSize(f.i);
    const r = ready(cpu, f.q !== 0 ? size !== 3 : size > 2);
    if (r !== Next) return r;
    loadV(cpu, A, f.y);
    const index = elementIndex(f.i);
    if (size === 3) cpu.setX(f.d, A.i32[2 * index] as number, A.i32[2 * index + 1] as number);
    else cpu.setW(f.d, (A.u[size] as Uint8Array)[index] as number);
    return Next;
  },
  INS_gen: (cpu, f) => {
    const size = elementSize(f.i);
    const r = ready(cpu, size > 3);
    if (r !== Next) return r;
    loadV(cpu, R, f.x);
    const index = elementIndex(f.i);
    const lo = cpu.x[2 * f.n] as number;
    if (size === 3) {
      R.i32[2 * index] = lo;
      R.i32[2 * index + 1] = cpu.x[2 * f.n + 1] as number;
    } else (R.s[size] as Int8Array)[index] = lo;
    storeV(cpu, f.x, R);
    return Next;
  },
  INS_elem: (cpu, f) => {
    const size = elementSize(f.i);
    const r = ready(cpu, size > 3);
    if (r !== Next) return r;
    loadV(cpu, A, f.y);
    loadV(cpu, R, f.x);
    const bytes = 1 << size;
    const to = elementIndex(f.i) * bytes;
    const from = (f.j >> size) * bytes;
    for (let k = 0; k < bytes; k++) R.u8[to + k] = A.u8[from + k] as number;
    storeV(cpu, f.x, R);
    return Next;
  },
  DUP_s: (cpu, f) => {
    const size = elementSize(f.i);
    const r = ready(cpu, size > 3);
    if (r !== Next) return r;
    loadV(cpu, A, f.y);
    R.clear();
    const bytes = 1 << size;
    const from = elementIndex(f.i) * bytes;
    for (let k = 0; k < bytes; k++) R.u8[k] = A.u8[from + k] as number;
    storeV(cpu, f.x, R);
    return Next;
  },

  EXT: (cpu, f) => {
    const r = ready(cpu, f.q === 0 && f.i >= 8);
    if (r !== Next) return r;
    loadV(cpu, A, f.y);
    loadV(cpu, B, f.z);
    R.clear();
    const length = 8 << f.q;
    for (let k = 0; k < length; k++) {
      const at = f.i + k;
      R.u8[k] = (at < length ? A.u8[at] : B.u8[at - length]) as number;
    }
    storeV(cpu, f.x, R);
    return Next;
  },
  TBL: lookup(false), TBX: lookup(true),

  UZP1: permute(i => 2 * i), UZP2: permute(i => 2 * i + 1),
  TRN1: permute((i, count) => ((i & 1) === 0 ? i : count + i - 1)), TRN2: permute((i, count) => ((i & 1) === 0 ? i + 1 : count + i)),
  ZIP1: permute((i, count) => (i >> 1) + ((i & 1) === 0 ? 0 : count)),
  ZIP2: permute((i, count) => (i >> 1) + (count >> 1) + ((i & 1) === 0 ? 0 : count)),

  MOVI_32_0: movi(word(0)), MOVI_32_8: movi(word(8)), MOVI_32_16: movi(word(16)), MOVI_32_24: movi(word(24)),
  ORR_32_0: orr(word(0)), ORR_32_8: orr(word(8)), ORR_32_16: orr(word(16)), ORR_32_24: orr(word(24)),
  MOVI_16_0: movi(half(0)), MOVI_16_8: movi(half(8)), ORR_16_0: orr(half(0)), ORR_16_8: orr(half(8)),
  MOVI_ones_8: movi(onesWord(8)), MOVI_ones_16: movi(onesWord(16)), MOVI_8: movi(byte), FMOV_vs: movi(fpImmediate32), FMOV_vh: movi(i => fpImmediate16(i) * 0x1_0001),
  MVNI_32_0: mvni(word(0)), MVNI_32_8: mvni(word(8)), MVNI_32_16: mvni(word(16)), MVNI_32_24: mvni(word(24)),
  BIC_32_0: bic(word(0)), BIC_32_8: bic(word(8)), BIC_32_16: bic(word(16)), BIC_32_24: bic(word(24)),
  MVNI_16_0: mvni(half(0)), MVNI_16_8: mvni(half(8)), BIC_16_0: bic(half(0)), BIC_16_8: bic(half(8)),
  MVNI_ones_8: mvni(onesWord(8)), MVNI_ones_16: mvni(onesWord(16)),
  MOVI_64: immediate(i => bitsToBytes(i & 15), i => bitsToBytes(i >> 4), (_, v) => v),
  FMOV_vd: (cpu, f) => immediate(() => 0, fpImmediate64, (_, v) => v)(cpu, { ...f, q: 1 }),

  SSHR_vi: shiftVector(shr(true, false), false), SSRA_vi: shiftVector(sra(true, false), false), SRSHR_vi: shiftVector(shr(true, true), false),
  SRSRA_vi: shiftVector(sra(true, true), false), SHL_vi: shiftVector(shl, true), SQSHL_vi: shiftVector(sqshl, true),
  SHRN_vi: shiftNarrow(shr(false, false)), RSHRN_vi: shiftNarrow(shr(false, true)), SQSHRN_vi: shiftNarrow(sqshrn(false)),
  SQRSHRN_vi: shiftNarrow(sqshrn(true)), SSHLL_vi: shiftLong(shll(true)), SCVTF_vi: fixedVector(fromFixed(false)), FCVTZS_vi: fixedVector(toFixed(false)),
  USHR_vi: shiftVector(shr(false, false), false), USRA_vi: shiftVector(sra(false, false), false), URSHR_vi: shiftVector(shr(false, true), false),
  URSRA_vi: shiftVector(sra(false, true), false), SRI_vi: shiftVector(sri, false), SLI_vi: shiftVector(sli, true),
  SQSHLU_vi: shiftVector(sqshlu, true), UQSHL_vi: shiftVector(uqshl, true), SQSHRUN_vi: shiftNarrow(sqshrun(false)),
  SQRSHRUN_vi: shiftNarrow(sqshrun(true)), UQSHRN_vi: shiftNarrow(uqshrn(false)), UQRSHRN_vi: shiftNarrow(uqshrn(true)),
  USHLL_vi: shiftLong(shll(false)), UCVTF_vi: fixedVector(fromFixed(true)), FCVTZU_vi: fixedVector(toFixed(true)),

  SSHR_si: shiftScalar(shr(true, false), false), SSRA_si: shiftScalar(sra(true, false), false), SRSHR_si: shiftScalar(shr(true, true), false),
  SRSRA_si: shiftScalar(sra(true, true), false), SHL_si: shiftScalar(shl, true), SQSHL_si: shiftScalar(sqshl, true, true),
  SQSHRN_si: shiftScalarNarrow(sqshrn(false)), SQRSHRN_si: shiftScalarNarrow(sqshrn(true)), SCVTF_si: fixedScalar(fromFixed(false)),
  FCVTZS_si: fixedScalar(toFixed(false)), USHR_si: shiftScalar(shr(false, false), false), USRA_si: shiftScalar(sra(false, false), false),
  URSHR_si: shiftScalar(shr(false, true), false), URSRA_si: shiftScalar(sra(false, true), false), SRI_si: shiftScalar(sri, false),
  SLI_si: shiftScalar(sli, true), SQSHLU_si: shiftScalar(sqshlu, true, true), UQSHL_si: shiftScalar(uqshl, true, true),
  SQSHRUN_si: shiftScalarNarrow(sqshrun(false)), SQRSHRUN_si: shiftScalarNarrow(sqshrun(true)), UQSHRN_si: shiftScalarNarrow(uqshrn(false)),
  UQRSHRN_si: shiftScalarNarrow(uqshrn(true)), UCVTF_si: fixedScalar(fromFixed(true)), FCVTZU_si: fixedScalar(toFixed(true)),
};
