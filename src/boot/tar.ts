// src/boot/tar.ts — a reader for tar streams: ustar, pax headers (path, linkpath, size) and GNU long names.
// Spec: POSIX.1-2017 pax, "ustar interchange format"; GNU tar manual, "Basic tar format". One pass, bounded memory.
// Left out: writing, sparse files, pax globals. Names are returned as written: what may be unpacked is the caller's choice.

/** What one header says. `kind` is "other" for types that make no file (and their content is skipped). */
export interface TarHeader {
  readonly name: string;
  readonly kind: "file" | "hardlink" | "symlink" | "character" | "block" | "directory" | "fifo" | "other";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly size: number;
  readonly link: string;
  readonly major: number;
  readonly minor: number;
}
export interface TarEntry extends TarHeader {
  /** The content, when `wanted` said so. */
  readonly data: Uint8Array;
}
/** A stream that is no tar, or ends early. */
export class TarError extends Error {
  override readonly name = "TarError";
}

const KINDS: Readonly<Record<string, TarHeader["kind"]>> = {
  "0": "file", "\0": "file", "7": "file", "1": "hardlink", "2": "symlink", "3": "character", "4": "block", "5": "directory", "6": "fifo",
};
const MAX_EXTENSION = 1 << 20;
const decoder = new TextDecoder();

/** True when a block carries a right header sum: the one thing every tar flavour has. */
export function isTar(bytes: Uint8Array): boolean {
  return bytes.length >= 512 && bytes[0] !== 0 && checksum(bytes) === octal(bytes, 148, 8);
}

function checksum(block: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? 32 : block[i]!;
  return sum;
}

/** A number field: octal text, or base 256 when its top bit is set. NaN when it is neither. */
function octal(block: Uint8Array, at: number, length: number): number {
  if (block[at]! & 0x80) {
    let value = block[at]! & 0x7f;
    for (let i = 1; i < length; i++) value = value * 256 + block[at + i]!;
    return Number.isSafeInteger(value) ? value : NaN;
  }
  const digits = string(block, at, length).trim();
  return digits === "" ? 0 : /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : NaN;
}

function string(block: Uint8Array, at: number, length: number): string {
  const end = block.subarray(at, at + length).indexOf(0);
  return decoder.decode(block.subarray(at, at + (end < 0 ? length : end)));
}

/** "length key=value\n" records of a pax header. */
function paxRecords(bytes: Uint8Array): Map<string, string> {
  const records = new Map<string, string>();
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 ? NaN : Number(decoder.decode(bytes.subarray(at, space)));
    if (!Number.isInteger(length) || length < 5 || at + length > bytes.length) throw new TarError("a pax header is damaged");
    const record = decoder.decode(bytes.subarray(space + 1, at + length - 1));
    const equals = record.indexOf("=");
    if (equals > 0) records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return records;
}

/**
 * Walks a tar stream that arrives in pieces. Every header is yielded; its content only when `wanted` says so.
 * `data` is a copy, so a piece may be reused by its producer.
 */
export function* tarEntries(pieces: Iterable<Uint8Array>, wanted: (header: TarHeader) => boolean = () => true, limit = 0x7fff_ffff): Generator<TarEntry, void, void> {
  const source = pieces[Symbol.iterator]();
  let piece = new Uint8Array(0), used = 0;
  /** Moves `length` bytes into `into`, or drops them. False at a clean end of the stream. */
  const take = (length: number, into?: Uint8Array): boolean => {
    let done = 0;
    while (done < length) {
      if (used === piece.length) {
        const next = source.next();
        if (next.done === true) {
          if (done === 0) return false;
          throw new TarError("the tar stream ends in the middle of an entry");
        }
        piece = next.value as Uint8Array<ArrayBuffer>;
        used = 0;
        continue;
      }
      const count = Math.min(length - done, piece.length - used);
      if (into !== undefined) into.set(piece.subarray(used, used + count), done);
      used += count;
      done += count;
    }
    return true;
  };
  const content = (size: number, keep: boolean): Uint8Array => {
    if (keep && size > limit) throw new TarError(`an entry of ${size} bytes is too large`);
    const data = new Uint8Array(keep ? size : 0);
    if (size > 0 && !take(size, keep ? data : undefined)) throw new TarError("the tar stream ends before an entry's content");
    const padding = (512 - (size % 512)) % 512;
    if (padding > 0) take(padding);
    return data;
  };
  const block = new Uint8Array(512);
  let pax = new Map<string, string>(), longName: string | undefined, longLink: string | undefined, empty = true;
  while (take(512, block)) {
    if (block.every(byte => byte === 0)) {
      empty = false;
      while (take(512)); // the rest is padding: let the producer check its own end
      return;
    }
    if (checksum(block) !== octal(block, 148, 8)) throw new TarError("a tar header's sum is wrong");
    empty = false;
    const type = String.fromCharCode(block[156]!);
    const size = pax.has("size") ? Number(pax.get("size")) : octal(block, 124, 12);
    if (!Number.isSafeInteger(size) || size < 0) throw new TarError("a tar header holds no size");
    if (type === "x" || type === "L" || type === "K" || type === "g") {
      if (size > MAX_EXTENSION) throw new TarError("an extended tar header is too large");
      const data = content(size, true);
      if (type === "x") pax = paxRecords(data);
      else if (type === "L") longName = string(data, 0, data.length);
      else if (type === "K") longLink = string(data, 0, data.length);
      continue;
    }
    const prefix = string(block, 257, 5) === "ustar" && block[262] === 0 ? string(block, 345, 155) : "";
    const short = string(block, 0, 100);
    const kind = KINDS[type] ?? "other";
    const name = pax.get("path") ?? longName ?? (prefix === "" ? short : `${prefix}/${short}`);
    const header: TarHeader = {
      name, kind: kind === "file" && name.endsWith("/") ? "directory" : kind,
      mode: octal(block, 100, 8) & 0o7777, uid: octal(block, 108, 8) || 0, gid: octal(block, 116, 8) || 0, mtime: Math.floor(octal(block, 136, 12)) || 0,
      size, link: pax.get("linkpath") ?? longLink ?? string(block, 157, 100), major: octal(block, 329, 8) || 0, minor: octal(block, 337, 8) || 0,
    };
    pax = new Map();
    longName = longLink = undefined;
    // Only files carry content; a few writers give links a size that means nothing.
    const stored = kind === "file" || kind === "other" ? size : 0;
    const keep = stored > 0 && wanted(header);
    yield { ...header, data: content(stored, keep) };
  }
  if (empty) throw new TarError("the tar stream is empty");
}
