// src/cpu/translate/sites.ts — every place where generated code leaves to TypeScript, as rows of parallel arrays.
import { NativeMemory } from "../../../ffi/memory.ts";

export const SiteKind = {
  /** The slice is used up; nothing of the block was executed. lo, hi: its address; left: its instructions. */
  budget: 0,
  /** An instruction for the interpreter. lo, hi: its address; word; left: instructions of the block behind it. */
  interpret: 1,
  /** The way to a block not linked yet, in the same page / elsewhere. lo, hi: its address. */
  link: 2,
  linkFar: 3,
  /** Interrupts may be taken before the instruction at lo, hi; left: instructions of the block from there. */
  look: 4,
  /** An instruction for the interpreter because SIMD&FP is not ready (trapped, or FPCR): as `interpret`, but what follows in
   *  the block relies on the same, and is not come back to. */
  unready: 5,
} as const;

const MAX = 1 << 22;

export class SiteTable {
  readonly kind: Int32Array;
  readonly lo: Int32Array;
  readonly hi: Int32Array;
  readonly word: Int32Array;
  readonly left: Int32Array;
  /** interpret: host offset behind the instruction; links: offset behind the jump's rel32. */
  readonly resume: Int32Array;
  /** links: where the jump led before it was linked; 0: never linked. */
  readonly stub: Int32Array;
  /** links: the next link site that jumps to the same block; -1: the last. */
  readonly next: Int32Array;
  count = 0;
  constructor() {
    const column = (): Int32Array => new Int32Array(NativeMemory.allocate(MAX * 4).window(0)); // touched as it fills
    this.kind = column();
    this.lo = column();
    this.hi = column();
    this.word = column();
    this.left = column();
    this.resume = column();
    this.stub = column();
    this.next = column();
  }
  /** True when a block of the largest size might not fit. */
  get full(): boolean { return this.count > MAX - 1024; }
  add(kind: number, lo: number, hi: number, word: number, left: number, resume: number): number {
    const i = this.count++;
    this.kind[i] = kind;
    this.lo[i] = lo;
    this.hi[i] = hi;
    this.word[i] = word;
    this.left[i] = left;
    this.resume[i] = resume;
    this.stub[i] = 0;
    return i;
  }
  setResume(site: number, at: number): void { this.resume[site] = at; }
  clear(): void { this.count = 0; }
}
