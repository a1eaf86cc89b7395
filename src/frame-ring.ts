// src/frame-ring.ts — a ring of records in shared memory, from one thread to one other: frames between the machine thread
// and the thread with the sockets. One side writes and the other reads in place, so a frame is copied once per side.
// A side that has nothing to do says so in the ring and is woken once; while both are busy nobody wakes anybody.

/** Words at the front (i32). */
const Word = {
  /** Where the next record will be, and where the oldest is: bytes behind the front. Equal: there is none. */
  head: 0, tail: 1,
  /** 1: the reader wants to be woken by the next record; the writer by room. */
  readerRests: 2, writerWaits: 3,
  /** Free for the users of the ring. */
  extra: 4,
  WORDS: 16,
} as const;
const FRONT = Word.WORDS * 4;
/** In front of each record: its length, or that the ring goes on at its start. */
const LENGTH = 8;
const WRAP = -1;
/** Bytes of one ring: some fifteen of the largest frames. */
const SIZE: number = 1024 * 1024;

/** `size`: bytes, a multiple of 8. */
export const newFrameRing = (size: number = SIZE): SharedArrayBuffer => new SharedArrayBuffer(FRONT + size);

/** Either side's view of a ring; a side uses only the calls of its role. */
export class FrameRing {
  readonly #words: Int32Array;
  readonly #lengths: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #size: number;
  readonly #wake: () => void;
  /** Writer: where the reserved record is. */
  #at = 0;
  #reserved = 0;

  /** `wake` calls the other side. */
  constructor(memory: SharedArrayBuffer, wake: () => void) {
    this.#words = new Int32Array(memory, 0, Word.WORDS);
    this.#size = memory.byteLength - FRONT;
    this.#lengths = new Int32Array(memory, FRONT);
    this.#bytes = new Uint8Array(memory, FRONT);
    this.#wake = wake;
  }
  /** A word that means nothing to the ring: written by one side, read by the other. */
  get extra(): number { return Atomics.load(this.#words, Word.extra); }
  set extra(value: number) { Atomics.store(this.#words, Word.extra, value); }

  // --- the writer --------------------------------------------------------------------------------------------------

  /** Room for a record; undefined: there is none, and the reader will call when there is. */
  reserve(length: number): Uint8Array | undefined {
    const at = this.#place(length);
    if (at >= 0) {
      this.#at = at;
      this.#reserved = length;
      return this.#bytes.subarray(at + LENGTH, at + LENGTH + length);
    }
    Atomics.store(this.#words, Word.writerWaits, 1);
    if (this.#place(length) < 0) return undefined;
    Atomics.store(this.#words, Word.writerWaits, 0); // the room came in between
    return this.reserve(length);
  }
  /** What was reserved is a record, of its first `length` bytes. */
  commit(length: number = this.#reserved): void {
    this.#lengths[this.#at >> 2] = length;
    const head = this.#at + LENGTH + ((length + 7) & ~7);
    Atomics.store(this.#words, Word.head, head >= this.#size ? 0 : head);
    if (Atomics.load(this.#words, Word.readerRests) === 1 && Atomics.exchange(this.#words, Word.readerRests, 0) === 1) this.#wake();
  }
  #place(length: number): number {
    const need = LENGTH + ((length + 7) & ~7);
    const head = Atomics.load(this.#words, Word.head), tail = Atomics.load(this.#words, Word.tail);
    if (head < tail) return need < tail - head ? head : -1;
    // never so full that head and tail meet
    if (need < this.#size - head || (need === this.#size - head && tail > 0)) return head;
    if (need >= tail) return -1;
    this.#lengths[head >> 2] = WRAP;
    return 0;
  }

  // --- the reader --------------------------------------------------------------------------------------------------

  /** The oldest record, in place. */
  next(): Uint8Array | undefined {
    const at = this.#oldest();
    if (at < 0) return undefined;
    return this.#bytes.subarray(at + LENGTH, at + LENGTH + (this.#lengths[at >> 2] as number));
  }
  #oldest(): number {
    const tail = Atomics.load(this.#words, Word.tail);
    if (tail === Atomics.load(this.#words, Word.head)) return -1;
    return this.#lengths[tail >> 2] === WRAP ? 0 : tail;
  }
  /** The oldest record is done with. */
  release(): void {
    const at = this.#oldest();
    if (at < 0) return;
    const tail = at + LENGTH + (((this.#lengths[at >> 2] as number) + 7) & ~7);
    Atomics.store(this.#words, Word.tail, tail >= this.#size ? 0 : tail);
    if (Atomics.load(this.#words, Word.writerWaits) === 1 && this.#free >= this.#size / 2 && Atomics.exchange(this.#words, Word.writerWaits, 0) === 1) this.#wake();
  }
  get #free(): number {
    const used = Atomics.load(this.#words, Word.head) - Atomics.load(this.#words, Word.tail);
    return this.#size - (used < 0 ? used + this.#size : used);
  }
  /** Wants to be woken by the next record; false when there is one already. */
  rest(): boolean {
    Atomics.store(this.#words, Word.readerRests, 1);
    if (this.#oldest() < 0) return true;
    Atomics.store(this.#words, Word.readerRests, 0);
    return false;
  }
}
