// devices/lane.ts — byte lanes: what a narrow access sees of a 32-bit register, and what it replaces.
// Spec: AMBA APB and AHB byte strobes. An access that would leave the word is cut off at its end.

/** The bits of the 32-bit register `word` that an access of `size` bytes at `offset` reads. */
export function readLane(word: number, offset: number, size: number): number {
  const shifted = word >>> ((offset & 3) * 8);
  return size >= 4 ? shifted : (shifted & ((1 << (size * 8)) - 1)) >>> 0;
}

/** The register after writing `value` through the lanes of the access. */
export function writeLane(word: number, offset: number, size: number, value: number): number {
  const shift = (offset & 3) * 8;
  const mask = (size >= 4 ? 0xffff_ffff : (1 << (size * 8)) - 1) << shift;
  return ((word & ~mask) | ((value << shift) & mask)) >>> 0;
}
