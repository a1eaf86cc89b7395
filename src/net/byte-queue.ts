// src/net/byte-queue.ts — bytes in order, in the pieces that they came in: read at any offset, dropped from the front.

/** Pieces shorter than this are joined, so that many small ones do not cost more than their bytes. */
const JOIN = 4096;
const BLOCK = 16384;

export class ByteQueue {
  #pieces: Uint8Array[] = [];
  /** Where in the first piece the queue starts. */
  #start = 0;
  /** The last piece is a block of our own, filled up to here; -1: it is not. */
  #filled = -1;
  length = 0;

  /** Takes bytes; a large piece is kept as it is: the caller must not change it. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.length += bytes.length;
    if (bytes.length >= JOIN) {
      this.#seal();
      this.#pieces.push(bytes);
      return;
    }
    let last = this.#pieces.at(-1);
    if (this.#filled < 0 || last === undefined || this.#filled + bytes.length > last.length) {
      this.#seal();
      last = new Uint8Array(BLOCK);
      this.#pieces.push(last);
      this.#filled = 0;
    }
    last.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }
  /** Cuts a block that is not full down to its bytes. */
  #seal(): void {
    const last = this.#pieces.at(-1);
    if (this.#filled >= 0 && last !== undefined) this.#pieces[this.#pieces.length - 1] = last.subarray(0, this.#filled);
    this.#filled = -1;
  }
  /** Fills `into` with the bytes from an offset on; they have to be there. */
  copy(offset: number, into: Uint8Array): void {
    let skip = offset + this.#start, done = 0;
    for (const piece of this.#pieces) {
      if (done === into.length) return;
      if (skip >= piece.length) {
        skip -= piece.length;
        continue;
      }
      const part = piece.subarray(skip, skip + into.length - done);
      into.set(part, done);
      done += part.length;
      skip = 0;
    }
  }
  /** The first bytes, as many as lie in one piece. */
  front(): Uint8Array {
    const first = this.#pieces[0];
    if (first === undefined) return new Uint8Array(0);
    const end = this.#pieces.length === 1 && this.#filled >= 0 ? this.#filled : first.length;
    return first.subarray(this.#start, end);
  }
  /** Forgets bytes at the front. */
  drop(count: number): void {
    this.length -= count;
    let left = count + this.#start;
    let gone = 0;
    for (const piece of this.#pieces) {
      const own = gone === this.#pieces.length - 1 && this.#filled >= 0 ? this.#filled : piece.length;
      if (left < own || (left === own && own < piece.length && this.#filled >= 0)) break;
      left -= own;
      gone++;
    }
    if (gone > 0) this.#pieces.splice(0, gone);
    if (this.#pieces.length === 0) {
      this.#filled = -1;
      left = 0;
    }
    this.#start = left;
  }
}
