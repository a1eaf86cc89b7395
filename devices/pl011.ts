// devices/pl011.ts — PL011 UART: a serial port with 16-deep FIFOs.
// Spec: ARM DDI 0183G, ch. 3 (registers), 2.4.3 and 2.8 (operation, interrupts). The ids say revision 1 (r1p3 and
// earlier), as on QEMU's virt board: that is why the FIFOs are 16 and not 32 deep.
// Characters leave at once, so the transmit FIFO is always empty and each character passes the trigger level on its
// way: that transition raises TXRIS. They leave with UARTEN clear too (noted), because an early console writes
// before any driver has enabled the port. Left out: IrDA (ILPR, SIREN are only stored), DMA (DMACR is only stored),
// CTSEn holding characters back, parity and framing errors (the wire makes none), the test registers of ch. 4.
import type { Alarm, ByteSink, Clock, IrqLine, MmioDevice, Trace } from "./device.ts";
import { readLane } from "./lane.ts";

/** Register offsets, table 3-1. */
const Reg = {
  /** RW: data; reads pop the receive FIFO. */ DR: 0x00,
  /** RO errors of the last character read; any write clears them (ECR). */ RSR: 0x04,
  /** RO. */ FR: 0x18,
  ILPR: 0x20, IBRD: 0x24, FBRD: 0x28, LCR_H: 0x2c,
  /** RW, reset 0x300. */ CR: 0x30,
  /** RW, reset 0x12. */ IFLS: 0x34,
  IMSC: 0x38,
  /** RO. */ RIS: 0x3c,
  /** RO. */ MIS: 0x40,
  /** WO, W1C. */ ICR: 0x44,
  DMACR: 0x48,
  /** RO, eight bytes in eight words. */ ID: 0xfe0,
} as const;
/** Error bits beside a received character. */
const DR = { FE: 1 << 8, PE: 1 << 9, BE: 1 << 10, OE: 1 << 11 } as const;
const RSR = { OE: 1 << 3 } as const;
const FR = { CTS: 1 << 0, DSR: 1 << 1, DCD: 1 << 2, RXFE: 1 << 4, RXFF: 1 << 6, TXFE: 1 << 7, RI: 1 << 8 } as const;
const LCR_H = { BRK: 1 << 0, FEN: 1 << 4 } as const;
const CR = {
  UARTEN: 1 << 0, LBE: 1 << 7, TXE: 1 << 8, RXE: 1 << 9, DTR: 1 << 10, RTS: 1 << 11, OUT1: 1 << 12, OUT2: 1 << 13,
} as const;
/** Interrupt bits of IMSC, RIS, MIS and ICR. */
const INT = {
  RI: 1 << 0, CTS: 1 << 1, DCD: 1 << 2, DSR: 1 << 3, RX: 1 << 4, TX: 1 << 5, RT: 1 << 6, BE: 1 << 9, OE: 1 << 10, ALL: 0x7ff,
} as const;
const DEPTH = 16;
/** Fill levels of IFLS.RXIFLSEL: 1/8, 1/4, 1/2, 3/4, 7/8; the reserved values act as 7/8. */
const RX_LEVELS = [2, 4, 8, 12, 14, 14, 14, 14] as const;
/** PeriphID0..3, PCellID0..3: part 0x011, designer 0x41, revision 1. */
const ID = [0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1] as const;
/** The character time assumed while no baud rate is programmed: 115200 baud. */
const DEFAULT_BAUD = 115_200;

/** The modem inputs, as their active (asserted) levels. */
export const Modem = { CTS: 0x001, DSR: 0x002, DCD: 0x004, RI: 0x100 } as const;
const MODEM_ALL = FR.CTS | FR.DSR | FR.DCD | FR.RI;

export interface Pl011State {
  fifo: Uint16Array; head: number; count: number;
  /** A character was lost; cleared when there is room again. */ overrun: boolean;
  rsr: number; ilpr: number; ibrd: number; fbrd: number; lcrh: number; cr: number; ifls: number; imsc: number; ris: number; dmacr: number;
  /** Modem pins from outside, and what the guest last saw of them. */ pins: number; modem: number;
  /** The host was turned away and wants to hear of room. */ waiting: boolean;
  /** Clock ticks when the receive timeout falls due; -1 for none. */ timeoutDue: number;
  /** Clock ticks until which the line is idle after the receiver was enabled; -1 for none. */ idleUntil: number;
}
const reset = (): Pl011State => ({
  fifo: new Uint16Array(DEPTH), head: 0, count: 0, overrun: false,
  rsr: 0, ilpr: 0, ibrd: 0, fbrd: 0, lcrh: 0, cr: CR.TXE | CR.RXE, ifls: 0x12, imsc: 0, ris: 0, dmacr: 0,
  pins: 0, modem: 0, waiting: false, timeoutDue: -1, idleUntil: -1,
});

export interface Pl011Wires {
  readonly irq: IrqLine;
  readonly sink: ByteSink;
  readonly clock: Clock;
  /** Its `fire` is `tick`. */
  readonly alarm: Alarm;
  readonly trace: Trace;
  /** Called after `receive` has refused a byte and there is room again. */
  readonly onSpace: () => void;
  /** UARTCLK in Hz. */
  readonly uartClock?: number;
}

export class Pl011 implements MmioDevice<Pl011State> {
  #s: Pl011State = reset();
  readonly #wires: Pl011Wires;
  readonly #uartClock: number;
  constructor(wires: Pl011Wires) {
    this.#wires = wires;
    this.#uartClock = wires.uartClock ?? 24_000_000;
  }

  read(offset: number, size: number): number {
    const at = offset & ~3;
    if (at >= Reg.ID) return readLane(ID[(at - Reg.ID) >> 2] ?? 0, offset, size);
    return readLane(this.#register(at), offset, size);
  }

  #register(at: number): number {
    const s = this.#s;
    switch (at) {
      case Reg.DR: return this.#pop();
      case Reg.RSR: return s.rsr;
      case Reg.FR: return this.#flags();
      case Reg.ILPR: return s.ilpr;
      case Reg.IBRD: return s.ibrd;
      case Reg.FBRD: return s.fbrd;
      case Reg.LCR_H: return s.lcrh;
      case Reg.CR: return s.cr;
      case Reg.IFLS: return s.ifls;
      case Reg.IMSC: return s.imsc;
      case Reg.RIS: return s.ris;
      case Reg.MIS: return s.ris & s.imsc;
      case Reg.DMACR: return s.dmacr;
      default:
        if (at !== Reg.ICR) this.#wires.trace.note("pl011", "read of a reserved register", at, 0);
        return 0;
    }
  }

  write(offset: number, _size: number, value: number): void {
    const s = this.#s;
    switch (offset) {
      case Reg.DR: this.#transmit(value & 0xff); break;
      case Reg.RSR: s.rsr = 0; break;
      case Reg.ILPR: s.ilpr = value & 0xff; break;
      case Reg.IBRD: s.ibrd = value & 0xffff; break;
      case Reg.FBRD: s.fbrd = value & 0x3f; break;
      case Reg.LCR_H: this.#setLineControl(value & 0xff); break;
      case Reg.CR: this.#setControl(value & 0xff87); break;
      case Reg.IFLS: s.ifls = value & 0x3f; this.#checkLevel(); break;
      case Reg.IMSC: s.imsc = value & INT.ALL; break;
      case Reg.ICR: s.ris &= ~value; break;
      case Reg.DMACR: s.dmacr = value & 7; break;
      default: this.#wires.trace.note("pl011", "write ignored", offset, value);
    }
    this.#drive();
    this.#announceSpace();
  }

  /** A character from the wire. False when there is no room (or no receiver): the host keeps it and hears `onSpace`. */
  receive(byte: number): boolean {
    if (!this.#canReceive()) {
      this.#s.waiting = true;
      return false;
    }
    this.#push(byte & 0xff);
    this.#drive();
    return true;
  }

  /** A break condition on the wire: a zero character with BE. */
  receiveBreak(): boolean {
    if (!this.#canReceive()) return false;
    this.#push(DR.BE);
    this.#drive();
    return true;
  }

  /** The modem inputs, a set of `Modem` bits. */
  setModem(pins: number): void {
    this.#s.pins = pins & MODEM_ALL;
    this.#checkModem();
    this.#drive();
  }

  /** The alarm's `fire`. */
  tick(): void {
    const s = this.#s;
    const now = this.#wires.clock.ticks();
    if (s.timeoutDue >= 0 && now >= s.timeoutDue) {
      s.timeoutDue = -1;
      if (s.count > 0) s.ris |= INT.RT;
    }
    if (s.idleUntil >= 0 && now >= s.idleUntil) s.idleUntil = -1;
    this.#arm();
    this.#drive();
    this.#announceSpace();
  }

  reset(): void {
    const { pins, waiting } = this.#s; // the outside world is not reset with the chip
    this.#s = { ...reset(), pins, modem: pins, waiting };
    this.#arm();
    this.#drive();
  }
  snapshot(): Pl011State { return structuredClone(this.#s); }
  restore(state: Pl011State): void {
    this.#s = structuredClone(state);
    this.#arm();
  }

  #depth(): number { return (this.#s.lcrh & LCR_H.FEN) !== 0 ? DEPTH : 1; }
  #receiverOn(): boolean { return (this.#s.cr & (CR.UARTEN | CR.RXE)) === (CR.UARTEN | CR.RXE); }
  #canReceive(): boolean {
    const s = this.#s;
    return this.#receiverOn() && (s.cr & CR.LBE) === 0 && s.idleUntil < 0 && s.count < this.#depth();
  }

  #flags(): number {
    const s = this.#s;
    let flags = FR.TXFE | this.#modemInputs();
    if (s.count === 0) flags |= FR.RXFE;
    if (s.count >= this.#depth()) flags |= FR.RXFF;
    return flags;
  }

  /** With LBE the modem outputs feed the inputs: RTS → CTS, DTR → DSR, Out1 → DCD, Out2 → RI. */
  #modemInputs(): number {
    const { cr, pins } = this.#s;
    if ((cr & CR.LBE) === 0) return pins;
    return ((cr & CR.RTS) !== 0 ? FR.CTS : 0) | ((cr & CR.DTR) !== 0 ? FR.DSR : 0)
      | ((cr & CR.OUT1) !== 0 ? FR.DCD : 0) | ((cr & CR.OUT2) !== 0 ? FR.RI : 0);
  }

  #checkModem(): void {
    const s = this.#s;
    const now = this.#modemInputs();
    const changed = now ^ s.modem;
    s.modem = now;
    if ((changed & FR.RI) !== 0) s.ris |= INT.RI;
    if ((changed & FR.CTS) !== 0) s.ris |= INT.CTS;
    if ((changed & FR.DCD) !== 0) s.ris |= INT.DCD;
    if ((changed & FR.DSR) !== 0) s.ris |= INT.DSR;
  }

  #transmit(byte: number): void {
    const s = this.#s;
    if ((s.cr & (CR.UARTEN | CR.TXE)) !== (CR.UARTEN | CR.TXE)) {
      this.#wires.trace.note("pl011", "transmit while disabled", Reg.DR, byte);
    }
    this.#wires.sink.put(byte);
    if ((s.cr & CR.LBE) !== 0) this.#push(byte);
    s.ris |= INT.TX;
  }

  #push(entry: number): void {
    const s = this.#s;
    if (s.count >= this.#depth()) { // only a looped-back character comes here
      s.overrun = true;
      s.rsr |= RSR.OE;
      s.ris |= INT.OE;
      return;
    }
    s.fifo[(s.head + s.count) % DEPTH] = entry;
    s.count++;
    if ((entry & DR.BE) !== 0) s.ris |= INT.BE;
    if (s.count >= this.#trigger()) s.ris |= INT.RX;
    s.timeoutDue = this.#wires.clock.ticks() + this.#bitTimes(32);
    this.#arm();
  }

  #pop(): number {
    const s = this.#s;
    if (s.count === 0) return 0;
    const value = (s.fifo[s.head] ?? 0) | (s.overrun ? DR.OE : 0);
    s.head = (s.head + 1) % DEPTH;
    s.count--;
    s.overrun = false;
    s.rsr = (s.rsr & RSR.OE) | (value >> 8);
    if (s.count < this.#trigger()) s.ris &= ~INT.RX;
    if (s.count === 0) {
      s.ris &= ~INT.RT;
      s.timeoutDue = -1;
      this.#arm();
    }
    this.#drive();
    this.#announceSpace();
    return value;
  }

  #trigger(): number {
    return (this.#s.lcrh & LCR_H.FEN) !== 0 ? RX_LEVELS[(this.#s.ifls >> 3) & 7] ?? DEPTH : 1;
  }
  #checkLevel(): void {
    if (this.#s.count >= this.#trigger()) this.#s.ris |= INT.RX;
    else this.#s.ris &= ~INT.RX;
  }

  #setLineControl(value: number): void {
    const s = this.#s;
    const changed = s.lcrh ^ value;
    s.lcrh = value;
    if ((changed & LCR_H.FEN) !== 0) { // the holding register and the FIFO do not hand over to each other
      s.head = 0;
      s.count = 0;
      s.timeoutDue = -1;
      s.ris &= ~(INT.RX | INT.RT);
      this.#arm();
    }
    if ((changed & value & LCR_H.BRK) !== 0 && (s.cr & CR.LBE) !== 0) this.#push(DR.BE);
  }

  #setControl(value: number): void {
    const s = this.#s;
    const wasOn = this.#receiverOn();
    s.cr = value;
    if (!wasOn && this.#receiverOn()) {
      // A driver that has just enabled the port empties the FIFO of what it takes for noise. The line stays idle for
      // a while, so that what a user typed ahead is not lost there.
      s.idleUntil = this.#wires.clock.ticks() + Math.ceil(this.#wires.clock.frequency / 500);
      this.#arm();
    }
    this.#checkModem();
  }

  /** The length of so many bits on the wire, in clock ticks. */
  #bitTimes(bits: number): number {
    const { ibrd, fbrd } = this.#s;
    const seconds = ibrd === 0 ? bits / DEFAULT_BAUD : bits * 16 * (ibrd + fbrd / 64) / this.#uartClock;
    return Math.ceil(seconds * this.#wires.clock.frequency);
  }

  #arm(): void {
    const { timeoutDue, idleUntil } = this.#s;
    if (timeoutDue < 0) this.#wires.alarm.set(idleUntil < 0 ? undefined : idleUntil);
    else this.#wires.alarm.set(idleUntil < 0 ? timeoutDue : Math.min(timeoutDue, idleUntil));
  }
  #drive(): void { this.#wires.irq.set((this.#s.ris & this.#s.imsc) !== 0); }
  #announceSpace(): void {
    if (!this.#s.waiting || !this.#canReceive()) return;
    this.#s.waiting = false;
    this.#wires.onSpace();
  }
}
