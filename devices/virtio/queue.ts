// devices/virtio/queue.ts — the device's side of a split virtqueue.
// Spec: OASIS virtio 1.2, 2.7 (split virtqueues), 2.7.5.3 (indirect descriptors), 2.7.7 and 2.7.10 (event suppression).
// The driver is not trusted: every descriptor and header is read from guest memory once, into locals, and what breaks a
// rule of 2.7 makes the queue `broken` instead of an exception. Left out: packed queues, legacy layout, IN_ORDER.
import type { GuestMemory } from "../device.ts";

/** The largest queue offered. */
export const QUEUE_SIZE_MAX: number = 256;
/** Descriptor flags, 2.7.5. */
const VIRTQ_DESC_F = { NEXT: 1, WRITE: 2, INDIRECT: 4 } as const;
const VIRTQ_AVAIL_F_NO_INTERRUPT = 1;
const DESCRIPTOR = 16;
const U32 = 2 ** 32;

/** A buffer's place in guest memory; it lies in RAM. */
export interface Segment { readonly at: number; readonly length: number }

/** One buffer that the driver made available: what the device may read, then what it may write. */
export class Chain {
  readonly head: number;
  readonly readable: Segment[] = [];
  readonly writable: Segment[] = [];
  readableLength = 0;
  writableLength = 0;
  readonly #memory: GuestMemory;
  readonly #queue: { readonly generation: number };
  readonly #generation: number;
  constructor(memory: GuestMemory, head: number, queue: { readonly generation: number }) {
    this.#memory = memory;
    this.head = head;
    this.#queue = queue;
    this.#generation = queue.generation;
  }
  /** False when the queue was reset since: the memory is the driver's again, and nothing reaches it from here. */
  get live(): boolean { return this.#generation === this.#queue.generation; }
  /** Copies from the readable part; false when it does not reach that far. */
  read(offset: number, into: Uint8Array): boolean {
    return offset + into.length <= this.readableLength && this.#move(this.readable, offset, into, false);
  }
  /** Copies into the writable part; false when it does not reach that far. */
  write(offset: number, from: Uint8Array): boolean {
    return this.live && offset + from.length <= this.writableLength && this.#move(this.writable, offset, from, true);
  }
  /** The driver's memory where one buffer of a part goes on from `offset` for `least` bytes or more, up to `most`; to be used at once. */
  stretch(part: "readable" | "writable", offset: number, least: number, most: number): Uint8Array | undefined {
    let skip = offset;
    for (const { at, length } of this[part]) {
      if (skip < length) return this.live && length - skip >= least ? this.#memory.stretch?.(at + skip, Math.min(most, length - skip)) : undefined;
      skip -= length;
    }
    return undefined;
  }
  /** The driver's memory of `length` bytes of a part from `offset` on, where that can be had; somebody may be using it until the queue's `stop`. */
  stretches(part: "readable" | "writable", offset: number, length: number): Uint8Array[] | undefined {
    const found: Uint8Array[] = [];
    let skip = offset, left = length;
    for (const { at, length: most } of this[part]) {
      if (left === 0) break;
      if (skip >= most) {
        skip -= most;
        continue;
      }
      const stretch = this.#memory.stretch?.(at + skip, Math.min(left, most - skip));
      if (stretch === undefined) return undefined;
      found.push(stretch);
      left -= stretch.length;
      skip = 0;
    }
    return left === 0 ? found : undefined;
  }
  #move(segments: readonly Segment[], offset: number, bytes: Uint8Array, write: boolean): boolean {
    let skip = offset, done = 0;
    for (const { at, length } of segments) {
      if (done === bytes.length) break;
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const n = Math.min(length - skip, bytes.length - done);
      const part = bytes.subarray(done, done + n);
      if (!(write ? this.#memory.write(at + skip, part) : this.#memory.read(at + skip, part))) return false;
      done += n;
      skip = 0;
    }
    return done === bytes.length;
  }
}

interface Part { readonly at: number; readonly length: number; readonly align: number }

/** What the driver configures, and what the device has come to. */
const reset = () => ({
  size: 256 /* QUEUE_SIZE_MAX */, ready: false,
  /** Guest addresses of the three parts, low and high halves. */
  descLo: 0, descHi: 0, driverLo: 0, driverHi: 0, deviceLo: 0, deviceHi: 0,
  /** The next entry of the available ring to take, and of the used ring to fill; modulo 2^16. */
  nextAvail: 0, nextUsed: 0,
  /** `nextUsed` when the driver was last interrupted, for EVENT_IDX. */
  signalled: 0,
});
export type QueueState = ReturnType<typeof reset>;

export class SplitQueue {
  s: QueueState = reset();
  /** Why the driver's ring cannot be used any more. */
  broken: string | undefined;
  /** Counts the lives of the queue: a buffer of an earlier life is not given back. */
  generation = 0;
  readonly #memory: GuestMemory;
  readonly #held: Set<number> = new Set();
  #eventIndex = false;
  #indirect = false;
  #desc = 0;
  #driver = 0;
  #device = 0;
  readonly #cell = new Uint8Array(DESCRIPTOR);
  readonly #view = new DataView(this.#cell.buffer);
  readonly #half = new Uint8Array(2);
  readonly #used = new Uint8Array(8);
  readonly #usedView = new DataView(this.#used.buffer);

  constructor(memory: GuestMemory) { this.#memory = memory; }

  reset(): void {
    this.s = reset();
    this.stop();
    this.broken = undefined;
  }
  /** Lets go of every buffer that is in flight. */
  stop(): void {
    this.s.ready = false;
    this.#held.clear();
    this.generation++;
  }
  /** Buffers taken and not given back. */
  get inFlight(): number { return this.#held.size; }

  /** QueueReady = 1: takes the configuration. False when 2.7 does not allow it. */
  start(features: { readonly eventIndex: boolean; readonly indirect: boolean }): boolean {
    const s = this.s;
    const { size } = s;
    if (!Number.isInteger(size) || size < 1 || size > QUEUE_SIZE_MAX || (size & (size - 1)) !== 0) return false;
    const parts: readonly Part[] = [
      { at: s.descHi * U32 + s.descLo, length: DESCRIPTOR * size, align: 16 },
      { at: s.driverHi * U32 + s.driverLo, length: 6 + 2 * size, align: 2 },
      { at: s.deviceHi * U32 + s.deviceLo, length: 6 + 8 * size, align: 4 },
    ];
    const [desc, driver, device] = parts as [Part, Part, Part];
    if (parts.some(part => part.at % part.align !== 0 || !this.#memory.contains(part.at, part.length))) return false;
    const apart = (a: Part, b: Part): boolean => a.at + a.length <= b.at || b.at + b.length <= a.at;
    if (!apart(desc, driver) || !apart(desc, device) || !apart(driver, device)) return false;
    this.#desc = desc.at;
    this.#driver = driver.at;
    this.#device = device.at;
    this.#eventIndex = features.eventIndex;
    this.#indirect = features.indirect;
    s.ready = true;
    return true;
  }

  /** The next available buffer; undefined when there is none, or the queue is broken. */
  pop(): Chain | undefined {
    const s = this.s;
    if (!s.ready || this.broken !== undefined) return undefined;
    let waiting = this.#waiting();
    if (waiting === 0 && this.#eventIndex) {
      this.#writeHalf(this.#device + 4 + 8 * s.size, s.nextAvail); // avail_event: tell me of the next one
      waiting = this.#waiting(); // it may have come before the driver could see that
    }
    if (waiting === 0) return undefined;
    if (waiting > s.size) return this.#break("avail.idx runs more than a queue ahead");
    if (this.#held.size >= s.size) return this.#break("more buffers in flight than the queue has");
    const head = this.#readHalf(this.#driver + 4 + 2 * (s.nextAvail & (s.size - 1)));
    if (head >= s.size) return this.#break("an available buffer starts outside of the table");
    if (this.#held.has(head)) return this.#break("a buffer in flight is made available again");
    const chain = this.#walk(head);
    if (chain === undefined) return undefined;
    this.#held.add(head);
    s.nextAvail = (s.nextAvail + 1) & 0xffff;
    return chain;
  }
  /** More to take, without taking it. */
  get pending(): boolean { return this.s.ready && this.broken === undefined && this.#waiting() !== 0; }

  #waiting(): number { return (this.#readHalf(this.#driver + 2) - this.s.nextAvail) & 0xffff; }

  #walk(head: number): Chain | undefined {
    const chain = new Chain(this.#memory, head, this);
    let table = this.#desc, entries = this.s.size, index = head, inTable = false;
    // Each table has at most as many descriptors as a queue: who needs more goes in circles.
    for (let count = 0; ; ) {
      if (++count > entries) return this.#break("a chain is longer than its table: it loops");
      if (!this.#memory.read(table + DESCRIPTOR * index, this.#cell)) return this.#break("a descriptor lies outside of memory");
      const at = this.#view.getUint32(4, true) * U32 + this.#view.getUint32(0, true);
      const length = this.#view.getUint32(8, true);
      const flags = this.#view.getUint16(12, true), next = this.#view.getUint16(14, true);
      if ((flags & VIRTQ_DESC_F.INDIRECT) !== 0) {
        if (!this.#indirect) return this.#break("an indirect descriptor was not negotiated");
        if (inTable || (flags & VIRTQ_DESC_F.NEXT) !== 0) return this.#break("an indirect descriptor inside a table, or with a next one");
        if (length === 0 || length % DESCRIPTOR !== 0 || length > DESCRIPTOR * QUEUE_SIZE_MAX) return this.#break("an indirect table of an impossible length");
        if (!this.#memory.contains(at, length)) return this.#break("an indirect table outside of memory");
        [table, entries, index, inTable, count] = [at, length / DESCRIPTOR, 0, true, 0];
        continue;
      }
      if (length > 0) {
        if (!this.#memory.contains(at, length)) return this.#break("a buffer outside of memory");
        if ((flags & VIRTQ_DESC_F.WRITE) !== 0) {
          chain.writable.push({ at, length });
          chain.writableLength += length;
        } else {
          if (chain.writable.length > 0) return this.#break("a readable descriptor behind a writable one");
          chain.readable.push({ at, length });
          chain.readableLength += length;
        }
      }
      if ((flags & VIRTQ_DESC_F.NEXT) === 0) return chain;
      if (next >= entries) return this.#break("a chain leaves its table");
      index = next;
    }
  }

  /** Gives a buffer back. False when it is of an earlier life of the queue: then nothing happens. */
  push(chain: Chain, written: number): boolean {
    if (!this.#fill(chain, written)) return false;
    this.#writeHalf(this.#device + 2, this.s.nextUsed); // last: from here on the driver may look
    return true;
  }
  /** Gives several back at once: the driver sees all of them or none. */
  pushAll(chains: readonly Chain[], written: readonly number[]): boolean {
    let any = false;
    for (let i = 0; i < chains.length; i++) any = this.#fill(chains[i] as Chain, written[i] as number) || any;
    if (any) this.#writeHalf(this.#device + 2, this.s.nextUsed);
    return any;
  }
  #fill(chain: Chain, written: number): boolean {
    const s = this.s;
    if (!chain.live || !s.ready || !this.#held.delete(chain.head)) return false;
    this.#usedView.setUint32(0, chain.head, true);
    this.#usedView.setUint32(4, written, true);
    this.#memory.write(this.#device + 4 + 8 * (s.nextUsed & (s.size - 1)), this.#used);
    s.nextUsed = (s.nextUsed + 1) & 0xffff;
    return true;
  }
  /** True when the driver wants an interrupt for what was given back since the last time that this was asked. */
  takeSignal(): boolean {
    const s = this.s;
    const given = (s.nextUsed - s.signalled) & 0xffff;
    if (given === 0 || !s.ready) return false;
    const usedEvent = this.#eventIndex ? this.#readHalf(this.#driver + 4 + 2 * s.size) : 0;
    s.signalled = s.nextUsed;
    if (!this.#eventIndex) return (this.#readHalf(this.#driver) & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0;
    return ((s.nextUsed - usedEvent - 1) & 0xffff) < given;
  }

  #readHalf(at: number): number {
    this.#memory.read(at, this.#half); // lies inside of what `start` has checked
    return (this.#half[0] as number) | ((this.#half[1] as number) << 8);
  }
  #writeHalf(at: number, value: number): void {
    this.#half[0] = value & 0xff;
    this.#half[1] = value >> 8;
    this.#memory.write(at, this.#half);
  }
  #break(why: string): undefined {
    this.broken = why;
    return undefined;
  }
}

/** Records that wait for a driver's buffers, oldest first; each is gone with `release`. */
export interface Waiting {
  next(): Uint8Array | undefined;
  release(): void;
}
/**
 * Hands what waits to `deliver`, which says what became of a record: true, it is done with; false, a part of it is; undefined,
 * there is no buffer for it. Returns whether the queue may rest: false when `limit` was what ended it, and then the
 * transport comes again by itself; else somebody tells of records or of buffers.
 */
export function drain(from: Waiting, limit: number, deliver: (record: Uint8Array) => boolean | undefined): boolean {
  for (let n = 0; ; n++) {
    const record = from.next();
    if (record === undefined) return true;
    if (n >= limit) return false;
    const done = deliver(record);
    if (done === undefined) return true;
    if (done) from.release();
  }
}
