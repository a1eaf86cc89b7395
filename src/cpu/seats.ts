// src/cpu/seats.ts — where a machine has more cores than the host has processors: as many of them as there are processors have
// a seat, and run; the others queue, and have theirs after a turn of about a millisecond. Left to the host, which hands processors
// over after several milliseconds, cores would miss ticks of their timers, and wait for cores that do not run.
//
// Core 0 runs in the machine's thread, which has others to serve: it never waits here. Its `take` says no, and the machine's doorbell
// rings when it is its turn.
const WAIT_MS = 10;
/** No core waits longer for its seat than about this, and no turn is shorter or longer than these, in ms. */
const PATIENCE = 0.6, SHORTEST = 0.1, LONGEST = 2;
/** i32 words: lock, seats that nobody has, the queue's first place and its length; then granted, and the queue, a word per core. */
const W = { lock: 0, free: 1, head: 2, queued: 3, cores: 4 } as const;

export interface SeatWires {
  readonly cpus: number;
  /** How many may run at the same time. */
  readonly processors: number;
  /** It is core 0's turn. */
  readonly ring: () => void;
}

export class Seats {
  readonly shared: SharedArrayBuffer;
  readonly #w: Int32Array;
  readonly #index: number;
  readonly #wires: SeatWires;
  readonly #turn: number;
  #held = false;
  #queued = false;
  #since = 0;

  constructor(index: number, wires: SeatWires, shared?: SharedArrayBuffer) {
    const { cpus, processors } = wires;
    this.#index = index;
    this.#wires = wires;
    this.#turn = Math.min(LONGEST, Math.max(SHORTEST, PATIENCE * processors / Math.max(1, cpus - processors)));
    this.shared = shared ?? new SharedArrayBuffer(4 * (W.cores + 2 * cpus));
    this.#w = new Int32Array(this.shared);
    if (shared === undefined) this.#w[W.free] = processors;
  }
  #granted(cpu: number): number { return W.cores + cpu; }
  #place(n: number): number { return W.cores + this.#wires.cpus + n % this.#wires.cpus; }
  #lock(): void {
    while (Atomics.compareExchange(this.#w, W.lock, 0, 1) !== 0) Atomics.wait(this.#w, W.lock, 1, WAIT_MS);
  }
  #unlock(): void {
    Atomics.store(this.#w, W.lock, 0);
    Atomics.notify(this.#w, W.lock, 1);
  }

  /** A seat for this core: at once, or when it is its turn; false if `leaving` became true before (and for core 0 instead of waiting). */
  take(leaving: () => boolean): boolean {
    if (this.#held) return true;
    const w = this.#w, granted = this.#granted(this.#index);
    this.#lock();
    if (!this.#queued && (w[W.free] as number) > 0) {
      w[W.free] = (w[W.free] as number) - 1;
      this.#held = true;
    } else if (!this.#queued) {
      w[this.#place((w[W.head] as number) + (w[W.queued] as number))] = this.#index;
      w[W.queued] = (w[W.queued] as number) + 1;
      this.#queued = true;
    }
    this.#unlock();
    while (!this.#held) {
      if (Atomics.load(w, granted) !== 0) {
        Atomics.store(w, granted, 0);
        this.#queued = false;
        this.#held = true;
      } else if (this.#index === 0) return false;
      else if (leaving()) {
        this.give();
        return false;
      } else Atomics.wait(w, granted, 0, WAIT_MS);
    }
    this.#since = performance.now();
    return true;
  }
  /** This core does not run for now: its seat, or its place in the queue, is for others. */
  give(): void {
    if (!this.#held && !this.#queued) return;
    const w = this.#w, granted = this.#granted(this.#index);
    this.#lock();
    if (this.#queued && w[granted] === 0) this.#unqueue();
    else {
      w[granted] = 0;
      this.#next();
    }
    this.#held = false;
    this.#queued = false;
    this.#unlock();
  }
  #next(): void {
    const w = this.#w, queued = w[W.queued] as number;
    if (queued === 0) {
      w[W.free] = (w[W.free] as number) + 1;
      return;
    }
    const cpu = w[this.#place(w[W.head] as number)] as number;
    w[W.head] = ((w[W.head] as number) + 1) % this.#wires.cpus;
    w[W.queued] = queued - 1;
    Atomics.store(w, this.#granted(cpu), 1);
    if (cpu === 0) this.#wires.ring();
    else this.wake(cpu);
  }
  #unqueue(): void {
    const w = this.#w, head = w[W.head] as number, queued = w[W.queued] as number;
    let kept = 0;
    for (let i = 0; i < queued; i++) {
      const cpu = w[this.#place(head + i)] as number;
      if (cpu !== this.#index) w[this.#place(head + kept++)] = cpu;
    }
    w[W.queued] = kept;
  }
  /** A core that waits in `take` looks at `leaving` again. */
  wake(cpu: number): void { Atomics.notify(this.#w, this.#granted(cpu)); }
  /** Somebody waits for a seat. */
  get wanted(): boolean { return Atomics.load(this.#w, W.queued) !== 0; }
  /** And this core has had its turn. */
  get over(): boolean { return this.#held && this.wanted && performance.now() - this.#since >= this.#turn; }
}
