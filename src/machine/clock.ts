// src/machine/clock.ts — what the machine asks of its clock, and one that goes by the number of executed instructions, for
// runs that can be repeated. The others are their backends': hypervisor/host-clock.ts, hvf-clock.ts, kvm.ts.
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
/** Instructions that take one tick of an InstructionClock: 480 million a second. */
const PER_TICK = 20;
/** What an InstructionClock takes the date to be when it starts: 2020-01-01, in seconds of Unix time. */
const EPOCH = 1_577_836_800;

/** Time that passes by executing instructions. What waits for time to pass makes it pass with `skipTo`. */
export class InstructionClock implements MachineClock {
  readonly frequency: number = CLOCK_HZ;
  /** Instructions executed by all cores. */
  executed: () => number = () => 0;
  #skipped = 0;
  ticks(): number { return Math.floor(this.executed() / PER_TICK) + this.#skipped; }
  wallSeconds(): number { return EPOCH + Math.floor(this.ticks() / this.frequency); }
  pause(): void { /* nothing is executed, no time passes */ }
  resume(): void { /* the same */ }
  millisecondsUntil(tick: number): number { return Math.max(0, (tick - this.ticks()) / TICKS_PER_MS); }
  /** Nobody had anything to do until then. */
  skipTo(tick: number): void { this.#skipped += Math.max(0, tick - this.ticks()); }
}

/** The same numbers in each run: xorshift32. Not for secrets. */
export function repeatable(seed = 0x2545_f491): (into: Uint32Array) => void {
  return into => {
    for (let i = 0; i < into.length; i++) {
      seed ^= seed << 13;
      seed ^= seed >>> 17;
      seed ^= seed << 5;
      into[i] = seed;
    }
  };
}
