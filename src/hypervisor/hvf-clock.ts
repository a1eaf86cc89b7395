// src/hypervisor/hvf-clock.ts — the machine's clock when Hypervisor.framework runs the guest: the counter that the guest
// sees in hardware, CNTVCT_EL0 = mach_absolute_time - offset, and its frequency, both asked of the host.
// mach_absolute_time stands still while the host sleeps; the guest's wall clock would fall behind by that. The time slept
// is found in mach_continuous_time and taken off the offset: the guest sees one jump, its timers fire once.
import type { Clock } from "../../devices/device.ts";
import type { Hypervisor } from "../../ffi/hypervisor.ts";

/** A shorter sleep is none: the two clocks are read one after the other. */
const SHORTEST_SLEEP_MS = 100;

export class HvfClock implements Clock {
  readonly frequency: number;
  readonly #hv: Hypervisor;
  #offset: number;
  #pausedAt: number | undefined;
  /** What the continuous clock was ahead when time asleep was last counted. */
  #ahead: number;
  /** Changes with the offset: every vCPU must then be told. */
  version = 1;
  /** Host sleeps that the guest's clock was corrected for. */
  sleeps = 0;

  constructor(hv: Hypervisor) {
    this.#hv = hv;
    this.frequency = hv.frequency();
    this.#offset = hv.absoluteTime();
    this.#ahead = hv.continuousTime() - hv.absoluteTime();
  }
  ticks(): number { return (this.#pausedAt ?? this.#hv.absoluteTime()) - this.#offset; }
  wallSeconds(): number { return Math.floor(Date.now() / 1000); }
  /** For hv_vcpu_set_vtimer_offset. */
  get offset(): number { return this.#offset; }

  pause(): void { this.#pausedAt ??= this.#hv.absoluteTime(); }
  resume(): void {
    if (this.#pausedAt === undefined) return;
    this.#move(this.#hv.absoluteTime() - this.#pausedAt);
    this.#pausedAt = undefined;
    this.#ahead = this.#hv.continuousTime() - this.#hv.absoluteTime(); // paused time does not pass, asleep or not
  }
  /** Looks whether the host slept. Cheap; called now and then while the guest runs. */
  catchUp(): void {
    const ahead = this.#hv.continuousTime() - this.#hv.absoluteTime();
    const slept = ahead - this.#ahead;
    if (slept < SHORTEST_SLEEP_MS * this.frequency / 1000 || this.#pausedAt !== undefined) return;
    this.#ahead = ahead;
    this.#move(-slept);
    this.sleeps++;
  }
  #move(by: number): void {
    this.#offset += by;
    this.version++;
  }
  millisecondsUntil(tick: number): number { return Math.max(0, (tick - this.ticks()) * 1000 / this.frequency); }
}
