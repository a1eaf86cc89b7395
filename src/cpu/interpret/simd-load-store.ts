// src/cpu/interpret/simd-load-store.ts — what the encodings of a64/simd-load-store.ts do: LD1-4, ST1-4 and LDnR.
// Spec: ARM DDI 0487, C7.2, each instruction's "Operation".
// Loads gather everything first and write registers when every access has succeeded: an instruction may run again after
// an exit. Stores that fault midway have stored what lies before the fault, as the architecture allows.
import type { Handlers } from "../a64/pattern.ts";
import type { simdLoadStore } from "../a64/simd-load-store.ts";
import { EC, enterException } from "../exception.ts";
import { Offset } from "../state.ts";
import { Next, type Cpu, type Result } from "./cpu.ts";
import { R, ready, storeV } from "./vector.ts";

type On<F> = (cpu: Cpu, f: F) => Result;
interface Address { readonly N: number; readonly x: number; readonly g: number; readonly q: number }
interface Post { readonly m: number }
interface Single extends Address { readonly o: number; readonly h: number }
const SP = 31;

/** The address of the next access. */
let addressLo = 0;
let addressHi = 0;
function start(cpu: Cpu, n: number): Result {
  addressLo = cpu.x[2 * n] as number;
  addressHi = cpu.x[2 * n + 1] as number;
  return n === SP && (addressLo & 15) !== 0 && cpu.spAlignmentChecked() ? enterException(cpu, EC.spAlignment, 0) : Next;
}
function step(by: number): void {
  const low = (addressLo >>> 0) + by;
  addressLo = low | 0;
  if (low > 0xffff_ffff) addressHi = (addressHi + 1) | 0;
}
/** Rn += Xm, or the number of bytes moved when Rm is 31. */
function writeBack(cpu: Cpu, n: number, post: Post | undefined, bytes: number): void {
  if (post === undefined) return;
  const immediate = post.m === 32;
  const low = ((cpu.x[2 * n] as number) >>> 0) + (immediate ? bytes : (cpu.x[2 * post.m] as number) >>> 0);
  cpu.x[2 * n] = low | 0;
  cpu.x[2 * n + 1] = (cpu.x[2 * n + 1] as number) + (immediate ? 0 : (cpu.x[2 * post.m + 1] as number)) + (low > 0xffff_ffff ? 1 : 0);
}

const bytes = new Uint8Array(64);
const words = new Int32Array(bytes.buffer);
/** One lane of 2^size bytes from memory into `bytes` at a byte offset. */
function fetch(cpu: Cpu, size: number, to: number): Result {
  const r = cpu.load(size, addressLo, addressHi);
  if (r !== Next) return r;
  if (size >= 2) {
    words[to >> 2] = cpu.lo;
    if (size === 3) words[(to >> 2) + 1] = cpu.hi;
  } else {
    bytes[to] = cpu.lo;
    if (size === 1) bytes[to + 1] = cpu.lo >> 8;
  }
  step(1 << size);
  return Next;
}
/** One lane at a byte offset of the whole register file into memory. */
function put(cpu: Cpu, size: number, from: number): Result {
  const { u8, i32 } = cpu.state;
  const lo = size >= 2 ? (i32[from >> 2] as number) : size === 1 ? (u8[from] as number) | ((u8[from + 1] as number) << 8) : (u8[from] as number);
  const r = cpu.store(size, addressLo, addressHi, lo, size === 3 ? (i32[(from >> 2) + 1] as number) : 0);
  if (r === Next) step(1 << size);
  return r;
}
const register = (x: number, k: number): number => (x + k) & 31;

/** The bytes gathered for register k of the list become Vx+k; `length` of them, the rest zero. */
function commit(cpu: Cpu, f: Address, registers: number): void {
  for (let k = 0; k < registers; k++) {
    for (let i = 0; i < 4; i++) R.i32[i] = i < 2 || f.q !== 0 ? (words[4 * k + i] as number) : 0;
    storeV(cpu, register(f.x, k), R);
  }
}

/**
 * Structures of `elements` in as many registers, or (elements 1) `registers` whole ones one after the other. Whole
 * registers move as doublewords where that cannot change an alignment fault.
 */
function multiple(cpu: Cpu, f: Address, post: Post | undefined, load: boolean, registers: number, elements: number): Result {
  const r = ready(cpu, elements !== 1 && f.g === 3 && f.q === 0);
  if (r !== Next) return r;
  const s = start(cpu, f.N);
  if (s !== Next) return s;
  const size = elements === 1 && (addressLo & 7) === 0 ? 3 : f.g;
  const lanes = (8 << f.q) >> size;
  for (let outer = 0; outer < (elements === 1 ? registers : 1); outer++) {
    for (let lane = 0; lane < lanes; lane++) {
      for (let e = 0; e < elements; e++) {
        const k = outer + e;
        const at = lane << size;
        const done = load ? fetch(cpu, size, 16 * k + at) : put(cpu, size, Offset.V + 16 * register(f.x, k) + at);
        if (done !== Next) return done;
      }
    }
  }
  if (load) commit(cpu, f, registers);
  writeBack(cpu, f.N, post, registers * (8 << f.q));
  return Next;
}
const whole = (load: boolean, registers: number): On<Address> => (cpu, f) => multiple(cpu, f, undefined, load, registers, 1);
const wholePost = (load: boolean, registers: number): On<Address & Post> => (cpu, f) => multiple(cpu, f, f, load, registers, 1);
const interleaved = (load: boolean, n: number): On<Address> => (cpu, f) => multiple(cpu, f, undefined, load, n, n);
const interleavedPost = (load: boolean, n: number): On<Address & Post> => (cpu, f) => multiple(cpu, f, f, load, n, n);

/** One lane of each of `n` registers. opcode<2:1> is the scale; the index is in Q, S and the size bits the scale leaves. */
function single(cpu: Cpu, f: Single, post: Post | undefined, load: boolean, n: number): Result {
  let size = f.o;
  let index = (f.q << 3) | (f.h << 2) | f.g;
  let unallocated = size === 3;
  if (size === 1) {
    unallocated = (f.g & 1) !== 0;
    index >>= 1;
  } else if (size === 2) {
    if ((f.g & 1) === 0) {
      unallocated = (f.g & 2) !== 0;
      index >>= 2;
    } else {
      unallocated = (f.g & 2) !== 0 || f.h !== 0;
      size = 3;
      index >>= 3;
    }
  }
  const r = ready(cpu, unallocated);
  if (r !== Next) return r;
  const s = start(cpu, f.N);
  if (s !== Next) return s;
  const at = index << size;
  for (let k = 0; k < n; k++) {
    const done = load ? fetch(cpu, size, 16 * k + at) : put(cpu, size, Offset.V + 16 * register(f.x, k) + at);
    if (done !== Next) return done;
  }
  if (load) {
    const u8 = cpu.state.u8;
    for (let k = 0; k < n; k++) {
      for (let i = 0; i < 1 << size; i++) u8[Offset.V + 16 * register(f.x, k) + at + i] = bytes[16 * k + at + i] as number;
    }
  }
  writeBack(cpu, f.N, post, n << size);
  return Next;
}
const one = (load: boolean, n: number): On<Single> => (cpu, f) => single(cpu, f, undefined, load, n);
const onePost = (load: boolean, n: number): On<Single & Post> => (cpu, f) => single(cpu, f, f, load, n);

function replicate(cpu: Cpu, f: Address, post: Post | undefined, n: number): Result {
  const r = ready(cpu, false);
  if (r !== Next) return r;
  const s = start(cpu, f.N);
  if (s !== Next) return s;
  for (let k = 0; k < n; k++) {
    const done = fetch(cpu, f.g, 16 * k);
    if (done !== Next) return done;
    for (let i = 1 << f.g; i < 16; i++) bytes[16 * k + i] = bytes[16 * k + i - (1 << f.g)] as number;
  }
  commit(cpu, f, n);
  writeBack(cpu, f.N, post, n << f.g);
  return Next;
}
const all = (n: number): On<Address> => (cpu, f) => replicate(cpu, f, undefined, n);
const allPost = (n: number): On<Address & Post> => (cpu, f) => replicate(cpu, f, f, n);

export const interpretSimdLoadStore: Handlers<typeof simdLoadStore, Cpu, Result> = {
  ST4: interleaved(false, 4), LD4: interleaved(true, 4), ST1x4: whole(false, 4), LD1x4: whole(true, 4), ST3: interleaved(false, 3),
  LD3: interleaved(true, 3), ST1x3: whole(false, 3), LD1x3: whole(true, 3), ST1x1: whole(false, 1), LD1x1: whole(true, 1),
  ST2: interleaved(false, 2), LD2: interleaved(true, 2), ST1x2: whole(false, 2), LD1x2: whole(true, 2),

  ST4_post: interleavedPost(false, 4), LD4_post: interleavedPost(true, 4), ST1x4_post: wholePost(false, 4), LD1x4_post: wholePost(true, 4),
  ST3_post: interleavedPost(false, 3), LD3_post: interleavedPost(true, 3), ST1x3_post: wholePost(false, 3), LD1x3_post: wholePost(true, 3),
  ST1x1_post: wholePost(false, 1), LD1x1_post: wholePost(true, 1), ST2_post: interleavedPost(false, 2), LD2_post: interleavedPost(true, 2),
  ST1x2_post: wholePost(false, 2), LD1x2_post: wholePost(true, 2),

  ST1_one: one(false, 1), LD1_one: one(true, 1), LD1R: all(1), ST2_one: one(false, 2), LD2_one: one(true, 2), LD2R: all(2),
  ST3_one: one(false, 3), LD3_one: one(true, 3), LD3R: all(3), ST4_one: one(false, 4), LD4_one: one(true, 4), LD4R: all(4),

  ST1_one_post: onePost(false, 1), LD1_one_post: onePost(true, 1), LD1R_post: allPost(1), ST2_one_post: onePost(false, 2),
  LD2_one_post: onePost(true, 2), LD2R_post: allPost(2), ST3_one_post: onePost(false, 3), LD3_one_post: onePost(true, 3), LD3R_post: allPost(3),
  ST4_one_post: onePost(false, 4), LD4_one_post: onePost(true, 4), LD4R_post: allPost(4),
};
