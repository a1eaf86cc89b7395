// test/support/random.ts — a small seeded generator, so that a fuzz run is the same run every time.
// It is Marsaglia's xorshift with 32 bits of state; good enough to choose bytes and places, and nothing else.

export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = (seed | 0) || 1;
  }
  u32(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }
  /** An integer in 0..limit-1. */
  below(limit: number): number {
    return this.u32() % limit;
  }
  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.u32() & 0xff);
  }
  /** A damaged copy: some bytes changed, a word replaced by a telling value, or the end cut off. */
  damage(bytes: Uint8Array): Uint8Array {
    const copy = bytes.slice(0, this.below(8) === 0 ? this.below(bytes.length + 1) : bytes.length);
    if (copy.length === 0) return copy;
    const view = new DataView(copy.buffer);
    for (let i = 1 + this.below(6); i > 0; i--) {
      const word = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_fffc, copy.length, this.u32()][this.below(8)]!;
      // The front holds headers: half of the changes go there.
      const at = this.below(this.below(2) === 0 ? Math.min(copy.length, 128) : copy.length);
      if (this.below(2) === 0 && at + 4 <= copy.length) view.setUint32(at, word, this.below(2) === 0);
      else copy[at] = word;
    }
    return copy;
  }
}
