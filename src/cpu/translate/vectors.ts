// src/cpu/translate/vectors.ts — v0..v31 of the block being made, kept in xmm registers between its instructions.
//
// xmm0..xmm3 are scratch; the others hold guest registers that were read or written, until the block ends, an instruction
// goes to the interpreter, or room is needed. A written register is *dirty*: the state has an old value. Nothing is dirty
// where generated code leaves: the ways out store first (and slow paths that come back load everything again).
//
// An instruction begins with `reserve`, the only place that evicts, so that a jump to its slow path finds every dirty
// register where it was. It reads with `read`, computes into scratch or `fresh` registers and, behind its last such jump,
// ends with `set`.
//
// A register read as a scalar may be held in part: `valid` low bytes of the guest register, the rest zero. `zero` says from
// which byte on the xmm register is known to be zero, so that scalar results need no clearing.
import { Offset } from "../state.ts";
import { Reg } from "./assembler.ts";
import type { Assembler } from "./assembler.ts";
import { X } from "./vector-op.ts";

const FIRST = 4, COUNT = 16;
const FREE = -1, TAKEN = -2;
/** Displacement of a vector register from rbp. */
const vectorSlot = (r: number): number => Offset.V - 0x80 + 16 * r;
const LOAD: Readonly<Record<number, number>> = { 4: X.movss, 8: X.movsd, 16: X.movaps };

export class VectorRegisters {
  readonly #asm: Assembler;
  /** Guest register → xmm register, or -1. */
  readonly #home = new Int8Array(32).fill(-1);
  /** xmm register → guest register, FREE, or TAKEN by the instruction being emitted. */
  readonly #guest = new Int8Array(COUNT).fill(FREE);
  readonly #dirty = new Uint8Array(COUNT);
  readonly #valid = new Uint8Array(COUNT);
  readonly #zero = new Uint8Array(COUNT);
  readonly #used = new Int32Array(COUNT);
  #clock = 0;
  #empty = true;
  constructor(asm: Assembler) { this.#asm = asm; }

  /** Forgets everything: a new block. */
  clear(): void {
    if (this.#empty) return;
    this.#home.fill(-1);
    this.#guest.fill(FREE);
    this.#dirty.fill(0);
    this.#empty = true;
  }
  /** Begins an instruction that needs up to `count` registers. */
  reserve(count: number): void {
    if (this.#empty) return;
    let free = 0;
    for (let i = FIRST; i < COUNT; i++) {
      if (this.#guest[i] === TAKEN) this.#guest[i] = FREE;
      if (this.#guest[i] === FREE) free++;
    }
    for (; free < count; free++) {
      let oldest = FIRST;
      for (let i = FIRST; i < COUNT; i++) {
        if ((this.#guest[i] as number) >= 0 && ((this.#guest[oldest] as number) < 0 || (this.#used[i] as number) < (this.#used[oldest] as number))) oldest = i;
      }
      this.#store(oldest);
      this.#home[this.#guest[oldest] as number] = -1;
      this.#guest[oldest] = FREE;
    }
  }
  #store(i: number): void {
    if (this.#dirty[i] === 0) return;
    this.#asm.x2m(X.movapsStore, i, Reg.rbp, vectorSlot(this.#guest[i] as number));
    this.#dirty[i] = 0;
  }
  /** Stores what is dirty and forgets everything. Keeps EFLAGS. */
  flush(): void {
    if (this.#empty) return;
    for (let i = FIRST; i < COUNT; i++) this.#store(i);
    this.clear();
  }
  /** An xmm register with at least the low 4, 8 or 16 bytes of a guest register. Not to be written. */
  read(r: number, bytes: number): number {
    let i = this.#home[r] as number;
    if (i < 0) {
      i = this.fresh();
      this.#guest[i] = r;
      this.#home[r] = i;
      this.#dirty[i] = 0;
      this.#valid[i] = 0;
    }
    this.#used[i] = ++this.#clock;
    if ((this.#valid[i] as number) < bytes) {
      this.#asm.x2m(LOAD[bytes] as number, i, Reg.rbp, vectorSlot(r));
      this.#valid[i] = bytes;
      this.#zero[i] = bytes;
    }
    return i;
  }
  /** From which byte on an xmm register that `read` gave is zero. */
  zeroFrom(i: number): number { return this.#zero[i] as number; }
  /** A register for a result. */
  fresh(): number {
    for (let i = FIRST; i < COUNT; i++) {
      if (this.#guest[i] === FREE) {
        this.#guest[i] = TAKEN;
        this.#empty = false;
        return i;
      }
    }
    throw new Error("an instruction uses more vector registers than it reserved");
  }
  /** A guest register's new value is in a register that `fresh` gave, zero from byte `zero` on. */
  set(r: number, i: number, zero: number): void {
    const old = this.#home[r] as number;
    if (old >= 0) {
      this.#guest[old] = TAKEN;
      this.#dirty[old] = 0;
    }
    this.#guest[i] = r;
    this.#home[r] = i;
    this.#dirty[i] = 1;
    this.#valid[i] = 16;
    this.#zero[i] = zero;
    this.#used[i] = ++this.#clock;
  }

  // --- ways out of a block: lists of (xmm, guest register), made while the instruction is emitted, written behind the block

  /** What is dirty; undefined: nothing. */
  dirty(): number[] | undefined {
    if (this.#empty) return undefined;
    let list: number[] | undefined;
    for (let i = FIRST; i < COUNT; i++) {
      if (this.#dirty[i] === 0) continue;
      if (list === undefined) list = [i, this.#guest[i] as number];
      else list.push(i, this.#guest[i] as number);
    }
    return list;
  }
  /** What is held, each with its valid bytes. */
  held(): number[] | undefined {
    if (this.#empty) return undefined;
    let list: number[] | undefined;
    for (let i = FIRST; i < COUNT; i++) {
      const r = this.#guest[i] as number;
      if (r < 0) continue;
      if (list === undefined) list = [i, r, this.#valid[i] as number];
      else list.push(i, r, this.#valid[i] as number);
    }
    return list;
  }
  storeList(list: readonly number[]): void {
    for (let k = 0; k < list.length; k += 2) this.#asm.x2m(X.movapsStore, list[k] as number, Reg.rbp, vectorSlot(list[k + 1] as number));
  }
  loadList(list: readonly number[]): void {
    for (let k = 0; k < list.length; k += 3) this.#asm.x2m(LOAD[list[k + 2] as number] as number, list[k] as number, Reg.rbp, vectorSlot(list[k + 1] as number));
  }
}
