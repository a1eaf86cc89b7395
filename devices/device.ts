// devices/device.ts — the contract between a chip and the board. Types only.
// A device is a pure chip: wires come in through its constructor; it knows no address, no interrupt number,
// no thread and no host. It never throws for what a guest does.

/**
 * A memory-mapped chip. `offset` is relative to the chip's own base and lies inside its window; `size` is 1, 2 or 4
 * (the bus splits 8-byte accesses into two of 4, low first). Values are unsigned.
 */
export interface MmioDevice<State = unknown> {
  read(offset: number, size: number): number;
  write(offset: number, size: number, value: number): void;
  /** Back to the power-on state; drives its lines. */
  reset(): void;
  /** Plain named data, complete. */
  snapshot(): State;
  /** The inverse of `snapshot`. Drives no line: the interrupt controller restores its own levels. */
  restore(state: State): void;
}

/** A level-sensitive wire. Setting the level it already has is free and has no effect. */
export interface IrqLine {
  set(level: boolean): void;
}

/** The machine's one clock. Time stands still while the machine is paused. */
export interface Clock {
  /** Generic-timer counter, an exact integer number of ticks of `frequency` since the machine was made. */
  ticks(): number;
  /** Ticks per second. */
  readonly frequency: number;
  /** Wall clock, whole seconds since 1970. */
  wallSeconds(): number;
}

/**
 * One alarm of a device. Setting it replaces the earlier one; the machine calls `fire` (given to `alarm` by whoever
 * made the wire) no earlier than the due time, from the machine thread.
 */
export interface Alarm {
  /** Due time in clock ticks, or undefined for none. */
  set(due: number | undefined): void;
}

/** Guest RAM, the only way a device touches it. Bounds-checked: false or undefined instead of a throw. */
export interface GuestMemory {
  /** True when all of these bytes lie in RAM. */
  contains(gpa: number, length: number): boolean;
  /** These bytes themselves, to be written at once and never kept; undefined: they do not lie in RAM in one piece. */
  stretch?(gpa: number, length: number): Uint8Array | undefined;
  /** Copies guest bytes out; false when any byte lies outside RAM (then nothing is copied). */
  read(gpa: number, into: Uint8Array): boolean;
  /** Copies bytes into the guest; false when any byte would lie outside RAM (then nothing is copied). */
  write(gpa: number, from: Uint8Array): boolean;
}

/** Where a serial device's bytes go. */
export interface ByteSink {
  /** Takes one byte; never blocks. */
  put(byte: number): void;
}

/** What a device noticed and a developer may want to see: counted always, printed with `--trace`. */
export interface Trace {
  note(device: string, what: string, offset: number, value: number): void;
}
