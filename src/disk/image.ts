// src/disk/image.ts — what every image format offers, and that as the back end of a block device.
// Formats are synchronous and throw; only a flush may take its time: it is a list of steps with the host's sync in between,
// so that a guest can go on while its data travels to the medium.
import type { BlockBackend, BlockDone } from "../../devices/virtio/block-backend.ts";
import { Failure } from "../failure.ts";
import { whyOf, type DiskFile } from "./file.ts";

/** What a range holds: bytes, zeros known without reading, or nothing of its own (then it reads as zeros). */
export type RangeKind = "data" | "zero" | "hole";

/** A disk in some format. Positions and lengths lie inside of `size`; what fails throws an Error with a user's words. */
export interface DiskImage {
  readonly size: number;
  readonly readOnly: boolean;
  /** The file that is written to, and synced in a flush. */
  readonly file: DiskFile;
  read(at: number, into: Uint8Array): void;
  /** Where a file holds these bytes as they are, in one piece. */
  place(at: number, length: number): { readonly file: DiskFile; readonly at: number } | undefined;
  write(at: number, from: Uint8Array): void;
  /** A long write by somebody else, see DiskFile: where no other request can need the place meanwhile. */
  writeLater?(at: number, from: readonly Uint8Array[], done: (whole: boolean) => void): boolean;
  discard(at: number, length: number): void;
  writeZeroes(at: number, length: number, unmap: boolean): void;
  /** Makes the disk larger, while it is in use too: new bytes read as zeros. Throws where that cannot be. */
  grow(size: number): void;
  /** A flush: at each `yield` the caller syncs `file`, and goes on only when that worked; else it throws into this. */
  flushing(): Generator<undefined, void>;
  /** What is at `at`, and how many of `length` bytes are the same. */
  status(at: number, length: number): { readonly kind: RangeKind; readonly length: number };
  /** Leaves the image in order, as far as its file allows, and closes every file. */
  close(): void;
}

/** A whole flush, here and now. */
export function flushNow(image: DiskImage): void {
  const steps = image.flushing();
  for (let step = steps.next(); step.done !== true; step = steps.next()) {
    try {
      image.file.sync();
    } catch (error) {
      steps.throw(error);
    }
  }
}

/** What lies one behind the other from a position on. */
function eachPart(at: number, parts: readonly Uint8Array[], act: (at: number, part: Uint8Array) => void): void {
  let n = at;
  for (const part of parts) {
    act(n, part);
    n += part.length;
  }
}

/** An image behind a block device. */
export class ImageBackend implements BlockBackend {
  readonly readOnly: boolean;
  readonly atOnce = true;
  readonly #image: DiskImage;
  /** Flushes asked for that have not begun. One that has begun may not hold what was written since. */
  #waiting: BlockDone[] = [];
  #flushing = false;
  /** Why a sync failed. What the host has lost then it does not say twice: no later flush can promise anything. A flush whose writes fail has lost nothing: they are made again. */
  #lost: string | undefined;
  /** Waits for those of `readLater` and `writeLater`: there is none without it. */
  readonly settle: () => void;
  constructor(image: DiskImage, settle: () => void = () => {}) {
    this.#image = image;
    this.settle = settle;
    this.readOnly = image.readOnly;
  }
  get size(): number { return this.#image.size; }
  /** Makes the disk larger; throws an Error with a user's words where that cannot be. */
  grow(size: number): void {
    const image = this.#image, { name } = image.file;
    if (size < image.size) throw new Error(`${name}: has ${image.size} bytes: while a machine uses it, it can only grow`);
    if (this.readOnly) throw new Error(`${name}: is read-only: it does not grow`);
    if (this.#lost !== undefined) throw new Error(this.#sentence("flush", this.#lost));
    if (size === image.size) return;
    try {
      image.grow(size);
    } catch (error) {
      throw error instanceof Failure ? error : new Error(`${name}: cannot become ${size} bytes: ${whyOf(error)}`, { cause: error });
    }
  }
  read(at: number, into: Uint8Array, done: BlockDone): void { this.#attempt("read", done, () => this.#image.read(at, into)); }
  readLater(at: number, into: readonly Uint8Array[], done: BlockDone): boolean {
    const length = into.reduce((sum, part) => sum + part.length, 0);
    let place: ReturnType<DiskImage["place"]>;
    try {
      place = this.#image.place(at, length);
    } catch {
      return false; // read at once, it says why
    }
    return place?.file.readLater?.(place.at, into, whole => (whole ? done(undefined) : this.#attempt("read", done, () => eachPart(at, into, (n, part) => this.#image.read(n, part))))) ?? false;
  }
  write(at: number, from: Uint8Array, done: BlockDone): void { this.#attempt("write", done, () => this.#image.write(at, from)); }
  writeLater(at: number, from: readonly Uint8Array[], done: BlockDone): boolean {
    return this.#image.writeLater?.(at, from, whole => (whole ? done(undefined) : this.#attempt("write", done, () => eachPart(at, from, (n, part) => this.#image.write(n, part))))) ?? false;
  }
  discard(at: number, length: number, done: BlockDone): void { this.#attempt("discard", done, () => this.#image.discard(at, length)); }
  writeZeroes(at: number, length: number, unmap: boolean, done: BlockDone): void { this.#attempt("write", done, () => this.#image.writeZeroes(at, length, unmap)); }
  flush(done: BlockDone): void {
    this.#waiting.push(done);
    if (!this.#flushing) this.#flush();
  }

  #flush(): void {
    const asked = this.#waiting;
    this.#waiting = [];
    this.#flushing = true;
    const end = (error: unknown, syncing: boolean): void => {
      if (error !== undefined && syncing) this.#lost ??= whyOf(error);
      const why = this.#lost ?? (error === undefined ? undefined : whyOf(error));
      const answer = why === undefined ? undefined : { message: this.#sentence("flush", why) };
      this.#flushing = false;
      for (const done of asked) done(answer);
      if (this.#waiting.length > 0 && !this.#flushing) this.#flush();
    };
    if (this.#lost !== undefined) return end(undefined, true);
    const { file } = this.#image;
    const steps = this.#image.flushing();
    const go = (failed: unknown): void => {
      let syncing = failed !== undefined;
      try {
        for (;;) {
          const step = syncing ? steps.throw(failed) : steps.next();
          if (step.done === true) return end(failed, syncing);
          if (file.syncLater !== undefined) return file.syncLater(go);
          syncing = true;
          file.sync();
          syncing = false;
        }
      } catch (error) {
        steps.return(undefined);
        end(error, syncing);
      }
    };
    go(undefined);
  }
  #attempt(what: string, done: BlockDone, act: () => void): void {
    try {
      act();
    } catch (error) {
      return done({ message: this.#sentence(what, whyOf(error)) });
    }
    done(undefined);
  }
  #sentence(what: string, why: string): string { return `${this.#image.file.name}: ${what} failed: ${why}; the guest gets I/O errors`; }
}
