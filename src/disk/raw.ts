// src/disk/raw.ts — a raw image behind a block device: byte n of the disk is byte n of the file.
// The file is reached through `DiskFile`, so that this and its tests know no host. A file is never taken for another format.
import type { BlockBackend, BlockDone } from "../../devices/virtio/block-backend.ts";

/** An open image. What fails throws: the message goes to the user. */
export interface DiskFile {
  /** What to call it. */
  readonly name: string;
  readonly size: number;
  /** Bytes read or written; fewer than asked at the end of the file, or when the host does it in parts. */
  read(at: number, into: Uint8Array): number;
  write(at: number, from: Uint8Array): number;
  /** Returns when everything written is on the medium. */
  sync(): void;
  /** Frees the space of a range, which then reads as zeros. False: this file cannot. */
  punch(at: number, length: number): boolean;
  close(): void;
}

const ZEROS = new Uint8Array(256 * 1024);

export class RawDisk implements BlockBackend {
  readonly size: number;
  readonly readOnly: boolean;
  readonly #file: DiskFile;
  constructor(file: DiskFile, readOnly: boolean) {
    this.#file = file;
    this.readOnly = readOnly;
    this.size = file.size;
  }
  read(at: number, into: Uint8Array, done: BlockDone): void { this.#attempt("read", done, () => readAll(this.#file, at, into)); }
  write(at: number, from: Uint8Array, done: BlockDone): void { this.#attempt("write", done, () => writeAll(this.#file, at, from)); }
  flush(done: BlockDone): void { this.#attempt("flush", done, () => this.#file.sync()); }
  discard(at: number, length: number, done: BlockDone): void { this.#attempt("discard", done, () => void this.#file.punch(at, length)); }
  writeZeroes(at: number, length: number, unmap: boolean, done: BlockDone): void {
    this.#attempt("write", done, () => {
      if (unmap && this.#file.punch(at, length)) return;
      for (let n = 0; n < length; n += ZEROS.length) writeAll(this.#file, at + n, ZEROS.subarray(0, Math.min(ZEROS.length, length - n)));
    });
  }
  #attempt(what: string, done: BlockDone, act: () => void): void {
    try {
      act();
    } catch (error) {
      const code = (error as { readonly code?: string }).code;
      const why = code === "ENOSPC" ? "no space left on the host's disk" : code ?? (error instanceof Error ? error.message : String(error));
      return done({ message: `${this.#file.name}: ${what} failed: ${why}; the guest gets I/O errors` });
    }
    done(undefined);
  }
}

/** Fills `into`, or throws: a file that is shorter than it was is no place full of zeros. */
export function readAll(file: DiskFile, at: number, into: Uint8Array): void {
  for (let n = 0; n < into.length;) {
    const got = file.read(at + n, into.subarray(n));
    if (got <= 0) throw new Error(`the file is shorter than the ${file.size} bytes it had when it was opened`);
    n += got;
  }
}
export function writeAll(file: DiskFile, at: number, from: Uint8Array): void {
  for (let n = 0; n < from.length;) {
    const put = file.write(at + n, from.subarray(n));
    if (put <= 0) throw new Error("the host writes nothing");
    n += put;
  }
}
