// src/cpu/translate/constants.ts — 16-byte constants in code memory, reached relative to the instruction pointer. Each
// distinct one is stored once and for good: they lie before the blocks, and a wipe leaves them alone.
import type { CodeMemory } from "../../../ffi/code.ts";

const SIZE = 32768;

export class Constants {
  readonly #view: DataView;
  readonly #known = new Map<string, number>();
  readonly #end: number;
  #next: number;
  /** In SIZE bytes from `start`, a multiple of 16. */
  constructor(code: CodeMemory, start: number) {
    this.#view = code.view;
    this.#next = start;
    this.#end = start + SIZE;
  }
  /** Where the blocks may begin. */
  get end(): number { return this.#end; }
  /** Offset in code memory of four words. */
  words(a: number, b: number, c: number, d: number): number {
    const key = `${a | 0} ${b | 0} ${c | 0} ${d | 0}`;
    let at = this.#known.get(key);
    if (at === undefined) {
      if (this.#next === this.#end) throw new Error("too many constants"); // their number is bounded by the encodings
      at = this.#next;
      this.#next += 16;
      [a, b, c, d].forEach((word, i) => this.#view.setInt32(at as number + 4 * i, word, true));
      this.#known.set(key, at);
    }
    return at;
  }
  /** All lanes of 1 << size bytes the same: `value`, or with size 3 the two halves. */
  splat(size: number, value: number, high = 0): number {
    if (size === 3) return this.words(value, high, value, high);
    const word = size === 0 ? Math.imul(value & 0xff, 0x0101_0101) : size === 1 ? Math.imul(value & 0xffff, 0x0001_0001) : value;
    return this.words(word, word, word, word);
  }
  /** Sixteen bytes by their index. */
  bytes(of: (i: number) => number): number {
    const word = (at: number): number => (of(at) & 255) | (of(at + 1) & 255) << 8 | (of(at + 2) & 255) << 16 | (of(at + 3) & 255) << 24;
    return this.words(word(0), word(4), word(8), word(12));
  }
}
