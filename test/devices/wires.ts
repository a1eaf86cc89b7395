// test/devices/wires.ts — wires that record what a chip does with them, and a clock that a test moves by hand.
import type { Alarm, ByteSink, Clock, IrqLine, Trace } from "../../devices/device.ts";

export class RecordedLine implements IrqLine {
  level = false;
  set(level: boolean): void { this.level = level; }
}

export class HandClock implements Clock {
  now = 0;
  wall = 1_000_000;
  readonly frequency: number = 24_000_000;
  ticks(): number { return this.now; }
  wallSeconds(): number { return this.wall; }
  /** Moves both clocks. */
  advance(seconds: number): void {
    this.now += seconds * this.frequency;
    this.wall += seconds;
  }
}

export class HandAlarm implements Alarm {
  due: number | undefined;
  set(due: number | undefined): void { this.due = due; }
}

export class RecordedBytes implements ByteSink {
  bytes: number[] = [];
  put(byte: number): void { this.bytes.push(byte); }
  get text(): string { return String.fromCharCode(...this.bytes); }
}

export class CountedTrace implements Trace {
  notes: string[] = [];
  note(device: string, what: string): void { this.notes.push(`${device}: ${what}`); }
}
