// src/cpu/interpret/slice.ts — how many instructions the interpreter executes between two looks at the clock and the kick flag: a
// number that follows how long they take, as floating point takes ten times as long as the rest, so that a timer is heard in time.
/** At most, and at least. */
const SLICE = 4096, SHORT_SLICE = 256;
/** A slice that takes longer than a second by that is halved; one of a quarter of it is doubled again. */
const SLICES_A_SECOND = 4000;

export class AdaptiveSlice {
  length: number = SLICE;
  readonly #most: number;
  /** `frequency`: ticks of the clock a second. */
  constructor(frequency: number) { this.#most = frequency / SLICES_A_SECOND; }
  /** A whole slice took so many ticks. */
  took(ticks: number): void {
    if (ticks > this.#most) this.length = Math.max(SHORT_SLICE, this.length >> 1);
    else if (ticks < this.#most / 4 && this.length < SLICE) this.length <<= 1;
  }
}
