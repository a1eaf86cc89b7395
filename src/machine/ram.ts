// src/machine/ram.ts — guest RAM as devices and the loader reach it: bounds-checked copies across 2 GiB windows.
import type { GuestMemory } from "../../devices/device.ts";
import type { RamWindows } from "../hypervisor/backend.ts";

const WINDOW = 2 ** 31;

export class Ram implements GuestMemory {
  readonly base: number;
  readonly size: number;
  readonly #windows: readonly Uint8Array[];
  readonly #release: (offset: number, length: number) => number;
  constructor(base: number, ram: RamWindows) {
    this.base = base;
    this.size = ram.size;
    this.#release = (offset, length) => ram.release(offset, length);
    this.#windows = ram.windows.map(buffer => new Uint8Array(buffer));
  }
  contains(gpa: number, length: number): boolean {
    return Number.isSafeInteger(gpa) && gpa >= this.base && length <= this.size && gpa - this.base <= this.size - length;
  }
  read(gpa: number, into: Uint8Array): boolean {
    if (!this.contains(gpa, into.length)) return false;
    this.#pieces(gpa, into.length, (window, at, from, length) => into.set(window.subarray(at, at + length), from));
    return true;
  }
  stretch(gpa: number, length: number): Uint8Array | undefined {
    if (!this.contains(gpa, length)) return undefined;
    const offset = gpa - this.base, at = offset % WINDOW, window = this.#windows[Math.floor(offset / WINDOW)] as Uint8Array;
    return at + length <= window.length ? window.subarray(at, at + length) : undefined;
  }
  write(gpa: number, from: Uint8Array): boolean {
    if (!this.contains(gpa, from.length)) return false;
    this.#pieces(gpa, from.length, (window, at, start, length) => window.set(from.subarray(start, start + length), at));
    return true;
  }
  /**
   * The guest does not need these bytes: they go back to the host, page by page of the host's, and read as zero or as before.
   * To what executes the guest this is a write by a device: by the architecture's rules the guest makes its instruction
   * caches see it. Returns the bytes given back: none where any lies outside of RAM.
   */
  release(gpa: number, length: number): number {
    return this.contains(gpa, length) ? this.#release(gpa - this.base, length) : 0;
  }
  /** Every byte becomes zero. */
  clear(): void { for (const window of this.#windows) window.fill(0); }
  #pieces(gpa: number, length: number, piece: (window: Uint8Array, at: number, from: number, length: number) => void): void {
    let offset = gpa - this.base;
    for (let done = 0; done < length;) {
      const window = this.#windows[Math.floor(offset / WINDOW)] as Uint8Array;
      const at = offset % WINDOW;
      const n = Math.min(length - done, window.length - at);
      piece(window, at, done, n);
      done += n;
      offset += n;
    }
  }
}
