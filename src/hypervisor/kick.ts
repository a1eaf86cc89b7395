// src/hypervisor/kick.ts — how a thread that waits makes vCPUs leave the guest for one that cannot: the machine thread
// is inside hv_vcpu_run, and nobody else would notice a ring of its doorbell or a deadline.
// The word of shared memory that it sleeps on is the machine's doorbell. A kick is repeated until it was taken notice of:
// hv_vcpus_exit alone can be lost.

/** Words of the shared memory (i32), and doubles. */
export const Watch = {
  /** f64: mach time at which the vCPUs must be out; Infinity: no such time. */
  deadline: 0,
  /** f64: when the waiting thread will look by itself. */
  until: 1,
  /** The last ring of the doorbell that the machine thread has answered. */
  seen: 4,
  /** 0 starting, 1 waiting for work, 2 asked to end, 3 gone. */
  phase: 5,
  BYTES: 32,
} as const;
export const Phase = { starting: 0, waiting: 1, ending: 2, gone: 3 } as const;

/** Between two kicks that nobody took notice of. */
const AGAIN_MS = 1;
const LONGEST_MS = 1000;

export interface Kicker {
  /** Makes every vCPU leave the guest. */
  kick(): void;
  now(): number;
  /** True when the host has slept since the last call: the guest's clock must be corrected, soon. */
  slept(): boolean;
  /** Clock ticks per second. */
  readonly frequency: number;
}

/** The waiting thread's life. `bell[0]` is the doorbell. */
export function watch(bell: Int32Array, shared: SharedArrayBuffer, kicker: Kicker): void {
  const words = new Int32Array(shared), times = new Float64Array(shared);
  Atomics.store(words, Watch.phase, Phase.waiting);
  Atomics.notify(words, Watch.phase);
  while (Atomics.load(words, Watch.phase) === Phase.waiting) {
    const rings = Atomics.load(bell, 0);
    const left = ((times[Watch.deadline] as number) - kicker.now()) * 1000 / kicker.frequency;
    let sleep = Math.min(left, LONGEST_MS);
    if (rings !== Atomics.load(words, Watch.seen) || left <= 0 || kicker.slept()) {
      kicker.kick();
      sleep = AGAIN_MS;
    }
    times[Watch.until] = kicker.now() + sleep * kicker.frequency / 1000;
    // A deadline that was brought forward in between must not be slept over: look again after announcing `until`.
    if (sleep > AGAIN_MS && ((times[Watch.deadline] as number) - kicker.now()) * 1000 / kicker.frequency < sleep - AGAIN_MS) continue;
    Atomics.wait(bell, 0, rings, sleep);
  }
  Atomics.store(words, Watch.phase, Phase.gone);
  Atomics.notify(words, Watch.phase);
}

/** The machine thread's side. */
export class Watched {
  readonly shared: SharedArrayBuffer = new SharedArrayBuffer(Watch.BYTES);
  readonly #words: Int32Array = new Int32Array(this.shared);
  readonly #times: Float64Array = new Float64Array(this.shared);
  readonly #bell: Int32Array;
  constructor(bell: Int32Array) {
    this.#bell = bell;
    this.#times[Watch.deadline] = Number.POSITIVE_INFINITY;
  }
  /** Waits for the other thread's first sign; false when there is none. */
  started(ms: number): boolean {
    Atomics.wait(this.#words, Watch.phase, Phase.starting, ms);
    return Atomics.load(this.#words, Watch.phase) === Phase.waiting;
  }
  /** Rings up to here were answered. */
  answered(rings: number): void { Atomics.store(this.#words, Watch.seen, rings); }
  /** Before a run: be out at this mach time. */
  arm(deadline: number): void {
    if (this.#times[Watch.deadline] === deadline) return;
    this.#times[Watch.deadline] = deadline;
    if (deadline < (this.#times[Watch.until] as number)) Atomics.notify(this.#bell, 0);
  }
  /** The vCPUs are out, and stay out for now. */
  disarm(): void { this.#times[Watch.deadline] = Number.POSITIVE_INFINITY; }
  /** Ends the other thread and waits until it has let go of the vCPUs. */
  end(ms: number): void {
    if (Atomics.compareExchange(this.#words, Watch.phase, Phase.waiting, Phase.ending) !== Phase.waiting) return;
    Atomics.notify(this.#bell, 0);
    Atomics.wait(this.#words, Watch.phase, Phase.ending, ms);
  }
}
