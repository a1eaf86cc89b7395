// src/cpu/interpret/decoded.ts — instruction words, decoded: what the loop in hot.ts reads instead of fields.
// Two tables of the same entries, eight 32-bit cells each: the word, a kind, six operands (hot.ts says which).
// By word: a hash table with linear probing, so that a word is decoded once wherever it stands. By place: the physical
// address of the instruction; neighbours share a cache line, pages PLACE_PAGES apart share a slot. Nothing here goes stale:
// whoever looks compares the first cell with the word in memory.
import { Decoder, extract } from "../a64/pattern.ts";
import type { Cpu, Instruction, Result } from "./cpu.ts";
import { CELLS, hotForm } from "./hot-forms.ts";

/** log2 of the number of words in the table by word. */
const HASH_BITS = 17;
const hash = (word: number): number => Math.imul(word, 0x9e37_79b1) >>> (32 - HASH_BITS);
/** Pages in the table by place: a power of two. */
const PLACE_PAGES = 128;
/** The first cell of a RAM page in the table by place. */
export const placeOf = (page: number): number => (page & (PLACE_PAGES - 1)) * (1024 * CELLS);

/** A reference handler with its fields. */
export interface Handler {
  readonly run: (cpu: Cpu, f: never) => 0 | 1 | 2;
  readonly f: never;
}
const UNDEFINED: Handler = { run: (cpu: Cpu): Result => cpu.undefined(), f: undefined as never };

export class DecodedWords {
  /** The table by place. */
  readonly placed: Int32Array = new Int32Array(CELLS * 1024 * PLACE_PAGES);
  /** The reference handlers. Number 0 is that of word 0 (UDF), so that an empty cell is a right one. */
  readonly handlers: Handler[] = [UNDEFINED];
  readonly #byWord = new Int32Array(CELLS << HASH_BITS);
  /** The number of each word's handler, beside the table by word. */
  readonly #number = new Int32Array(1 << HASH_BITS);
  readonly #decoder: Decoder<Instruction>;

  constructor(instructions: readonly Instruction[]) { this.#decoder = new Decoder(instructions); }

  /** The entry of a word (signed) in the table by word. Inline forms are chosen for `hot`, when it is given. */
  #lookUp(word: number, hot: Cpu | undefined): number {
    const cells = this.#byWord;
    let at = hash(word);
    for (;;) {
      const there = cells[at * CELLS];
      if (there === word) return at;
      if (there === 0) break;
      at = (at + 1) & (2 ** HASH_BITS - 1);
    }
    // nothing is ever dropped but everything, when the table is half full
    if (this.handlers.length > 2 ** (HASH_BITS - 1)) {
      cells.fill(0);
      this.#number.fill(0);
      this.placed.fill(0);
      this.handlers.length = 1;
      at = hash(word);
    }
    const found = this.#decoder.find(word >>> 0);
    const f = found === undefined ? undefined : extract(found, word >>> 0);
    const number = word === 0 ? 0 : this.handlers.push(found === undefined ? UNDEFINED : { run: found.handle, f: f as never }) - 1;
    this.#number[at] = number;
    if (found !== undefined && f !== undefined && hot !== undefined) cells.set(hotForm(hot, found.name, f), at * CELLS);
    if (cells[at * CELLS + 1] === 0) cells[at * CELLS + 2] = number; // kind 0 finds its handler there
    cells[at * CELLS] = word;
    return at;
  }
  /** Puts a word to its place, cell `at` of the table by place. */
  place(word: number, at: number, hot: Cpu | undefined): void {
    const from = this.#lookUp(word, hot) * CELLS, cells = this.#byWord, placed = this.placed;
    for (let i = 0; i < CELLS; i++) placed[at + i] = cells[from + i] as number;
  }
  /** The reference handler of a word (signed). */
  handlerOf(word: number, hot: Cpu | undefined): Handler { return this.handlers[this.#number[this.#lookUp(word, hot)] as number] as Handler; }
  /** Its name in the encoding tables. */
  nameOf(word: number): string { return this.#decoder.find(word >>> 0)?.name ?? "UDF"; }
}
