// src/disk/overlay.ts — throw-away writes: what the guest writes goes into a scratch file, the image below is only read.
// Kept in blocks of 4 KiB, at the same position as in the disk: the scratch file is sparse, and gone with the process.
// Left out: writing the changes back.
import { isZero, readAll, writeAll, type DiskFile } from "./file.ts";
import type { DiskImage, RangeKind } from "./image.ts";

const BLOCK = 4096;

export class OverlayImage implements DiskImage {
  readonly size: number;
  readonly readOnly = false;
  readonly file: DiskFile;
  readonly #below: DiskImage;
  /** One bit per block: it lies in the scratch file. */
  readonly #own: Uint8Array;
  readonly #block = new Uint8Array(BLOCK);
  /** `scratch` is empty, and nobody else's. */
  constructor(below: DiskImage, scratch: DiskFile) {
    this.#below = below;
    this.file = scratch;
    this.size = below.size;
    scratch.resize(this.size);
    this.#own = new Uint8Array(Math.ceil(this.size / BLOCK / 8));
  }
  read(at: number, into: Uint8Array): void {
    for (let n = 0; n < into.length;) {
      const { own, length } = this.#run(at + n, into.length - n);
      const part = into.subarray(n, n + length);
      if (own) readAll(this.file, at + n, part);
      else this.#below.read(at + n, part);
      n += length;
    }
  }
  place(at: number, length: number): ReturnType<DiskImage["place"]> {
    const run = this.#run(at, length);
    if (run.length < length) return undefined;
    return run.own ? { file: this.file, at } : this.#below.place(at, length);
  }
  write(at: number, from: Uint8Array): void {
    this.#edges(at, from.length);
    writeAll(this.file, at, from);
    this.#take(at, from.length);
  }
  discard(at: number, length: number): void { this.#free(at, length); }
  writeZeroes(at: number, length: number, _unmap: boolean): void {
    const first = Math.ceil(at / BLOCK) * BLOCK, last = Math.floor((at + length) / BLOCK) * BLOCK;
    if (last <= first) return this.write(at, new Uint8Array(length));
    if (first > at) this.write(at, new Uint8Array(first - at));
    if (at + length > last) this.write(last, new Uint8Array(at + length - last));
    this.#free(first, last - first);
    this.#take(first, last - first);
  }
  grow(_size: number): void { throw new Error("what is written to it is thrown away: give the image below another size"); }
  /** Nothing of it outlives the process, let alone a power cut. */
  *flushing(): Generator<undefined, void> {}
  status(at: number, length: number): { readonly kind: RangeKind; readonly length: number } {
    const run = this.#run(at, length);
    return run.own ? { kind: "data", length: run.length } : this.#below.status(at, run.length);
  }
  close(): void {
    this.file.close();
    this.#below.close();
  }

  #has(block: number): boolean { return ((this.#own[block >> 3] as number) & (1 << (block & 7))) !== 0; }
  #run(at: number, length: number): { readonly own: boolean; readonly length: number } {
    let block = Math.floor(at / BLOCK);
    const own = this.#has(block), end = at + length;
    do block++; while (block * BLOCK < end && this.#has(block) === own);
    return { own, length: Math.min(end, block * BLOCK) - at };
  }
  #take(at: number, length: number): void {
    for (let block = Math.floor(at / BLOCK); block * BLOCK < at + length; block++) this.#own[block >> 3] = (this.#own[block >> 3] as number) | (1 << (block & 7));
  }
  /** Blocks that are written in part get the rest from below. */
  #edges(at: number, length: number): void {
    const first = Math.floor(at / BLOCK), last = Math.floor((at + length - 1) / BLOCK);
    if (at % BLOCK !== 0) this.#copyUp(first);
    if ((at + length) % BLOCK !== 0 && (last !== first || at % BLOCK === 0)) this.#copyUp(last);
  }
  #copyUp(block: number): void {
    if (this.#has(block)) return;
    const at = block * BLOCK, bytes = this.#block.subarray(0, Math.min(BLOCK, this.size - at));
    this.#below.read(at, bytes);
    if (!isZero(bytes)) writeAll(this.file, at, bytes);
    else this.#zero(at, bytes.length);
    this.#take(at, bytes.length);
  }
  /** Whole blocks that read as zeros in the scratch file from now on. */
  #free(at: number, length: number): void {
    const first = Math.ceil(at / BLOCK) * BLOCK, last = at + length === this.size ? this.size : Math.floor((at + length) / BLOCK) * BLOCK;
    if (last > first) this.#zero(first, last - first);
  }
  #zero(at: number, length: number): void {
    if (this.file.punch(at, length)) return;
    const zeros = new Uint8Array(Math.min(length, 256 * 1024));
    for (let n = 0; n < length; n += zeros.length) writeAll(this.file, at + n, zeros.subarray(0, Math.min(zeros.length, length - n)));
  }
}
