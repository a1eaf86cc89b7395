// src/host/syncer.ts — files synced in a thread of their own, so that a guest does not stand still until its data are on the
// medium: a sync takes milliseconds, a read or a write from the host's cache microseconds (those are done where they are
// asked for; see docs/disks.md for the numbers). One sync at a time; others wait their turn.
// Both sides share a few words. The thread never returns to its event loop, and neither does who asks: an answer is a word
// and a ring of the machine's doorbell.
import { NativeMemory } from "../../ffi/memory.ts";
import { syncDescriptor } from "./disk-file.ts";

/** i32 words: 0 nothing, 1 a sync is wanted, 2 it is done, 3 the thread shall end. */
const W = { state: 0, fd: 1, failed: 2, codeLength: 3 } as const;
const State = { idle: 0, wanted: 1, done: 2, end: 3 } as const;
const CODE = 16, BYTES = 64;
const END_MS = 30_000;

export interface SyncerMessage {
  readonly kind: "syncs";
  readonly shared: SharedArrayBuffer;
  /** The word that the machine sleeps on. */
  readonly bell: SharedArrayBuffer;
  readonly doorbell: number;
  /** Words that make its cores leave the guest. */
  readonly kicks: readonly number[];
}

export class Syncer {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #shared: SharedArrayBuffer = new SharedArrayBuffer(BYTES);
  readonly #start: (shared: SharedArrayBuffer) => void;
  readonly #queue: { readonly fd: number; readonly done: (error: unknown) => void }[] = [];
  #started = false;
  #busy = false;
  /** `start` starts the thread: at the first sync. */
  constructor(start: (shared: SharedArrayBuffer) => void) {
    this.#start = start;
    this.#words = new Int32Array(this.#shared);
    this.#bytes = new Uint8Array(this.#shared, CODE);
  }
  sync(fd: number, done: (error: unknown) => void): void {
    this.#queue.push({ fd, done });
    this.#next();
  }
  /** After a ring: gives the answer that has come, if one has. */
  poll(): void {
    if (!this.#busy || Atomics.load(this.#words, W.state) !== State.done) return;
    const code = new TextDecoder().decode(this.#bytes.slice(0, this.#words[W.codeLength]));
    const error = this.#words[W.failed] === 0 ? undefined : Object.assign(new Error(`the host failed to sync (${code})`), { code });
    Atomics.store(this.#words, W.state, State.idle);
    this.#busy = false;
    const asked = this.#queue.shift();
    asked?.done(error);
    this.#next();
  }
  /** Waits for what is under way, and ends the thread. Whoever still waits in line is not answered. */
  close(): void {
    this.#queue.splice(this.#busy ? 1 : 0);
    while (this.#busy) { // an answer may ask for the next sync: a flush has a few steps
      if (Atomics.load(this.#words, W.state) === State.wanted && Atomics.wait(this.#words, W.state, State.wanted, END_MS) === "timed-out") break;
      this.poll();
    }
    this.#queue.splice(0);
    if (!this.#started) return;
    Atomics.store(this.#words, W.state, State.end);
    Atomics.notify(this.#words, W.state);
  }

  #next(): void {
    const [first] = this.#queue;
    if (this.#busy || first === undefined) return;
    this.#busy = true;
    this.#words[W.fd] = first.fd;
    Atomics.store(this.#words, W.state, State.wanted);
    if (!this.#started) {
      this.#started = true;
      this.#start(this.#shared);
    } else Atomics.notify(this.#words, W.state);
  }
}

/** The thread's life. */
export function serveSyncs({ shared, bell, doorbell, kicks }: SyncerMessage): void {
  const words = new Int32Array(shared), bytes = new Uint8Array(shared, CODE), bells = new Int32Array(bell);
  const cores = kicks.map(address => new Int32Array(NativeMemory.at(address, 4).window(0)));
  for (;;) {
    const state = Atomics.load(words, W.state);
    if (state === State.end) return;
    if (state !== State.wanted) {
      Atomics.wait(words, W.state, state);
      continue;
    }
    let code = "";
    try {
      syncDescriptor(words[W.fd] as number);
    } catch (error) {
      code = (error as { readonly code?: string }).code ?? "EIO";
    }
    words[W.failed] = code === "" ? 0 : 1;
    const text = new TextEncoder().encode(code).subarray(0, BYTES - CODE);
    bytes.set(text);
    words[W.codeLength] = text.length;
    Atomics.store(words, W.state, State.done);
    Atomics.notify(words, W.state);
    Atomics.add(bells, doorbell, 1);
    Atomics.notify(bells, doorbell);
    for (const core of cores) core[0] = 1;
  }
}
