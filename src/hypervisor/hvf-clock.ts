// src/hypervisor/hvf-clock.ts — the machine's clock when Hypervisor.framework runs the guest: the counter that the guest
// sees in hardware, CNTVCT_EL0 = mach_absolute_time - offset, and its frequency, both asked of the host.
// mach_absolute_time stands still while the host sleeps; the guest's wall clock would fall behind by that. The time slept
// is found in mach_continuous_time and taken off the offset: the guest sees one jump, its timers fire once.
import type { Clock } from "../../devices/device.ts";
import type { Hypervisor } from "../../ffi/hypervisor.ts";

/** A shorter sleep is none: the two clocks are read one after the other. */
const SHORTEST_SLEEP_MS = 100;

/** Finds out how long the host slept: mach_continuous_time goes on, mach_absolute_time does not. */
export class SleepWatch {
  readonly #hv: Hypervisor;
  readonly #shortest: number;
  #ahead: number;
  constructor(hv: Hypervisor) {
    this.#hv = hv;
    this.#shortest = SHORTEST_SLEEP_MS * hv.frequency() / 1000;
    this.#ahead = this.#now();
  }
  #now(): number { return this.#hv.continuousTime() - this.#hv.absoluteTime(); }
  /** Ticks slept since the last look; 0: none. */
  look(): number {
    const ahead = this.#now(), slept = ahead - this.#ahead;
    if (slept < this.#shortest) return 0;
    this.#ahead = ahead;
    return slept;
  }
}

/** What a vCPU needs of the clock. */
export interface VcpuClock extends Clock {
  /** For hv_vcpu_set_vtimer_offset. */
  readonly offset: number;
  /** Changes with the offset: every vCPU must then be told. */
  readonly version: number;
  /** Looks whether the host slept; true when the clock was corrected. */
  catchUp(): boolean;
}

/** Doubles in shared memory: offset, version. */
const Shared = { offset: 0, version: 1, BYTES: 16 } as const;

/** The same clock in the thread of a vCPU. */
export class SharedHvfClock implements VcpuClock {
  readonly frequency: number;
  readonly #hv: Hypervisor;
  readonly #shared: Float64Array;
  constructor(hv: Hypervisor, shared: SharedArrayBuffer) {
    this.#hv = hv;
    this.#shared = new Float64Array(shared);
    this.frequency = hv.frequency();
  }
  ticks(): number { return this.#hv.absoluteTime() - this.offset; }
  wallSeconds(): number { return Math.floor(Date.now() / 1000); }
  get offset(): number { return this.#shared[Shared.offset] as number; }
  get version(): number { return this.#shared[Shared.version] as number; }
  catchUp(): boolean { return false; } // the machine thread sees to it
}

export class HvfClock implements VcpuClock {
  readonly frequency: number;
  readonly shared: SharedArrayBuffer = new SharedArrayBuffer(Shared.BYTES);
  readonly #hv: Hypervisor;
  readonly #shared: Float64Array = new Float64Array(this.shared);
  #pausedAt: number | undefined;
  readonly #sleeps: SleepWatch;
  /** Host sleeps that the guest's clock was corrected for. */
  sleeps = 0;

  constructor(hv: Hypervisor) {
    this.#hv = hv;
    this.frequency = hv.frequency();
    this.#shared.set([hv.absoluteTime(), 1]);
    this.#sleeps = new SleepWatch(hv);
  }
  ticks(): number { return (this.#pausedAt ?? this.#hv.absoluteTime()) - this.offset; }
  wallSeconds(): number { return Math.floor(Date.now() / 1000); }
  get offset(): number { return this.#shared[Shared.offset] as number; }
  get version(): number { return this.#shared[Shared.version] as number; }

  pause(): void { this.#pausedAt ??= this.#hv.absoluteTime(); }
  resume(): void {
    if (this.#pausedAt === undefined) return;
    this.#move(this.#hv.absoluteTime() - this.#pausedAt);
    this.#pausedAt = undefined;
    this.#sleeps.look(); // paused time does not pass, asleep or not
  }
  /** Cheap; called now and then while the guest runs. */
  catchUp(): boolean {
    if (this.#pausedAt !== undefined) return false;
    const slept = this.#sleeps.look();
    if (slept === 0) return false;
    this.#move(-slept);
    this.sleeps++;
    return true;
  }
  #move(by: number): void {
    this.#shared[Shared.offset] = this.offset + by;
    this.#shared[Shared.version] = this.version + 1;
  }
  millisecondsUntil(tick: number): number { return Math.max(0, (tick - this.ticks()) * 1000 / this.frequency); }
}
