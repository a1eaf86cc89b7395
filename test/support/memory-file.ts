// test/support/memory-file.ts — disk images in memory: plain ones, and ones whose host loses power.
import type { DiskFile } from "../../src/disk/file.ts";
import type { Random } from "./random.ts";

const SECTOR = 512;

/** A file in memory that grows as it is written. */
export class MemoryFile implements DiskFile {
  readonly name: string = "disk.img";
  bytes: Uint8Array;
  syncs = 0;
  /** Calls that change the file, so far; `failAt` is the number of the first that fails. */
  changes = 0;
  failAt: number = Number.POSITIVE_INFINITY;
  failure = "EIO";
  constructor(bytes: Uint8Array = new Uint8Array(0)) { this.bytes = bytes; }
  get size(): number { return this.bytes.length; }
  protected change(): void {
    if (++this.changes >= this.failAt) throw Object.assign(new Error("it fails"), { code: this.failure });
  }
  read(at: number, into: Uint8Array): number {
    const part = this.bytes.subarray(at, at + into.length);
    into.set(part);
    return part.length;
  }
  write(at: number, from: Uint8Array): number {
    this.change();
    if (at + from.length > this.bytes.length) this.#resize(at + from.length);
    this.bytes.set(from, at);
    return from.length;
  }
  sync(): void {
    this.change();
    this.syncs++;
  }
  resize(size: number): void {
    this.change();
    this.#resize(size);
  }
  #resize(size: number): void {
    const bytes = new Uint8Array(size);
    bytes.set(this.bytes.subarray(0, size));
    this.bytes = bytes;
  }
  punch(at: number, length: number): boolean {
    this.change();
    this.bytes.fill(0, at, at + length);
    return true;
  }
  close(): void {}
}

/** A file on a medium with a cache: a power cut keeps what was synced, and of the rest any part. */
export class VolatileFile extends MemoryFile {
  #medium: Uint8Array;
  #pending: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  constructor(bytes: Uint8Array) {
    super(bytes.slice());
    this.#medium = bytes.slice();
  }
  override write(at: number, from: Uint8Array): number {
    // a sector is written whole or not at all
    for (let n = 0; n < from.length;) {
      const end = Math.min(from.length, n + SECTOR - ((at + n) % SECTOR));
      this.#pending.push({ at: at + n, bytes: from.slice(n, end) });
      n = end;
    }
    return super.write(at, from);
  }
  override punch(at: number, length: number): boolean {
    this.#pending.push({ at, bytes: new Uint8Array(length) });
    return super.punch(at, length);
  }
  override sync(): void {
    super.sync();
    this.#medium = this.bytes.slice();
    this.#pending = [];
  }
  /** What is there after a power cut now: some of what was not synced, in any combination. */
  afterPowerCut(random: Random): Uint8Array {
    const kept = random.below(4), pending = this.#pending.filter(() => (kept === 0 ? false : kept === 1 ? true : random.below(2) === 0));
    // a file's length is metadata of the host's: old or new
    const left = new Uint8Array(Math.max(random.below(2) === 0 ? this.#medium.length : this.bytes.length, ...pending.map(one => one.at + one.bytes.length)));
    left.set(this.#medium.subarray(0, left.length));
    for (const { at, bytes } of pending) left.set(bytes, at);
    return left;
  }
}
