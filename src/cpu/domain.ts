// src/cpu/domain.ts — the cores of a machine that run at the same time, each in a thread of its own: what they ask of each
// other. In the architecture's words, the Inner Shareable domain.
//
// A core is *inside* while it may execute the guest. Three things reach over to others:
//   tell     TLB and instruction cache maintenance: put into every other core's inbox, and the core is poked.
//   settle   a DSB: waits until each of them has emptied its inbox or is outside; it empties it before it goes in.
//   alone    waits until all others are outside and keeps them there: for atomics that the interpreter does.
// Whoever waits is outside itself, so that nobody waits for somebody who waits.
//
// All words are in one SharedArrayBuffer. A poke is a word in the other's CPU state, which generated code compares its
// budget with (Offset.POLL).
// Spec: ARM DDI 0487, D8.14 (TLB maintenance and its completion), B2.7 (caches), B2.9 (exclusives).
import { NativeMemory } from "../../ffi/memory.ts";
import { Offset } from "./state.ts";

/** What a request asks for; its words are lo, hi, page. */
export const Request = {
  /** TLBI: everything; not global; the page of an address, all levels or the last. */
  all: 1, nonGlobal: 2, page: 3, pageLast: 4,
  /** IC: the line at an address of a RAM page; everything. */
  line: 5, code: 6,
  /** A region of memory (lo: its base / 4096) is there from now on (hi: 1) or not (0). */
  show: 7,
} as const;
/** Who does what is in a core's inbox. */
export interface Listener {
  hear(request: number, lo: number, hi: number, page: number): void;
}

/** Records: a core that waits for its turn hears nothing, and others unmap what a process had. */
const ROOM = 512;
/** What an inbox that is full forgets: translations, code. */
const Lost = { translations: 1, code: 2 } as const;
const RECORD = 4;
/** Words of a core: inside; changes of inside and heard; inbox: lock, records in it, told, heard, overflow; the records. */
const C = { inside: 0, event: 1, lock: 2, count: 3, told: 4, heard: 5, overflow: 6, records: 8, WORDS: 8 + ROOM * RECORD } as const;
/** Doubles before them: host addresses of the cores' states. Words 0 and 1 of the rest: who is alone; whom the machine's thread runs. */
const header = (cpus: number): number => 2 * cpus + 2;
/** Looks before a wait: the other is usually out within a microsecond or two. */
const SPINS = 400;
/** The longest single wait: a lost wake-up would cost no more. */
const WAIT_MS = 10;
/** More than any budget: generated code leaves at its next block. */
export const POKED = 0x7fff_ffff;

export class Domain {
  readonly shared: SharedArrayBuffer;
  readonly #cpus: number;
  /** Which core this is; -1: the machine's thread, which is never inside. */
  readonly #index: number;
  readonly #w: Int32Array;
  readonly #states: Float64Array;
  readonly #lock: number;
  readonly #state: (Int32Array | undefined)[] = [];
  /** What each core had been told when this one told it last; and whether it has to be waited for. */
  readonly #wanted: Int32Array;
  readonly #waited: Uint8Array;
  #listener: Listener | undefined;
  readonly #yield: (() => void) | undefined;
  readonly #threads: number;
  #own: Int32Array | undefined;

  /** `yieldProcessor`: given where there are more threads than the host has processors. `threads`: core i runs in thread i modulo that. */
  constructor(cpus: number, index: number = -1, shared: SharedArrayBuffer = new SharedArrayBuffer(8 * (cpus + 1) + 4 * cpus * C.WORDS), yieldProcessor?: () => void, threads: number = cpus) {
    this.#yield = yieldProcessor;
    this.#threads = threads;
    this.#cpus = cpus;
    this.#index = index;
    this.shared = shared;
    this.#w = new Int32Array(shared);
    this.#states = new Float64Array(shared, 0, cpus);
    this.#lock = 2 * cpus;
    this.#wanted = new Int32Array(cpus);
    this.#waited = new Uint8Array(cpus);
  }
  #at(cpu: number): number { return header(this.#cpus) + cpu * C.WORDS; }

  /** This core is there, outside; `listener` does what others ask for. `state`: the memory of its CPU state. */
  join(listener: Listener, state: NativeMemory): void {
    this.#listener = listener;
    this.#states[this.#index] = state.pointer;
    this.#own = new Int32Array(state.window(0));
  }
  /** Makes generated code of a core come out at its next block; it goes in again by itself. */
  poke(cpu: number): void {
    const words = this.stateOf(cpu);
    if (words !== undefined) Atomics.store(words, Offset.POLL / 4, POKED);
  }
  /** Makes a core leave the guest for the machine. */
  kick(cpu: number): void {
    const words = this.stateOf(cpu);
    if (words === undefined) return;
    Atomics.store(words, Offset.KICK / 4, 1);
    Atomics.store(words, Offset.POLL / 4, POKED);
  }
  /** The machine's thread is about to run this core. */
  here(): void { this.#w[this.#lock + 1] = this.#index; }
  /** Brings the machine's thread out of the guest; if it turns to another core meanwhile, soon. */
  kickMachine(): void { this.kick(Atomics.load(this.#w, this.#lock + 1)); }
  /** SEV: every core's event register is set. One that naps wakes soon. */
  event(): void {
    for (let cpu = 0; cpu < this.#cpus; cpu++) {
      const words = this.stateOf(cpu);
      if (words !== undefined) Atomics.store(words, Offset.EVENT / 4, 1);
    }
  }
  /** A core's state, as words; undefined: it is not made yet. */
  stateOf(cpu: number): Int32Array | undefined {
    const state = this.#states[cpu] as number;
    return state === 0 ? undefined : this.#state[cpu] ??= new Int32Array(NativeMemory.at(state, Offset.SIZE).window(0));
  }

  /** Not every core can run now: one that waits for another (WFE, YIELD) may be what that one waits for. */
  get crowded(): boolean { return this.#yield !== undefined; }
  relax(): void {
    this.leave();
    this.#yield?.();
    this.enter();
  }

  // --- inside and outside -----------------------------------------------------------------------------------------------

  /** Before the guest runs: waits while another core is alone, then does what was asked for meanwhile. */
  enter(): void {
    const w = this.#w, at = this.#at(this.#index);
    for (;;) {
      Atomics.store(w, at + C.inside, 1);
      if (Atomics.load(w, this.#lock) === 0) break;
      this.leave();
      Atomics.wait(w, this.#lock, 1, WAIT_MS);
    }
    this.#drain();
  }
  leave(): void {
    const at = this.#at(this.#index);
    Atomics.store(this.#w, at + C.inside, 0);
    this.#changed(at);
  }
  #changed(at: number): void {
    Atomics.add(this.#w, at + C.event, 1);
    Atomics.notify(this.#w, at + C.event);
  }
  /** Between two slices: serves a poke. */
  attend(): void {
    const own = this.#own as Int32Array, w = this.#w, at = this.#at(this.#index);
    if (own[Offset.POLL / 4] !== 0) Atomics.store(own, Offset.POLL / 4, 0); // first: what is asked for later pokes again
    if (Atomics.load(w, this.#lock) !== 0) {
      this.leave();
      this.enter();
    } else if (Atomics.load(w, at + C.told) !== w[at + C.heard]) this.#drain();
  }

  // --- inboxes ----------------------------------------------------------------------------------------------------------

  #take(at: number): void {
    const w = this.#w;
    while (Atomics.compareExchange(w, at + C.lock, 0, 1) !== 0) Atomics.wait(w, at + C.lock, 1, WAIT_MS);
  }
  #give(at: number): void {
    Atomics.store(this.#w, at + C.lock, 0);
    Atomics.notify(this.#w, at + C.lock);
  }
  /** Asks every core of the other threads; `settle` waits for them. */
  tell(request: number, lo: number, hi: number, page: number): void {
    const w = this.#w;
    for (let cpu = 0; cpu < this.#cpus; cpu++) {
      if (this.#index >= 0 && (cpu - this.#index) % this.#threads === 0) continue; // it and those that take turns with it do it at once
      const at = this.#at(cpu);
      this.#take(at);
      const count = w[at + C.count] as number;
      const lost = request === Request.line || request === Request.code ? Lost.code : Lost.translations;
      if (count === ROOM && request !== Request.show) w[at + C.overflow] = (w[at + C.overflow] as number) | lost; // then it forgets everything
      else {
        const record = at + C.records + Math.min(count, ROOM - 1) * RECORD;
        w[record] = request;
        w[record + 1] = lo;
        w[record + 2] = hi;
        w[record + 3] = page;
        if (count === ROOM) w[at + C.overflow] = Lost.translations | Lost.code; // a record was written over
        else w[at + C.count] = count + 1;
      }
      this.#wanted[cpu] = Atomics.add(w, at + C.told, 1) + 1;
      this.#give(at);
      this.#waited[cpu] = 1;
      if (Atomics.load(w, at + C.inside) !== 0) this.poke(cpu);
    }
    if (this.#own !== undefined) this.#own[Offset.TOLD / 4] = 1;
  }
  /** Does what others have asked for. */
  #drain(): void {
    const w = this.#w, at = this.#at(this.#index);
    if (Atomics.load(w, at + C.told) === w[at + C.heard]) return;
    this.#take(at);
    const listener = this.#listener as Listener, count = w[at + C.count] as number;
    for (let i = 0; i < count; i++) {
      const record = at + C.records + i * RECORD;
      listener.hear(w[record] as number, w[record + 1] as number, w[record + 2] as number, w[record + 3] as number);
    }
    const lost = w[at + C.overflow] as number;
    if ((lost & Lost.translations) !== 0) listener.hear(Request.all, 0, 0, 0);
    if ((lost & Lost.code) !== 0) listener.hear(Request.code, 0, 0, 0);
    w[at + C.count] = 0;
    w[at + C.overflow] = 0;
    Atomics.store(w, at + C.heard, w[at + C.told] as number);
    this.#give(at);
    this.#changed(at);
  }
  /** Waits until what this core told others has been done, or will be before they run on. */
  settle(): void {
    const own = this.#own;
    if (own !== undefined) {
      if (own[Offset.TOLD / 4] === 0) return;
      own[Offset.TOLD / 4] = 0;
      this.leave();
    }
    const w = this.#w;
    for (let cpu = 0; cpu < this.#cpus; cpu++) {
      if (this.#waited[cpu] === 0) continue;
      this.#waited[cpu] = 0;
      const at = this.#at(cpu), wanted = this.#wanted[cpu] as number;
      this.#until(at, () => Atomics.load(w, at + C.inside) === 0 || (Atomics.load(w, at + C.heard) - wanted | 0) >= 0);
    }
    if (own !== undefined) this.enter();
  }
  /** Waits until something holds of a core. */
  #until(at: number, holds: () => boolean): void {
    for (let i = 0; i < SPINS; i++) if (holds()) return;
    for (;;) {
      const event = Atomics.load(this.#w, at + C.event);
      if (holds()) return;
      Atomics.wait(this.#w, at + C.event, event, WAIT_MS);
    }
  }

  /** Does something while no other core is inside. */
  alone<T>(what: () => T): T {
    const w = this.#w;
    this.leave();
    while (Atomics.compareExchange(w, this.#lock, 0, 1) !== 0) Atomics.wait(w, this.#lock, 1, WAIT_MS);
    for (let cpu = 0; cpu < this.#cpus; cpu++) {
      if (cpu === this.#index) continue;
      const at = this.#at(cpu);
      if (Atomics.load(w, at + C.inside) === 0) continue;
      this.poke(cpu);
      this.#until(at, () => Atomics.load(w, at + C.inside) === 0);
    }
    this.#drain();
    try {
      return what();
    } finally {
      Atomics.store(w, this.#lock, 0);
      Atomics.notify(w, this.#lock);
      this.enter();
    }
  }
}
