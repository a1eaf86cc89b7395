// src/share/message.ts — 9P messages: a reader that a cut-off message cannot lead astray, and a writer of bounded length.
// Spec: 9P2000 (intro(5) of Plan 9): integers little endian, a string is len[2] and UTF-8.

/** Reads a T-message. Behind its end everything is 0 or "", and `good` is false. */
export class MessageReader {
  good = true;
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  #at = 0;
  static readonly #text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  #take(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length) {
      this.good = false;
      return -1;
    }
    this.#at += length;
    return at;
  }
  u8(): number { const at = this.#take(1); return at < 0 ? 0 : this.#view.getUint8(at); }
  u16(): number { const at = this.#take(2); return at < 0 ? 0 : this.#view.getUint16(at, true); }
  u32(): number { const at = this.#take(4); return at < 0 ? 0 : this.#view.getUint32(at, true); }
  u64(): bigint { const at = this.#take(8); return at < 0 ? 0n : this.#view.getBigUint64(at, true); }
  /** Text that is no UTF-8 reads as "", which is no name either. */
  string(): string {
    const length = this.u16(), at = this.#take(length);
    if (at < 0) return "";
    try {
      return MessageReader.#text.decode(this.#bytes.subarray(at, at + length));
    } catch {
      return "";
    }
  }
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return at < 0 ? new Uint8Array(0) : this.#bytes.subarray(at, at + length);
  }
}

/** size[4] type[1] tag[2]. */
export const MESSAGE_HEADER = 7;
/** Writes an R-message into memory of its own. */
export class MessageWriter {
  #bytes: Uint8Array = new Uint8Array(64 * 1024);
  #view: DataView = new DataView(this.#bytes.buffer);
  #at = 0;
  static readonly #text = new TextEncoder();
  start(type: number, tag: number): this {
    this.#at = 4;
    return this.u8(type).u16(tag);
  }
  get length(): number { return this.#at; }
  #room(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length) {
      const larger = new Uint8Array(2 * (at + length));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#at += length;
    return at;
  }
  u8(value: number): this { this.#view.setUint8(this.#room(1), value); return this; }
  u16(value: number): this { const at = this.#room(2); this.#view.setUint16(at, value, true); return this; }
  u32(value: number): this { const at = this.#room(4); this.#view.setUint32(at, value, true); return this; }
  u64(value: bigint): this { const at = this.#room(8); this.#view.setBigUint64(at, BigInt.asUintN(64, value), true); return this; }
  string(value: string): this {
    const bytes = MessageWriter.#text.encode(value);
    this.u16(bytes.length);
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }
  /** Room for bytes that somebody else writes; `cut` gives back what was not needed. */
  reserve(length: number): Uint8Array {
    const at = this.#room(length);
    return this.#bytes.subarray(at, at + length);
  }
  cut(length: number): void { this.#at = length; }
  putU16(at: number, value: number): void { this.#view.setUint16(at, value, true); }
  putU32(at: number, value: number): void { this.#view.setUint32(at, value, true); }
  end(): Uint8Array {
    this.#view.setUint32(0, this.#at, true);
    return this.#bytes.subarray(0, this.#at);
  }
}
