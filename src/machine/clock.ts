// src/machine/clock.ts — the machine's clock on the host's monotonic time. Paused time does not pass.
import type { Clock } from "../../devices/device.ts";
import { CLOCK_HZ } from "./platform.ts";

/** A clock that stands still while the machine is paused. */
export interface MachineClock extends Clock {
  pause(): void;
  resume(): void;
  /** Milliseconds until a tick, at least 0. */
  millisecondsUntil(tick: number): number;
}

const TICKS_PER_MS = CLOCK_HZ / 1000;

export class HostClock implements MachineClock {
  readonly frequency: number = CLOCK_HZ;
  #origin: number = performance.now();
  #pausedAt: number | undefined;
  ticks(): number { return Math.floor(((this.#pausedAt ?? performance.now()) - this.#origin) * TICKS_PER_MS); }
  wallSeconds(): number { return Math.floor(Date.now() / 1000); }
  pause(): void { this.#pausedAt ??= performance.now(); }
  resume(): void {
    if (this.#pausedAt === undefined) return;
    this.#origin += performance.now() - this.#pausedAt;
    this.#pausedAt = undefined;
  }
  millisecondsUntil(tick: number): number { return Math.max(0, (tick - this.ticks()) / TICKS_PER_MS); }
}
