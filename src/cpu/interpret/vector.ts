// src/cpu/interpret/vector.ts — what the Advanced SIMD handlers share: operand scratch, lane loops, saturation, flags.
// Spec: ARM DDI 0487, C7.2 "Operation" sections (Elem, SatQ, CheckFPAdvSIMDEnabled64).
// A handler copies its source registers into scratch vectors, computes into R lane by lane and stores R: so operands may
// overlap the destination. Lanes of 8 to 32 bits are numbers, lanes of 64 bits BigInts: operations come in both forms.
// Stores into typed arrays wrap to the lane's width, exactly for every number below 2^53.
import { FpEnv, Fpsr } from "../fp/format.ts";
import { Offset } from "../state.ts";
import { type Cpu, Next, type Result } from "./cpu.ts";

/** One 128-bit vector and its views; `s` and `u` are indexed by log2 of the lane's bytes. */
export class Vector {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly i64: BigInt64Array;
  readonly u64: BigUint64Array;
  readonly f32: Float32Array;
  readonly f64: Float64Array;
  readonly s: readonly [Int8Array, Int16Array, Int32Array];
  readonly u: readonly [Uint8Array, Uint16Array, Uint32Array];
  constructor() {
    const buffer = new ArrayBuffer(16);
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i64 = new BigInt64Array(buffer);
    this.u64 = new BigUint64Array(buffer);
    this.f32 = new Float32Array(buffer);
    this.f64 = new Float64Array(buffer);
    this.s = [new Int8Array(buffer), new Int16Array(buffer), this.i32];
    this.u = [this.u8, this.u16, this.u32];
  }
  clear(): void {
    const w = this.i32;
    w[0] = 0; w[1] = 0; w[2] = 0; w[3] = 0;
  }
}

/** Operands Vn, Vm, the old Vd (or Va), and the result. */
export const A: Vector = new Vector();
export const B: Vector = new Vector();
export const D: Vector = new Vector();
export const R: Vector = new Vector();

const V = Offset.V / 4;
export function loadV(cpu: Cpu, into: Vector, r: number): void {
  const x = cpu.x;
  const w = into.i32;
  const at = V + 4 * r;
  w[0] = x[at] as number; w[1] = x[at + 1] as number; w[2] = x[at + 2] as number; w[3] = x[at + 3] as number;
}
export function storeV(cpu: Cpu, r: number, from: Vector): void {
  const x = cpu.x;
  const w = from.i32;
  const at = V + 4 * r;
  x[at] = w[0] as number; x[at + 1] = w[1] as number; x[at + 2] = w[2] as number; x[at + 3] = w[3] as number;
}
/** The upper half, as the "2" forms take it. */
export function upperHalf(v: Vector): void {
  const w = v.i32;
  w[0] = w[2] as number;
  w[1] = w[3] as number;
}
/** Copies one lane to all lanes. */
export function broadcast(v: Vector, size: number, index: number): void {
  if (size === 3) v.i64.fill(v.i64[index] as bigint);
  else {
    const lanes = v.u[size] as Uint8Array;
    lanes.fill(lanes[index] as number);
  }
}

/** FPCR and FPSR of the instruction being executed. */
export const env: FpEnv = new FpEnv();
const FPCR = Offset.FPCR / 4;
const FPSR = Offset.FPSR / 4;
export function begin(cpu: Cpu): void {
  env.fpcr = cpu.x[FPCR] as number;
  env.fpsr = cpu.x[FPSR] as number;
}
export function end(cpu: Cpu): void { cpu.x[FPSR] = env.fpsr; }

/** Undefined when the encoding is unallocated, then the trap of FP and SIMD; Next: go on. */
export const ready = (cpu: Cpu, unallocated: boolean): Result =>
  unallocated ? cpu.undefined() : cpu.fpTrapped() ? cpu.trapFp() : Next;

// --- saturation: sets FPSR.QC ---

function saturated<T>(value: T): T {
  env.fpsr |= Fpsr.QC;
  return value;
}
export function satS(v: number, bits: number): number {
  const limit = 2 ** (bits - 1);
  return v >= limit ? saturated(limit - 1) : v < -limit ? saturated(-limit) : v;
}
export function satU(v: number, bits: number): number {
  const limit = 2 ** bits;
  return v >= limit ? saturated(limit - 1) : v < 0 ? saturated(0) : v;
}
const S64_MAX = (1n << 63n) - 1n;
const U64_MAX = (1n << 64n) - 1n;
export const satS64 = (v: bigint): bigint => (v > S64_MAX ? saturated(S64_MAX) : v < -S64_MAX - 1n ? saturated(-S64_MAX - 1n) : v);
export const satU64 = (v: bigint): bigint => (v > U64_MAX ? saturated(U64_MAX) : v < 0n ? saturated(0n) : v);

// --- lane loops: results into R, which must be clear ---

/** An operation on lanes: `n` for 8 to 32 bits, `w` for 64 bits. `d` is the old destination lane. */
export interface LaneOp {
  readonly signed: boolean;
  readonly n: (a: number, b: number, d: number, bits: number) => number;
  readonly w: (a: bigint, b: bigint, d: bigint) => bigint;
}

export function mapLanes(op: LaneOp, count: number, size: number): void {
  if (size === 3) {
    const a = op.signed ? A.i64 : A.u64;
    const b = op.signed ? B.i64 : B.u64;
    const d = op.signed ? D.i64 : D.u64;
    for (let i = 0; i < count; i++) R.i64[i] = op.w(a[i] as bigint, b[i] as bigint, d[i] as bigint);
    return;
  }
  const a = (op.signed ? A.s : A.u)[size] as Int8Array;
  const b = (op.signed ? B.s : B.u)[size] as Int8Array;
  const d = (op.signed ? D.s : D.u)[size] as Int8Array;
  const r = R.s[size] as Int8Array;
  const bits = 8 << size;
  for (let i = 0; i < count; i++) r[i] = op.n(a[i] as number, b[i] as number, d[i] as number, bits);
}

/** Pairwise: adjacent lanes of the concatenation Vm:Vn. */
export function mapPairs(op: LaneOp, count: number, size: number): void {
  const half = count >> 1;
  if (size === 3) {
    const a = op.signed ? A.i64 : A.u64;
    const b = op.signed ? B.i64 : B.u64;
    R.i64[0] = op.w(a[0] as bigint, a[1] as bigint, 0n);
    R.i64[1] = op.w(b[0] as bigint, b[1] as bigint, 0n);
    return;
  }
  const a = (op.signed ? A.s : A.u)[size] as Int8Array;
  const b = (op.signed ? B.s : B.u)[size] as Int8Array;
  const r = R.s[size] as Int8Array;
  for (let i = 0; i < half; i++) {
    r[i] = op.n(a[2 * i] as number, a[2 * i + 1] as number, 0, 8 << size);
    r[half + i] = op.n(b[2 * i] as number, b[2 * i + 1] as number, 0, 8 << size);
  }
}

/** Long: lanes of `size` make lanes of twice the width; `count` results. `bits` is the narrow width. */
export function mapLong(op: LaneOp, count: number, size: number): void {
  if (size === 2) {
    const a = op.signed ? A.i32 : A.u32;
    const b = op.signed ? B.i32 : B.u32;
    const d = op.signed ? D.i64 : D.u64;
    for (let i = 0; i < count; i++) R.i64[i] = op.w(BigInt(a[i] as number), BigInt(b[i] as number), d[i] as bigint);
    return;
  }
  const a = (op.signed ? A.s : A.u)[size] as Int8Array;
  const b = (op.signed ? B.s : B.u)[size] as Int8Array;
  const d = (op.signed ? D.s : D.u)[size + 1] as Int16Array;
  const r = R.s[size + 1] as Int16Array;
  for (let i = 0; i < count; i++) r[i] = op.n(a[i] as number, b[i] as number, d[i] as number, 8 << size);
}

/** Wide: Vn has lanes of twice the width of Vm's. */
export function mapWide(op: LaneOp, count: number, size: number): void {
  if (size === 2) {
    const b = op.signed ? B.i32 : B.u32;
    for (let i = 0; i < count; i++) R.i64[i] = op.w(A.i64[i] as bigint, BigInt(b[i] as number), 0n);
    return;
  }
  const a = (op.signed ? A.s : A.u)[size + 1] as Int16Array;
  const b = (op.signed ? B.s : B.u)[size] as Int8Array;
  const r = R.s[size + 1] as Int16Array;
  for (let i = 0; i < count; i++) r[i] = op.n(a[i] as number, b[i] as number, 0, 8 << size);
}

/** Narrow: lanes of twice the width make lanes of `size` (0..2); `bits` is the narrow width. */
export function mapNarrow(op: LaneOp, count: number, size: number): void {
  const r = R.s[size] as Int8Array;
  if (size === 2) {
    const a = op.signed ? A.i64 : A.u64;
    const b = op.signed ? B.i64 : B.u64;
    for (let i = 0; i < count; i++) r[i] = Number(BigInt.asIntN(32, op.w(a[i] as bigint, b[i] as bigint, 0n)));
    return;
  }
  const a = (op.signed ? A.s : A.u)[size + 1] as Int16Array;
  const b = (op.signed ? B.s : B.u)[size + 1] as Int16Array;
  for (let i = 0; i < count; i++) r[i] = op.n(a[i] as number, b[i] as number, 0, 8 << size);
}

/** Stores a narrowed result: the lower half of Vd (upper zeroed), or, for the "2" forms, the upper half alone. */
export function storeNarrow(cpu: Cpu, r: number, upper: boolean): void {
  if (upper) {
    loadV(cpu, D, r);
    R.i32[2] = R.i32[0] as number;
    R.i32[3] = R.i32[1] as number;
    R.i32[0] = D.i32[0] as number;
    R.i32[1] = D.i32[1] as number;
  } else {
    R.i32[2] = 0;
    R.i32[3] = 0;
  }
  storeV(cpu, r, R);
}

/** Marks an operation that has no 64-bit form. */
export const noWide = (): bigint => 0n;
