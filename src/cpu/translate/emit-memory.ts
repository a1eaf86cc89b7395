// src/cpu/translate/emit-memory.ts — x86-64 for the encodings of a64/load-store.ts. An access is: address into rax, the
// TLB entry's tag compared with the page of its *last* byte (so crossing a page misses), rax += addend, the move. What
// misses leaves to the interpreter, which does the whole instruction; nothing was changed by then.
import type { loadStore, loadStoreFp } from "../a64/load-store.ts";
import type { Handlers } from "../a64/pattern.ts";
import { Word } from "../mmu/tlb.ts";
import { Offset, Ready } from "../state.ts";
import { Alu, CC, Reg, Shift } from "./assembler.ts";
import { disp, type Translator } from "./translator.ts";
import { X } from "./vector-op.ts";

type Emit = boolean | void;
const { rax, rcx, rdx, rbp } = Reg;
const SP = 31;

/** rax: guest address → host address of `size` bytes, with an EL's rights. Clobbers rcx, rdx. Within `slowSite` and `endSlow`. */
export function tlbCheck(t: Translator, size: number, write: boolean, el: number = t.el): void {
  const { asm } = t;
  const table = disp(el === 0 ? Offset.TLB_EL0 : Offset.TLB_EL1);
  if (t.features.bmi) asm.rorx(0, rcx, rax, 7);
  else {
    asm.mov(0, rcx, rax);
    asm.shift(Shift.shr, 0, rcx, 7);
  }
  asm.aluImm(Alu.and, 0, rcx, 1023 * 32);
  if (size === 1) asm.mov(1, rdx, rax);
  else asm.lea(1, rdx, rax, size - 1);
  asm.aluImm(Alu.and, 1, rdx, -4096);
  asm.aluLoadIndexed(Alu.cmp, 1, rdx, rbp, rcx, table + 4 * (write ? Word.WRITE : Word.READ));
  t.missed(asm.jcc(CC.ne), el, write);
  asm.aluLoadIndexed(Alu.add, 1, rax, rbp, rcx, table + 4 * Word.ADDEND);
}
/** rax = Rn + offset. */
export function address(t: Translator, N: number, offset: number, ends: number[]): void {
  if (N === SP) t.checkSp(ends);
  const host = t.pin(N);
  if (host >= 0) {
    if (offset === 0) t.asm.mov(1, rax, host);
    else t.asm.lea(1, rax, host, offset);
    return;
  }
  t.copy(N, rax);
  if (offset !== 0) t.asm.lea(1, rax, rax, offset);
}
/** Rn += offset. */
export function writeBack(t: Translator, N: number, offset: number): void {
  if (offset === 0) return;
  const host = t.pin(N);
  if (host >= 0) t.asm.lea(1, host, host, offset);
  else t.asm.aluMemoryImm(Alu.add, 1, rbp, t.slot(N), offset);
}
/** Rt = 1 << g bytes at [rax + at]; extend: 0 zero, 1 sign to 64, 2 sign to 32 bits. */
function fetch(t: Translator, g: number, extend: number, r: number, at: number): void {
  const host = t.pin(r);
  const to = host >= 0 ? host : rcx;
  t.asm.extend(extend === 1 ? 1 : 0, g, extend === 0 ? 0 : 1, to, rax, at);
  if (host < 0) t.put(r, rcx);
}
function deposit(t: Translator, g: number, r: number, at: number): void {
  const { asm } = t;
  const from = t.get(r, rdx);
  if (g === 0) asm.store8(rax, at, from);
  else if (g === 1) asm.store16(rax, at, from);
  else asm.store(g === 3 ? 1 : 0, rax, at, from);
}
function load(t: Translator, g: number, extend: number, N: number, r: number, offset: number, back: number, el: number = t.el): void {
  const ends: number[] = [];
  const site = t.slowSite();
  address(t, N, offset, ends);
  tlbCheck(t, 1 << g, false, el);
  if (back !== 0) writeBack(t, N, back);
  fetch(t, g, extend, r, 0);
  t.endSlow(site, ends);
}
function store(t: Translator, g: number, N: number, r: number, offset: number, back: number, el: number = t.el): void {
  const ends: number[] = [];
  const site = t.slowSite();
  address(t, N, offset, ends);
  tlbCheck(t, 1 << g, true, el);
  deposit(t, g, r, 0);
  if (back !== 0) writeBack(t, N, back);
  t.endSlow(site, ends);
}
/** rax = Rn + extended Rm << shift. False: reserved. */
function registerOffset(t: Translator, f: { m: number; e: number; N: number }, shift: number, ends: number[]): boolean {
  if ((f.e & 2) === 0) return false;
  const { asm } = t;
  if (f.N === SP) t.checkSp(ends);
  let index: number = rcx;
  if (f.e === 2 || f.e === 6) t.extended(1, 2, f.e === 6 ? 1 : 0, rcx, f.m);
  else if (shift < 4) index = t.get(f.m, rcx);
  else t.copy(f.m, rcx);
  const host = t.get(f.N, rax);
  if (shift < 4) asm.leaIndexed(1, rax, host, index, shift);
  else {
    asm.shift(Shift.shl, 1, rcx, shift);
    asm.leaIndexed(1, rax, host, rcx, 0);
  }
  return true;
}
type RegForm = { g: number; m: number; e: number; h: number; N: number; t: number };
function loadRegister(t: Translator, f: RegForm, extend: number): Emit {
  if ((f.e & 2) === 0) return false;
  const ends: number[] = [];
  const site = t.slowSite();
  registerOffset(t, f, f.h !== 0 ? f.g : 0, ends);
  tlbCheck(t, 1 << f.g, false);
  fetch(t, f.g, extend, f.t, 0);
  t.endSlow(site, ends);
  return true;
}
function storeRegister(t: Translator, f: RegForm): Emit {
  if ((f.e & 2) === 0) return false;
  const ends: number[] = [];
  const site = t.slowSite();
  registerOffset(t, f, f.h !== 0 ? f.g : 0, ends);
  tlbCheck(t, 1 << f.g, true);
  deposit(t, f.g, f.t, 0);
  t.endSlow(site, ends);
  return true;
}
type PairForm = { g: number; i: number; u: number; N: number; t: number };
const signed7 = (i: number): number => (i << 25) >> 25;
const signed9 = (i: number): number => (i << 23) >> 23;
function loadPair(t: Translator, f: PairForm, extend: number, indexed: "post" | "off" | "pre"): void {
  const g = 2 + f.g;
  const by = signed7(f.i) * (1 << g);
  const ends: number[] = [];
  const site = t.slowSite();
  address(t, f.N, indexed === "post" ? 0 : by, ends);
  tlbCheck(t, 2 << g, false);
  if (indexed !== "off") writeBack(t, f.N, by);
  fetch(t, g, extend, f.t, 0);
  fetch(t, g, extend, f.u, 1 << g);
  t.endSlow(site, ends);
}
function storePair(t: Translator, f: PairForm, indexed: "post" | "off" | "pre"): void {
  const g = 2 + f.g;
  const by = signed7(f.i) * (1 << g);
  const ends: number[] = [];
  const site = t.slowSite();
  address(t, f.N, indexed === "post" ? 0 : by, ends);
  tlbCheck(t, 2 << g, true);
  deposit(t, g, f.t, 0);
  deposit(t, g, f.u, 1 << g);
  if (indexed !== "off") writeBack(t, f.N, by);
  t.endSlow(site, ends);
}
/** Acquire and release forms: the address must be aligned. */
function ordered(t: Translator, f: { g: number; N: number; t: number }, write: boolean, offset = 0, extend = 0): void {
  const ends: number[] = [];
  const site = t.slowSite();
  address(t, f.N, offset, ends);
  if (f.g !== 0) {
    t.asm.testImm(0, rax, (1 << f.g) - 1);
    ends.push(t.asm.jcc(CC.ne));
  }
  tlbCheck(t, 1 << f.g, write);
  if (!write) fetch(t, f.g, extend, f.t, 0);
  else if (t.shared) { // a locked store: a later LDAR stays behind it; all else x86 keeps in order
    t.copy(f.t, rdx);
    t.asm.xchg(f.g, rax, 0, rdx);
  } else deposit(t, f.g, f.t, 0);
  t.endSlow(site, ends);
}
/** rax = the host address of an aligned access by Rn, for reading and writing. */
function aligned(t: Translator, N: number, size: number, write: boolean, ends: number[]): void {
  address(t, N, 0, ends);
  if (size > 1) {
    t.asm.testImm(0, rax, size - 1);
    ends.push(t.asm.jcc(CC.ne));
  }
  tlbCheck(t, size, write);
}
function storeSized(t: Translator, g: number, from: number): void {
  if (g === 0) t.asm.store8(rax, 0, from);
  else if (g === 1) t.asm.store16(rax, 0, from);
  else t.asm.store(g === 3 ? 1 : 0, rax, 0, from);
}
type Atomic = { g: number; s: number; N: number; t: number };
/** rcx = old value, also at [base + at], rdx = new value from `compute` (rdx holds a copy of the old one); Rt = old. One core runs at a time. */
function atomic(t: Translator, f: Atomic, compute: (w: number, base: number, at: number) => void): void {
  if (t.shared) return sharedAtomic(t, f, compute);
  const ends: number[] = [];
  const site = t.slowSite();
  aligned(t, f.N, 1 << f.g, true, ends);
  t.asm.extend(0, f.g, 0, rcx, rax, 0);
  t.asm.mov(1, rdx, rcx);
  compute(f.g === 3 ? 1 : 0, rax, 0);
  storeSized(t, f.g, rdx);
  t.put(f.t, rcx);
  t.endSlow(site, ends);
}
/** The same for memory that other cores write too: done again until nobody was in between. */
function sharedAtomic(t: Translator, f: Atomic, compute: (w: number, base: number, at: number) => void): void {
  const { asm } = t, { scratch } = EXCL;
  const ends: number[] = [];
  const site = t.slowSite();
  aligned(t, f.N, 1 << f.g, true, ends);
  asm.store(1, rbp, scratch, rax);
  const again = asm.at;
  asm.extend(0, f.g, 0, rcx, rax, 0);
  asm.store(1, rbp, scratch + 8, rcx);
  asm.mov(1, rdx, rcx);
  compute(f.g === 3 ? 1 : 0, rbp, scratch + 8);
  asm.mov(1, rax, rcx);
  asm.load(1, rcx, rbp, scratch);
  asm.lockCmpxchg(f.g, rcx, 0, rdx);
  const done = asm.jcc(CC.e);
  asm.mov(1, rax, rcx);
  asm.patch(asm.jmp(), again);
  asm.patch(done, asm.at);
  t.put(f.t, rax); // the upper part is as it was loaded: zero
  t.endSlow(site, ends);
}
/** Those that x86 has in one instruction: Rt = what was there. */
function exchange(t: Translator, f: Atomic, emit: (log2: number, base: number, disp: number, from: number) => void): void {
  const ends: number[] = [];
  const site = t.slowSite();
  aligned(t, f.N, 1 << f.g, true, ends);
  t.copy(f.s, rdx);
  emit.call(t.asm, f.g, rax, 0, rdx);
  if (f.g < 2) t.asm.extendReg(0, f.g, 0, rdx, rdx);
  t.put(f.t, rdx);
  t.endSlow(site, ends);
}
/** The old value stays where it stands in relation `cc` to Rs. */
function atomicChoice(t: Translator, f: Atomic, cc: number): void {
  atomic(t, f, (_, base, at) => {
    t.copy(f.s, rdx);
    t.asm.cmpMemory(f.g, base, at, rdx);
    t.asm.cmov(cc, 1, rdx, rcx);
  });
}
function compareAndSwap(t: Translator, f: Atomic): void {
  const { asm } = t;
  const ends: number[] = [];
  const site = t.slowSite();
  aligned(t, f.N, 1 << f.g, true, ends);
  if (t.shared) {
    asm.mov(1, rcx, rax);
    t.copy(f.s, rax);
    if (f.g < 2) asm.extendReg(0, f.g, 0, rax, rax);
    asm.lockCmpxchg(f.g, rcx, 0, t.get(f.t, rdx));
    if (f.g === 2) asm.mov(0, rax, rax); // where they are equal it is Rs, with its upper half
    t.put(f.s, rax);
    t.endSlow(site, ends);
    return;
  }
  asm.extend(0, f.g, 0, rcx, rax, 0);
  if (f.g < 2) {
    asm.extendReg(0, f.g, 0, rdx, t.get(f.s, rdx));
    asm.alu(Alu.cmp, 0, rcx, rdx);
  } else t.aluGuest(Alu.cmp, f.g === 3 ? 1 : 0, rcx, f.s);
  const differs = asm.jcc(CC.ne);
  storeSized(t, f.g, t.get(f.t, rdx));
  asm.patch(differs, asm.at);
  t.put(f.s, rcx);
  t.endSlow(site, ends);
}
/** 64-bit pairs only: with equal values nothing has to be written back to Xs and Xs+1. */
function compareAndSwapPair(t: Translator, f: { g: number; s: number; N: number; t: number }): Emit {
  if (f.g !== 1 || ((f.s | f.t) & 1) !== 0 || f.s >= 30 || f.t >= 30) return false; // ZR and its odd neighbour: rare
  const { asm } = t;
  const ends: number[] = [];
  const site = t.slowSite();
  aligned(t, f.N, 16, true, ends);
  if (t.shared) {
    exchangePair(t, () => { t.copy(f.s, rcx); asm.store(1, rbp, EXCL.scratch, rcx); t.copy(f.s + 1, rcx); asm.store(1, rbp, EXCL.scratch + 8, rcx); }, f.t, f.t + 1);
    t.put(f.s, rax);
    t.put(f.s + 1, rdx);
    t.endSlow(site, ends);
    return true;
  }
  asm.load(1, rcx, rax, 0);
  asm.load(1, rdx, rax, 8);
  t.aluGuest(Alu.cmp, 1, rcx, f.s);
  const first = asm.jcc(CC.ne);
  t.aluGuest(Alu.cmp, 1, rdx, f.s + 1);
  const second = asm.jcc(CC.ne);
  asm.store(1, rax, 0, t.get(f.t, rcx));
  asm.store(1, rax, 8, t.get(f.t + 1, rdx));
  const end = asm.jmp();
  asm.patch(first, asm.at);
  asm.patch(second, asm.at);
  t.put(f.s, rcx);
  t.put(f.s + 1, rdx);
  asm.patch(end, asm.at);
  t.endSlow(site, ends);
  return true;
}
const EXCL = { valid: disp(Offset.EXCL_VALID), size: disp(Offset.EXCL_SIZE), va: disp(Offset.EXCL_VA), data: disp(Offset.EXCL_DATA), scratch: disp(Offset.SCRATCH) } as const;
/** Registers that CMPXCHG16B needs, and one for the address: pinned, and put away meanwhile. */
const PUT_AWAY = [Reg.rbx, Reg.rsi] as const;
/** 16 bytes at [rax]: if they equal the two words that `expected` stores into SCRATCH (it may use rcx) they become Rt and Ru, and ZF is set. rdx:rax = what was there. */
function exchangePair(t: Translator, expected: () => void, first: number, second: number): void {
  const { asm } = t;
  expected();
  t.copy(first, rcx);
  asm.store(1, rbp, EXCL.scratch + 16, rcx);
  t.copy(second, rcx);
  asm.store(1, rbp, EXCL.scratch + 24, rcx);
  for (const r of PUT_AWAY) asm.push(r);
  asm.mov(1, Reg.rsi, rax);
  [rax, rdx, Reg.rbx, rcx].forEach((r, i) => asm.load(1, r, rbp, EXCL.scratch + 8 * i));
  asm.lockCmpxchg16(Reg.rsi, 0);
  for (const r of PUT_AWAY.toReversed()) asm.pop(r);
}
function loadExclusive(t: Translator, f: { g: number; N: number; t: number }): void {
  const { asm } = t;
  const ends: number[] = [];
  const site = t.slowSite();
  address(t, f.N, 0, ends);
  if (f.g > 0) {
    asm.testImm(0, rax, (1 << f.g) - 1);
    ends.push(asm.jcc(CC.ne));
  }
  asm.store(1, rbp, EXCL.va, rax);
  asm.storeImm(0, rbp, EXCL.valid, 0); // until the access has succeeded
  tlbCheck(t, 1 << f.g, false);
  asm.extend(0, f.g, 0, rcx, rax, 0);
  asm.store(1, rbp, EXCL.data, rcx);
  asm.storeImm(0, rbp, EXCL.size, 1 << f.g);
  asm.storeImm(0, rbp, EXCL.valid, 1);
  t.put(f.t, rcx);
  t.endSlow(site, ends);
}
type ExclusivePair = { g: number; u: number; N: number; t: number };
function loadExclusivePair(t: Translator, f: ExclusivePair): void {
  const { asm } = t;
  const w = f.g, size = 8 << w;
  const ends: number[] = [];
  const site = t.slowSite();
  address(t, f.N, 0, ends);
  asm.testImm(0, rax, size - 1);
  ends.push(asm.jcc(CC.ne));
  asm.store(1, rbp, EXCL.va, rax);
  asm.storeImm(0, rbp, EXCL.valid, 0); // until the access has succeeded
  tlbCheck(t, size, false);
  asm.load(w, rcx, rax, 0);
  asm.load(w, rdx, rax, 4 << w);
  asm.store(1, rbp, EXCL.data, rcx);
  asm.store(1, rbp, EXCL.data + 8, rdx);
  asm.storeImm(0, rbp, EXCL.size, size);
  asm.storeImm(0, rbp, EXCL.valid, 1);
  t.put(f.t, rcx);
  t.put(f.u, rdx);
  t.endSlow(site, ends);
}
/** to = two words, the second above. Clobbers rcx, rdx. */
function joinWords({ asm }: Translator, first: () => void, second: () => void, to: number): void {
  first();
  second();
  asm.shift(Shift.shl, 1, rcx, 32);
  asm.alu(Alu.or, 1, rdx, rcx);
  if (to !== rdx) asm.mov(1, to, rdx);
}
/** The end of a store exclusive: it was done, or failed. */
function endExclusive(t: Translator, status: number, fails: readonly number[]): void {
  const { asm } = t;
  asm.constant(rcx, 0, 0);
  const end = asm.jmp();
  for (const fail of fails) asm.patch(fail, asm.at);
  asm.constant(rcx, 1, 0);
  asm.patch(end, asm.at);
  asm.storeImm(0, rbp, EXCL.valid, 0);
  t.put(status, rcx);
}
function storeExclusivePair(t: Translator, f: ExclusivePair & { s: number }): void {
  const { asm } = t;
  const w = f.g, size = 8 << w;
  const ends: number[] = [];
  const site = t.slowSite();
  address(t, f.N, 0, ends);
  const fails: number[] = [];
  asm.aluMemoryImm(Alu.cmp, 0, rbp, EXCL.valid, 0);
  fails.push(asm.jcc(CC.e));
  asm.aluMemoryImm(Alu.cmp, 0, rbp, EXCL.size, size);
  fails.push(asm.jcc(CC.ne));
  asm.aluLoad(Alu.cmp, 1, rax, rbp, EXCL.va);
  fails.push(asm.jcc(CC.ne));
  tlbCheck(t, size, true);
  if (t.shared) {
    if (w === 1) exchangePair(t, () => [0, 8].forEach(i => { asm.load(1, rcx, rbp, EXCL.data + i); asm.store(1, rbp, EXCL.scratch + i, rcx); }), f.t, f.u);
    else { // 8 bytes in all
      asm.store(1, rbp, EXCL.scratch, rax);
      joinWords(t, () => asm.load(0, rdx, rbp, EXCL.data), () => asm.load(0, rcx, rbp, EXCL.data + 8), rax);
      joinWords(t, () => t.copyWord(f.t, rdx), () => t.copyWord(f.u, rcx), rdx);
      asm.load(1, rcx, rbp, EXCL.scratch);
      asm.lockCmpxchg(3, rcx, 0, rdx);
    }
    fails.push(asm.jcc(CC.ne));
    endExclusive(t, f.s, fails);
    t.endSlow(site, ends);
    return;
  }
  asm.load(w, rcx, rax, 0);
  asm.aluLoad(Alu.cmp, w, rcx, rbp, EXCL.data);
  fails.push(asm.jcc(CC.ne));
  asm.load(w, rcx, rax, 4 << w);
  asm.aluLoad(Alu.cmp, w, rcx, rbp, EXCL.data + 8);
  fails.push(asm.jcc(CC.ne));
  asm.store(w, rax, 0, t.get(f.t, rdx));
  asm.store(w, rax, 4 << w, t.get(f.u, rdx));
  endExclusive(t, f.s, fails);
  t.endSlow(site, ends);
}
function storeExclusive(t: Translator, f: Atomic): void {
  const { asm } = t;
  const ends: number[] = [];
  const site = t.slowSite();
  address(t, f.N, 0, ends);
  const fails: number[] = [];
  asm.aluMemoryImm(Alu.cmp, 0, rbp, EXCL.valid, 0);
  fails.push(asm.jcc(CC.e));
  asm.aluMemoryImm(Alu.cmp, 0, rbp, EXCL.size, 1 << f.g);
  fails.push(asm.jcc(CC.ne));
  asm.aluLoad(Alu.cmp, 1, rax, rbp, EXCL.va);
  fails.push(asm.jcc(CC.ne));
  tlbCheck(t, 1 << f.g, true);
  if (t.shared) {
    asm.mov(1, rcx, rax);
    asm.load(1, rax, rbp, EXCL.data);
    asm.lockCmpxchg(f.g, rcx, 0, t.get(f.t, rdx));
    fails.push(asm.jcc(CC.ne));
  } else {
    asm.extend(0, f.g, 0, rcx, rax, 0);
    asm.aluLoad(Alu.cmp, 1, rcx, rbp, EXCL.data);
    fails.push(asm.jcc(CC.ne));
    storeSized(t, f.g, t.get(f.t, rdx));
  }
  endExclusive(t, f.s, fails);
  t.endSlow(site, ends);
}
/** rax = the address of a literal. */
function literal(t: Translator, i: number): void {
  const low = (t.pcLo >>> 0) + ((i << 13) >> 11);
  t.address(rax, low | 0, (t.pcHi + (low > 0xffff_ffff ? 1 : low < 0 ? -1 : 0)) | 0);
}
function loadLiteral(t: Translator, f: { i: number; t: number }, g: number, extend: number): void {
  const ends: number[] = [];
  const site = t.slowSite();
  literal(t, f.i);
  tlbCheck(t, 1 << g, false);
  fetch(t, g, extend, f.t, 0);
  t.endSlow(site, ends);
}

export const emitLoadStore: Handlers<typeof loadStore, Translator, Emit> = {
  STXR: storeExclusive, STLXR: storeExclusive, STXP: storeExclusivePair, STLXP: storeExclusivePair,
  LDXR: loadExclusive, LDAXR: loadExclusive, LDXP: loadExclusivePair, LDAXP: loadExclusivePair,
  STLR: (t, f) => ordered(t, f, true),
  LDAR: (t, f) => ordered(t, f, false),
  LDAPR: (t, f) => ordered(t, f, false),
  STLUR: (t, f) => ordered(t, f, true, signed9(f.i)),
  LDAPUR: (t, f) => ordered(t, f, false, signed9(f.i)),
  LDAPURS_x: (t, f) => (f.g === 3 ? false : ordered(t, f, false, signed9(f.i), 1)),
  LDAPURS_w: (t, f) => ordered(t, f, false, signed9(f.i), 2),
  CASP: compareAndSwapPair, CAS: compareAndSwap,
  LDR_lit_w: (t, f) => loadLiteral(t, f, 2, 0),
  LDR_lit_x: (t, f) => loadLiteral(t, f, 3, 0),
  LDRSW_lit: (t, f) => loadLiteral(t, f, 2, 1),
  PRFM_lit: () => true,
  STNP: (t, f) => storePair(t, f, "off"),
  LDNP: (t, f) => loadPair(t, f, 0, "off"),
  STP_post: (t, f) => storePair(t, f, "post"),
  LDP_post: (t, f) => loadPair(t, f, 0, "post"),
  LDPSW_post: (t, f) => loadPair(t, { ...f, g: 0 }, 1, "post"),
  STP_off: (t, f) => storePair(t, f, "off"),
  LDP_off: (t, f) => loadPair(t, f, 0, "off"),
  LDPSW_off: (t, f) => loadPair(t, { ...f, g: 0 }, 1, "off"),
  STP_pre: (t, f) => storePair(t, f, "pre"),
  LDP_pre: (t, f) => loadPair(t, f, 0, "pre"),
  LDPSW_pre: (t, f) => loadPair(t, { ...f, g: 0 }, 1, "pre"),
  STUR: (t, f) => store(t, f.g, f.N, f.t, signed9(f.i), 0),
  LDUR: (t, f) => load(t, f.g, 0, f.N, f.t, signed9(f.i), 0),
  LDURS_x: (t, f) => load(t, f.g, 1, f.N, f.t, signed9(f.i), 0),
  LDURS_w: (t, f) => load(t, f.g, 2, f.N, f.t, signed9(f.i), 0),
  PRFUM: () => true,
  STR_post: (t, f) => store(t, f.g, f.N, f.t, 0, signed9(f.i)),
  LDR_post: (t, f) => load(t, f.g, 0, f.N, f.t, 0, signed9(f.i)),
  LDRS_x_post: (t, f) => (f.g === 3 ? false : load(t, f.g, 1, f.N, f.t, 0, signed9(f.i))),
  LDRS_w_post: (t, f) => load(t, f.g, 2, f.N, f.t, 0, signed9(f.i)),
  STTR: (t, f) => store(t, f.g, f.N, f.t, signed9(f.i), 0, 0),
  LDTR: (t, f) => load(t, f.g, 0, f.N, f.t, signed9(f.i), 0, 0),
  LDTRS_x: (t, f) => (f.g === 3 ? false : load(t, f.g, 1, f.N, f.t, signed9(f.i), 0, 0)),
  LDTRS_w: (t, f) => load(t, f.g, 2, f.N, f.t, signed9(f.i), 0, 0),
  STR_pre: (t, f) => store(t, f.g, f.N, f.t, signed9(f.i), signed9(f.i)),
  LDR_pre: (t, f) => load(t, f.g, 0, f.N, f.t, signed9(f.i), signed9(f.i)),
  LDRS_x_pre: (t, f) => (f.g === 3 ? false : load(t, f.g, 1, f.N, f.t, signed9(f.i), signed9(f.i))),
  LDRS_w_pre: (t, f) => load(t, f.g, 2, f.N, f.t, signed9(f.i), signed9(f.i)),
  STR_reg: (t, f) => storeRegister(t, f),
  LDR_reg: (t, f) => loadRegister(t, f, 0),
  LDRS_x_reg: (t, f) => (f.g === 3 ? false : loadRegister(t, f, 1)),
  LDRS_w_reg: (t, f) => loadRegister(t, f, 2),
  PRFM_reg: () => true,
  STR_imm: (t, f) => store(t, f.g, f.N, f.t, f.i << f.g, 0),
  LDR_imm: (t, f) => load(t, f.g, 0, f.N, f.t, f.i << f.g, 0),
  LDRS_x_imm: (t, f) => load(t, f.g, 1, f.N, f.t, f.i << f.g, 0),
  LDRS_w_imm: (t, f) => load(t, f.g, 2, f.N, f.t, f.i << f.g, 0),
  PRFM_imm: () => true,
  LDADD: (t, f) => (t.shared ? exchange(t, f, t.asm.lockXadd) : atomic(t, f, w => t.aluGuest(Alu.add, w, rdx, f.s))),
  LDEOR: (t, f) => atomic(t, f, w => t.aluGuest(Alu.xor, w, rdx, f.s)),
  LDSET: (t, f) => atomic(t, f, w => t.aluGuest(Alu.or, w, rdx, f.s)),
  LDCLR: (t, f) => atomic(t, f, w => {
    t.asm.not(w, rdx); // ~(~old | s) = old & ~s
    t.aluGuest(Alu.or, w, rdx, f.s);
    t.asm.not(w, rdx);
  }),
  SWP: (t, f) => (t.shared ? exchange(t, f, t.asm.xchg) : atomic(t, f, () => t.copy(f.s, rdx))),
  LDSMAX: (t, f) => atomicChoice(t, f, CC.g), LDSMIN: (t, f) => atomicChoice(t, f, CC.l),
  LDUMAX: (t, f) => atomicChoice(t, f, CC.a), LDUMIN: (t, f) => atomicChoice(t, f, CC.b),
};

// --- SIMD&FP registers ----------------------------------------------------------------------------------------------

const LOADS = [X.movd, X.movd, X.movss, X.movsd, X.movups] as const;
/** Vr = 1 << g bytes at [rax + at]. */
function fetchVector(t: Translator, g: number, r: number, at: number): void {
  const { asm } = t;
  const to = t.vectors.fresh();
  if (g < 2) {
    asm.extend(0, g, 0, rcx, rax, at);
    asm.x2(X.movd, to, rcx);
  } else asm.x2m(LOADS[g] as number, to, rax, at);
  t.vectors.set(r, to, g < 2 ? 4 : 1 << g);
}
function depositVector(t: Translator, g: number, from: number, at: number): void {
  const { asm } = t;
  if (g < 2) {
    asm.x2(X.movdStore, from, rdx);
    if (g === 0) asm.store8(rax, at, rdx);
    else asm.store16(rax, at, rdx);
  } else asm.x2m(g === 2 ? X.movssStore : g === 3 ? X.movsdStore : X.movupsStore, from, rax, at);
}
/** The register whose low 1 << g bytes are stored, in an xmm register. */
const stored = (t: Translator, g: number, r: number): number => t.vectors.read(r, Math.max(4, 1 << g));
const vectorSize = (f: { g: number; q: number }): number => (f.q === 0 ? f.g : f.g === 0 ? 4 : -1);
function moveVector(t: Translator, write: boolean, g: number, N: number, r: number, offset: number, back: number): Emit {
  if (g < 0) return false;
  const ends: number[] = [];
  t.ready(Ready.simd);
  const from = write ? stored(t, g, r) : 0;
  const site = t.slowSite();
  address(t, N, offset, ends);
  tlbCheck(t, 1 << g, write);
  if (write) depositVector(t, g, from, 0);
  else fetchVector(t, g, r, 0);
  if (back !== 0) writeBack(t, N, back);
  t.endSlow(site, ends);
  return true;
}
type VectorForm = { g: number; q: number; i: number; N: number; x: number };
type VectorPair = { g: number; i: number; w: number; N: number; x: number };
function movePair(t: Translator, write: boolean, f: VectorPair, indexed: "post" | "off" | "pre"): Emit {
  if (f.g === 3) return false;
  const g = 2 + f.g;
  const by = signed7(f.i) * (1 << g);
  const ends: number[] = [];
  t.ready(Ready.simd);
  const first = write ? stored(t, g, f.x) : 0, second = write ? stored(t, g, f.w) : 0;
  const site = t.slowSite();
  address(t, f.N, indexed === "post" ? 0 : by, ends);
  tlbCheck(t, 2 << g, write);
  if (write) {
    depositVector(t, g, first, 0);
    depositVector(t, g, second, 1 << g);
  } else {
    fetchVector(t, g, f.x, 0);
    fetchVector(t, g, f.w, 1 << g);
  }
  if (indexed !== "off") writeBack(t, f.N, by);
  t.endSlow(site, ends);
  return true;
}
function moveRegister(t: Translator, write: boolean, f: { g: number; q: number; m: number; e: number; h: number; N: number; x: number }): Emit {
  const g = vectorSize(f);
  if (g < 0 || (f.e & 2) === 0) return false;
  const ends: number[] = [];
  t.ready(Ready.simd);
  const from = write ? stored(t, g, f.x) : 0;
  const site = t.slowSite();
  registerOffset(t, f, f.h !== 0 ? g : 0, ends);
  tlbCheck(t, 1 << g, write);
  if (write) depositVector(t, g, from, 0);
  else fetchVector(t, g, f.x, 0);
  t.endSlow(site, ends);
  return true;
}
function vectorLiteral(t: Translator, f: { i: number; x: number }, g: number): void {
  const ends: number[] = [];
  t.ready(Ready.simd);
  const site = t.slowSite();
  literal(t, f.i);
  tlbCheck(t, 1 << g, false);
  fetchVector(t, g, f.x, 0);
  t.endSlow(site, ends);
}
const single = (t: Translator, write: boolean, f: VectorForm, offset: number, back: number): Emit =>
  moveVector(t, write, vectorSize(f), f.N, f.x, offset, back);

export const emitLoadStoreFp: Handlers<typeof loadStoreFp, Translator, Emit> = {
  LDR_lit_s: (t, f) => vectorLiteral(t, f, 2),
  LDR_lit_d: (t, f) => vectorLiteral(t, f, 3),
  LDR_lit_q: (t, f) => vectorLiteral(t, f, 4),
  STNP_v: (t, f) => movePair(t, true, f, "off"),
  LDNP_v: (t, f) => movePair(t, false, f, "off"),
  STP_v_post: (t, f) => movePair(t, true, f, "post"),
  LDP_v_post: (t, f) => movePair(t, false, f, "post"),
  STP_v_off: (t, f) => movePair(t, true, f, "off"),
  LDP_v_off: (t, f) => movePair(t, false, f, "off"),
  STP_v_pre: (t, f) => movePair(t, true, f, "pre"),
  LDP_v_pre: (t, f) => movePair(t, false, f, "pre"),
  STUR_v: (t, f) => single(t, true, f, signed9(f.i), 0),
  LDUR_v: (t, f) => single(t, false, f, signed9(f.i), 0),
  STR_v_post: (t, f) => single(t, true, f, 0, signed9(f.i)),
  LDR_v_post: (t, f) => single(t, false, f, 0, signed9(f.i)),
  STR_v_pre: (t, f) => single(t, true, f, signed9(f.i), signed9(f.i)),
  LDR_v_pre: (t, f) => single(t, false, f, signed9(f.i), signed9(f.i)),
  STR_v_reg: (t, f) => moveRegister(t, true, f),
  LDR_v_reg: (t, f) => moveRegister(t, false, f),
  STR_v_imm: (t, f) => single(t, true, f, f.i << Math.max(vectorSize(f), 0), 0),
  LDR_v_imm: (t, f) => single(t, false, f, f.i << Math.max(vectorSize(f), 0), 0),
};
