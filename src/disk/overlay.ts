// src/disk/overlay.ts — throw-away writes: what the guest writes stays in memory, the image below is only read.
// Kept in pieces of 64 KiB, made when first written; gone with the machine. Left out: writing the changes back.
import type { BlockBackend, BlockDone } from "../../devices/virtio/block-backend.ts";

const PIECE = 64 * 1024;

export class OverlayDisk implements BlockBackend {
  readonly size: number;
  readonly readOnly = false;
  readonly #below: BlockBackend;
  readonly #pieces: Map<number, Uint8Array> = new Map();
  constructor(below: BlockBackend) {
    this.#below = below;
    this.size = below.size;
  }
  read(at: number, into: Uint8Array, done: BlockDone): void {
    // The image fills everything but what was written since; a range that lies in written pieces needs no image.
    const lay = (): void => this.#over(at, into.length, (piece, from, start, length) => into.set(piece.subarray(from, from + length), start));
    if (this.#covered(at, into.length)) {
      lay();
      return done(undefined);
    }
    this.#below.read(at, into, error => {
      if (error === undefined) lay();
      done(error);
    });
  }
  write(at: number, from: Uint8Array, done: BlockDone): void {
    this.#own(at, from.length, done, () => this.#over(at, from.length, (piece, to, start, length) => piece.set(from.subarray(start, start + length), to)));
  }
  flush(done: BlockDone): void { done(undefined); }
  discard(_at: number, _length: number, done: BlockDone): void { done(undefined); }
  writeZeroes(at: number, length: number, _unmap: boolean, done: BlockDone): void {
    this.#own(at, length, done, () => this.#over(at, length, (piece, to, _start, n) => piece.fill(0, to, to + n)));
  }

  #covered(at: number, length: number): boolean {
    for (let i = Math.floor(at / PIECE); i * PIECE < at + length; i++) if (!this.#pieces.has(i)) return false;
    return true;
  }
  /** Makes every piece of a range ours, one after the other, then acts. */
  #own(at: number, length: number, done: BlockDone, act: () => void): void {
    for (let i = Math.floor(at / PIECE); i * PIECE < at + length; i++) {
      if (this.#pieces.has(i)) continue;
      const piece = new Uint8Array(Math.min(PIECE, this.size - i * PIECE));
      const add = (): void => { if (!this.#pieces.has(i)) this.#pieces.set(i, piece); };
      if (i * PIECE >= at && i * PIECE + piece.length <= at + length) { // all of it is about to be replaced
        add();
        continue;
      }
      let answered = false, failed = false, waiting = false;
      this.#below.read(i * PIECE, piece, error => {
        answered = true;
        failed = error !== undefined;
        if (error !== undefined) return done(error);
        add();
        if (waiting) this.#own(at, length, done, act);
      });
      if (failed) return;
      if (!answered) {
        waiting = true;
        return;
      }
    }
    act();
    done(undefined);
  }
  #over(at: number, length: number, act: (piece: Uint8Array, inPiece: number, inRange: number, length: number) => void): void {
    for (let n = 0; n < length;) {
      const index = Math.floor((at + n) / PIECE), inPiece = (at + n) % PIECE, part = Math.min(PIECE - inPiece, length - n);
      const piece = this.#pieces.get(index);
      if (piece !== undefined) act(piece, inPiece, n, part);
      n += part;
    }
  }
}
