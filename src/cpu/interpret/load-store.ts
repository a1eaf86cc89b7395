// src/cpu/interpret/load-store.ts — what the encodings of a64/load-store.ts do.
// Spec: ARM DDI 0487, C6.2 and C7.2, each instruction's "Operation"; B2.10 for the exclusive monitor.
// No register changes before every access of the instruction has succeeded: an instruction may run again after an exit.
import type { loadStore, loadStoreFp } from "../a64/load-store.ts";
import type { Handlers } from "../a64/pattern.ts";
import { Next, type Cpu, type Result } from "./cpu.ts";
import { Offset } from "../state.ts";
import { extended } from "./data-reg.ts";
import { enterException, EC } from "../exception.ts";

const SP = 31;
const V = Offset.V / 4;
const EXCL = {
  valid: Offset.EXCL_VALID / 4, size: Offset.EXCL_SIZE / 4, va: Offset.EXCL_VA / 4, data: Offset.EXCL_DATA / 4,
} as const;

/** The address of the access, and of the base after it (write-back). Set by `base`. */
let addressLo = 0;
let addressHi = 0;

/** address = Rn + offset. True when SP is misaligned and the check is on: the exception is taken. */
function base(cpu: Cpu, n: number, offset: number): boolean {
  const low = ((cpu.x[2 * n] as number) >>> 0) + offset;
  addressLo = low | 0;
  addressHi = ((cpu.x[2 * n + 1] as number) + (low > 0xffff_ffff ? 1 : low < 0 ? -1 : 0)) | 0;
  return n === SP && ((cpu.x[2 * n] as number) & 15) !== 0 && cpu.spAlignmentChecked();
}
const spFault = (cpu: Cpu): Result => enterException(cpu, EC.spAlignment, 0);
function writeBack(cpu: Cpu, n: number, offset: number): void {
  const low = ((cpu.x[2 * n] as number) >>> 0) + offset;
  cpu.x[2 * n] = low | 0;
  cpu.x[2 * n + 1] = (cpu.x[2 * n + 1] as number) + (low > 0xffff_ffff ? 1 : low < 0 ? -1 : 0);
}
const signed9 = (i: number): number => (i << 23) >> 23;
const signed7 = (i: number): number => (i << 25) >> 25;

/** Sign-extends what a load left in cpu.lo from 2^g bytes; to 64 bits when `wide`. */
function signExtend(cpu: Cpu, g: number, wide: boolean): void {
  if (g === 0) cpu.lo = (cpu.lo << 24) >> 24;
  else if (g === 1) cpu.lo = (cpu.lo << 16) >> 16;
  cpu.hi = wide ? cpu.lo >> 31 : 0;
}

/** How a loaded value fills its register: zeros, sign to 64 bits, sign to 32 bits. */
const signed64 = 1;
const signed32 = 2;

/** Load with an access offset and a write-back offset. */
function load(cpu: Cpu, g: number, extend: number, N: number, t: number, offset: number, back: number): Result {
  if (base(cpu, N, offset)) return spFault(cpu);
  const r = cpu.load(g, addressLo, addressHi);
  if (r !== Next) return r;
  if (extend !== 0) signExtend(cpu, g, extend === signed64);
  if (back !== 0) writeBack(cpu, N, back);
  cpu.setX(t, cpu.lo, cpu.hi);
  return Next;
}
function store(cpu: Cpu, g: number, N: number, t: number, offset: number, back: number): Result {
  if (base(cpu, N, offset)) return spFault(cpu);
  const r = cpu.store(g, addressLo, addressHi, cpu.x[2 * t] as number, cpu.x[2 * t + 1] as number);
  if (r !== Next) return r;
  if (back !== 0) writeBack(cpu, N, back);
  return Next;
}
/** Register offset: Rn + extended Rm. The sum is computed in 64 bits. */
function registerOffset(cpu: Cpu, f: { m: number; e: number; N: number }, shift: number): Result {
  if ((f.e & 2) === 0) return cpu.undefined();
  extended(cpu, f.m, f.e, shift);
  const low = ((cpu.x[2 * f.N] as number) >>> 0) + (cpu.lo >>> 0);
  addressLo = low | 0;
  addressHi = ((cpu.x[2 * f.N + 1] as number) + cpu.hi + (low > 0xffff_ffff ? 1 : 0)) | 0;
  if (f.N === SP && ((cpu.x[2 * SP] as number) & 15) !== 0 && cpu.spAlignmentChecked()) return spFault(cpu);
  return Next;
}
type RegForm = { g: number; m: number; e: number; h: number; N: number; t: number };
function loadRegister(cpu: Cpu, f: RegForm, extend: number): Result {
  const a = registerOffset(cpu, f, f.h !== 0 ? f.g : 0);
  if (a !== Next) return a;
  const r = cpu.load(f.g, addressLo, addressHi);
  if (r !== Next) return r;
  if (extend !== 0) signExtend(cpu, f.g, extend === signed64);
  cpu.setX(f.t, cpu.lo, cpu.hi);
  return Next;
}
function userLoad(cpu: Cpu, f: { g: number; i: number; N: number; t: number }, extend: number): Result {
  cpu.asUser();
  const r = load(cpu, f.g, extend, f.N, f.t, signed9(f.i), 0);
  cpu.asSelf();
  return r;
}

type PairForm = { g: number; i: number; u: number; N: number; t: number };
function loadPair(cpu: Cpu, f: PairForm, offset: number, back: number): Result {
  if (base(cpu, f.N, offset)) return spFault(cpu);
  const size = 4 << f.g;
  const lo = addressLo, hi = addressHi;
  const r = cpu.load(2 + f.g, lo, hi);
  if (r !== Next) return r;
  const firstLo = cpu.lo, firstHi = cpu.hi;
  const next = (lo >>> 0) + size;
  const r2 = cpu.load(2 + f.g, next | 0, next > 0xffff_ffff ? (hi + 1) | 0 : hi);
  if (r2 !== Next) return r2;
  if (back !== 0) writeBack(cpu, f.N, back);
  const secondLo = cpu.lo, secondHi = cpu.hi;
  cpu.setX(f.t, firstLo, firstHi);
  cpu.setX(f.u, secondLo, secondHi);
  return Next;
}
function loadPairSigned(cpu: Cpu, f: { i: number; u: number; N: number; t: number }, offset: number, back: number): Result {
  if (base(cpu, f.N, offset)) return spFault(cpu);
  const lo = addressLo, hi = addressHi;
  const r = cpu.load32(lo, hi);
  if (r !== Next) return r;
  const first = cpu.lo;
  const next = (lo >>> 0) + 4;
  const r2 = cpu.load32(next | 0, next > 0xffff_ffff ? (hi + 1) | 0 : hi);
  if (r2 !== Next) return r2;
  const second = cpu.lo;
  if (back !== 0) writeBack(cpu, f.N, back);
  cpu.setX(f.t, first, first >> 31);
  cpu.setX(f.u, second, second >> 31);
  return Next;
}
function storePair(cpu: Cpu, f: PairForm, offset: number, back: number): Result {
  if (base(cpu, f.N, offset)) return spFault(cpu);
  const x = cpu.x;
  const lo = addressLo, hi = addressHi;
  const r = cpu.store(2 + f.g, lo, hi, x[2 * f.t] as number, x[2 * f.t + 1] as number);
  if (r !== Next) return r;
  const next = (lo >>> 0) + (4 << f.g);
  const r2 = cpu.store(2 + f.g, next | 0, next > 0xffff_ffff ? (hi + 1) | 0 : hi, x[2 * f.u] as number, x[2 * f.u + 1] as number);
  if (r2 !== Next) return r2;
  if (back !== 0) writeBack(cpu, f.N, back);
  return Next;
}
const pairOffset = (f: { g: number; i: number }): number => signed7(f.i) * (4 << f.g);

/** An address that must be a multiple of the size, whatever SCTLR.A says (exclusives, atomics, acquire/release). */
function aligned(cpu: Cpu, N: number, size: number, write: boolean, offset = 0): Result {
  if (base(cpu, N, offset)) return spFault(cpu);
  return (addressLo & (size - 1)) !== 0 ? cpu.alignmentFault(write, addressLo, addressHi) : Next;
}

/** LDAR and its kin. */
function loadOrdered(cpu: Cpu, f: { g: number; N: number; t: number }, offset: number, extend: number): Result {
  const a = aligned(cpu, f.N, 1 << f.g, false, offset);
  if (a !== Next) return a;
  const r = cpu.load(f.g, addressLo, addressHi);
  if (r !== Next) return r;
  if (extend !== 0) signExtend(cpu, f.g, extend === signed64);
  cpu.setX(f.t, cpu.lo, cpu.hi);
  return Next;
}
function storeOrdered(cpu: Cpu, f: { g: number; N: number; t: number }, offset: number): Result {
  const a = aligned(cpu, f.N, 1 << f.g, true, offset);
  const r = a !== Next ? a : cpu.store(f.g, addressLo, addressHi, cpu.x[2 * f.t] as number, cpu.x[2 * f.t + 1] as number);
  cpu.fence(); // before a later LDAR
  return r;
}

/** Load exclusive: one register of 2^g bytes, or two (u given) of 2^g bytes each; arms the monitor. */
function loadExclusive(cpu: Cpu, g: number, N: number, t: number, u: number): Result {
  const pair = u >= 0;
  const size = (pair ? 2 : 1) << g;
  const a = aligned(cpu, N, size, false);
  if (a !== Next) return a;
  const lo = addressLo, hi = addressHi;
  const x = cpu.x;
  const r = cpu.load(g, lo, hi);
  if (r !== Next) return r;
  const firstLo = cpu.lo, firstHi = cpu.hi;
  let secondLo = 0, secondHi = 0;
  if (pair) {
    const r2 = cpu.load(g, lo + (1 << g), hi); // aligned: no carry
    if (r2 !== Next) return r2;
    secondLo = cpu.lo;
    secondHi = cpu.hi;
  }
  x[EXCL.valid] = 1;
  x[EXCL.size] = size;
  x[EXCL.va] = lo;
  x[EXCL.va + 1] = hi;
  x[EXCL.data] = firstLo;
  x[EXCL.data + 1] = firstHi;
  x[EXCL.data + 2] = secondLo;
  x[EXCL.data + 3] = secondHi;
  cpu.setX(t, firstLo, firstHi);
  if (pair) cpu.setX(u, secondLo, secondHi);
  return Next;
}
/**
 * Store exclusive: succeeds while the monitor is armed for this address and memory still holds what was read. Without
 * that it fails before it looks at the address: the order is IMPLEMENTATION DEFINED (AArch64.ExclusiveMonitorsPass).
 */
function storeExclusive(cpu: Cpu, g: number, N: number, s: number, t: number, u: number): Result {
  const pair = u >= 0;
  const size = (pair ? 2 : 1) << g;
  if (base(cpu, N, 0)) return spFault(cpu);
  const lo = addressLo, hi = addressHi;
  const x = cpu.x;
  if (x[EXCL.valid] === 0 || x[EXCL.size] !== size || x[EXCL.va] !== lo || x[EXCL.va + 1] !== hi) {
    x[EXCL.valid] = 0;
    cpu.setW(s, 1);
    return Next;
  }
  const p = cpu.probeWrite(size, lo, hi);
  if (p !== Next) return p;
  const r = cpu.load(g, lo, hi);
  if (r !== Next) return r;
  let same = cpu.lo === x[EXCL.data] && (g < 3 || cpu.hi === x[EXCL.data + 1]);
  if (pair) {
    const r2 = cpu.load(g, lo + (1 << g), hi);
    if (r2 !== Next) return r2;
    same = same && cpu.lo === x[EXCL.data + 2] && (g < 3 || cpu.hi === x[EXCL.data + 3]);
  }
  if (same) {
    const w = cpu.store(g, lo, hi, x[2 * t] as number, x[2 * t + 1] as number);
    if (w !== Next) return w;
    if (pair) {
      const w2 = cpu.store(g, lo + (1 << g), hi, x[2 * u] as number, x[2 * u + 1] as number);
      if (w2 !== Next) return w2;
    }
  }
  x[EXCL.valid] = 0;
  cpu.setW(s, same ? 0 : 1);
  return Next;
}

type Atomic = { g: number; s: number; N: number; t: number };
/** Reads memory, computes in lo/hi from (memory, Rs), writes it, returns the old value in Rt. */
function atomic(cpu: Cpu, f: Atomic, operation: (cpu: Cpu, lo: number, hi: number, sLo: number, sHi: number, g: number) => void): Result {
  const a = aligned(cpu, f.N, 1 << f.g, true);
  if (a !== Next) return a;
  const lo = addressLo, hi = addressHi;
  const p = cpu.probeWrite(1 << f.g, lo, hi);
  if (p !== Next) return p;
  const r = cpu.load(f.g, lo, hi);
  if (r !== Next) return r;
  const oldLo = cpu.lo, oldHi = cpu.hi;
  operation(cpu, oldLo, oldHi, cpu.x[2 * f.s] as number, cpu.x[2 * f.s + 1] as number, f.g);
  const w = cpu.store(f.g, lo, hi, cpu.lo, cpu.hi);
  if (w !== Next) return w;
  cpu.setX(f.t, oldLo, oldHi);
  return Next;
}
const put = (cpu: Cpu, lo: number, hi: number): void => { cpu.lo = lo; cpu.hi = hi; };
/** -1, 0 or 1: signed comparison of two values of 2^g bytes. */
function compareSigned(aLo: number, aHi: number, bLo: number, bHi: number, g: number): number {
  if (g === 3) return aHi !== bHi ? aHi - bHi : (aLo >>> 0) - (bLo >>> 0);
  const up = g === 0 ? 24 : g === 1 ? 16 : 0;
  return (aLo << up) - (bLo << up);
}
function compareUnsigned(aLo: number, aHi: number, bLo: number, bHi: number, g: number): number {
  if (g === 3 && aHi !== bHi) return (aHi >>> 0) - (bHi >>> 0);
  const mask = g === 0 ? 0xff : g === 1 ? 0xffff : -1;
  return ((aLo & mask) >>> 0) - ((bLo & mask) >>> 0);
}

/** v<r> = the value a load left, the rest zero. */
function setV(cpu: Cpu, r: number, a: number, b: number, c: number, d: number): void {
  const at = V + 4 * r;
  const x = cpu.x;
  x[at] = a;
  x[at + 1] = b;
  x[at + 2] = c;
  x[at + 3] = d;
}
/** Loads 2^g bytes (g = 4: 16) at the address into v<r>. */
function loadVector(cpu: Cpu, g: number, r: number, lo: number, hi: number): Result {
  if (g === 4 && (lo & 15) !== 0 && cpu.alignmentChecked()) return cpu.alignmentFault(false, lo, hi);
  const a = cpu.load(g === 4 ? 3 : g, lo, hi);
  if (a !== Next) return a;
  const firstLo = cpu.lo, firstHi = cpu.hi;
  if (g < 4) { setV(cpu, r, firstLo, firstHi, 0, 0); return Next; }
  const next = (lo >>> 0) + 8;
  const b = cpu.load64(next | 0, next > 0xffff_ffff ? (hi + 1) | 0 : hi);
  if (b !== Next) return b;
  setV(cpu, r, firstLo, firstHi, cpu.lo, cpu.hi);
  return Next;
}
function storeVector(cpu: Cpu, g: number, r: number, lo: number, hi: number): Result {
  if (g === 4 && (lo & 15) !== 0 && cpu.alignmentChecked()) return cpu.alignmentFault(true, lo, hi);
  const at = V + 4 * r;
  const x = cpu.x;
  if (g < 4) return cpu.store(g, lo, hi, x[at] as number, x[at + 1] as number);
  const a = cpu.store64(lo, hi, x[at] as number, x[at + 1] as number);
  if (a !== Next) return a;
  const next = (lo >>> 0) + 8;
  return cpu.store64(next | 0, next > 0xffff_ffff ? (hi + 1) | 0 : hi, x[at + 2] as number, x[at + 3] as number);
}
/** log2 of the size of a single-register form: B H S D by g, or Q; -1: unallocated. */
const vectorSize = (f: { g: number; q: number }): number => (f.q === 0 ? f.g : f.g === 0 ? 4 : -1);
type VectorForm = { g: number; q: number; i: number; N: number; x: number };
function loadV(cpu: Cpu, f: VectorForm, offset: number, back: number): Result {
  const g = vectorSize(f);
  if (g < 0) return cpu.undefined();
  if (base(cpu, f.N, offset)) return spFault(cpu);
  const r = loadVector(cpu, g, f.x, addressLo, addressHi);
  if (r !== Next) return r;
  if (back !== 0) writeBack(cpu, f.N, back);
  return Next;
}
function storeV(cpu: Cpu, f: VectorForm, offset: number, back: number): Result {
  const g = vectorSize(f);
  if (g < 0) return cpu.undefined();
  if (base(cpu, f.N, offset)) return spFault(cpu);
  const r = storeVector(cpu, g, f.x, addressLo, addressHi);
  if (r !== Next) return r;
  if (back !== 0) writeBack(cpu, f.N, back);
  return Next;
}
type VectorPair = { g: number; i: number; w: number; N: number; x: number };
function loadPairV(cpu: Cpu, f: VectorPair, offset: number, back: number): Result {
  if (f.g === 3) return cpu.undefined();
  if (base(cpu, f.N, offset)) return spFault(cpu);
  const lo = addressLo, hi = addressHi;
  const at = V + 4 * f.x;
  const x = cpu.x;
  const a0 = x[at] as number, a1 = x[at + 1] as number, a2 = x[at + 2] as number, a3 = x[at + 3] as number;
  const r = loadVector(cpu, 2 + f.g, f.x, lo, hi);
  if (r !== Next) return r;
  const next = (lo >>> 0) + (4 << f.g);
  const r2 = loadVector(cpu, 2 + f.g, f.w, next | 0, next > 0xffff_ffff ? (hi + 1) | 0 : hi);
  if (r2 !== Next) { setV(cpu, f.x, a0, a1, a2, a3); return r2; }
  if (back !== 0) writeBack(cpu, f.N, back);
  return Next;
}
function storePairV(cpu: Cpu, f: VectorPair, offset: number, back: number): Result {
  if (f.g === 3) return cpu.undefined();
  if (base(cpu, f.N, offset)) return spFault(cpu);
  const lo = addressLo, hi = addressHi;
  const r = storeVector(cpu, 2 + f.g, f.x, lo, hi);
  if (r !== Next) return r;
  const next = (lo >>> 0) + (4 << f.g);
  const r2 = storeVector(cpu, 2 + f.g, f.w, next | 0, next > 0xffff_ffff ? (hi + 1) | 0 : hi);
  if (r2 !== Next) return r2;
  if (back !== 0) writeBack(cpu, f.N, back);
  return Next;
}
/** The address of a literal: PC + a signed word offset. */
function literal(cpu: Cpu, i: number): void {
  const low = (cpu.pcLo >>> 0) + ((i << 13) >> 11);
  addressLo = low | 0;
  addressHi = (cpu.pcHi + (low > 0xffff_ffff ? 1 : low < 0 ? -1 : 0)) | 0;
}
function loadLiteral(cpu: Cpu, g: number, i: number, t: number, extend: number): Result {
  literal(cpu, i);
  const r = cpu.load(g, addressLo, addressHi);
  if (r !== Next) return r;
  if (extend !== 0) signExtend(cpu, g, true);
  cpu.setX(t, cpu.lo, cpu.hi);
  return Next;
}

export const interpretLoadStore: Handlers<typeof loadStore, Cpu, Result> = {
  STXR: (cpu, f) => storeExclusive(cpu, f.g, f.N, f.s, f.t, -1),
  STLXR: (cpu, f) => storeExclusive(cpu, f.g, f.N, f.s, f.t, -1),
  STXP: (cpu, f) => storeExclusive(cpu, 2 + f.g, f.N, f.s, f.t, f.u),
  STLXP: (cpu, f) => storeExclusive(cpu, 2 + f.g, f.N, f.s, f.t, f.u),
  LDXR: (cpu, f) => loadExclusive(cpu, f.g, f.N, f.t, -1),
  LDAXR: (cpu, f) => loadExclusive(cpu, f.g, f.N, f.t, -1),
  LDXP: (cpu, f) => loadExclusive(cpu, 2 + f.g, f.N, f.t, f.u),
  LDAXP: (cpu, f) => loadExclusive(cpu, 2 + f.g, f.N, f.t, f.u),

  STLR: (cpu, f) => storeOrdered(cpu, f, 0),
  LDAR: (cpu, f) => loadOrdered(cpu, f, 0, 0),
  LDAPR: (cpu, f) => loadOrdered(cpu, f, 0, 0),
  STLUR: (cpu, f) => storeOrdered(cpu, f, signed9(f.i)),
  LDAPUR: (cpu, f) => loadOrdered(cpu, f, signed9(f.i), 0),
  LDAPURS_x: (cpu, f) => (f.g === 3 ? cpu.undefined() : loadOrdered(cpu, f, signed9(f.i), signed64)),
  LDAPURS_w: (cpu, f) => loadOrdered(cpu, f, signed9(f.i), signed32),

  CAS: (cpu, f) => {
    const a = aligned(cpu, f.N, 1 << f.g, true);
    if (a !== Next) return a;
    const lo = addressLo, hi = addressHi;
    const x = cpu.x;
    const p = cpu.probeWrite(1 << f.g, lo, hi);
    if (p !== Next) return p;
    const r = cpu.load(f.g, lo, hi);
    if (r !== Next) return r;
    const oldLo = cpu.lo, oldHi = cpu.hi;
    const mask = f.g === 0 ? 0xff : f.g === 1 ? 0xffff : -1;
    const sLo = (x[2 * f.s] as number) & mask;
    if ((oldLo | 0) === sLo && (f.g < 3 || oldHi === x[2 * f.s + 1])) {
      const w = cpu.store(f.g, lo, hi, x[2 * f.t] as number, x[2 * f.t + 1] as number);
      if (w !== Next) return w;
    }
    cpu.setX(f.s, oldLo, oldHi);
    return Next;
  },
  CASP: (cpu, f) => {
    if (((f.s === 32 ? 31 : f.s) & 1) !== 0 || ((f.t === 32 ? 31 : f.t) & 1) !== 0) return cpu.undefined();
    const g = 2 + f.g;
    const a = aligned(cpu, f.N, 2 << g, true);
    if (a !== Next) return a;
    const lo = addressLo, hi = addressHi;
    const x = cpu.x;
    const second = (r: number): number => (r === 30 ? 32 : r + 1);
    const p = cpu.probeWrite(2 << g, lo, hi);
    if (p !== Next) return p;
    const r = cpu.load(g, lo, hi);
    if (r !== Next) return r;
    const aLo = cpu.lo, aHi = cpu.hi;
    const r2 = cpu.load(g, lo + (1 << g), hi);
    if (r2 !== Next) return r2;
    const bLo = cpu.lo, bHi = cpu.hi;
    const s2 = second(f.s), t2 = second(f.t);
    const same = aLo === x[2 * f.s] && bLo === x[2 * s2] && (g < 3 || (aHi === x[2 * f.s + 1] && bHi === x[2 * s2 + 1]));
    if (same) {
      const w = cpu.store(g, lo, hi, x[2 * f.t] as number, x[2 * f.t + 1] as number);
      if (w !== Next) return w;
      const w2 = cpu.store(g, lo + (1 << g), hi, x[2 * t2] as number, x[2 * t2 + 1] as number);
      if (w2 !== Next) return w2;
    }
    cpu.setX(f.s, aLo, aHi);
    cpu.setX(s2, bLo, bHi);
    return Next;
  },

  LDR_lit_w: (cpu, f) => loadLiteral(cpu, 2, f.i, f.t, 0),
  LDR_lit_x: (cpu, f) => loadLiteral(cpu, 3, f.i, f.t, 0),
  LDRSW_lit: (cpu, f) => loadLiteral(cpu, 2, f.i, f.t, signed64),
  PRFM_lit: () => Next,

  STNP: (cpu, f) => storePair(cpu, f, pairOffset(f), 0),
  LDNP: (cpu, f) => loadPair(cpu, f, pairOffset(f), 0),
  STP_post: (cpu, f) => storePair(cpu, f, 0, pairOffset(f)),
  LDP_post: (cpu, f) => loadPair(cpu, f, 0, pairOffset(f)),
  LDPSW_post: (cpu, f) => loadPairSigned(cpu, f, 0, signed7(f.i) * 4),
  STP_off: (cpu, f) => storePair(cpu, f, pairOffset(f), 0),
  LDP_off: (cpu, f) => loadPair(cpu, f, pairOffset(f), 0),
  LDPSW_off: (cpu, f) => loadPairSigned(cpu, f, signed7(f.i) * 4, 0),
  STP_pre: (cpu, f) => storePair(cpu, f, pairOffset(f), pairOffset(f)),
  LDP_pre: (cpu, f) => loadPair(cpu, f, pairOffset(f), pairOffset(f)),
  LDPSW_pre: (cpu, f) => loadPairSigned(cpu, f, signed7(f.i) * 4, signed7(f.i) * 4),

  STUR: (cpu, f) => store(cpu, f.g, f.N, f.t, signed9(f.i), 0),
  LDUR: (cpu, f) => load(cpu, f.g, 0, f.N, f.t, signed9(f.i), 0),
  LDURS_x: (cpu, f) => load(cpu, f.g, signed64, f.N, f.t, signed9(f.i), 0),
  LDURS_w: (cpu, f) => load(cpu, f.g, signed32, f.N, f.t, signed9(f.i), 0),
  PRFUM: () => Next,

  STR_post: (cpu, f) => store(cpu, f.g, f.N, f.t, 0, signed9(f.i)),
  LDR_post: (cpu, f) => load(cpu, f.g, 0, f.N, f.t, 0, signed9(f.i)),
  LDRS_x_post: (cpu, f) => (f.g === 3 ? cpu.undefined() : load(cpu, f.g, signed64, f.N, f.t, 0, signed9(f.i))),
  LDRS_w_post: (cpu, f) => load(cpu, f.g, signed32, f.N, f.t, 0, signed9(f.i)),

  STTR: (cpu, f) => {
    cpu.asUser();
    const r = store(cpu, f.g, f.N, f.t, signed9(f.i), 0);
    cpu.asSelf();
    return r;
  },
  LDTR: (cpu, f) => userLoad(cpu, f, 0),
  LDTRS_x: (cpu, f) => (f.g === 3 ? cpu.undefined() : userLoad(cpu, f, signed64)),
  LDTRS_w: (cpu, f) => userLoad(cpu, f, signed32),

  STR_pre: (cpu, f) => store(cpu, f.g, f.N, f.t, signed9(f.i), signed9(f.i)),
  LDR_pre: (cpu, f) => load(cpu, f.g, 0, f.N, f.t, signed9(f.i), signed9(f.i)),
  LDRS_x_pre: (cpu, f) => (f.g === 3 ? cpu.undefined() : load(cpu, f.g, signed64, f.N, f.t, signed9(f.i), signed9(f.i))),
  LDRS_w_pre: (cpu, f) => load(cpu, f.g, signed32, f.N, f.t, signed9(f.i), signed9(f.i)),

  STR_reg: (cpu, f) => {
    const a = registerOffset(cpu, f, f.h !== 0 ? f.g : 0);
    return a !== Next ? a : cpu.store(f.g, addressLo, addressHi, cpu.x[2 * f.t] as number, cpu.x[2 * f.t + 1] as number);
  },
  LDR_reg: (cpu, f) => loadRegister(cpu, f, 0),
  LDRS_x_reg: (cpu, f) => (f.g === 3 ? cpu.undefined() : loadRegister(cpu, f, signed64)),
  LDRS_w_reg: (cpu, f) => loadRegister(cpu, f, signed32),
  PRFM_reg: () => Next,

  STR_imm: (cpu, f) => store(cpu, f.g, f.N, f.t, f.i << f.g, 0),
  LDR_imm: (cpu, f) => load(cpu, f.g, 0, f.N, f.t, f.i << f.g, 0),
  LDRS_x_imm: (cpu, f) => load(cpu, f.g, signed64, f.N, f.t, f.i << f.g, 0),
  LDRS_w_imm: (cpu, f) => load(cpu, f.g, signed32, f.N, f.t, f.i << f.g, 0),
  PRFM_imm: () => Next,

  LDADD: (cpu, f) => atomic(cpu, f, (c, lo, hi, sLo, sHi) => {
    const low = (lo >>> 0) + (sLo >>> 0);
    put(c, low | 0, (hi + sHi + (low > 0xffff_ffff ? 1 : 0)) | 0);
  }),
  LDCLR: (cpu, f) => atomic(cpu, f, (c, lo, hi, sLo, sHi) => put(c, lo & ~sLo, hi & ~sHi)),
  LDEOR: (cpu, f) => atomic(cpu, f, (c, lo, hi, sLo, sHi) => put(c, lo ^ sLo, hi ^ sHi)),
  LDSET: (cpu, f) => atomic(cpu, f, (c, lo, hi, sLo, sHi) => put(c, lo | sLo, hi | sHi)),
  LDSMAX: (cpu, f) => atomic(cpu, f, (c, lo, hi, sLo, sHi, g) =>
    (compareSigned(lo, hi, sLo, sHi, g) >= 0 ? put(c, lo, hi) : put(c, sLo, sHi))),
  LDSMIN: (cpu, f) => atomic(cpu, f, (c, lo, hi, sLo, sHi, g) =>
    (compareSigned(lo, hi, sLo, sHi, g) <= 0 ? put(c, lo, hi) : put(c, sLo, sHi))),
  LDUMAX: (cpu, f) => atomic(cpu, f, (c, lo, hi, sLo, sHi, g) =>
    (compareUnsigned(lo, hi, sLo, sHi, g) >= 0 ? put(c, lo, hi) : put(c, sLo, sHi))),
  LDUMIN: (cpu, f) => atomic(cpu, f, (c, lo, hi, sLo, sHi, g) =>
    (compareUnsigned(lo, hi, sLo, sHi, g) <= 0 ? put(c, lo, hi) : put(c, sLo, sHi))),
  SWP: (cpu, f) => atomic(cpu, f, (c, _lo, _hi, sLo, sHi) => put(c, sLo, sHi)),
};

export const interpretLoadStoreFp: Handlers<typeof loadStoreFp, Cpu, Result> = {
  LDR_lit_s: (cpu, f) => { literal(cpu, f.i); return loadVector(cpu, 2, f.x, addressLo, addressHi); },
  LDR_lit_d: (cpu, f) => { literal(cpu, f.i); return loadVector(cpu, 3, f.x, addressLo, addressHi); },
  LDR_lit_q: (cpu, f) => { literal(cpu, f.i); return loadVector(cpu, 4, f.x, addressLo, addressHi); },
  STNP_v: (cpu, f) => storePairV(cpu, f, pairOffset(f), 0),
  LDNP_v: (cpu, f) => loadPairV(cpu, f, pairOffset(f), 0),
  STP_v_post: (cpu, f) => storePairV(cpu, f, 0, pairOffset(f)),
  LDP_v_post: (cpu, f) => loadPairV(cpu, f, 0, pairOffset(f)),
  STP_v_off: (cpu, f) => storePairV(cpu, f, pairOffset(f), 0),
  LDP_v_off: (cpu, f) => loadPairV(cpu, f, pairOffset(f), 0),
  STP_v_pre: (cpu, f) => storePairV(cpu, f, pairOffset(f), pairOffset(f)),
  LDP_v_pre: (cpu, f) => loadPairV(cpu, f, pairOffset(f), pairOffset(f)),
  STUR_v: (cpu, f) => storeV(cpu, f, signed9(f.i), 0),
  LDUR_v: (cpu, f) => loadV(cpu, f, signed9(f.i), 0),
  STR_v_post: (cpu, f) => storeV(cpu, f, 0, signed9(f.i)),
  LDR_v_post: (cpu, f) => loadV(cpu, f, 0, signed9(f.i)),
  STR_v_pre: (cpu, f) => storeV(cpu, f, signed9(f.i), signed9(f.i)),
  LDR_v_pre: (cpu, f) => loadV(cpu, f, signed9(f.i), signed9(f.i)),
  STR_v_reg: (cpu, f) => {
    const g = vectorSize(f);
    if (g < 0) return cpu.undefined();
    const a = registerOffset(cpu, f, f.h !== 0 ? g : 0);
    return a !== Next ? a : storeVector(cpu, g, f.x, addressLo, addressHi);
  },
  LDR_v_reg: (cpu, f) => {
    const g = vectorSize(f);
    if (g < 0) return cpu.undefined();
    const a = registerOffset(cpu, f, f.h !== 0 ? g : 0);
    return a !== Next ? a : loadVector(cpu, g, f.x, addressLo, addressHi);
  },
  STR_v_imm: (cpu, f) => storeV(cpu, f, f.i << Math.max(vectorSize(f), 0), 0),
  LDR_v_imm: (cpu, f) => loadV(cpu, f, f.i << Math.max(vectorSize(f), 0), 0),
};
