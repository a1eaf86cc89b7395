// src/host/transfers.ts — long reads and writes of disk images, by a thread of their own, straight from or to the guest's memory: the
// guest works on while the host copies. Short ones are done where they are asked for (docs/disks.md has the numbers).
// Requests stand in a ring that both sides see. Who takes one carries it out: the thread; or the machine when it has nothing else
// to do, so that a guest which only waits does not wait for a thread to wake up. What was not done whole is said to be so,
// and done again where errors have words.
import { addressOf, NativeMemory } from "../../ffi/memory.ts";
import { readVector, writeVector } from "../../ffi/posix.ts";

/** Requests at a time; the parts of the guest's memory that one may be spread over. */
const SLOTS = 32, PARTS_MAX = 256;
/** i32 words at the front: how many were ever asked for; 1 while the thread sleeps; 1 when it shall end. */
const W = { asked: 0, sleeps: 1, end: 2, SLOTS: 16 } as const;
/** Of each slot, i32 words and then parts; `at` is a double. */
const S = { state: 0, fd: 1, parts: 2, length: 3, at: 4, writes: 6, WORDS: 8 } as const;
const State = { free: 0, asked: 1, taken: 2, whole: 3, failed: 4 } as const;
/** struct iovec: address and length, of 64 bits each. */
const VECTOR = 16;
const SLOT = S.WORDS * 4 + PARTS_MAX * VECTOR, FRONT = W.SLOTS * 4;
/** The thread looks for more before it sleeps: to be woken costs the machine more than that. */
const AWAKE_MS = 0.2;
const SETTLE_MS = 100;
/** A guest that so often had one request only, and waited for it, has them done where it asks; one in so many shows whether it changed its ways. */
const ALONE_MAX = 4, ALONE_AGAIN = 32;

export interface TransfersMessage {
  readonly kind: "transfers";
  readonly shared: SharedArrayBuffer;
  /** The word that the machine sleeps on. */
  readonly bell: SharedArrayBuffer;
  readonly doorbell: number;
  /** Words that make its cores leave the guest. */
  readonly kicks: readonly number[];
}

/** Either side's view of the ring. */
class TransferRing {
  readonly words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #address: number;
  constructor(shared: SharedArrayBuffer) {
    this.words = new Int32Array(shared);
    this.#doubles = new Float64Array(shared);
    this.#address = addressOf(this.words);
  }
  static slot(n: number): number { return (FRONT + (n & (SLOTS - 1)) * SLOT) / 4; }
  fill(n: number, fd: number, at: number, parts: readonly Uint8Array[], writes: boolean): void {
    const { words } = this, slot = TransferRing.slot(n), vectors = (slot + S.WORDS) / 2;
    let length = 0;
    for (const [i, part] of parts.entries()) {
      this.#integer(vectors + 2 * i, addressOf(part));
      this.#integer(vectors + 2 * i + 1, part.length);
      length += part.length;
    }
    words[slot + S.fd] = fd;
    words[slot + S.parts] = parts.length;
    words[slot + S.length] = length;
    words[slot + S.writes] = Number(writes);
    this.#doubles[(slot + S.at) / 2] = at;
    Atomics.store(words, slot + S.state, State.asked);
  }
  /** Carries out request `n`, unless somebody else has taken it. */
  perform(n: number): boolean {
    const { words } = this, slot = TransferRing.slot(n);
    if (Atomics.compareExchange(words, slot + S.state, State.asked, State.taken) !== State.asked) return false;
    const move = words[slot + S.writes] === 0 ? readVector : writeVector;
    const got = move(words[slot + S.fd] as number, this.#address + (slot + S.WORDS) * 4, words[slot + S.parts] as number, this.#doubles[(slot + S.at) / 2] as number);
    Atomics.store(words, slot + S.state, got === words[slot + S.length] ? State.whole : State.failed);
    Atomics.notify(words, slot + S.state);
    return true;
  }
  #integer(at: number, value: number): void {
    this.words[2 * at] = value | 0;
    this.words[2 * at + 1] = Math.floor(value / 2 ** 32);
  }
}

/** Reads a file from a position into parts, or writes them there, one behind the other; false: it is not worth it now, or there is no room. */
export type Transfer = (fd: number, at: number, parts: readonly Uint8Array[], done: (whole: boolean) => void) => boolean;

export class Transfers {
  readonly #shared: SharedArrayBuffer = new SharedArrayBuffer(FRONT + SLOTS * SLOT);
  readonly #ring: TransferRing = new TransferRing(this.#shared);
  readonly #start: (shared: SharedArrayBuffer) => void;
  readonly #done: ((whole: boolean) => void)[] = [];
  /** Requests answered, and asked for: the ring holds those between. */
  #answered = 0;
  #asked = 0;
  #started = false;
  /** How often in a row the guest did nothing but wait for the one read it had asked for, and how many were not taken since. */
  #alone = 0;
  #refused = 0;
  /** `start` starts the thread: at the first request. */
  constructor(start: (shared: SharedArrayBuffer) => void) { this.#start = start; }

  readonly read: Transfer = (fd, at, parts, done) => this.#ask(fd, at, parts, done, false);
  readonly write: Transfer = (fd, at, parts, done) => this.#ask(fd, at, parts, done, true);
  #ask(fd: number, at: number, parts: readonly Uint8Array[], done: (whole: boolean) => void, writes: boolean): boolean {
    if (this.#asked !== this.#answered) this.#alone = 0;
    else if (this.#alone >= ALONE_MAX && ++this.#refused % ALONE_AGAIN !== 0) return false;
    if (this.#asked - this.#answered === SLOTS || parts.length > PARTS_MAX) return false;
    const { words } = this.#ring;
    this.#ring.fill(this.#asked++, fd, at, parts, writes);
    this.#done.push(done);
    Atomics.store(words, W.asked, this.#asked | 0);
    if (!this.#started) {
      this.#started = true;
      this.#start(this.#shared);
    } else if (Atomics.load(words, W.sleeps) !== 0) Atomics.notify(words, W.asked);
    return true;
  }
  /** Gives the answers that are there, oldest first. */
  poll(): void {
    const { words } = this.#ring;
    while (this.#answered !== this.#asked) {
      const slot = TransferRing.slot(this.#answered) + S.state, state = Atomics.load(words, slot);
      if (state !== State.whole && state !== State.failed) return;
      words[slot] = State.free;
      this.#answered++;
      this.#done.shift()?.(state === State.whole);
    }
  }
  /** The guest rests: carries out one request that nobody has begun; false when there is none. */
  help(): boolean {
    if (this.#asked !== this.#answered) this.#alone = this.#asked - this.#answered === 1 ? this.#alone + 1 : 0;
    return this.#performOne();
  }
  #performOne(): boolean {
    for (let n = this.#answered; n !== this.#asked; n++) {
      if (!this.#ring.perform(n)) continue;
      this.poll();
      return true;
    }
    return false;
  }
  /** Returns when no byte of what was asked for is still to come, or to go. */
  settle(): void {
    while (this.#answered !== this.#asked) {
      if (this.#performOne()) continue;
      Atomics.wait(this.#ring.words, TransferRing.slot(this.#answered) + S.state, State.taken, SETTLE_MS);
      this.poll();
    }
  }
  close(): void {
    this.settle();
    Atomics.store(this.#ring.words, W.end, 1);
    Atomics.add(this.#ring.words, W.asked, 1); // or the thread could begin to sleep just now
    Atomics.notify(this.#ring.words, W.asked);
  }
}

/** The thread's life. */
export function serveTransfers({ shared, bell, doorbell, kicks }: TransfersMessage): void {
  const ring = new TransferRing(shared), { words } = ring, bells = new Int32Array(bell);
  const cores = kicks.map(address => new Int32Array(NativeMemory.at(address, 4).window(0)));
  for (let next = 0, awake = 0; Atomics.load(words, W.end) === 0;) {
    const asked = Atomics.load(words, W.asked);
    if (next === asked) {
      if (awake === 0) awake = performance.now() + AWAKE_MS;
      if (performance.now() < awake) continue;
      Atomics.store(words, W.sleeps, 1);
      Atomics.wait(words, W.asked, asked); // not, if more was asked for meanwhile: that is said before `sleeps` is looked at
      Atomics.store(words, W.sleeps, 0);
      awake = 0;
      continue;
    }
    awake = 0;
    const performed = ring.perform(next);
    next = (next + 1) | 0;
    if (!performed) continue;
    Atomics.add(bells, doorbell, 1);
    Atomics.notify(bells, doorbell);
    for (const core of cores) core[0] = 1;
  }
}
