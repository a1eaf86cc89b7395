// src/cpu/translate/blocks.ts — the blocks of generated code, as rows of parallel arrays: how they are found, and which
// pages they belong to. Their life is described in engine.ts.
import { NativeMemory } from "../../../ffi/memory.ts";

/** log2 of the number of blocks. */
const BITS = 20;
const MAX = 2 ** BITS;
/** The hash table grows from this: all of one that is never filled would be touched. */
const FIRST_HASH_BITS = 14;
/** Chains of blocks by virtual page. */
const VIRTUAL_HEADS = 2 ** 16;
const DEAD = -1;
const FREED = -1;

export class BlockTable {
  /** Virtual address of the first instruction; EL0's within its page, for one block serves all mappings of it. */
  readonly lo: Int32Array = column();
  readonly hi: Int32Array = column();
  /** RAM word of the first instruction times 2, plus the EL (beyond 2^31 from 4 GiB on); -1 when the block is dead. */
  readonly key: Float64Array = new Float64Array(NativeMemory.allocate(MAX * 8).window(0));
  /** Offset of its code. */
  readonly start: Int32Array = column();
  /** The words it was made from: index in the pool, count. */
  readonly words: Int32Array = column();
  readonly length: Int32Array = column();
  /** Words beyond it that decided which flags are kept, in the pool behind its own: pairs of index within the page, word. */
  readonly looked: Int32Array = column();
  /** First of the link sites that jump here, from the same page and from others; -1: none. */
  readonly incoming: Int32Array = column();
  readonly incomingFar: Int32Array = column();
  /** What a block depends on of the words of its page: the first << 16, how many << 1, and 1 where others beyond them decided which flags are kept; DEAD. */
  readonly #span = column();
  /** The next block made from the same RAM page, for the same virtual page; -1: the last. */
  readonly #nextInRam = column();
  readonly #nextInVirtual = column();
  #ram = new Map<number, number>();
  /** By virtual page, folded: number of the first block + 1. */
  readonly #virtual = column(VIRTUAL_HEADS);
  /** By key: number of the block + 1, with linear probing; FREED where one has died. Less than half of it is in use. */
  #hash = new Int32Array(2 ** FIRST_HASH_BITS);
  #hashBits = FIRST_HASH_BITS;
  count = 0;

  get full(): boolean { return this.count === MAX; }
  alive(block: number): boolean { return this.key[block] !== DEAD; }

  /** The block with this key, or -1. */
  find(key: number): number {
    const at = this.#place(key);
    return at < 0 ? -1 : (this.#hash[at] as number) - 1;
  }
  #place(key: number): number {
    const hash = this.#hash, last = hash.length - 1;
    for (let at = this.#first(key); ; at = (at + 1) & last) {
      const there = hash[at] as number;
      if (there === 0) return -1;
      if (there !== FREED && this.key[there - 1] === key) return at;
    }
  }
  #first(key: number): number { return Math.imul(key, 0x9e37_79b1) >>> (32 - this.#hashBits); }
  #enter(block: number): void {
    const hash = this.#hash, last = hash.length - 1;
    let at = this.#first(this.key[block] as number);
    while ((hash[at] as number) > 0) at = (at + 1) & last;
    hash[at] = block + 1;
  }
  /** Twice the size, the dead left out. */
  #grow(): void {
    this.#hash = new Int32Array(2 ** ++this.#hashBits);
    for (let block = 0; block < this.count; block++) if (this.alive(block)) this.#enter(block);
  }
  /** Enters a block. There must be none with this key. */
  add(key: number, lo: number, hi: number, start: number, words: number, length: number, looked: number): number {
    if (2 * this.count >= this.#hash.length) this.#grow();
    const block = this.count++;
    this.key[block] = key;
    this.lo[block] = lo;
    this.hi[block] = hi;
    this.start[block] = start;
    this.words[block] = words;
    this.length[block] = length;
    this.looked[block] = looked;
    this.#span[block] = ((lo & 4095) >>> 2) << 16 | length << 1 | (looked > 0 ? 1 : 0);
    this.incoming[block] = -1;
    this.incomingFar[block] = -1;
    const ram = Math.floor(key / 2048), virtual = virtualHead(lo, hi);
    this.#nextInRam[block] = this.#ram.get(ram) ?? -1;
    this.#ram.set(ram, block);
    if ((key & 1) !== 0) {
      this.#nextInVirtual[block] = (this.#virtual[virtual] as number) - 1;
      this.#virtual[virtual] = block + 1;
    }
    this.#enter(block);
    return block;
  }
  /** Marks a block as dead: it is found no longer. */
  kill(block: number): void {
    this.#hash[this.#place(this.key[block] as number)] = FREED;
    this.key[block] = DEAD;
    this.#span[block] = DEAD;
  }

  /**
   * The next living block behind `before` (-1: the first) of a RAM page that may depend on its words from `from` to before `to`; -1: none.
   * Dead ones are taken out of the chain by whoever walks over them.
   */
  dependent(page: number, before: number, from: number, to: number): number {
    const next = this.#nextInRam;
    let last = before, block = before < 0 ? this.#ram.get(page) ?? -1 : next[before] as number;
    while (block >= 0) {
      const span = this.#span[block] as number, first = span >>> 16, after = next[block] as number;
      if (span !== DEAD) {
        if ((span & 1) !== 0 || (first < to && first + ((span >>> 1) & 0x7fff) > from)) return block;
        last = block;
      } else if (last < 0) this.#ram.set(page, after);
      else next[last] = after;
      block = after;
    }
    return -1;
  }
  /** The first living block of EL1 for the virtual page of an address; -1: there is none. */
  firstInVirtual(lo: number, hi: number): number {
    const head = virtualHead(lo, hi);
    const first = this.#living((this.#virtual[head] as number) - 1);
    this.#virtual[head] = first + 1;
    return this.#inPage(first, lo, hi);
  }
  nextInVirtual(block: number): number { return this.#inPage(this.#following(block), this.lo[block] as number, this.hi[block] as number); }
  #following(block: number): number {
    return (this.#nextInVirtual[block] = this.#living(this.#nextInVirtual[block] as number));
  }
  /** `block` or the first one behind it in the chain that lies in the page of an address, whatever its tag. */
  #inPage(block: number, lo: number, hi: number): number {
    while (block >= 0 && ((((this.lo[block] as number) ^ lo) & -4096) !== 0 || (((this.hi[block] as number) ^ hi) & 0x00ff_ffff) !== 0)) block = this.#following(block);
    return block;
  }
  /** RAM pages that blocks were made from. */
  ramPages(): Iterable<number> { return this.#ram.keys(); }

  #living(block: number): number {
    while (block >= 0 && this.key[block] === DEAD) block = this.#nextInVirtual[block] as number;
    return block;
  }

  clear(): void {
    if (this.count === 0) return; // nor are the columns touched before there is a block
    this.count = 0;
    this.#ram = new Map();
    this.#virtual.fill(0);
    this.#hash.fill(0);
  }
}

/** Memory is touched as a column fills. */
function column(rows: number = MAX): Int32Array { return new Int32Array(NativeMemory.allocate(rows * 4).window(0)); }
const virtualHead = (lo: number, hi: number): number => ((lo >>> 12) ^ (hi << 4)) & (VIRTUAL_HEADS - 1);
