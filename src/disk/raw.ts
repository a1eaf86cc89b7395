// src/disk/raw.ts — a raw image: byte n of the disk is byte n of the file.
import { readAll, writeAll, writeZeros, type DiskFile } from "./file.ts";
import type { DiskImage, RangeKind } from "./image.ts";

export class RawImage implements DiskImage {
  #size: number;
  readonly readOnly: boolean;
  readonly file: DiskFile;
  readonly #guard: ((from: Uint8Array) => void) | undefined;
  /** Something may not be on the medium: at first what somebody wrote who was ended. */
  #written = true;
  /** `guard` sees what is about to be written over the start of the disk, and may throw. */
  constructor(file: DiskFile, readOnly: boolean, guard?: (from: Uint8Array) => void) {
    this.file = file;
    this.readOnly = readOnly;
    this.#guard = guard;
    this.#size = file.size;
  }
  get size(): number { return this.#size; }
  grow(size: number): void {
    this.#written = true; // a flush keeps the length, too
    this.file.resize(size);
    this.#size = size;
  }
  read(at: number, into: Uint8Array): void { readAll(this.file, at, into); }
  place(at: number): { readonly file: DiskFile; readonly at: number } { return { file: this.file, at }; }
  write(at: number, from: Uint8Array): void {
    let bytes = from;
    if (at === 0 && this.#guard !== undefined) {
      bytes = from.slice(); // what is looked at is what is written, whoever else reaches that memory
      this.#guard(bytes);
    }
    this.#written = true;
    writeAll(this.file, at, bytes);
  }
  writeLater(at: number, from: readonly Uint8Array[], done: (whole: boolean) => void): boolean {
    if (at === 0 && this.#guard !== undefined) return false;
    return this.file.writeLater?.(at, from, whole => {
      this.#written = true; // not earlier: a flush may have passed since
      done(whole);
    }) ?? false;
  }
  discard(at: number, length: number): void {
    this.#written = true;
    this.file.punch(at, length);
  }
  writeZeroes(at: number, length: number, unmap: boolean): void {
    this.#written = true;
    if (!unmap || !this.file.punch(at, length)) writeZeros(this.file, at, length);
  }
  *flushing(): Generator<undefined, void> {
    if (!this.#written) return;
    this.#written = false;
    try {
      yield;
    } catch (error) {
      this.#written = true;
      throw error;
    }
  }
  status(at: number, length: number): { readonly kind: RangeKind; readonly length: number } {
    const data = this.file.nextData?.(at) ?? at;
    return data > at ? { kind: "hole", length: Math.min(length, data - at) } : { kind: "data", length: Math.min(length, 1024 * 1024) };
  }
  close(): void { this.file.close(); }
}
