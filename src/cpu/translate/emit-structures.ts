// src/cpu/translate/emit-structures.ts — x86-64 for the encodings of a64/simd-load-store.ts: LD1-4, ST1-4 and LDnR.
// Spec: ARM DDI 0487, C7.2. The whole span is looked up in the TLB as one access, so it lies within a page; what misses, or
// crosses a page, is done by the interpreter, and nothing was changed by then.
import { ZR, type Handlers } from "../a64/pattern.ts";
import type { simdLoadStore } from "../a64/simd-load-store.ts";
import { Ready } from "../state.ts";
import { Alu, Reg } from "./assembler.ts";
import { address, tlbCheck, writeBack } from "./emit-memory.ts";
import { pairs, type Emit } from "./lanes.ts";
import type { Translator } from "./translator.ts";
import { X } from "./vector-op.ts";

const { rax, rcx } = Reg;
type Structure = { readonly q: number; readonly g: number; readonly N: number; readonly x: number };
type Post = { readonly m: number };
type Lane = Structure & { readonly o: number; readonly h: number };

/** Rn += Xm, or the number of bytes moved. */
function advance(t: Translator, N: number, post: Post | undefined, bytes: number): void {
  if (post === undefined) return;
  if (post.m === ZR) {
    writeBack(t, N, bytes);
    return;
  }
  const host = t.pin(N);
  if (host >= 0) t.aluGuest(Alu.add, 1, host, post.m);
  else {
    t.copy(N, rcx);
    t.aluGuest(Alu.add, 1, rcx, post.m);
    t.put(N, rcx);
  }
}
const register = (x: number, k: number): number => (x + k) & 31;
/** A register = 8 << q bytes at [rax + at]. */
const loadPart = (t: Translator, q: number, to: number, at: number): void => t.asm.x2m(q === 0 ? X.movsd : X.movups, to, rax, at);
const storePart = (t: Translator, q: number, from: number, at: number): void => t.asm.x2m(q === 0 ? X.movsdStore : X.movupsStore, from, rax, at);

/** Whole registers, one after the other. */
function whole(t: Translator, f: Structure, post: Post | undefined, load: boolean, n: number): void {
  t.ready(Ready.simd);
  const ends: number[] = [];
  const size = 8 << f.q;
  if (!load) for (let k = 0; k < n; k++) t.vectors.read(register(f.x, k), size);
  const site = t.slowSite();
  address(t, f.N, 0, ends);
  tlbCheck(t, n * size, !load);
  for (let k = 0; k < n; k++) {
    if (load) {
      const to = t.vectors.fresh();
      loadPart(t, f.q, to, k * size);
      t.vectors.set(register(f.x, k), to, size);
    } else storePart(t, f.q, t.vectors.read(register(f.x, k), size), k * size);
  }
  advance(t, f.N, post, n * size);
  t.endSlow(site, ends);
}

const LOW = [X.punpcklbw, X.punpcklwd, X.punpckldq, X.punpcklqdq] as const;
const HIGH = [X.punpckhbw, X.punpckhwd, X.punpckhdq, X.punpckhqdq] as const;
/** r, s = the even and the odd lanes of both. Uses the scratch registers. */
function separate(t: Translator, g: number, r: number, s: number): void {
  pairs(t, g, r, s, 1);
  t.asm.xMove(r, 2);
  t.asm.xMove(s, 3);
}
/** Loads structures of `n` elements; gives the registers with the elements of each kind. Byte i of lane l of register k lies at ((l n + k) << g) + i. */
function loadStructures(t: Translator, f: Structure, n: number): number[] {
  const { asm, vectors } = t;
  const total = n * (8 << f.q);
  const parts: number[] = [];
  for (let at = 0; at < total; at += 16) {
    const to = vectors.fresh();
    loadPart(t, total - at >= 16 ? 1 : 0, to, at);
    parts.push(to);
  }
  const [a, b, c, d] = parts as [number, number, number, number];
  if (n === 3) {
    return [0, 1, 2].map(k => {
      const to = vectors.fresh();
      parts.forEach((part, j) => {
        const mask = t.constants.bytes(i => {
          const from = (((i >> f.g) * 3 + k) << f.g) + (i & ((1 << f.g) - 1)) - 16 * j;
          return i < 8 << f.q && from >= 0 && from < 16 ? from : 0x80;
        });
        asm.x3c(X.pshufb, j === 0 ? to : 0, part, mask);
        if (j !== 0) asm.x3(X.por, to, to, 0);
      });
      return to;
    });
  }
  if (n === 4 && f.q !== 0) {
    separate(t, f.g, a, b);
    separate(t, f.g, c, d);
    separate(t, f.g, a, c);
    separate(t, f.g, b, d);
    return [a, b, c, d];
  }
  if (n === 2 && f.q !== 0) {
    separate(t, f.g, a, b);
    return [a, b];
  }
  // 64-bit registers: of one or two parts, whose halves hold two kinds each in the end
  if (n === 4) separate(t, f.g, a, b);
  const kinds = n === 4 ? [a, b] : [a];
  const upper = kinds.map(part => {
    pairs(t, f.g, part, part, 1); // both halves the same: even lanes in xmm2, odd ones in xmm3
    const odd = vectors.fresh();
    asm.x2(X.movq, odd, 3);
    asm.x2(X.movq, part, 2);
    return odd;
  });
  return n === 4 ? [a, b, upper[0] as number, upper[1] as number] : [a, upper[0] as number];
}
/** Stores structures of `n` elements. */
function storeStructures(t: Translator, f: Structure, n: number, from: readonly number[]): void {
  const { asm } = t;
  const [a, b, c, d] = from as [number, number, number, number];
  if (n === 3) {
    const total = 3 * (8 << f.q);
    for (let at = 0; at < total; at += 16) {
      from.forEach((part, k) => {
        const mask = t.constants.bytes(i => {
          const lane = (at + i) >> f.g;
          return at + i < total && lane % 3 === k ? (Math.floor(lane / 3) << f.g) + (i & ((1 << f.g) - 1)) : 0x80;
        });
        asm.x3c(X.pshufb, k === 0 ? 0 : 1, part, mask);
        if (k !== 0) asm.x3(X.por, 0, 0, 1);
      });
      storePart(t, total - at >= 16 ? 1 : 0, 0, at);
    }
    return;
  }
  const low = LOW[f.g] as number, high = HIGH[f.g] as number;
  if (n === 2) {
    asm.x3(low, 0, a, b);
    storePart(t, 1, 0, 0);
    if (f.q === 0) return;
    asm.x3(high, 0, a, b);
    storePart(t, 1, 0, 16);
    return;
  }
  for (let half = 0; half <= f.q; half++) {
    const zip = half === 0 ? low : high;
    asm.x3(zip, 0, a, c);
    asm.x3(zip, 1, b, d);
    asm.x3(low, 2, 0, 1);
    storePart(t, 1, 2, 32 * half);
    asm.x3(high, 2, 0, 1);
    storePart(t, 1, 2, 32 * half + 16);
  }
}
function interleaved(t: Translator, f: Structure, post: Post | undefined, load: boolean, n: number): Emit {
  if (f.g === 3 && f.q === 0) return false;
  t.ready(Ready.simd, 8);
  const ends: number[] = [];
  const size = 8 << f.q;
  const from = load ? [] : Array.from({ length: n }, (_, k) => t.vectors.read(register(f.x, k), 16));
  const site = t.slowSite();
  address(t, f.N, 0, ends);
  tlbCheck(t, n * size, !load);
  if (load) loadStructures(t, f, n).forEach((to, k) => t.vectors.set(register(f.x, k), to, size));
  else storeStructures(t, f, n, from);
  advance(t, f.N, post, n * size);
  t.endSlow(site, ends);
  return true;
}

const EXTRACT = [X.pextrb, X.pextrw, X.pextrd, X.pextrd] as const;
const INSERT = [X.pinsrb, X.pinsrw, X.pinsrd, X.pinsrd] as const;
/** One lane of each of `n` registers. opcode<2:1> is the scale; the index is in Q, S and the size bits the scale leaves. */
function single(t: Translator, f: Lane, post: Post | undefined, load: boolean, n: number): Emit {
  const scale = f.o;
  if (scale === 3 || (scale === 1 && (f.g & 1) !== 0) || (scale === 2 && ((f.g & 2) !== 0 || (f.g === 1 && f.h !== 0)))) return false;
  const g = scale === 2 && f.g === 1 ? 3 : scale;
  const index = ((f.q << 3) | (f.h << 2) | f.g) >> g;
  t.ready(Ready.simd, 8);
  const ends: number[] = [];
  const from = Array.from({ length: n }, (_, k) => t.vectors.read(register(f.x, k), 16));
  const site = t.slowSite();
  address(t, f.N, 0, ends);
  tlbCheck(t, n << g, !load);
  const w = g === 3 ? 1 : 0;
  from.forEach((r, k) => {
    if (!load) {
      t.asm.x2m(EXTRACT[g] as number, r, rax, k << g, index, w);
      return;
    }
    const to = t.vectors.fresh();
    t.asm.x3m(INSERT[g] as number, to, r, rax, k << g, index, w);
    t.vectors.set(register(f.x, k), to, 16);
  });
  advance(t, f.N, post, n << g);
  t.endSlow(site, ends);
  return true;
}
/** One element to all lanes of each register. */
function replicate(t: Translator, f: Structure, post: Post | undefined, n: number): void {
  t.ready(Ready.simd, 8);
  const ends: number[] = [];
  const { asm } = t;
  const site = t.slowSite();
  address(t, f.N, 0, ends);
  tlbCheck(t, n << f.g, false);
  for (let k = 0; k < n; k++) {
    const to = t.vectors.fresh();
    if (f.g < 2) {
      asm.extend(0, f.g, 0, rcx, rax, k << f.g);
      asm.x2(X.movd, to, rcx);
      asm.x3c(X.pshufb, to, to, t.constants.bytes(i => i & ((1 << f.g) - 1)));
    } else {
      asm.x2m(f.g === 2 ? X.movss : X.movsd, to, rax, k << f.g);
      asm.x2(X.pshufd, to, to, f.g === 2 ? 0 : 0x44);
    }
    if (f.q === 0) asm.x2(X.movq, to, to);
    t.vectors.set(register(f.x, k), to, f.q === 0 ? 8 : 16);
  }
  advance(t, f.N, post, n << f.g);
  t.endSlow(site, ends);
}

type On<F> = (t: Translator, f: F) => Emit;
const one = (load: boolean, n: number): On<Structure> => (t, f) => whole(t, f, undefined, load, n);
const onePost = (load: boolean, n: number): On<Structure & Post> => (t, f) => whole(t, f, f, load, n);
const many = (load: boolean, n: number): On<Structure> => (t, f) => interleaved(t, f, undefined, load, n);
const manyPost = (load: boolean, n: number): On<Structure & Post> => (t, f) => interleaved(t, f, f, load, n);
const lane = (load: boolean, n: number): On<Lane> => (t, f) => single(t, f, undefined, load, n);
const lanePost = (load: boolean, n: number): On<Lane & Post> => (t, f) => single(t, f, f, load, n);
const all = (n: number): On<Structure> => (t, f) => replicate(t, f, undefined, n);
const allPost = (n: number): On<Structure & Post> => (t, f) => replicate(t, f, f, n);

export const emitStructures: Handlers<typeof simdLoadStore, Translator, Emit> = {
  ST4: many(false, 4), LD4: many(true, 4), ST1x4: one(false, 4), LD1x4: one(true, 4), ST3: many(false, 3), LD3: many(true, 3),
  ST1x3: one(false, 3), LD1x3: one(true, 3), ST1x1: one(false, 1), LD1x1: one(true, 1), ST2: many(false, 2), LD2: many(true, 2),
  ST1x2: one(false, 2), LD1x2: one(true, 2),

  ST4_post: manyPost(false, 4), LD4_post: manyPost(true, 4), ST1x4_post: onePost(false, 4), LD1x4_post: onePost(true, 4), ST3_post: manyPost(false, 3),
  LD3_post: manyPost(true, 3), ST1x3_post: onePost(false, 3), LD1x3_post: onePost(true, 3), ST1x1_post: onePost(false, 1), LD1x1_post: onePost(true, 1),
  ST2_post: manyPost(false, 2), LD2_post: manyPost(true, 2), ST1x2_post: onePost(false, 2), LD1x2_post: onePost(true, 2),

  ST1_one: lane(false, 1), LD1_one: lane(true, 1), LD1R: all(1), ST2_one: lane(false, 2), LD2_one: lane(true, 2), LD2R: all(2),
  ST3_one: lane(false, 3), LD3_one: lane(true, 3), LD3R: all(3), ST4_one: lane(false, 4), LD4_one: lane(true, 4), LD4R: all(4),

  ST1_one_post: lanePost(false, 1), LD1_one_post: lanePost(true, 1), LD1R_post: allPost(1), ST2_one_post: lanePost(false, 2),
  LD2_one_post: lanePost(true, 2), LD2R_post: allPost(2), ST3_one_post: lanePost(false, 3), LD3_one_post: lanePost(true, 3), LD3R_post: allPost(3),
  ST4_one_post: lanePost(false, 4), LD4_one_post: lanePost(true, 4), LD4R_post: allPost(4),
};
