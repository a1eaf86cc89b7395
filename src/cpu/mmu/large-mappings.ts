// src/cpu/mmu/large-mappings.ts — a set of mappings of several sizes, asked by address.

export class LargeMappings {
  /** By log2 of their size: mapping numbers (address >> shift). */
  readonly #sizes: { readonly shift: number; readonly numbers: Set<number> }[] = [];
  /** The mapping of 2^shift bytes that holds an address. */
  add(lo: number, hi: number, shift: number): void { this.#numbers(shift).add(number(lo, hi, shift)); }
  /** A loop: a closure would cost an object whenever a translation is remembered. */
  #numbers(shift: number): Set<number> {
    for (const size of this.#sizes) if (size.shift === shift) return size.numbers;
    const numbers = new Set<number>();
    this.#sizes.push({ shift, numbers });
    return numbers;
  }
  /** Whether one of them holds an address. */
  holds(lo: number, hi: number): boolean {
    for (let i = 0; i < this.#sizes.length; i++) {
      const { shift, numbers } = this.#sizes[i] as { shift: number; numbers: Set<number> };
      if (numbers.has(number(lo, hi, shift))) return true;
    }
    return false;
  }
  clear(): void { this.#sizes.length = 0; }
}

/** The number of the aligned mapping that holds an address: tag bits (63..56) are left out, they may be ignored. */
const number = (lo: number, hi: number, shift: number): number =>
  Math.floor(((hi & 0x00ff_ffff) * 2 ** 32 + (lo >>> 0)) / 2 ** shift);
