// src/machine/serial.ts — the host's end of the serial line: gathers what the guest sends, and hands it what is typed.
// Typed input goes in at once. Held input (a pipe or a file) waits for a guest that listens: whatever is sent before a
// driver has opened the port is thrown away by it. It goes in line by line, each when the guest has its receiver on, has
// read what it got so far, and is quiet: idle (or polling the port) for 50 ms, or busy for a second without a word.
import type { Alarm, Clock } from "../../devices/device.ts";
import type { Pl011 } from "../../devices/pl011.ts";

/** Bytes gathered before they are sent on, and how long they may wait for more. */
const BATCH = 1024;
const BATCH_MS = 2;
const QUIET_MS = 50;
const BUSY_QUIET_MS = 1000;
const LOOK_MS = 20;
/** Typed input kept for a guest that does not read; more is dropped and counted. */
const TYPED_LIMIT = 64 * 1024;
/** A held line longer than this goes in in pieces. */
const LINE = 1024;

const CR_RECEIVER = 0x201; // UARTEN | RXE
const RECEIVE_INTERRUPTS = 0x50; // RX | RT

export interface SerialWires {
  readonly clock: Clock;
  readonly uart: Pick<Pl011, "receive" | "snapshot">;
  readonly alarm: (fire: () => void) => Alarm;
  readonly send: (bytes: Uint8Array) => void;
}

export class Serial {
  readonly #wires: SerialWires;
  readonly #batch = new Uint8Array(BATCH);
  #filled = 0;
  readonly #flushAlarm: Alarm;
  readonly #lookAlarm: Alarm;
  #typed: Uint8Array[] = [];
  #typedBytes = 0;
  #held: Uint8Array[] = [];
  /** When something last went either way, in ticks. */
  #lastTraffic = 0;
  /** Typed bytes that found no room. */
  dropped = 0;

  constructor(wires: SerialWires) {
    this.#wires = wires;
    this.#flushAlarm = wires.alarm(() => this.flush());
    this.#lookAlarm = wires.alarm(() => this.#look());
  }

  /** A byte from the guest. */
  put(byte: number): void {
    this.#lastTraffic = this.#wires.clock.ticks();
    if (this.#filled === 0) this.#flushAlarm.set(this.#lastTraffic + this.#ticks(BATCH_MS));
    this.#batch[this.#filled++] = byte;
    if (this.#filled === BATCH) this.flush();
  }
  /** Sends what was gathered. */
  flush(): void {
    if (this.#filled === 0) return;
    this.#flushAlarm.set(undefined);
    const bytes = this.#batch.slice(0, this.#filled);
    this.#filled = 0;
    this.#wires.send(bytes);
  }

  type(bytes: Uint8Array): void {
    const room = Math.max(0, TYPED_LIMIT - this.#typedBytes);
    this.dropped += Math.max(0, bytes.length - room);
    this.#accept(bytes.subarray(0, room));
  }
  hold(bytes: Uint8Array): void {
    this.#held.push(bytes);
    this.restart();
  }
  /** The UART has room. */
  pump(): void {
    for (let first = this.#typed[0]; first !== undefined; first = this.#typed[0]) {
      let taken = 0;
      while (taken < first.length && this.#wires.uart.receive(first[taken] as number)) taken++;
      this.#typedBytes -= taken;
      if (taken < first.length) {
        this.#typed[0] = first.subarray(taken);
        return;
      }
      this.#typed.shift();
    }
  }
  /** Sets the alarms that a reset of the machine has cleared. */
  restart(): void {
    if (this.#held.length > 0) this.#lookAlarm.set(this.#wires.clock.ticks() + this.#ticks(LOOK_MS));
  }
  /** The guest has nothing to do: sends what was gathered; returns when to look again, if at all. */
  idle(): number | undefined {
    this.flush();
    if (this.#held.length === 0) return undefined;
    return this.#offer(true);
  }
  /** Bytes that the guest has not taken yet. */
  get waiting(): number { return this.#typedBytes + this.#held.reduce((sum, one) => sum + one.length, 0); }

  #look(): void {
    this.#offer(false);
    this.restart();
  }
  /** Hands in the next held line if the guest is ready for it; else the tick at which it may be. */
  #offer(idle: boolean): number | undefined {
    const { uart, clock } = this.#wires;
    const state = uart.snapshot();
    if ((state.cr & CR_RECEIVER) !== CR_RECEIVER || this.#typedBytes > 0 || state.count > 0) return undefined;
    const polling = (state.imsc & RECEIVE_INTERRUPTS) === 0;
    const due = this.#lastTraffic + this.#ticks(idle || polling ? QUIET_MS : BUSY_QUIET_MS);
    if (clock.ticks() < due) return due;
    this.#lastTraffic = clock.ticks();
    this.#accept(this.#nextLine());
    return undefined;
  }
  #nextLine(): Uint8Array {
    const first = this.#held[0] as Uint8Array;
    const newline = first.indexOf(10);
    const length = Math.min(newline < 0 ? first.length : newline + 1, LINE);
    if (length === first.length) this.#held.shift();
    else this.#held[0] = first.subarray(length);
    return first.subarray(0, length);
  }
  #accept(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#typed.push(bytes);
    this.#typedBytes += bytes.length;
    this.pump();
  }
  #ticks(ms: number): number { return (ms * this.#wires.clock.frequency) / 1000; }
}
