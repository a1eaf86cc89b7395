// src/disk/file.ts — what an image lies in: bytes at positions, reached so that this folder and its tests know no host.

/** An open file or block device. What fails throws: the message goes to the user. */
export interface DiskFile {
  /** What to call it. */
  readonly name: string;
  /** Bytes, when it was opened. */
  readonly size: number;
  /** Bytes read or written; fewer than asked at the end of the file, or when the host does it in parts. */
  read(at: number, into: Uint8Array): number;
  /** Reads into memory that never moves, without waiting; false: not now. `done` hears whether all of it came; what did not has no reason, and is read again. */
  readLater?(at: number, into: readonly Uint8Array[], done: (whole: boolean) => void): boolean;
  write(at: number, from: Uint8Array): number;
  /** The same for writing; what is in that memory meanwhile is what may be written. */
  writeLater?(at: number, from: readonly Uint8Array[], done: (whole: boolean) => void): boolean;
  /** Returns when everything written is on the medium. */
  sync(): void;
  /** The same without waiting for it; a file that has none is synced at once. */
  syncLater?(done: (error: unknown) => void): void;
  /** Makes the file as long as this; new bytes read as zeros. */
  resize(size: number): void;
  /** Frees the space of a range, which then reads as zeros. False: this file cannot. */
  punch(at: number, length: number): boolean;
  /** Where from `at` on bytes are that are no hole; the file's end when there are none. Not every file knows. */
  nextData?(at: number): number;
  close(): void;
}

/** Fills `into`, or throws: a file that is shorter than it was is no place full of zeros. */
export function readAll(file: DiskFile, at: number, into: Uint8Array): void {
  for (let n = 0; n < into.length;) {
    const got = file.read(at + n, n === 0 ? into : into.subarray(n));
    if (got <= 0) throw new Error(`the file is shorter than the ${file.size} bytes it had when it was opened`);
    n += got;
  }
}
export function writeAll(file: DiskFile, at: number, from: Uint8Array): void {
  for (let n = 0; n < from.length;) {
    const put = file.write(at + n, n === 0 ? from : from.subarray(n));
    if (put <= 0) throw new Error("the host writes nothing");
    n += put;
  }
}
const ZEROS = new Uint8Array(256 * 1024);
export function writeZeros(file: DiskFile, at: number, length: number): void {
  for (let n = 0; n < length; n += ZEROS.length) writeAll(file, at + n, ZEROS.subarray(0, Math.min(ZEROS.length, length - n)));
}
const words = new Uint32Array(1);
/** True when every byte is zero. */
export function isZero(bytes: Uint8Array): boolean {
  if (bytes.byteOffset % 4 === 0 && bytes.length % 4 === 0 && bytes.length > 0) {
    const view = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / words.BYTES_PER_ELEMENT);
    for (let i = 0; i < view.length; i++) if (view[i] !== 0) return false;
    return true;
  }
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

const WORDS: Readonly<Record<string, string>> = {
  ENOSPC: "no space left on the host's disk", EDQUOT: "the quota on the host's disk is used up", EFBIG: "the file may not be that large on this host (EFBIG)",
};
/** Why the host refused, in the words of a user. */
export function whyOf(error: unknown): string {
  const code = (error as { readonly code?: string } | undefined)?.code;
  return code !== undefined && code in WORDS ? WORDS[code] as string : code ?? (error instanceof Error ? error.message : String(error));
}
