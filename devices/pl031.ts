// devices/pl031.ts — PL031 real-time clock: a 32-bit seconds counter with one alarm interrupt.
// Spec: ARM DDI 0224C, ch. 3. The guest may set the time: that moves an offset, never the host's clock.
// Left out: stopping the counter (CR.RTCEN reads as one and cannot be cleared), the test registers of ch. 4.
import type { Alarm, Clock, IrqLine, MmioDevice, Trace } from "./device.ts";
import { readLane } from "./lane.ts";

/** Register offsets, table 3-1. */
const Reg = {
  /** RO. */ DR: 0x00, MR: 0x04, LR: 0x08, CR: 0x0c, IMSC: 0x10,
  /** RO. */ RIS: 0x14,
  /** RO. */ MIS: 0x18,
  /** WO, W1C. */ ICR: 0x1c,
  /** RO, eight bytes in eight words. */ ID: 0xfe0,
} as const;
/** PeriphID0..3, PCellID0..3: part 0x031, designer 0x41, revision 0. */
const ID = [0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1] as const;
/** The alarm looks again this often at the latest: keeps tick counts exact however far the match lies. */
const LONGEST_WAIT_S = 86_400;
/** How finely the last second before a match is watched: the clock gives whole seconds only. */
const FINE_STEPS = 16;

const reset = () => ({
  /** Guest time less wall time, seconds modulo 2^32. */ offset: 0,
  match: 0, load: 0, mask: 0, raw: 0,
  /** A match lies ahead; `seen` is the counter when it was last compared. */ armed: false, seen: 0,
});
export type Pl031State = ReturnType<typeof reset>;

export interface Pl031Wires {
  readonly irq: IrqLine;
  readonly clock: Clock;
  /** Its `fire` is `tick`. */
  readonly alarm: Alarm;
  readonly trace: Trace;
}

export class Pl031 implements MmioDevice<Pl031State> {
  #s: Pl031State = reset();
  readonly #wires: Pl031Wires;
  constructor(wires: Pl031Wires) { this.#wires = wires; }

  read(offset: number, size: number): number { return readLane(this.#register(offset & ~3), offset, size); }
  #register(at: number): number {
    const s = this.#s;
    switch (at) {
      case Reg.DR: return this.#now();
      case Reg.MR: return s.match;
      case Reg.LR: return s.load;
      case Reg.CR: return 1;
      case Reg.IMSC: return s.mask;
      case Reg.RIS: return s.raw;
      case Reg.MIS: return s.raw & s.mask;
      default:
        if (at >= Reg.ID) return ID[(at - Reg.ID) >> 2] ?? 0;
        return 0;
    }
  }

  write(offset: number, _size: number, value: number): void {
    const s = this.#s;
    switch (offset) {
      case Reg.MR: s.match = value >>> 0; this.#expect(); return;
      case Reg.LR:
        s.load = value >>> 0;
        s.offset = (value - this.#wires.clock.wallSeconds()) >>> 0;
        this.#expect();
        return;
      case Reg.CR: break;
      case Reg.IMSC: s.mask = value & 1; break;
      case Reg.ICR: s.raw &= ~value; break;
      default: this.#wires.trace.note("pl031", "write ignored", offset, value);
    }
    this.#drive();
  }

  /** The alarm's `fire`: raises the interrupt when the counter has come to, or gone past, the match register. */
  tick(): void {
    const s = this.#s;
    const now = this.#now();
    const step = (now - s.seen) >>> 0;
    const passed = step < 0x8000_0000 ? step : 0; // the wall clock was set back: nothing has passed
    if (s.armed && (s.match === now || (s.match - s.seen) >>> 0 <= passed)) {
      s.raw = 1;
      s.armed = false;
    }
    s.seen = now;
    this.#arm();
    this.#drive();
  }

  reset(): void {
    const { offset } = this.#s; // battery-backed
    this.#s = { ...reset(), offset };
    this.#arm();
    this.#drive();
  }
  snapshot(): Pl031State { return structuredClone(this.#s); }
  restore(state: Pl031State): void {
    this.#s = structuredClone(state);
    this.#arm();
  }

  #now(): number { return (this.#wires.clock.wallSeconds() + this.#s.offset) >>> 0; }
  #expect(): void {
    this.#s.armed = true;
    this.#s.seen = this.#now();
    this.tick();
  }
  #arm(): void {
    const { clock, alarm } = this.#wires;
    if (!this.#s.armed) {
      alarm.set(undefined);
      return;
    }
    const left = (this.#s.match - this.#now()) >>> 0;
    const ticks = left > 1 ? Math.min(left - 1, LONGEST_WAIT_S) * clock.frequency : Math.ceil(clock.frequency / FINE_STEPS);
    alarm.set(clock.ticks() + ticks);
  }
  #drive(): void { this.#wires.irq.set((this.#s.raw & this.#s.mask) !== 0); }
}
