// src/hypervisor/host-clock.ts — the machine's clock on the host's monotonic time, the same in every thread to the nanosecond:
// no core sees another's past. Paused time does not pass. Generated code reads it, too (cpu/translate/counter.ts).
import { monotonic } from "../../ffi/clock.ts";
import { addressOf } from "../../ffi/memory.ts";
import { Times, type ReadableClock } from "../cpu/translate/counter.ts";

export class HostClock implements ReadableClock {
  readonly frequency: number;
  readonly shared: SharedArrayBuffer;
  readonly times: number;
  readonly #times: Float64Array;
  /** `frequency`: ticks a second. `shared`: of another thread's clock, to be the same. */
  constructor(frequency: number, shared?: SharedArrayBuffer) {
    this.frequency = frequency;
    this.shared = shared ?? new SharedArrayBuffer(Times.BYTES);
    this.#times = new Float64Array(this.shared);
    this.times = addressOf(this.#times);
    if (shared === undefined) this.#times[Times.origin] = monotonic();
  }
  ticks(): number {
    const stopped = this.#times[Times.stopped] as number;
    return Math.floor(((stopped !== 0 ? stopped : monotonic()) - (this.#times[Times.origin] as number)) * this.frequency / 1e9);
  }
  wallSeconds(): number { return Math.floor(Date.now() / 1000); }
  pause(): void { if (this.#times[Times.stopped] === 0) this.#times[Times.stopped] = monotonic(); }
  resume(): void {
    const stopped = this.#times[Times.stopped] as number;
    if (stopped === 0) return;
    this.#times[Times.origin] = (this.#times[Times.origin] as number) + monotonic() - stopped;
    this.#times[Times.stopped] = 0;
  }
  /** Milliseconds until a tick, at least 0. */
  millisecondsUntil(tick: number): number { return Math.max(0, (tick - this.ticks()) * 1000 / this.frequency); }
}
