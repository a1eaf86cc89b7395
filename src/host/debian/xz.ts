// src/host/debian/xz.ts — the .xz container and its LZMA2 filter, decoding only: Debian packages and modules use it.
// Spec: "The .xz File Format" 1.2.1 (stream, block, index); LZMA2 chunks and LZMA as in the public LZMA specification.
// Left out: encoding, BCJ and delta filters (nothing in Debian's packages uses them), the obsolete .lzma container.
// Bounded: the window is one dictionary (at most 64 MiB) plus 4 MiB whatever the output is; bad bytes are a Failure.
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { Failure } from "../../failure.ts";
import { KiB, MiB, formatSize } from "../../units.ts";

const MAX_DICTIONARY = 64 * MiB;
/** Room kept behind the dictionary: an LZMA2 chunk yields at most 2 MiB. */
const SLACK = 4 * MiB;

const bad = (why: string): Failure => new Failure("HV-XZ-DATA", `xz data is damaged: ${why}`, { exit: 1 });

// --- the range decoder and the LZMA model ---------------------------------------------------------------------------

/** States below this one follow a literal. */
const LITERAL_STATES = 7;
/** Where each group of probabilities starts in the one table; sizes from the LZMA specification. */
const P = {
  isMatch: 0, // 12 states x 16 positions
  isRep: 192,
  isRepG0: 204,
  isRepG1: 216,
  isRepG2: 228,
  isRep0Long: 240, // 12 x 16
  slot: 432, // 4 x 64
  special: 688, // 115, padded
  align: 804, // 16
  matchLen: 820, // choice, choice2, low 16x8, mid 16x8, high 256
  repLen: 1334,
  literal: 1848,
} as const;
const LEN = { choice: 0, choice2: 1, low: 2, mid: 130, high: 258 } as const;
const PROBS = P.literal + (0x300 << 4); // lc + lp <= 4 in LZMA2

class Lzma {
  readonly probs: Uint16Array = new Uint16Array(PROBS);
  window: Uint8Array = new Uint8Array(0);
  /** Next byte to write in the window. */
  at = 0;
  /** Bytes of history that a distance may reach. */
  history = 0;
  #lc = 0;
  #lpMask = 0;
  #pbMask = 0;
  #state = 0;
  #rep0 = 0;
  #rep1 = 0;
  #rep2 = 0;
  #rep3 = 0;
  #range = 0;
  #code = 0;
  #input: Uint8Array = new Uint8Array(0);
  #pos = 0;

  resetState(): void {
    this.probs.fill(1024);
    this.#state = this.#rep0 = this.#rep1 = this.#rep2 = this.#rep3 = 0;
  }

  properties(byte: number): boolean {
    if (byte >= 225) return false;
    const lc = byte % 9, rest = (byte / 9) | 0, lp = rest % 5, pb = (rest / 5) | 0;
    if (lc + lp > 4) return false;
    this.#lc = lc;
    this.#lpMask = (1 << lp) - 1;
    this.#pbMask = (1 << pb) - 1;
    return true;
  }

  #bit(index: number): number {
    if (this.#range >>> 24 === 0) {
      this.#range <<= 8;
      this.#code = (this.#code << 8) | this.#input[this.#pos++]!;
    }
    const p = this.probs[index]!;
    const bound = Math.imul(this.#range >>> 11, p);
    if (this.#code >>> 0 < bound >>> 0) {
      this.#range = bound;
      this.probs[index] = p + ((2048 - p) >> 5);
      return 0;
    }
    this.#range = (this.#range - bound) | 0;
    this.#code = (this.#code - bound) | 0;
    this.probs[index] = p - (p >> 5);
    return 1;
  }

  #tree(base: number, bits: number): number {
    let m = 1;
    for (let i = 0; i < bits; i++) m = (m << 1) | this.#bit(base + m);
    return m - (1 << bits);
  }

  #reverse(base: number, bits: number): number {
    let m = 1, value = 0;
    for (let i = 0; i < bits; i++) {
      const b = this.#bit(base + m);
      m = (m << 1) | b;
      value |= b << i;
    }
    return value;
  }

  #length(base: number, posState: number): number {
    if (this.#bit(base + LEN.choice) === 0) return 2 + this.#tree(base + LEN.low + (posState << 3), 3);
    if (this.#bit(base + LEN.choice2) === 0) return 10 + this.#tree(base + LEN.mid + (posState << 3), 3);
    return 18 + this.#tree(base + LEN.high, 8);
  }

  #distance(length: number): number {
    const slot = this.#tree(P.slot + (Math.min(length - 2, 3) << 6), 6);
    if (slot < 4) return slot;
    const direct = (slot >> 1) - 1;
    let value = (2 | (slot & 1)) << direct;
    if (slot < 14) return value + this.#reverse(P.special + value - slot, direct);
    for (let i = direct - 4; i > 0; i--) {
      if (this.#range >>> 24 === 0) {
        this.#range <<= 8;
        this.#code = (this.#code << 8) | this.#input[this.#pos++]!;
      }
      this.#range >>>= 1;
      this.#code = (this.#code - this.#range) | 0;
      const borrow = this.#code >> 31;
      this.#code = (this.#code + (this.#range & borrow)) | 0;
      value = (value + ((borrow + 1) << (i + 3))) | 0;
    }
    return (value + this.#reverse(P.align, 4)) >>> 0;
  }

  /** Decodes one LZMA chunk; false when the data is impossible. */
  chunk(input: Uint8Array, start: number, end: number, size: number): boolean {
    if (end - start < 5 || input[start] !== 0) return false;
    // A damaged chunk may read past its end, into what follows or into nothing (zeros): noticed at the next symbol or the end.
    this.#input = input;
    this.#range = -1;
    this.#code = (input[start + 1]! << 24) | (input[start + 2]! << 16) | (input[start + 3]! << 8) | input[start + 4]!;
    this.#pos = start + 5;
    const { probs, window } = this;
    const lc = this.#lc, lpMask = this.#lpMask, pbMask = this.#pbMask;
    let at = this.at, state = this.#state;
    const limit = at + size, floor = at - this.history;
    while (at < limit) {
      const position = at - this.phase;
      const posState = position & pbMask;
      if (this.#bit(P.isMatch + (state << 4) + posState) === 0) {
        const before = at > floor ? window[at - 1]! : 0;
        const base = P.literal + 0x300 * (((position & lpMask) << lc) + (before >> (8 - lc)));
        let range = this.#range, code = this.#code, pos = this.#pos, symbol = 1;
        if (state >= LITERAL_STATES) {
          if (at - this.#rep0 - 1 < floor) return false;
          let match = window[at - this.#rep0 - 1]!, offset = 0x100;
          while (symbol < 0x100) {
            match <<= 1;
            const matchBit = match & offset;
            const index = base + offset + matchBit + symbol;
            if (range >>> 24 === 0) {
              range <<= 8;
              code = (code << 8) | input[pos++]!;
            }
            const p = probs[index]!;
            const bound = Math.imul(range >>> 11, p);
            if (code >>> 0 < bound >>> 0) {
              range = bound;
              probs[index] = p + ((2048 - p) >> 5);
              symbol <<= 1;
              offset &= ~matchBit;
            } else {
              range = (range - bound) | 0;
              code = (code - bound) | 0;
              probs[index] = p - (p >> 5);
              symbol = (symbol << 1) | 1;
              offset &= matchBit;
            }
          }
        } else {
          while (symbol < 0x100) {
            const index = base + symbol;
            if (range >>> 24 === 0) {
              range <<= 8;
              code = (code << 8) | input[pos++]!;
            }
            const p = probs[index]!;
            const bound = Math.imul(range >>> 11, p);
            if (code >>> 0 < bound >>> 0) {
              range = bound;
              probs[index] = p + ((2048 - p) >> 5);
              symbol <<= 1;
            } else {
              range = (range - bound) | 0;
              code = (code - bound) | 0;
              probs[index] = p - (p >> 5);
              symbol = (symbol << 1) | 1;
            }
          }
        }
        this.#range = range;
        this.#code = code;
        this.#pos = pos;
        window[at++] = symbol;
        state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
        if (pos > end) return false;
        continue;
      }
      let length: number;
      if (this.#bit(P.isRep + state) === 0) {
        this.#rep3 = this.#rep2;
        this.#rep2 = this.#rep1;
        this.#rep1 = this.#rep0;
        length = this.#length(P.matchLen, posState);
        this.#rep0 = this.#distance(length);
        state = state < 7 ? 7 : 10;
      } else if (this.#bit(P.isRepG0 + state) === 0) {
        if (this.#bit(P.isRep0Long + (state << 4) + posState) === 0) {
          length = 1;
          state = state < 7 ? 9 : 11;
        } else {
          length = this.#length(P.repLen, posState);
          state = state < 7 ? 8 : 11;
        }
      } else {
        let distance: number;
        if (this.#bit(P.isRepG1 + state) === 0) {
          distance = this.#rep1;
        } else {
          if (this.#bit(P.isRepG2 + state) === 0) {
            distance = this.#rep2;
          } else {
            distance = this.#rep3;
            this.#rep3 = this.#rep2;
          }
          this.#rep2 = this.#rep1;
        }
        this.#rep1 = this.#rep0;
        this.#rep0 = distance;
        length = this.#length(P.repLen, posState);
        state = state < 7 ? 8 : 11;
      }
      let from = at - this.#rep0 - 1;
      if (from < floor || length > limit - at || this.#pos > end) return false;
      const stop = at + length;
      while (at < stop) window[at++] = window[from++]!;
    }
    if (this.#range >>> 24 === 0) this.#code = (this.#code << 8) | input[this.#pos++]!;
    this.history += at - this.at;
    this.at = at;
    this.#state = state;
    return this.#pos === end && this.#code === 0;
  }

  /** Window index of output position 0 modulo 16: what position states count from. */
  phase = 0;
}

// --- CRC-64 (ECMA-182, reflected), by pairs of 32-bit words --------------------------------------------------------

const crcLo = new Int32Array(256), crcHi = new Int32Array(256);
for (let n = 0; n < 256; n++) {
  let lo = n, hi = 0;
  for (let k = 0; k < 8; k++) {
    const odd = lo & 1;
    lo = (lo >>> 1) | (hi << 31);
    hi >>>= 1;
    if (odd) {
      lo ^= 0xd7870f42;
      hi ^= 0xc96c5795;
    }
  }
  crcLo[n] = lo;
  crcHi[n] = hi;
}

interface Check {
  update(bytes: Uint8Array): void;
  matches(stored: Uint8Array): boolean;
}

function makeCheck(kind: number): Check {
  if (kind === 1) {
    let value = 0;
    return {
      update: bytes => void (value = crc32(bytes, value)),
      matches: stored => new DataView(stored.buffer, stored.byteOffset).getUint32(0, true) === value >>> 0,
    };
  }
  if (kind === 4) {
    let lo = -1, hi = -1;
    return {
      update(bytes) {
        let l = lo, h = hi;
        for (let i = 0; i < bytes.length; i++) {
          const n = (l ^ bytes[i]!) & 0xff;
          l = ((l >>> 8) | (h << 24)) ^ crcLo[n]!;
          h = (h >>> 8) ^ crcHi[n]!;
        }
        lo = l;
        hi = h;
      },
      matches(stored) {
        const view = new DataView(stored.buffer, stored.byteOffset);
        return view.getInt32(0, true) === ~lo && view.getInt32(4, true) === ~hi;
      },
    };
  }
  if (kind === 10) {
    const hash = createHash("sha256");
    return { update: bytes => void hash.update(bytes), matches: stored => hash.digest().equals(stored.subarray(0, 32)) };
  }
  return { update: () => {}, matches: () => true };
}

/** Size of the check field by check kind (section 2.1.1.2). */
const checkSize = (kind: number): number => (kind === 0 ? 0 : 4 << Math.floor((kind - 1) / 3));

// --- the container ----------------------------------------------------------------------------------------------------

/** A variable-length integer (section 1.2); undefined when it is malformed or not below 2^53. */
function vli(bytes: Uint8Array, at: number, end: number): { value: number; next: number } | undefined {
  let value = 0, scale = 1;
  for (let i = 0; i < 8; i++) {
    const byte = at < end ? bytes[at++]! : 0x80;
    value += (byte & 0x7f) * scale;
    if (!Number.isSafeInteger(value)) return undefined;
    if (byte < 0x80) return byte === 0 && i > 0 ? undefined : { value, next: at };
    scale *= 128;
  }
  return undefined;
}

/** True for bytes that start like an .xz file. */
export const isXz = (bytes: Uint8Array): boolean =>
  bytes.length >= 6 && bytes[0] === 0xfd && bytes[1] === 0x37 && bytes[2] === 0x7a && bytes[3] === 0x58 && bytes[4] === 0x5a && bytes[5] === 0;

/**
 * The decoded bytes of an .xz file, piece by piece. A piece is only valid until the next one is asked for.
 * `verify: false` leaves out the block checks: for bytes whose SHA-256 was already compared.
 */
export function* xzPieces(bytes: Uint8Array, options: { verify?: boolean } = {}): Generator<Uint8Array, void, void> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lzma = new Lzma();
  let at = 0, streams = 0;
  while (at < bytes.length) {
    // Stream padding: groups of four zero bytes between or after streams.
    if (streams > 0 && at + 4 <= bytes.length && view.getUint32(at) === 0) {
      at += 4;
      continue;
    }
    if (at + 12 > bytes.length || !isXz(bytes.subarray(at))) {
      throw bad(streams === 0 ? "it does not start with the xz magic" : "bytes follow its end that are no stream");
    }
    if (bytes[at + 6] !== 0 || bytes[at + 7]! > 15) throw bad("unknown stream flags");
    if (crc32(bytes.subarray(at + 6, at + 8)) !== view.getUint32(at + 8, true)) throw bad("the stream header's CRC is wrong");
    const kind = bytes[at + 7]!;
    at += 12;
    streams++;
    for (;;) {
      if (at >= bytes.length) throw bad("it ends inside a stream");
      if (bytes[at] === 0) break;
      const headerSize = (bytes[at]! + 1) * 4;
      if (at + headerSize > bytes.length) throw bad("it ends inside a block header");
      if (crc32(bytes.subarray(at, at + headerSize - 4)) !== view.getUint32(at + headerSize - 4, true)) throw bad("a block header's CRC is wrong");
      const flags = bytes[at + 1]!;
      let cursor = at + 2;
      const headerEnd = at + headerSize - 4;
      const number = (): number => {
        const got = vli(bytes, cursor, headerEnd);
        if (got === undefined) throw bad("a block header holds a bad number");
        cursor = got.next;
        return got.value;
      };
      if ((flags & 0x3c) !== 0) throw bad("unknown block flags");
      if ((flags & 3) !== 0) throw new Failure("HV-XZ-FILTER", "xz data uses more than one filter; only plain LZMA2 is supported", { exit: 1 });
      if ((flags & 0x40) !== 0) number();
      const unpackedSize = (flags & 0x80) !== 0 ? number() : undefined;
      const filter = number();
      if (filter !== 0x21) throw new Failure("HV-XZ-FILTER", `xz data uses filter 0x${filter.toString(16)}; only LZMA2 (0x21) is supported`, { exit: 1 });
      if (number() !== 1) throw bad("LZMA2 properties of a wrong size");
      const dictByte = cursor < headerEnd ? bytes[cursor]! : 255;
      if (dictByte > 39) throw bad("a dictionary size that does not exist");
      const dictionary = Math.max(4 * KiB, (2 | (dictByte & 1)) * 2 ** ((dictByte >> 1) + 11));
      if (dictionary > MAX_DICTIONARY) {
        throw new Failure("HV-XZ-DICTIONARY", `xz data wants a dictionary of ${formatSize(dictionary)}; the limit is ${formatSize(MAX_DICTIONARY)}`, { exit: 1 });
      }
      if (lzma.window.length < dictionary + SLACK) lzma.window = new Uint8Array(dictionary + SLACK);
      lzma.at = lzma.history = lzma.phase = 0;
      at += headerSize;
      const dataStart = at;
      const check = makeCheck(options.verify === false ? 0 : kind);
      let emitted = 0, produced = 0, needDict = true, needState = true, needProps = true;
      for (;;) {
        if (at >= bytes.length) throw bad("it ends inside a block");
        const control = bytes[at]!;
        if (control === 0) {
          at++;
          break;
        }
        const isLzma = control >= 0x80;
        if (at + 6 > bytes.length || (!isLzma && control > 2)) throw bad("an LZMA2 chunk makes no sense");
        const size = isLzma ? ((control & 0x1f) << 16) + view.getUint16(at + 1) + 1 : view.getUint16(at + 1) + 1;
        if (control === 1 || control >= 0xe0) {
          needDict = false;
          lzma.history = 0;
          lzma.phase = lzma.at;
        }
        if (needDict) throw bad("the first LZMA2 chunk resets no dictionary");
        if (lzma.at + size > lzma.window.length) {
          const piece = lzma.window.subarray(emitted, lzma.at);
          check.update(piece);
          yield piece;
          const keep = Math.min(lzma.history, dictionary, lzma.at);
          const shift = lzma.at - keep;
          lzma.window.copyWithin(0, shift, lzma.at);
          lzma.at = keep;
          lzma.phase -= shift;
          emitted = keep;
        }
        lzma.history = Math.min(lzma.history, dictionary, lzma.at);
        if (isLzma) {
          const packed = view.getUint16(at + 3) + 1;
          let start = at + 5;
          if (control >= 0xc0) {
            if (!lzma.properties(bytes[start++]!)) throw bad("LZMA properties out of range");
            needProps = false;
          }
          if (control >= 0xa0) {
            lzma.resetState();
            needState = false;
          }
          if (needProps || needState) throw bad("an LZMA chunk before its properties");
          at = start + packed;
          if (at > bytes.length) throw bad("it ends inside an LZMA2 chunk");
          if (!lzma.chunk(bytes, start, at, size)) throw bad("an LZMA chunk does not decode");
        } else {
          if (at + 3 + size > bytes.length) throw bad("it ends inside an LZMA2 chunk");
          lzma.window.set(bytes.subarray(at + 3, at + 3 + size), lzma.at);
          lzma.at += size;
          lzma.history += size;
          at += 3 + size;
        }
        produced += size;
      }
      const last = lzma.window.subarray(emitted, lzma.at);
      check.update(last);
      if (unpackedSize !== undefined && unpackedSize !== produced) throw bad("a block's size is not what its header says");
      while ((at - dataStart) % 4 !== 0) if (bytes[at++] !== 0) throw bad("a block's padding is not zero");
      if (at + checkSize(kind) > bytes.length) throw bad("it ends inside a block's check");
      if (!check.matches(bytes.slice(at, at + checkSize(kind)))) throw bad("a block's check is wrong");
      at += checkSize(kind);
      if (last.length > 0) yield last;
    }
    at = skipIndex(bytes, at);
    if (at + 12 > bytes.length || bytes[at + 10] !== 0x59 || bytes[at + 11] !== 0x5a) throw bad("the stream footer is missing");
    if (crc32(bytes.subarray(at + 4, at + 10)) !== view.getUint32(at, true)) throw bad("the stream footer's CRC is wrong");
    at += 12;
  }
  if (streams === 0) throw bad("it is empty");
}

/** Steps over the index; its CRC is compared, its records are not (the blocks were decoded one by one). */
function skipIndex(bytes: Uint8Array, start: number): number {
  const take = (at: number): { value: number; next: number } => {
    const got = vli(bytes, at, bytes.length);
    if (got === undefined) throw bad("the index holds a bad number");
    return got;
  };
  const count = take(start + 1);
  let at = count.next;
  for (let i = 0; i < count.value * 2; i++) at = take(at).next;
  while ((at - start) % 4 !== 0) if (bytes[at++] !== 0) throw bad("the index's padding is not zero");
  if (at + 4 > bytes.length) throw bad("it ends inside the index");
  const stored = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
  if (crc32(bytes.subarray(start, at)) !== stored) throw bad("the index's CRC is wrong");
  return at + 4;
}

/** A whole .xz file in memory, refused beyond `limit` bytes of output. */
export function xzDecode(bytes: Uint8Array, limit: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  let total = 0;
  for (const piece of xzPieces(bytes)) {
    total += piece.length;
    if (total > limit) throw new Failure("HV-XZ-LIMIT", `xz data unpacks to more than ${formatSize(limit)}`, { exit: 1 });
    pieces.push(piece.slice());
  }
  const whole = new Uint8Array(total);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
